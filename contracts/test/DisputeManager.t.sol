// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Judges} from "./Judges.sol";

contract DisputeManagerTest is Judges {
    uint128 private constant DISPUTE_BOND = 10e18;
    uint128 private constant ROOT_BOND = 20e18;
    uint128 private constant PENALTY = 100e18;
    uint128 private constant STAKE = 10_000e18;

    function setUp() public {
        deployJudges();
        allow(alice, address(manager), 1_000e18);
        allow(provider, address(manager), 1_000e18);
        bondAs(verifier, VERIFIERS, STAKE);
    }

    function _open(bytes32 evidence) private returns (uint256) {
        vm.prank(alice);
        return manager.open(NET, provider, evidence);
    }

    function _respond(uint256 id) private {
        vm.prank(provider);
        manager.respond(id, "answer");
    }

    function _rule(uint256 id, IDisputeManager.Verdict verdict, uint128 amount) private {
        vm.prank(arbiter);
        manager.rule(id, verdict, amount);
    }

    function _pass(uint256 time) private {
        vm.warp(block.timestamp + time);
        vm.roll(block.number + 600);
    }

    function _self(address who, uint32 net) private view returns (uint128 self) {
        (self,,) = staking.stakeOf(who, net);
    }

    // ---------------------------------------------------------------- verdicts

    function test_SilenceOfTheAccusedCostsTheFaultPenaltyOnly() public {
        uint256 id = _open("e");
        uint256 readyAt = block.timestamp + 3 days;
        bytes memory early = abi.encodeWithSelector(IDisputeManager.TooEarly.selector, readyAt, block.number + 600);
        vm.warp(readyAt);
        vm.expectRevert(early);
        manager.finalize(id);
        vm.warp(readyAt - 1);
        vm.roll(block.number + 600);
        vm.expectRevert(early);
        manager.finalize(id);
        vm.warp(readyAt);
        manager.finalize(id);
        assertEq(_self(provider, NET), STAKE - PENALTY, "the penalty");
        // The reporter's part is a quarter of 100, but no more than the bond of 10.
        assertEq(manager.withdrawable(alice), DISPUTE_BOND, "bond back");
        assertEq(token.balanceOf(alice), 1_000e18, "and as much again");
        assertEq(manager.openAgainst(NET, provider), 0, "closed");
    }

    /// The penalty is the network's, but nobody owes more than stood behind him at the opening.
    function test_ADefaultTakesAtMostWhatStoodThere() public {
        INetworkRegistry.Params memory p = params();
        p.faultPenalty = MIN_STAKE;
        uint32 net = createNetwork(p);
        bondAs(bob, net, MIN_STAKE);
        vm.prank(address(manager));
        staking.slash(bob, net, 200e18, address(0), 0);
        vm.warp(block.timestamp + 1 weeks);
        vm.prank(alice);
        uint256 id = manager.open(net, bob, "e");
        assertEq(manager.dispute(id).maxSlash, 800e18, "what stands there");
        _pass(3 days);
        manager.finalize(id);
        assertEq(_self(bob, net), 640e18, "a fifth of it this week");
        assertEq(staking.provisionOf(bob, net).owed, 640e18, "the rest of it, and not of the penalty, is owed");
    }

    function test_AcceptedTheChallengerGetsItsBondAndAsMuchAgainAtMost() public {
        uint256 id = _open("e");
        _respond(id);
        uint256 supply = token.totalSupply();
        _rule(id, IDisputeManager.Verdict.Accept, 1_000e18);
        assertEq(_self(provider, NET), STAKE - 1_000e18, "slashed");
        assertEq(manager.withdrawable(alice), DISPUTE_BOND + DISPUTE_BOND / 2, "its bond and half of the other");
        assertEq(token.balanceOf(alice), 1_000e18 - DISPUTE_BOND / 2, "half a bond from the slash");
        assertEq(supply - token.totalSupply(), 1_000e18, "half of the loser's bond, and the slash less half a bond");
        vm.prank(alice);
        assertEq(manager.withdrawBond(), 15e18, "withdrawn");
        assertEq(token.balanceOf(alice), 1_000e18 + DISPUTE_BOND, "its bond again");
        assertEq(token.balanceOf(address(manager)), 0, "V2: nothing stays");
        vm.prank(alice);
        vm.expectRevert(IDisputeManager.NothingToWithdraw.selector);
        manager.withdrawBond();
    }

    function test_RejectedTheAccusedGetsHalfTheBond() public {
        uint256 id = _open("e");
        _respond(id);
        _rule(id, IDisputeManager.Verdict.Reject, 0);
        assertEq(_self(provider, NET), STAKE, "untouched");
        assertEq(manager.withdrawable(provider), DISPUTE_BOND + DISPUTE_BOND / 2, "its bond and half of the other");
        assertEq(manager.withdrawable(alice), 0, "challenger");
        assertEq(token.balanceOf(address(manager)), 15e18, "the other half burned");
    }

    function test_ADrawCostsEitherSideATwentieth() public {
        uint256 id = _open("e");
        _respond(id);
        _rule(id, IDisputeManager.Verdict.Draw, 0);
        assertEq(manager.withdrawable(provider), DISPUTE_BOND * 95 / 100, "accused");
        assertEq(manager.withdrawable(alice), DISPUTE_BOND * 95 / 100, "challenger");
        assertEq(token.balanceOf(address(manager)), 19e18, "the rest burned");
    }

    /// Threat 33: an arbiter that is silent decides nothing, and one that is bought slashes no more than there was.
    function test_Threat33_ASilentArbiterIsADraw() public {
        uint256 id = _open("e");
        _respond(id);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeManager.TooEarly.selector, block.timestamp + 14 days, uint256(0))
        );
        manager.finalize(id);
        _pass(14 days);
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.TooLate.selector, block.timestamp));
        manager.rule(id, IDisputeManager.Verdict.Accept, 1);
        manager.finalize(id);
        assertEq(manager.withdrawable(alice), DISPUTE_BOND * 95 / 100, "draw");
        assertEq(_self(provider, NET), STAKE, "untouched");
    }

    /// V5 and threat 33: at most what stood behind the accused at the opening, and the limiter besides.
    function test_V5_TheAccusedLosesAtMostWhatStoodThere() public {
        uint256 id = _open("e");
        _respond(id);
        bondAs(provider, NET, STAKE);
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.SlashTooHigh.selector, STAKE + 1, STAKE));
        manager.rule(id, IDisputeManager.Verdict.Accept, STAKE + 1);
        _rule(id, IDisputeManager.Verdict.Accept, STAKE);
        assertEq(_self(provider, NET), 2 * STAKE - 4_000e18, "a fifth in one week");
        assertEq(staking.provisionOf(provider, NET).owed, STAKE - 4_000e18, "the rest is owed");
    }

    /// Threat 17: an owner who is his own arbiter and challenger burns others' stake at the limiter's pace and earns a bond.
    function test_Threat17_AnOwnerWithHisOwnArbiterGainsNothingOfASlash() public {
        uint256 before = token.balanceOf(alice);
        uint256 id = _open("invented");
        _respond(id);
        _rule(id, IDisputeManager.Verdict.Accept, STAKE);
        vm.prank(alice);
        manager.withdrawBond();
        assertEq(STAKE - _self(provider, NET), 2_000e18, "a fifth in a week; everybody can leave meanwhile");
        assertLe(token.balanceOf(alice) - before, DISPUTE_BOND, "the challenger gains a bond at most");
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotSlasher.selector, founder));
        staking.slash(provider, NET, 1, founder, 1);
    }

    // ---------------------------------------------------------------- refusals

    function test_OpeningRefusals() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NothingAtStake.selector, bob, NET));
        manager.open(NET, bob, "e");
        manager.open(NET, provider, "e");
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.EvidenceUsed.selector, bytes32("e")));
        manager.open(NET, provider, "e");
        for (uint256 i = 1; i < 4; ++i) {
            manager.open(NET, provider, bytes32(i));
        }
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.TooManyOpen.selector, uint256(4)));
        manager.open(NET, provider, "fifth");
        vm.stopPrank();
        _pass(3 days);
        manager.finalize(1);
        _open("fifth");
    }

    function test_ANetworkWithoutABondTakesNoDisputes() public {
        INetworkRegistry.Params memory p = params();
        (p.disputeBond, p.rootBond) = (0, 0);
        uint32 net = createNetwork(p);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NoBond.selector, net));
        manager.open(net, provider, "e");
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NoBond.selector, net));
        manager.openRoot(net, address(token), 0, "r");
    }

    function test_OnlyTheAccusedRespondsInTime() public {
        uint256 id = _open("e");
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NotAccused.selector, address(this)));
        manager.respond(id, "a");
        uint256 deadline = block.timestamp + 3 days;
        _pass(3 days);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.TooLate.selector, deadline));
        manager.respond(id, "a");
        // A chain that stood still gives its time back.
        vm.roll(block.number - 1);
        _respond(id);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.WrongState.selector, IDisputeManager.State.Answered));
        manager.respond(id, "a");
    }

    /// V3: no verdict after the end, and none but the arbiter's.
    function test_V3_OnlyTheArbiterRulesAndOnce() public {
        uint256 id = _open("e");
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.WrongState.selector, IDisputeManager.State.Open));
        manager.rule(id, IDisputeManager.Verdict.Draw, 0);
        _respond(id);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NotArbiter.selector, address(this)));
        manager.rule(id, IDisputeManager.Verdict.Draw, 0);
        vm.startPrank(arbiter);
        vm.expectRevert(IDisputeManager.BadVerdict.selector);
        manager.rule(id, IDisputeManager.Verdict.Default, 0);
        vm.expectRevert(IDisputeManager.BadVerdict.selector);
        manager.rule(id, IDisputeManager.Verdict.Reject, 1);
        manager.rule(id, IDisputeManager.Verdict.Accept, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.WrongState.selector, IDisputeManager.State.Closed));
        manager.rule(id, IDisputeManager.Verdict.Accept, 0);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.WrongState.selector, IDisputeManager.State.Closed));
        manager.finalize(id);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.WrongState.selector, IDisputeManager.State.None));
        manager.finalize(99);
    }

    /// A case stays with the arbiter under whom it opened.
    function test_ALaterArbiterRulesLaterDisputes() public {
        vm.prank(founder);
        registry.proposeRole(NET, INetworkRegistry.Role.Arbiter, bob);
        vm.warp(block.timestamp + 5 weeks);
        uint256 id = _open("e");
        registry.applyRole(NET, INetworkRegistry.Role.Arbiter);
        _respond(id);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.NotArbiter.selector, bob));
        manager.rule(id, IDisputeManager.Verdict.Draw, 0);
        _rule(id, IDisputeManager.Verdict.Draw, 0);
    }

    // ------------------------------------------------------------------- roots

    function _publish() private returns (uint32 index) {
        token.approve(address(distributor), 100e18);
        distributor.fund(NET, address(token), 100e18);
        uint32 epoch = registry.currentEpoch(NET) - 1;
        vm.prank(address(publisher));
        return distributor.publish(NET, address(token), epoch, keccak256(abi.encode(epoch)), 100e18, "data");
    }

    function _dispute(uint32 index) private returns (uint256) {
        vm.prank(alice);
        return manager.openRoot(NET, address(token), index, "reason");
    }

    function _state(uint32 index) private view returns (IRewardsDistributor.State) {
        return distributor.rootAt(NET, address(token), index).state;
    }

    function test_ARootThatIsShownToBeWrongIsRejectedAndItsSignerSlashed() public {
        uint256 id = _dispute(_publish());
        assertTrue(_state(0) == IRewardsDistributor.State.Challenged, "frozen");
        _rule(id, IDisputeManager.Verdict.Accept, 500e18);
        assertTrue(_state(0) == IRewardsDistributor.State.Rejected, "rejected");
        assertEq(_self(verifier, VERIFIERS), STAKE - 500e18, "the verifier's stake in its own network");
        assertEq(manager.withdrawable(alice), ROOT_BOND, "bond");
        assertEq(token.balanceOf(alice), 1_000e18, "and as much again");
    }

    /// Threat 4: leaves that nobody publishes are ground for a challenge; older roots stay claimable meanwhile.
    function test_Threat4_WithheldLeavesAreRejectedAndOlderRootsStay() public {
        _publish();
        vm.warp(block.timestamp + 1 days);
        assertTrue(_state(0) == IRewardsDistributor.State.Active, "older");
        uint32 index = _publish();
        vm.prank(alice);
        uint256 id = manager.openRoot(NET, address(token), index, "unavailable");
        _rule(id, IDisputeManager.Verdict.Accept, 0);
        assertTrue(_state(1) == IRewardsDistributor.State.Rejected, "rejected");
        assertTrue(_state(0) == IRewardsDistributor.State.Active, "the older one stands");
    }

    function test_ADrawLetsTheRootStand() public {
        uint256 id = _dispute(_publish());
        _pass(14 days);
        manager.finalize(id);
        assertTrue(_state(0) == IRewardsDistributor.State.Active, "active");
        assertEq(manager.withdrawable(verifier), ROOT_BOND / 2, "half to who signed it");
        assertEq(token.balanceOf(address(manager)), ROOT_BOND / 2, "half burned");
        assertEq(manager.withdrawable(alice), 0, "challenger");
    }

    function test_TheBondDoublesWithEveryOpenChallengeOfThePot() public {
        assertEq(manager.rootBondOf(NET, address(token)), ROOT_BOND, "first");
        uint256 first = _dispute(_publish());
        vm.warp(block.timestamp + 1 days);
        uint256 second = _dispute(_publish());
        assertEq(manager.dispute(second).bond, 2 * ROOT_BOND, "second");
        _rule(first, IDisputeManager.Verdict.Reject, 0);
        assertEq(manager.rootBondOf(NET, address(token)), 2 * ROOT_BOND, "one is closed");
        _rule(second, IDisputeManager.Verdict.Reject, 0);
        assertEq(manager.rootBondOf(NET, address(token)), ROOT_BOND, "all are");
    }

    function test_OnlyPendingRootsAreChallengedAndFourAtATime() public {
        uint32 index = _publish();
        for (uint256 i = 0; i < 4; ++i) {
            _dispute(index);
            vm.warp(block.timestamp + 1 days);
            index = _publish();
        }
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.TooManyOpen.selector, uint256(4)));
        manager.openRoot(NET, address(token), index, "reason");
        _rule(1, IDisputeManager.Verdict.Draw, 0);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IRewardsDistributor.NotPending.selector, uint32(0)));
        manager.openRoot(NET, address(token), 0, "reason");
    }

    /// A network whose roots a quorum signs has no one accused: the lost half has nobody to go to.
    function test_WithoutAVerifierALostRootBondIsBurned() public {
        INetworkRegistry.Params memory p = params();
        p.verifierNet = VERIFIERS;
        vm.startPrank(founder);
        token.approve(address(registry), BOND);
        uint32 net = registry.create(p, INetworkRegistry.Roles(address(this), address(0), arbiter), "meta");
        vm.stopPrank();
        uint32 epoch = registry.currentEpoch(net) - 1;
        distributor.publish(net, address(token), epoch, "root", 0, "data");
        vm.prank(alice);
        uint256 id = manager.openRoot(net, address(token), 0, "reason");
        uint256 supply = token.totalSupply();
        _rule(id, IDisputeManager.Verdict.Reject, 0);
        assertEq(supply - token.totalSupply(), ROOT_BOND, "all of it");
        assertEq(token.balanceOf(address(manager)), 0, "nothing stays");
    }

    /// A challenged root that newer ones pushed out of the ring does not hold the bonds.
    function test_ARootThatLeftTheRingIsSettledAllTheSame() public {
        uint256 id = _dispute(_publish());
        for (uint256 i = 0; i < 8; ++i) {
            vm.warp(block.timestamp + 1 days);
            _publish();
        }
        _rule(id, IDisputeManager.Verdict.Reject, 0);
        assertEq(manager.withdrawable(verifier), ROOT_BOND / 2, "settled");
    }

    // --------------------------------------------------------------------- gas

    function test_GasOfADisputesWholeLife() public {
        uint256 id = _open("e");
        uint256 sum = lastGas();
        gate("DisputeManager", "open", lastGas(), 245_000);
        _respond(id);
        sum += lastGas();
        _rule(id, IDisputeManager.Verdict.Reject, 0);
        sum += lastGas();
        gate("DisputeManager", "whole life, rejected", sum, 373_000);
    }
}
