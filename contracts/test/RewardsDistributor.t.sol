// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IRewardsDistributor as I} from "../interfaces/IRewardsDistributor.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRootPublisher} from "../interfaces/IRootPublisher.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {MerklePath} from "../libraries/MerklePath.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @notice More tokens than anybody can hold.
contract Big {
    mapping(address => uint256) public balanceOf;

    function transferFrom(address, address to, uint256 amount) external returns (bool) {
        balanceOf[to] += amount;
        return true;
    }
}

/// @notice Roots and claims. The network's publisher is the test itself; RootPublisher has its tests below.
contract RewardsDistributorTest is World {
    uint32 private net;
    address private asset;

    function setUp() public {
        deployWorld();
        asset = address(token);
        INetworkRegistry.Roles memory r = roles();
        r.publisher = address(this);
        token.approve(address(registry), BOND);
        net = registry.create(params(), r, "own publisher");
        token.approve(address(distributor), type(uint256).max);
        distributor.fund(net, asset, 1_000e18);
    }

    function _leaf(address account, uint128 cumulative) private view returns (bytes32) {
        return RewardLeaf.leaf(net, asset, account, cumulative, "detail");
    }

    function _tree(uint128 alices, uint128 bobs) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](2);
        leaves[0] = _leaf(alice, alices);
        leaves[1] = _leaf(bob, bobs);
    }

    /// A day later, the next root, over the epoch that just ended.
    function _publish(bytes32 root, uint128 total) private returns (uint32) {
        vm.warp(block.timestamp + 1 days);
        return distributor.publish(net, asset, registry.currentEpoch(net) - 1, root, total, "data");
    }

    function _publishTree(uint128 alices, uint128 bobs) private returns (uint32 index) {
        index = _publish(Trees.root(_tree(alices, bobs)), alices + bobs);
    }

    function _claimAlice(uint32 index, uint128 alices, uint128 bobs) private returns (uint128) {
        bytes32[] memory proof = Trees.proof(_tree(alices, bobs), 0);
        return distributor.claim(net, asset, index, alice, alices, "detail", proof);
    }

    function _activate() private {
        vm.warp(block.timestamp + 1 days);
    }

    function _state(uint32 index) private view returns (uint256) {
        return uint256(distributor.rootAt(net, asset, index).state);
    }

    // ---------------------------------------------------------- publishing

    function test_ARootBecomesActiveAfterTheWindow() public {
        bytes32 root = Trees.root(_tree(10e18, 20e18));
        uint32 index = _publish(root, 30e18);
        assertEq(index, 0, "first index");
        assertEq(_state(0), uint256(I.State.Pending), "pending");
        vm.warp(block.timestamp + 1 days - 1);
        assertFalse(distributor.isActiveRoot(net, asset, 0, root), "not yet");
        vm.warp(block.timestamp + 1);
        assertTrue(distributor.isActiveRoot(net, asset, 0, root), "active");
        assertFalse(distributor.isActiveRoot(net, asset, 8, root), "another index in its slot");
        assertFalse(distributor.isActiveRoot(net, asset, 0, "other"), "another root");
        assertFalse(distributor.isActiveRoot(NET, asset, 0, root), "another pot");
        assertEq(_state(0), uint256(I.State.Active), "state");
    }

    function test_PublishRefusals() public {
        uint32 epoch = registry.currentEpoch(net);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(I.NotPublisher.selector, alice));
        distributor.publish(net, asset, epoch - 1, "root", 1, 0);
        vm.expectRevert(I.ZeroRoot.selector);
        distributor.publish(net, asset, epoch - 1, 0, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(I.EpochNotOver.selector, epoch));
        distributor.publish(net, asset, epoch, "root", 1, 0);
        vm.expectRevert(abi.encodeWithSelector(I.ExceedsFunding.selector, uint128(1_000e18 + 1), uint128(1_000e18)));
        distributor.publish(net, asset, epoch - 1, "root", 1_000e18 + 1, 0);
        distributor.publish(net, asset, epoch - 2, "root", 5e18, 0);
        vm.expectRevert(abi.encodeWithSelector(I.StaleEpoch.selector, epoch - 2, epoch - 2));
        distributor.publish(net, asset, epoch - 2, "root", 5e18, 0);
        uint40 ready = uint40(block.timestamp) + 12 hours;
        vm.expectRevert(abi.encodeWithSelector(I.TooSoon.selector, ready));
        distributor.publish(net, asset, epoch - 1, "root", 5e18, 0);
        vm.warp(ready + 12 hours);
        vm.expectRevert(abi.encodeWithSelector(I.NonMonotonic.selector, uint128(5e18 - 1), uint128(5e18)));
        distributor.publish(net, asset, epoch, "root", 5e18 - 1, 0);
    }

    /// @dev Otherwise a late root delays all that follow, until they lie epochs behind for ever.
    function test_ALateRootDoesNotDelayTheNext() public {
        _publish("a", 1e18);
        vm.warp(block.timestamp + 1 days + 10 hours);
        distributor.publish(net, asset, registry.currentEpoch(net) - 1, "late", 2e18, "data");
        vm.warp(block.timestamp + 14 hours);
        distributor.publish(net, asset, registry.currentEpoch(net) - 1, "in time", 3e18, "data");
        assertEq(distributor.pot(net, asset).published, 3, "all came");
    }

    /// @dev Half an interval is lent once: on average there is one root in an interval.
    function test_RootsComeOncePerIntervalOnAverage() public {
        uint32 epoch = registry.currentEpoch(net);
        uint40 began = uint40(block.timestamp);
        distributor.publish(net, asset, epoch - 3, "a", 1e18, "data");
        vm.warp(began + 12 hours);
        distributor.publish(net, asset, epoch - 2, "b", 2e18, "data");
        uint40 ready = began + 36 hours;
        vm.warp(ready - 1);
        vm.expectRevert(abi.encodeWithSelector(I.TooSoon.selector, ready));
        distributor.publish(net, asset, epoch - 1, "c", 3e18, "data");
        vm.warp(ready);
        distributor.publish(net, asset, epoch - 1, "c", 3e18, "data");
    }

    function test_TheFloorIsTheLastActivatedTotalNotThePendingOne() public {
        _publish("a", 100e18);
        _activate(); // a is active
        _publish("b", 900e18); // one day on, still pending within its window
        vm.prank(guardian);
        distributor.veto(net, asset, 1);
        _publish("c", 100e18); // a correction below b
        vm.expectRevert(abi.encodeWithSelector(I.NonMonotonic.selector, uint128(99e18), uint128(100e18)));
        this.publishNext("d", 99e18);
    }

    function publishNext(bytes32 root, uint128 total) external returns (uint32) {
        return _publish(root, total);
    }

    function test_TheRingKeepsEightRootsClaimable() public {
        for (uint128 i = 1; i <= 9; ++i) {
            _publishTree(i * 1e18, i * 2e18);
        }
        _activate();
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, uint32(0)));
        distributor.rootAt(net, asset, 0);
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, uint32(0)));
        distributor.claim(net, asset, 0, alice, 1e18, "detail", new bytes32[](0));
        assertEq(_claimAlice(1, 2e18, 4e18), 2e18, "an old root still pays");
        assertEq(_claimAlice(8, 9e18, 18e18), 7e18, "the newest pays the difference");
    }

    function test_AnOverwrittenActiveRootStillCountsAsAllocated() public {
        for (uint128 i = 1; i <= 9; ++i) {
            _publish(bytes32(uint256(i)), i * 10e18);
        }
        assertEq(distributor.pot(net, asset).allocated, 10e18, "total of the one that left the ring");
    }

    function test_AChallengedRootIsOverwrittenAndAPendingOneIsNot() public {
        _publish("a", 1e18);
        vm.prank(guardian);
        distributor.veto(net, asset, 0);
        _publish("b", 1e18);
        vm.prank(guardian);
        distributor.veto(net, asset, 1);
        _publish("long", 1e18); // index 2 waits 21 days
        for (uint256 i = 3; i < 10; ++i) {
            _publish("next", 1e18);
        }
        vm.expectRevert(abi.encodeWithSelector(I.SlotBusy.selector, uint32(2)));
        this.publishNext("x", 1e18);
        vm.prank(disputes);
        distributor.challenge(net, asset, 2);
        assertEq(_publish("x", 1e18), 10, "over the challenged one");
    }

    // ---------------------------------------------------------------- veto

    function test_OnlyTheGuardianVetoesAndOnlyPending() public {
        _publish("a", 1e18);
        vm.expectRevert(abi.encodeWithSelector(I.NotGuardian.selector, address(this)));
        distributor.veto(net, asset, 0);
        _activate();
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(I.NotPending.selector, uint32(0)));
        distributor.veto(net, asset, 0);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(I.NotPending.selector, uint32(8)));
        distributor.veto(net, asset, 8);
    }

    function test_AVetoedRootNeverPays() public {
        _publishTree(1e18, 2e18);
        vm.prank(guardian);
        distributor.veto(net, asset, 0);
        vm.warp(block.timestamp + 365 days);
        bytes32[] memory proof = Trees.proof(_tree(1e18, 2e18), 0);
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, uint32(0)));
        distributor.claim(net, asset, 0, alice, 1e18, "detail", proof);
    }

    function test_TheThirdRootAfterTwoVetoesStandsAndWaitsLong() public {
        for (uint32 i = 0; i < 2; ++i) {
            _publish("root", 1e18);
            vm.prank(guardian);
            distributor.veto(net, asset, i);
        }
        _publish("third", 1e18);
        vm.prank(guardian);
        vm.expectRevert(I.VetoLimit.selector);
        distributor.veto(net, asset, 2);
        assertEq(distributor.rootAt(net, asset, 2).activeAt, block.timestamp + 21 days, "long window");
        vm.warp(block.timestamp + 21 days);
        assertTrue(distributor.isActiveRoot(net, asset, 2, "third"), "stands");
    }

    function test_TheVetoLimitHoldsInEveryOrder() public {
        // Windows of four days make four roots pending at once.
        INetworkRegistry.Params memory p = params();
        p.challengeWindow = 4 days;
        INetworkRegistry.Roles memory r = roles();
        r.publisher = address(this);
        token.approve(address(registry), BOND);
        net = registry.create(p, r, "long window");
        distributor.fund(net, asset, 10e18);
        for (uint256 i = 0; i < 4; ++i) {
            _publish("root", 1e18);
        }
        vm.startPrank(guardian);
        distributor.veto(net, asset, 2);
        distributor.veto(net, asset, 1);
        vm.expectRevert(I.VetoLimit.selector);
        distributor.veto(net, asset, 0);
        vm.expectRevert(I.VetoLimit.selector);
        distributor.veto(net, asset, 3);
        vm.stopPrank();
        assertEq(distributor.rootAt(net, asset, 3).activeAt, block.timestamp + 21 days, "extended");
    }

    // ----------------------------------------------------------- challenges

    function test_AChallengeFreezesUntilTheVerdict() public {
        _publishTree(1e18, 2e18);
        vm.expectRevert(abi.encodeWithSelector(I.NotDisputes.selector, address(this)));
        distributor.challenge(net, asset, 0);
        vm.prank(disputes);
        distributor.challenge(net, asset, 0);
        vm.warp(block.timestamp + 30 days);
        assertEq(_state(0), uint256(I.State.Challenged), "frozen");
        vm.expectRevert(abi.encodeWithSelector(I.NotDisputes.selector, address(this)));
        distributor.onVerdict(net, asset, 0, false);
        vm.prank(disputes);
        distributor.onVerdict(net, asset, 0, false);
        assertEq(_state(0), uint256(I.State.Active), "active at once");
        assertEq(_claimAlice(0, 1e18, 2e18), 1e18, "pays");
        vm.prank(disputes);
        vm.expectRevert(abi.encodeWithSelector(I.NotChallenged.selector, uint32(0)));
        distributor.onVerdict(net, asset, 0, true);
    }

    function test_ARejectedRootIsDead() public {
        _publishTree(1e18, 2e18);
        vm.startPrank(disputes);
        distributor.challenge(net, asset, 0);
        distributor.onVerdict(net, asset, 0, true);
        vm.warp(block.timestamp + 30 days);
        assertEq(_state(0), uint256(I.State.Rejected), "rejected");
        vm.expectRevert(abi.encodeWithSelector(I.NotPending.selector, uint32(0)));
        distributor.challenge(net, asset, 0);
        vm.stopPrank();
    }

    // --------------------------------------------------------------- claims

    // R2
    function test_R2_AClaimPaysOnceAndThenTheDifference() public {
        _publishTree(10e18, 20e18);
        _activate();
        assertEq(_claimAlice(0, 10e18, 20e18), 10e18, "paid");
        assertEq(token.balanceOf(alice), 10e18, "balance");
        bytes32[] memory proof = Trees.proof(_tree(10e18, 20e18), 0);
        vm.expectRevert(I.NothingToClaim.selector);
        distributor.claim(net, asset, 0, alice, 10e18, "detail", proof);
        _publishTree(15e18, 20e18);
        _activate();
        assertEq(_claimAlice(1, 15e18, 20e18), 5e18, "difference");
        assertEq(distributor.claimedOf(net, asset, alice), 15e18, "booked");
    }

    function test_AWrongProofOrAmountIsRefused() public {
        _publishTree(10e18, 20e18);
        _activate();
        bytes32[] memory proof = Trees.proof(_tree(10e18, 20e18), 0);
        vm.expectRevert(I.BadProof.selector);
        distributor.claim(net, asset, 0, alice, 11e18, "detail", proof);
        vm.expectRevert(I.BadProof.selector);
        distributor.claim(net, asset, 0, bob, 10e18, "detail", proof);
        vm.expectRevert(I.BadProof.selector);
        distributor.claim(net, asset, 0, alice, 10e18, "other", proof);
        vm.expectRevert(I.BadProof.selector);
        distributor.claim(net, asset, 0, alice, 10e18, "detail", new bytes32[](0));
    }

    // R1
    function test_R1_ARootWhoseLeavesExceedItsTotalTakesNoMoreThanTheTotal() public {
        _publish(Trees.root(_tree(600e18, 600e18)), 700e18); // a lie: the leaves sum to 1200
        _activate();
        _claimAlice(0, 600e18, 600e18);
        bytes32[] memory proof = Trees.proof(_tree(600e18, 600e18), 1);
        vm.expectRevert(abi.encodeWithSelector(I.ExceedsAllocation.selector, uint128(1_200e18), uint128(700e18)));
        distributor.claim(net, asset, 0, bob, 600e18, "detail", proof);
    }

    // R3
    function test_R3_ARootOfOneNetworkCannotReachAnothersMoney() public {
        endow(address(this), 0);
        distributor.fund(NET, asset, 500e18);
        _publish(Trees.root(_tree(1_000e18, 0)), 1_000e18);
        _activate();
        _claimAlice(0, 1_000e18, 0);
        assertEq(token.balanceOf(address(distributor)), 500e18, "the other pot is whole");
        bytes32[] memory proof = Trees.proof(_tree(1_000e18, 0), 0);
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, uint32(0)));
        distributor.claim(NET, asset, 0, alice, 1_000e18, "detail", proof);
    }

    function test_ClaimManyPassesOverWhoHasNothing() public {
        _publishTree(10e18, 20e18);
        _activate();
        _claimAlice(0, 10e18, 20e18);
        I.Claim[] memory claims = new I.Claim[](2);
        claims[0] = I.Claim(alice, 10e18, "detail", Trees.proof(_tree(10e18, 20e18), 0));
        claims[1] = I.Claim(bob, 20e18, "detail", Trees.proof(_tree(10e18, 20e18), 1));
        assertEq(distributor.claimMany(net, asset, 0, claims), 20e18, "paid");
        assertEq(token.balanceOf(bob), 20e18, "bob");
        claims[1].cumulative = 21e18;
        vm.expectRevert(I.BadProof.selector);
        distributor.claimMany(net, asset, 0, claims);
    }

    function test_PayoutMovesAfterThreeDays() public {
        address cold = address(0xC01D);
        _publishTree(10e18, 20e18);
        vm.prank(alice);
        distributor.setPayout(cold);
        vm.warp(block.timestamp + 3 days - 1);
        assertEq(distributor.payoutOf(alice), alice, "not yet");
        vm.warp(block.timestamp + 1);
        assertEq(distributor.payoutOf(alice), cold, "cold");
        _claimAlice(0, 10e18, 20e18);
        assertEq(token.balanceOf(cold), 10e18, "paid to the payout address");
        _publishTree(20e18, 20e18);
        _activate();
        _claimAlice(1, 20e18, 20e18);
        assertEq(token.balanceOf(cold), 20e18, "the next time, too");
        vm.prank(alice);
        distributor.setPayout(address(0));
        assertEq(distributor.payoutOf(alice), cold, "the old one until then");
        vm.warp(block.timestamp + 3 days);
        assertEq(distributor.payoutOf(alice), alice, "itself again");
    }

    /// @dev A claim looks the payout up again only when a change could count: never too late, and at the very second.
    function test_AClaimAfterAnotherStillFindsTheNewPayout() public {
        address cold = address(0xC01D);
        _publishTree(10e18, 20e18);
        _activate();
        uint256 looked = block.timestamp;
        _claimAlice(0, 10e18, 20e18);
        vm.prank(alice);
        distributor.setPayout(cold); // in force 3 days after the look
        vm.warp(looked + 1 days);
        distributor.publish(net, asset, registry.currentEpoch(net) - 1, Trees.root(_tree(20e18, 20e18)), 40e18, "data");
        vm.warp(looked + 2 days);
        distributor.publish(net, asset, registry.currentEpoch(net) - 1, Trees.root(_tree(30e18, 20e18)), 50e18, "data");
        vm.warp(looked + 3 days - 1);
        _claimAlice(1, 20e18, 20e18);
        assertEq(token.balanceOf(alice), 20e18, "not yet");
        vm.warp(looked + 3 days);
        _claimAlice(2, 30e18, 20e18);
        assertEq(token.balanceOf(cold), 10e18, "at that second");
    }

    /// @dev A claim while a change waits must not remember the address that is about to change.
    function test_AClaimBeforeThePayoutMovesRemembersNothing() public {
        address cold = address(0xC01D);
        _publishTree(10e18, 20e18);
        _publishTree(20e18, 20e18);
        _activate();
        vm.prank(alice);
        distributor.setPayout(cold);
        uint256 set = block.timestamp;
        vm.warp(set + 2 days);
        _claimAlice(0, 10e18, 20e18);
        vm.warp(set + 3 days);
        _claimAlice(1, 20e18, 20e18);
        assertEq(token.balanceOf(cold), 10e18, "the new one");
        vm.prank(alice);
        distributor.setPayout(address(0));
        vm.warp(set + 6 days);
        _publishTree(30e18, 20e18);
        _activate();
        _claimAlice(2, 30e18, 20e18);
        assertEq(token.balanceOf(alice), 20e18, "itself again");
        vm.prank(alice);
        distributor.setPayout(cold);
        _publishTree(40e18, 20e18);
        _activate();
        _activate();
        _claimAlice(3, 40e18, 20e18);
        assertEq(token.balanceOf(cold), 20e18, "and the new one again");
    }

    /// @dev The root that was claimed from last is not asked for its state again; one in its slot must be.
    function test_AnOverwrittenRootPaysNothingThoughItWasOpened() public {
        _publishTree(1e18, 1e18);
        _activate();
        _claimAlice(0, 1e18, 1e18);
        for (uint128 i = 2; i <= 9; ++i) {
            _publishTree(i * 1e18, i * 1e18);
        }
        bytes32[] memory proof = Trees.proof(_tree(9e18, 9e18), 0);
        for (uint32 index = 0; index <= 8; index += 8) {
            vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, index));
            distributor.claim(net, asset, index, alice, 9e18, "detail", proof);
        }
        _activate();
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, uint32(0)));
        distributor.claim(net, asset, 0, alice, 9e18, "detail", proof);
        distributor.claim(net, asset, 8, alice, 9e18, "detail", proof);
    }

    function test_ClaimsFromOldAndNewRootsInAnyOrder() public {
        _publishTree(1e18, 1e18);
        _publishTree(2e18, 3e18);
        _publishTree(4e18, 6e18);
        _activate();
        _claimAlice(1, 2e18, 3e18);
        assertEq(distributor.pot(net, asset).allocated, 5e18, "of the one that was claimed from");
        bytes32[] memory proof = Trees.proof(_tree(1e18, 1e18), 1);
        assertEq(distributor.claim(net, asset, 0, bob, 1e18, "detail", proof), 1e18, "an older one");
        assertEq(distributor.pot(net, asset).allocated, 5e18, "does not lower it");
        _claimAlice(2, 4e18, 6e18);
        proof = Trees.proof(_tree(2e18, 3e18), 1);
        assertEq(distributor.claim(net, asset, 1, bob, 3e18, "detail", proof), 2e18, "the one between");
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, uint32(3)));
        distributor.claim(net, asset, 3, bob, 3e18, "detail", proof);
    }

    /// @dev What a pot's first slot cannot count must not come in.
    function test_APotTakesWhatItCanCountAndNoMore() public {
        Big big = new Big();
        uint128 most = type(uint104).max;
        distributor.fund(net, address(big), most);
        assertEq(distributor.pot(net, address(big)).funded, most, "the most");
        vm.expectRevert(
            abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 104, uint256(most) + 1)
        );
        distributor.fund(net, address(big), 1);
    }

    function testFuzz_PathsAreOpenZeppelins(bytes32 leaf, bytes32[] calldata proof) public pure {
        assertEq(MerklePath.rootOf(leaf, proof), MerkleProof.processProofCalldata(proof, leaf), "root");
    }

    function test_FundingRefusesNothing() public {
        vm.expectRevert(I.ZeroAmount.selector);
        distributor.fund(net, asset, 0);
    }

    // ------------------------------------------------------------------ gas

    // R5
    function test_R5_PublishingCostsTheSameForAnyNumberOfDevices() public {
        (bytes32 deepRoot,) = Trees.deep(_leaf(alice, 10e18), 20);
        for (uint128 i = 1; i <= 16; ++i) {
            _publish(keccak256(abi.encode(i)), 500e18);
        }
        uint256 one = lastGas();
        _publish(deepRoot, 500e18);
        uint256 million = lastGas();
        assertLe(one > million ? one - million : million - one, 64, "no difference but calldata zeros");
        gate("RewardsDistributor", "steady publish", million, 65_000);
    }

    /// The pot has paid somebody before; the first claim is the account's, and the second its next.
    function test_GasOfAClaimInATreeOfAMillion() public {
        (bytes32 root, bytes32[] memory path) = Trees.deep(_leaf(bob, 1e18), 20);
        _publish(root, 1e18);
        _activate();
        distributor.claim(net, asset, 0, bob, 1e18, "detail", path);
        (root, path) = Trees.deep(_leaf(alice, 10e18), 20);
        _publish(root, 20e18);
        _activate();
        distributor.claim(net, asset, 1, alice, 10e18, "detail", path);
        gate("RewardsDistributor", "first claim", lastGas(), 115_000);
        (root, path) = Trees.deep(_leaf(alice, 30e18), 20);
        _publish(root, 40e18);
        _activate();
        distributor.claim(net, asset, 2, alice, 30e18, "detail", path);
        gate("RewardsDistributor", "repeated claim, a root's first", lastGas(), 75_000);
    }

    /// What nearly every claim costs: somebody has claimed from this root, and the account not long ago.
    function test_GasOfARepeatedClaim() public {
        for (uint128 i = 1; i <= 2; ++i) {
            bytes32[] memory leaves = _tree(i * 10e18, i * 20e18);
            (bytes32 root, bytes32[] memory above) = Trees.deep(Trees.root(leaves), 19);
            uint32 index = _publish(root, i * 30e18);
            _activate();
            bytes32[] memory path = _below(leaves[0], above);
            distributor.claim(net, asset, index, bob, i * 20e18, "detail", path);
            path = _below(leaves[1], above);
            distributor.claim(net, asset, index, alice, i * 10e18, "detail", path);
        }
        gate("RewardsDistributor", "repeated claim", lastGas(), 71_500);
        assertEq(token.balanceOf(alice), 20e18, "paid");
    }

    function _below(bytes32 sibling, bytes32[] memory above) private pure returns (bytes32[] memory path) {
        path = new bytes32[](above.length + 1);
        path[0] = sibling;
        for (uint256 i = 0; i < above.length; ++i) {
            path[i + 1] = above[i];
        }
    }
}

