// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IStorageProofs} from "../interfaces/IStorageProofs.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {StorageTree} from "../libraries/StorageTree.sol";
import {Judges} from "./Judges.sol";
import {StorageVectors} from "./vectors/StorageVectors.sol";

contract StorageProofsTest is Judges {
    uint128 private constant DEMAND_BOND = 10e18;
    uint128 private constant PENALTY = 100e18;
    address private immutable demander = address(0xDE);
    bytes private content;

    function setUp() public {
        deployJudges();
        allow(demander, address(proofs), 1_000e18);
        content = new bytes(10_000);
        for (uint256 i = 0; i < content.length; ++i) {
            content[i] = bytes1(uint8(uint256(keccak256(abi.encode(i)))));
        }
    }

    // ---------------------------------------------------- one set of one piece

    function _leaf(uint256 index) private view returns (bytes memory leaf) {
        uint256 from = index * 4096;
        leaf = new bytes(content.length - from < 4096 ? content.length - from : 4096);
        for (uint256 i = 0; i < leaf.length; ++i) {
            leaf[i] = content[from + i];
        }
    }

    /// Three leaves, padded to four with zeroes.
    function _levels() private view returns (bytes32[4] memory l, bytes32 left, bytes32 right) {
        for (uint256 i = 0; i < 3; ++i) {
            l[i] = sha256(_leaf(i));
        }
        left = sha256(abi.encode(l[0], l[1]));
        right = sha256(abi.encode(l[2], l[3]));
    }

    function _pieceRoot() private view returns (bytes32) {
        (, bytes32 left, bytes32 right) = _levels();
        return sha256(abi.encode(left, right));
    }

    function _head(uint64 version) private view returns (IStorageProofs.Head memory h) {
        h.net = NET;
        h.setId = "set";
        h.provider = provider;
        h.customer = customer;
        h.root = sha256(abi.encodePacked(uint64(0), uint64(10_000), bytes32("piece"), _pieceRoot()));
        h.count = 1;
        h.totalBytes = 10_000;
        h.version = version;
        h.expiresAt = uint40(block.timestamp) + 35 days;
    }

    function _proof(uint64 position) private view returns (StorageTree.Proof memory p) {
        (bytes32[4] memory l, bytes32 left, bytes32 right) = _levels();
        uint256 index = position / 4096;
        p.size = 10_000;
        p.pieceId = "piece";
        p.pieceRoot = _pieceRoot();
        p.setPath = new bytes32[](0);
        p.leaf = _leaf(index);
        p.piecePath = new bytes32[](2);
        p.piecePath[0] = l[index ^ 1];
        p.piecePath[1] = index < 2 ? right : left;
    }

    function _sign(uint256 key, IStorageProofs.Head memory h) private view returns (bytes memory) {
        return signatureOf(key, proofs.digestOf(h));
    }

    function _demand(IStorageProofs.Head memory h) private returns (uint256 id) {
        bytes memory a = _sign(PROVIDER_KEY, h);
        bytes memory b = _sign(CUSTOMER_KEY, h);
        vm.prank(demander);
        return proofs.demand(h, a, b);
    }

    function _refuseDemand(IStorageProofs.Head memory h, bytes memory why) private {
        bytes memory a = _sign(PROVIDER_KEY, h);
        bytes memory b = _sign(CUSTOMER_KEY, h);
        vm.prank(demander);
        vm.expectRevert(why);
        proofs.demand(h, a, b);
    }

    // ----------------------------------------------------------- differential

    /// P3: the contract accepts what the TypeScript code proves, for the digest that it signs, and nothing else of it.
    function test_P3_ProofsOfTheTypeScriptCodeAreAccepted() public view {
        for (uint256 i = 0; i < StorageVectors.COUNT; ++i) {
            (IStorageProofs.Head memory h, bytes32 digest, uint64 position, StorageTree.Proof memory p) = _vector(i);
            assertEq(proofs.digestOf(h), digest, "digest");
            assertTrue(proofs.verify(h, position, p), "proof");
            assertFalse(proofs.verify(h, uint64(h.totalBytes), p), "beyond the set");
        }
    }

    /// Threat 25: no field of a proof can be changed, and nothing the prover chooses widens what is accepted.
    function testFuzz_Threat25_NothingOfAProofCanBeChanged(uint256 which, uint256 what, uint256 bit) public view {
        (IStorageProofs.Head memory h,, uint64 position, StorageTree.Proof memory p) =
            _vector(which % StorageVectors.COUNT);
        what %= 9;
        if (what == 0) p.index ^= uint64(1) << uint64(bit % 64);
        if (what == 1) p.start ^= uint64(1) << uint64(bit % 64);
        if (what == 2) p.size ^= uint64(1) << uint64(bit % 64);
        if (what == 3) p.pieceId ^= bytes32(1 << (bit % 256));
        if (what == 4) p.pieceRoot ^= bytes32(1 << (bit % 256));
        if (what == 5) p.leaf[bit % p.leaf.length] ^= bytes1(uint8(1 << (bit % 8)));
        if (what == 6) p.leaf = bytes.concat(p.leaf, hex"00");
        if (what == 7) p.setPath = _changed(p.setPath, bit);
        if (what == 8) p.piecePath = _changed(p.piecePath, bit);
        assertFalse(proofs.verify(h, position, p), "a changed proof passed");
    }

    /// Another byte of the set than the one that was asked for is no answer, unless it lies in the same leaf.
    function testFuzz_P3_AProofShowsOnlyItsOwnLeaf(uint256 which, uint64 other) public view {
        (IStorageProofs.Head memory h,, uint64 position, StorageTree.Proof memory p) =
            _vector(which % StorageVectors.COUNT);
        other = uint64(bound(other, 0, h.totalBytes - 1));
        bool inside = other >= p.start && other < p.start + p.size;
        bool sameLeaf = inside && (other - p.start) / 4096 == (position - p.start) / 4096;
        assertEq(proofs.verify(h, other, p), sameLeaf, "exactly its leaf");
    }

    function _vector(uint256 i)
        private
        pure
        returns (IStorageProofs.Head memory h, bytes32 digest, uint64 position, StorageTree.Proof memory p)
    {
        uint64 piece;
        uint64 offset;
        uint64 length;
        (h, digest, position, piece, offset, length, p) = abi.decode(
            StorageVectors.at(i), (IStorageProofs.Head, bytes32, uint64, uint64, uint64, uint64, StorageTree.Proof)
        );
        p.leaf = new bytes(length);
        for (uint256 at = 0; at < length; at += 32) {
            bytes32 word = keccak256(abi.encode(uint256(piece), (offset + at) / 32));
            for (uint256 j = 0; j < 32 && at + j < length; ++j) {
                p.leaf[at + j] = word[j];
            }
        }
    }

    /// One hash more, or, where there are any, one bit of one changed.
    function _changed(bytes32[] memory path, uint256 bit) private pure returns (bytes32[] memory next) {
        if (path.length != 0 && bit % 2 == 0) {
            path[(bit / 512) % path.length] ^= bytes32(1 << (bit % 256));
            return path;
        }
        next = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            next[i] = path[i];
        }
    }

    // ----------------------------------------------------------------- demand

    function test_AnAnswerEarnsTheProviderTheBond() public {
        IStorageProofs.Head memory h = _head(1);
        uint256 id = _demand(h);
        assertEq(token.balanceOf(address(proofs)), DEMAND_BOND, "bond");
        assertEq(proofs.openDemand(h), id, "open");
        proofs.answer(id, h, _proof(proofs.positionOf(id, h)));
        assertEq(token.balanceOf(provider), DEMAND_BOND, "provider");
        assertEq(token.balanceOf(address(proofs)), 0, "nothing stays");
        assertEq(proofs.openDemand(h), 0, "closed");
        StorageTree.Proof memory p = _proof(0);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NoDemand.selector, id));
        proofs.answer(id, h, p);
        _demand(h);
    }

    function test_DemandRefusals() public {
        IStorageProofs.Head memory h = _head(1);
        h.totalBytes = 0;
        _refuseDemand(h, abi.encodePacked(IStorageProofs.EmptySet.selector));
        h = _head(1);
        h.expiresAt = uint40(block.timestamp);
        _refuseDemand(h, abi.encodeWithSelector(IStorageProofs.HeadExpired.selector, h.expiresAt));
        h.expiresAt = uint40(block.timestamp) + 35 days + 1;
        _refuseDemand(h, abi.encodeWithSelector(IStorageProofs.HeadTooLong.selector, h.expiresAt));
        h.expiresAt = uint40(block.timestamp) + 1;
        uint256 id = _demand(h);
        h.version = 2;
        _refuseDemand(h, abi.encodeWithSelector(IStorageProofs.AlreadyDemanded.selector, id));
    }

    function test_ANetworkWithoutABondTakesNoDemands() public {
        INetworkRegistry.Params memory p = params();
        p.disputeBond = 0;
        IStorageProofs.Head memory h = _head(1);
        h.net = createNetwork(p);
        _refuseDemand(h, abi.encodeWithSelector(IStorageProofs.NoBond.selector, h.net));
    }

    /// A customer cannot frame a provider, nor a provider shrink a set: both must have signed.
    function test_BothMustHaveSigned() public {
        IStorageProofs.Head memory h = _head(1);
        bytes memory a = _sign(PROVIDER_KEY, h);
        bytes memory b = _sign(CUSTOMER_KEY, h);
        vm.startPrank(demander);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, provider));
        proofs.demand(h, b, b);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, customer));
        proofs.demand(h, a, a);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, provider));
        proofs.demand(h, "", b);
        h.totalBytes -= 1;
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, provider));
        proofs.demand(h, a, b);
        vm.stopPrank();
    }

    function test_SessionKeysSignForEither() public {
        uint256 key = 0x5E55;
        vm.prank(customer);
        delegations.register(vm.addr(key), 2, 0, uint40(block.timestamp + 1 days));
        IStorageProofs.Head memory h = _head(1);
        bytes memory a = _sign(PROVIDER_KEY, h);
        bytes memory b = _sign(key, h);
        vm.warp(block.timestamp + 8 days);
        vm.prank(demander);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, customer));
        proofs.demand(h, a, b);
        vm.warp(block.timestamp - 1);
        vm.prank(demander);
        proofs.demand(h, a, b);
    }

    function test_ACustomerConsentsByCalling() public {
        IStorageProofs.Head memory h = _head(1);
        allow(customer, address(proofs), DEMAND_BOND);
        bytes memory a = _sign(PROVIDER_KEY, h);
        vm.prank(customer);
        assertEq(proofs.demand(h, a, ""), 1, "opened");
    }

    /// Somebody's own pair of keys with the same set id does not occupy the set's place.
    function test_AForeignHeadDoesNotBlockADemand() public {
        IStorageProofs.Head memory h = _head(1);
        (h.provider, h.customer) = (vm.addr(7), vm.addr(7));
        bytes memory both = signatureOf(7, proofs.digestOf(h));
        vm.prank(demander);
        proofs.demand(h, both, both);
        _demand(_head(1));
    }

    function test_AnswersMustShowTheByteThatWasDrawn() public {
        IStorageProofs.Head memory h = _head(1);
        uint256 id = _demand(h);
        uint64 position = proofs.positionOf(id, h);
        StorageTree.Proof memory wrong = _proof(uint64((position / 4096 + 1) % 3 * 4096));
        vm.expectRevert(IStorageProofs.BadProof.selector);
        proofs.answer(id, h, wrong);
        IStorageProofs.Head memory other = _head(2);
        StorageTree.Proof memory right = _proof(position);
        vm.expectRevert(IStorageProofs.WrongHead.selector);
        proofs.answer(id, other, right);
    }

    /// Threat 27: neither side knows the byte when the demand is signed; it changes with the block.
    function test_Threat27_TheByteFollowsTheBlock() public {
        IStorageProofs.Head memory h = _head(1);
        uint256 before = vm.snapshotState();
        vm.prevrandao("one");
        bytes32 first = proofs.demandOf(_demand(h)).seed;
        vm.revertToState(before);
        vm.prevrandao("two");
        assertTrue(first != proofs.demandOf(_demand(h)).seed, "prevrandao");
    }

    // -------------------------------------------------------------- supersede

    function _supersede(uint256 id, IStorageProofs.Head memory old, IStorageProofs.Head memory newer) private {
        proofs.supersede(id, old, newer, _sign(PROVIDER_KEY, newer), _sign(CUSTOMER_KEY, newer));
    }

    function test_ANewerHeadClosesADemandOnAnOlder() public {
        IStorageProofs.Head memory h = _head(1);
        uint256 id = _demand(h);
        _supersede(id, h, _head(2));
        assertEq(proofs.openDemand(h), 0, "closed");
        assertEq(token.balanceOf(provider), DEMAND_BOND, "whoever demands the old pays");
    }

    function test_SupersedeRefusals() public {
        IStorageProofs.Head memory h = _head(2);
        uint256 id = _demand(h);
        IStorageProofs.Head memory other = _head(2);
        bytes memory a = _sign(PROVIDER_KEY, other);
        bytes memory b = _sign(CUSTOMER_KEY, other);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.StaleVersion.selector, uint64(2), uint64(2)));
        proofs.supersede(id, h, other, a, b);
        other.version = 3;
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, provider));
        proofs.supersede(id, h, other, a, b);
        a = _sign(PROVIDER_KEY, other);
        // A provider alone cannot get out of a demand.
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NotSignedBy.selector, customer));
        proofs.supersede(id, h, other, a, a);
        other.setId = "other";
        vm.expectRevert(IStorageProofs.OtherSet.selector);
        proofs.supersede(id, h, other, a, b);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NoDemand.selector, uint256(9)));
        proofs.supersede(9, h, other, a, b);
    }

    // ------------------------------------------------------------------ fault

    function test_SilenceCostsTheProviderItsPenalty() public {
        IStorageProofs.Head memory h = _head(1);
        uint256 id = _demand(h);
        uint256 supply = token.totalSupply();
        vm.warp(block.timestamp + 3 days);
        vm.roll(block.number + 600);
        proofs.fault(id, h);
        (uint128 self,,) = staking.stakeOf(provider, NET);
        assertEq(self, 10_000e18 - PENALTY, "slashed");
        assertEq(token.balanceOf(demander), 1_000e18 + PENALTY / 4, "bond back, and the reporter's quarter");
        assertEq(supply - token.totalSupply(), PENALTY - PENALTY / 4, "the rest burned");
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.NoDemand.selector, id));
        proofs.fault(id, h);
    }

    /// The invariant of CONTRACTS.md by name: time alone is not silence.
    function test_AChainHaltedTwelveHoursFaultsNobody() public {
        IStorageProofs.Head memory h = _head(1);
        uint256 id = _demand(h);
        (uint256 t0, uint256 b0) = (block.timestamp, block.number);
        vm.warp(t0 + 10 days);
        vm.roll(b0 + 599);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.TooEarly.selector, t0 + 3 days, b0 + 600));
        proofs.fault(id, h);
        vm.warp(t0 + 3 days - 1);
        vm.roll(b0 + 600);
        vm.expectRevert(abi.encodeWithSelector(IStorageProofs.TooEarly.selector, t0 + 3 days, b0 + 600));
        proofs.fault(id, h);
        proofs.answer(id, h, _proof(proofs.positionOf(id, h)));
    }

    function test_OnlyStorageProofsReportsFaults() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NotStorageProofs.selector, address(this)));
        manager.onFault(NET, provider, demander, 0);
    }

    // -------------------------------------------------------------------- gas

    function test_GasOfADemandAndItsAnswer() public {
        IStorageProofs.Head memory h = _head(1);
        _demand(h);
        gate("StorageProofs", "demand", lastGas(), 260_000);
        StorageTree.Proof memory p = _proof(proofs.positionOf(1, h));
        proofs.answer(1, h, p);
        gate("StorageProofs", "answer, one piece", lastGas(), 260_000);
    }

    /// @dev Folds a leaf with made-up siblings along `index`: a proof as deep as in the real tree.
    function _fold(bytes32 node, uint256 index, uint256 depth) private pure returns (bytes32, bytes32[] memory path) {
        path = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            path[i] = keccak256(abi.encode("sibling", i));
            node = index & 1 == 1 ? sha256(abi.encode(path[i], node)) : sha256(abi.encode(node, path[i]));
            index >>= 1;
        }
        return (node, path);
    }

    /// 2^20 pieces of a mebibyte, each 256 leaves: 28 levels, and the answer is bound by its calldata.
    function test_GasOfAnAnswerInATebibyte() public {
        IStorageProofs.Head memory h = _head(1);
        (h.count, h.totalBytes) = (1 << 20, 1 << 40);
        bytes32 seed = keccak256(abi.encode(block.prevrandao, blockhash(block.number - 1), uint256(1)));
        uint64 position = uint64(uint256(seed) % h.totalBytes);
        StorageTree.Proof memory p;
        p.index = position >> 20;
        (p.start, p.size) = (p.index << 20, 1 << 20);
        p.pieceId = "piece";
        p.leaf = _leaf(0);
        (p.pieceRoot, p.piecePath) = _fold(sha256(p.leaf), (position - p.start) / 4096, 8);
        bytes32 interval = sha256(abi.encodePacked(p.start, p.size, p.pieceId, p.pieceRoot));
        (h.root, p.setPath) = _fold(interval, p.index, 20);
        uint256 id = _demand(h);
        proofs.answer(id, h, p);
        gate("StorageProofs", "answer in a tebibyte", lastGas(), 260_000);
    }
}
