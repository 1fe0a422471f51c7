// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Credits} from "../../Credits.sol";
import {Delegations} from "../../Delegations.sol";
import {Escrow} from "../../Escrow.sol";
import {Token} from "../../Token.sol";
import {ICredits} from "../../interfaces/ICredits.sol";
import {IDelegations} from "../../interfaces/IDelegations.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {INetworkRegistry} from "../../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {RewardLeaf} from "../../libraries/RewardLeaf.sol";
import {Test} from "../Vm.sol";
import {MockOracle} from "./MockOracle.sol";
import {MockDistributor, MockRegistry} from "./MockPeers.sol";

/// @notice The money side, wired as a deployment wires it, with the real Delegations and an oracle under control.
abstract contract MoneyFixture is Test {
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant SESSION_KEY = 0x5E55;
    uint256 internal constant OTHER_KEY = 0xBAD;
    uint256 internal constant T0 = 1_800_000_000;
    uint128 internal constant DOLLAR = 1e18;
    /// $1 in µcredits.
    uint128 internal constant USD = 1e11;
    uint32 internal constant NET = 7;
    uint256 internal constant FLOOR = 1e6 * 1e11;

    address internal payer = vm.addr(PAYER_KEY);
    address internal sessionKey = vm.addr(SESSION_KEY);
    address internal payee = address(0xBEEF);
    address internal owner = address(0x0117);
    address internal authority = address(0xA07);

    Token internal cairn;
    Credits internal credits;
    Escrow internal escrow;
    Delegations internal delegations;
    MockOracle internal oracle;
    MockRegistry internal registry;
    MockDistributor internal distributor;

    function _deploy() internal {
        vm.warp(T0);
        cairn = new Token(address(this), 1e9 * 1e18, address(0));
        oracle = new MockOracle();
        oracle.set(DOLLAR, 0, DOLLAR, 0);
        registry = new MockRegistry();
        distributor = new MockDistributor();
        address escrowAt = _created(vm.getNonce(address(this)) + 2);
        delegations = new Delegations(escrowAt);
        credits = new Credits(cairn, escrowAt, oracle, authority, FLOOR);
        escrow = new Escrow(
            ICredits(address(credits)),
            INetworkRegistry(address(registry)),
            IDelegations(address(delegations)),
            IRewardsDistributor(address(distributor)),
            uint40(T0 - 3 days)
        );
        assertEq(address(escrow), escrowAt, "predicted escrow");
        cairn.approve(address(credits), type(uint256).max);
    }

    /// @dev CREATE address of this contract for a nonce below 128 or above it, up to 16 bits.
    function _created(uint64 nonce) private view returns (address) {
        bytes memory rlp = nonce < 0x80
            ? abi.encodePacked(hex"d694", address(this), uint8(nonce))
            : nonce < 0x100
                ? abi.encodePacked(hex"d794", address(this), hex"81", uint8(nonce))
                : abi.encodePacked(hex"d894", address(this), hex"82", uint16(nonce));
        return address(uint160(uint256(keccak256(rlp))));
    }

    function _buy(address to, uint128 amount) internal {
        credits.mint(to, amount, type(uint256).max);
    }

    /// @dev Buys credits and deposits them for `to`.
    function _fund(address to, uint128 amount) internal {
        _buy(address(this), amount);
        credits.approve(address(escrow), amount);
        escrow.deposit(to, address(credits), amount);
    }

    function _id(uint64 channelId) internal view returns (IEscrow.ChannelId memory) {
        return IEscrow.ChannelId(payer, payee, address(credits), NET, channelId);
    }

    function _key(uint64 channelId) internal view returns (bytes32) {
        return escrow.channelKey(payer, payee, address(credits), NET, channelId);
    }

    function _open(uint64 channelId, uint128 earmark) internal {
        vm.prank(payer);
        escrow.openChannel(_id(channelId), earmark);
    }

    function _voucher(uint256 key, uint64 channelId, uint128 cumulative)
        internal
        view
        returns (IEscrow.Voucher memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(
            key, escrow.hashVoucher(payer, payee, address(credits), NET, channelId, cumulative)
        );
        return IEscrow.Voucher(payer, channelId, cumulative, r, vs);
    }

    function _one(IEscrow.Voucher memory item) internal pure returns (IEscrow.Voucher[] memory items) {
        items = new IEscrow.Voucher[](1);
        items[0] = item;
    }

    function _redeem(uint256 key, uint64 channelId, uint128 cumulative) internal returns (uint128) {
        return _redeemMany(_one(_voucher(key, channelId, cumulative)));
    }

    function _redeemMany(IEscrow.Voucher[] memory items) internal returns (uint128) {
        return escrow.redeem(payee, address(credits), NET, items);
    }

    function _register(uint128 limit) internal {
        vm.prank(payer);
        delegations.register(sessionKey, 1, limit, uint40(block.timestamp + 30 days));
    }

    function _available(address who) internal view returns (uint128) {
        return escrow.account(who, address(credits)).available;
    }

    function _earned(address who) internal view returns (uint128) {
        return escrow.account(who, address(credits)).earned;
    }

    function _net(uint128 total) internal pure returns (uint128) {
        return total - (total + 99) / 100;
    }

    // Two units in a detail tree, whose root is in one of two reward leaves.
    function _usage(uint64 channelId, uint128 unitsA, uint128 unitsB, uint128 rateA, uint128 rateB, uint256 key)
        internal
        returns (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units)
    {
        bytes32 a = RewardLeaf.detail(_key(channelId), bytes32("a"), unitsA);
        bytes32 b = RewardLeaf.detail(_key(channelId), bytes32("b"), unitsB);
        units = new IEscrow.ProvedUnit[](2);
        units[0] = _unit(_key(channelId), "a", unitsA, rateA, b, key);
        units[1] = _unit(_key(channelId), "b", unitsB, rateB, a, key);
        bytes32 detailRoot = Hashes.commutativeKeccak256(a, b);
        bytes32 leaf = RewardLeaf.leaf(NET, address(cairn), payee, 5, detailRoot);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = RewardLeaf.leaf(NET, address(cairn), address(1), 9, 0);
        bytes32 top = Hashes.commutativeKeccak256(leaf, proof[0]);
        root = IEscrow.UsageRoot(address(cairn), 3, top, 5, detailRoot, proof);
        distributor.setActive(NET, address(cairn), 3, top, true);
    }

    /// @dev A rate is `rate` / 3, so that floors show.
    function _unit(bytes32 channel, bytes32 unit, uint128 amount, uint128 rate, bytes32 sibling, uint256 key)
        internal
        view
        returns (IEscrow.ProvedUnit memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, escrow.hashRate(channel, unit, rate, 3));
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = sibling;
        return IEscrow.ProvedUnit(unit, amount, rate, 3, r, vs, proof);
    }
}
