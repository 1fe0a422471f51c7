// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRootPublisher} from "../interfaces/IRootPublisher.sol";
import {IRootQuorum} from "../interfaces/IRootQuorum.sol";
import {Judges} from "./Judges.sol";

contract RootQuorumTest is Judges {
    uint256[] private keys;
    uint32 private net;

    function setUp() public {
        deployJudges();
        INetworkRegistry.Params memory p = params();
        p.verifierNet = VERIFIERS;
        vm.prank(founder);
        token.approve(address(registry), BOND);
        vm.prank(founder);
        net = registry.create(p, INetworkRegistry.Roles(address(quorum), address(0), arbiter), "meta");
        token.approve(address(distributor), 1_000e18);
        distributor.fund(net, address(token), 1_000e18);
    }

    function _member(uint256 key, uint128 stake) private {
        bondAs(vm.addr(key), VERIFIERS, stake);
        keys.push(key);
    }

    function _nominateAll() private {
        for (uint256 i = 0; i < keys.length; ++i) {
            quorum.nominate(VERIFIERS, vm.addr(keys[i]));
        }
    }

    function _nextWeek() private {
        vm.warp((block.timestamp / 1 weeks + 1) * 1 weeks);
    }

    function _week() private view returns (uint32) {
        return uint32(block.timestamp / 1 weeks);
    }

    /// `n` members of equal stake, whose set is in force.
    function _equal(uint256 n) private {
        for (uint256 i = 1; i <= n; ++i) {
            _member(i, 1_000e18);
        }
        _nominateAll();
        _nextWeek();
    }

    function _message() private view returns (IRootPublisher.RootMessage memory m) {
        m.net = net;
        m.asset = address(token);
        m.epoch = registry.currentEpoch(net) - 1;
        m.setId = _week();
        m.root = keccak256(abi.encode(m.epoch));
        m.total = 10e18;
        m.dataHash = "data";
    }

    /// The first `n` keys' signatures by ascending address.
    function _signatures(IRootPublisher.RootMessage memory m, uint256 n) private view returns (bytes memory all) {
        uint256[] memory sorted = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            uint256 at = i;
            while (at > 0 && vm.addr(sorted[at - 1]) > vm.addr(keys[i])) {
                sorted[at] = sorted[at - 1];
                --at;
            }
            sorted[at] = keys[i];
        }
        bytes32 digest = quorum.digestOf(m);
        for (uint256 i = 0; i < n; ++i) {
            all = bytes.concat(all, signatureOf(sorted[i], digest));
        }
    }

    function _refuse(IRootPublisher.RootMessage memory m, bytes memory signatures, bytes memory why) private {
        vm.expectRevert(why);
        quorum.publish(m, signatures);
    }

    // --------------------------------------------------------------- quorum

    function test_MoreThanTwoThirdsPublish() public {
        _equal(6);
        IRootPublisher.RootMessage memory m = _message();
        bytes memory four = _signatures(m, 4);
        _refuse(m, four, abi.encodeWithSelector(IRootQuorum.NoQuorum.selector, uint256(4_000e18), uint256(6_000e18)));
        quorum.publish(m, _signatures(m, 5));
        assertEq(distributor.pot(net, address(token)).published, 1, "published");
    }

    function test_SignaturesAreOfMembersAscendingAndWhole() public {
        _equal(4);
        IRootPublisher.RootMessage memory m = _message();
        bytes memory all = _signatures(m, 4);
        bytes memory one = signatureOf(1, quorum.digestOf(m));
        _refuse(m, bytes.concat(one, one), abi.encodeWithSelector(IRootQuorum.NotAscending.selector, vm.addr(1)));
        bytes memory stranger = signatureOf(99, quorum.digestOf(m));
        _refuse(m, stranger, abi.encodeWithSelector(IRootQuorum.NotMember.selector, vm.addr(99)));
        _refuse(m, bytes.concat(all, hex"00"), abi.encodePacked(IRootPublisher.BadSignature.selector));
        _refuse(m, new bytes(65), abi.encodePacked(IRootPublisher.BadSignature.selector));
        _refuse(m, "", abi.encodeWithSelector(IRootQuorum.NoQuorum.selector, uint256(0), uint256(4_000e18)));
        quorum.publish(m, all);
    }

    /// Threat 30: the other form of a signature is none, so nobody signs twice by it.
    function test_Threat30_TheOtherFormOfASignatureIsRefused() public {
        _equal(4);
        IRootPublisher.RootMessage memory m = _message();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(1, quorum.digestOf(m));
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory high = abi.encodePacked(r, bytes32(n - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        _refuse(m, high, abi.encodePacked(IRootPublisher.BadSignature.selector));
    }

    function test_OnlyTheSetInForceSignsAndOnlyForNetworksThatItVerifies() public {
        _equal(4);
        IRootPublisher.RootMessage memory m = _message();
        m.setId = 0;
        _refuse(m, "", abi.encodeWithSelector(IRootPublisher.UnknownSet.selector, uint32(0)));
        m.setId = _week() + 1;
        _refuse(m, "", abi.encodeWithSelector(IRootPublisher.UnknownSet.selector, _week() + 1));
        m = _message();
        m.net = VERIFIERS;
        _refuse(m, "", abi.encodeWithSelector(IRootQuorum.NotVerified.selector, VERIFIERS));
    }

    /// A set serves one week more when nobody nominated another, and then no longer: its bonds may have thawed.
    function test_ASetServesItsWeekAndAtMostTheNext() public {
        _equal(4);
        uint32 week = _week();
        assertEq(quorum.setInForce(VERIFIERS), week, "its week");
        _nextWeek();
        assertEq(quorum.setInForce(VERIFIERS), week, "one more");
        _nominateAll();
        assertEq(quorum.setInForce(VERIFIERS), week, "the next is being made");
        _nextWeek();
        assertEq(quorum.setInForce(VERIFIERS), week + 2, "and takes over");
        _nextWeek();
        _nextWeek();
        assertEq(quorum.setInForce(VERIFIERS), 0, "nobody");
    }

    /// One nomination, by anybody and for whomever, would otherwise leave networks a week without pay, and one a week
    /// forever.
    function test_TooFewNominatedKeepTheSetBeforeInForce() public {
        _equal(4);
        uint32 week = _week();
        for (uint256 i = 1; i <= 3; ++i) {
            quorum.nominate(VERIFIERS, vm.addr(i));
        }
        assertEq(quorum.setInForce(VERIFIERS), week, "the next week has not begun");
        _nextWeek();
        assertEq(quorum.setInForce(VERIFIERS), week, "three cannot sign, so the four go on");
        quorum.nominate(VERIFIERS, vm.addr(1));
        assertEq(quorum.setInForce(VERIFIERS), week, "and the set of three does not push them out");
        IRootPublisher.RootMessage memory m = _message();
        m.setId = week;
        quorum.publish(m, _signatures(m, 3));
        _nextWeek();
        assertEq(quorum.setInForce(VERIFIERS), 0, "their bonds may have thawed");
        _nominateAll();
        _nextWeek();
        assertEq(quorum.setInForce(VERIFIERS), week + 3, "a whole set signs again");
    }

    /// Whoever leaves right after its nomination can still be slashed for what it signs in the set's last second.
    function test_AMembersStakeIsSlashableForAllThatItSigns() public {
        _nextWeek(); // the first second in which the set can be made
        for (uint256 i = 1; i <= 4; ++i) {
            _member(i, 1_000e18);
        }
        _nominateAll();
        vm.prank(vm.addr(1));
        uint32 matures = staking.unbond(VERIFIERS, 1_000e18);
        uint256 lastSignature = uint256(_week() + 3) * 1 weeks - 1;
        vm.warp(lastSignature);
        assertEq(quorum.setInForce(VERIFIERS), _week() - 1, "its last second");
        assertTrue(uint256(matures) * 1 weeks > lastSignature, "still thawing");
    }

    // ------------------------------------------------------------------ sets

    function test_NominationNeedsEligibleStake() public {
        vm.expectRevert(abi.encodeWithSelector(IRootQuorum.NotEligible.selector, alice, VERIFIERS));
        quorum.nominate(VERIFIERS, alice);
    }

    function test_AFullSetKeepsTheLargest() public {
        for (uint256 i = 1; i <= 32; ++i) {
            _member(i, uint128(1_000e18 + i * 1e18));
        }
        _nominateAll();
        uint32 week = _week() + 1;
        bondAs(alice, VERIFIERS, 1_001e18);
        vm.expectRevert(abi.encodeWithSelector(IRootQuorum.SetIsFull.selector, uint96(1_001e18)));
        quorum.nominate(VERIFIERS, alice);
        bondAs(alice, VERIFIERS, 1_000e18);
        quorum.nominate(VERIFIERS, alice);
        gate("RootQuorum", "nominate into a full set", lastGas(), 186_000);
        assertEq(quorum.weightOf(VERIFIERS, week, vm.addr(1)), 0, "the smallest left");
        assertEq(quorum.weightOf(VERIFIERS, week, alice), 2_001e18, "the larger came");
        assertEq(quorum.setOf(VERIFIERS, week).count, 32, "still 32");
        assertEq(quorum.membersOf(VERIFIERS, week).length, 32, "members");
        assertEq(quorum.membersOf(VERIFIERS, week)[0], alice, "in the place of who left");
        bondAs(bob, VERIFIERS, 1_002e18);
        vm.expectRevert(abi.encodeWithSelector(IRootQuorum.SetIsFull.selector, uint96(1_002e18)));
        quorum.nominate(VERIFIERS, bob);
    }

    function test_ANominationAgainBringsTheWeightUpToDate() public {
        for (uint256 i = 1; i <= 4; ++i) {
            _member(i, 2_000e18);
        }
        _nominateAll();
        vm.prank(vm.addr(1));
        staking.unbond(VERIFIERS, 1_000e18);
        quorum.nominate(VERIFIERS, vm.addr(1));
        assertEq(quorum.weightOf(VERIFIERS, _week() + 1, vm.addr(1)), 1_000e18, "weight");
        assertEq(quorum.setOf(VERIFIERS, _week() + 1).count, 4, "once");
        assertEq(quorum.setOf(VERIFIERS, _week() + 1).cap, 1_000e18, "three count no more than the fourth");
        assertEq(quorum.setOf(VERIFIERS, _week() + 1).total, 4_000e18, "so does the total");
        address[] memory members = quorum.membersOf(VERIFIERS, _week() + 1);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(members[i], vm.addr(i + 1), "in their places");
        }
    }

    function test_FewerThanFourCanNotSign() public {
        _equal(3);
        IRootPublisher.RootMessage memory m = _message();
        assertEq(quorum.setInForce(VERIFIERS), 0, "no set");
        _refuse(m, _signatures(m, 3), abi.encodeWithSelector(IRootPublisher.UnknownSet.selector, _week()));
    }

    /// Whatever the stakes, no weight is above a quarter of all, and the total is the sum of the capped weights.
    function testFuzz_NoWeightIsAboveAQuarter(uint96[32] memory stakes, uint256 n) public {
        n = bound(n, 4, 32);
        for (uint256 i = 0; i < n; ++i) {
            _member(i + 1, uint128(bound(stakes[i], 1_000e18, 10_000_000e18)));
        }
        _nominateAll();
        IRootQuorum.Set memory set = quorum.setOf(VERIFIERS, _week() + 1);
        uint256 sum = 0;
        for (uint256 i = 0; i < n; ++i) {
            uint96 w = quorum.weightOf(VERIFIERS, _week() + 1, vm.addr(i + 1));
            sum += w < set.cap ? w : set.cap;
        }
        assertEq(sum, set.total, "total");
        assertLe(uint256(set.cap) * 4, sum, "a quarter");
        assertGe(uint256(set.cap) * 4 + 4, sum, "and not less, but for rounding");
    }

    /// One whale has a quarter, so three small ones more are needed.
    function test_AWhaleNeedsOthers() public {
        _member(1, 1_000_000e18);
        for (uint256 i = 2; i <= 7; ++i) {
            _member(i, 1_000e18);
        }
        _nominateAll();
        _nextWeek();
        IRootQuorum.Set memory set = quorum.setOf(VERIFIERS, _week());
        assertEq(set.cap, 2_000e18, "a third of the others' sum, so a quarter of all");
        IRootPublisher.RootMessage memory m = _message();
        bytes memory four = _signatures(m, 4);
        _refuse(m, four, abi.encodeWithSelector(IRootQuorum.NoQuorum.selector, uint256(5_000e18), uint256(8_000e18)));
        quorum.publish(m, _signatures(m, 5));
    }

    // ------------------------------------------------------------------- gas

    function test_GasOfAQuorumOfSevenInSteadyState() public {
        _equal(10);
        for (uint256 i = 0; i < 10; ++i) {
            vm.warp(block.timestamp + 1 days);
            if (quorum.setInForce(VERIFIERS) != _week()) {
                vm.warp(block.timestamp - 1 days);
                _nominateAll();
                vm.warp(block.timestamp + 1 days);
            }
            IRootPublisher.RootMessage memory m = _message();
            m.setId = quorum.setInForce(VERIFIERS);
            quorum.publish(m, _signatures(m, 7));
            if (i == 9) gate("RootQuorum", "a root by seven", lastGas(), 82_000 + 7 * 8_000);
        }
    }
}