contract RootPublisherTest is World {
    function setUp() public {
        deployWorld();
        token.approve(address(distributor), type(uint256).max);
        distributor.fund(NET, address(token), 1_000e18);
        vm.warp(block.timestamp + 1 days);
    }

    function _message() private view returns (IRootPublisher.RootMessage memory m) {
        m.net = NET;
        m.asset = address(token);
        m.epoch = registry.currentEpoch(NET) - 1;
        m.attempt = 1;
        m.root = keccak256(abi.encode(m.epoch));
        m.total = 10e18;
        m.dataHash = "data";
    }

    function test_AnybodySubmitsWhatTheVerifierSigned() public {
        IRootPublisher.RootMessage memory m = _message();
        bytes memory signature = signatureOf(VERIFIER_KEY, publisher.digestOf(m));
        vm.prank(bob);
        vm.expectEmit(address(publisher));
        emit IRootPublisher.RootSigned(NET, address(token), m.epoch, 0, 1, 0, signature);
        uint32 index = publisher.publish(m, signature);
        I.Root memory r = distributor.rootAt(NET, address(token), index);
        assertEq(r.root, m.root, "root");
        assertEq(r.epoch, m.epoch, "epoch");
    }

    function test_EveryFieldIsSigned() public {
        bytes32 digest = publisher.digestOf(_message());
        IRootPublisher.RootMessage memory m = _message();
        m.net = VERIFIERS;
        assertTrue(publisher.digestOf(m) != digest, "net");
        m = _message();
        m.asset = bob;
        assertTrue(publisher.digestOf(m) != digest, "asset");
        m = _message();
        m.epoch += 1;
        assertTrue(publisher.digestOf(m) != digest, "epoch");
        m = _message();
        m.attempt = 2;
        assertTrue(publisher.digestOf(m) != digest, "attempt");
        m = _message();
        m.root = "x";
        assertTrue(publisher.digestOf(m) != digest, "root");
        m = _message();
        m.total += 1;
        assertTrue(publisher.digestOf(m) != digest, "total");
        m = _message();
        m.dataHash = "x";
        assertTrue(publisher.digestOf(m) != digest, "dataHash");
    }

    function test_OthersSignaturesAreRefused() public {
        IRootPublisher.RootMessage memory m = _message();
        bytes memory signature = signatureOf(0xBAD, publisher.digestOf(m));
        vm.expectRevert(IRootPublisher.BadSignature.selector);
        publisher.publish(m, signature);
        vm.expectRevert(IRootPublisher.BadSignature.selector);
        publisher.publish(m, "");
        signature = signatureOf(VERIFIER_KEY, publisher.digestOf(m));
        m.total += 1;
        vm.expectRevert(IRootPublisher.BadSignature.selector);
        publisher.publish(m, signature);
        m.setId = 1;
        vm.expectRevert(abi.encodeWithSelector(IRootPublisher.UnknownSet.selector, uint32(1)));
        publisher.publish(m, signature);
    }

    function test_ANetworkWithoutVerifierPublishesNothing() public {
        vm.prank(founder);
        registry.proposeRole(NET, INetworkRegistry.Role.Verifier, address(0));
        vm.warp(block.timestamp + 5 weeks);
        registry.applyRole(NET, INetworkRegistry.Role.Verifier);
        IRootPublisher.RootMessage memory m = _message();
        vm.expectRevert(IRootPublisher.BadSignature.selector);
        publisher.publish(m, new bytes(65));
    }

    function test_GasOfASignedPublication() public {
        for (uint256 i = 0; i < 12; ++i) {
            IRootPublisher.RootMessage memory m = _message();
            bytes memory signature = signatureOf(VERIFIER_KEY, publisher.digestOf(m));
            publisher.publish(m, signature);
            if (i == 11) gate("RootPublisher", "a signed root", lastGas(), 80_500);
            vm.warp(block.timestamp + 1 days);
        }
    }
}
