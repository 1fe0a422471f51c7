// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {NetworkRegistry} from "../NetworkRegistry.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {World} from "./World.sol";

contract NetworkRegistryTest is World {
    uint40 private constant DELAY = 5 weeks; // three weeks of thaw and two

    function setUp() public {
        deployWorld();
    }

    function test_CreateTakesTheBondAndCountsFromOne() public view {
        assertEq(registry.count(), 2, "count");
        assertTrue(registry.exists(1) && !registry.exists(0) && !registry.exists(3), "exists");
        assertEq(token.balanceOf(address(registry)), 2 * BOND, "bonds");
        assertEq(registry.ownerOf(NET), founder, "owner");
        assertEq(registry.verifierOf(NET), verifier, "verifier");
        assertEq(registry.verifierNetOf(NET), VERIFIERS, "verifier network");
        (uint16 feeBps, address recipient) = registry.feeOf(NET);
        assertEq(feeBps, 100, "fee");
        assertEq(recipient, address(0xFEE), "fee recipient");
    }

    function test_CreateFailsWithoutTheBond() public {
        vm.prank(alice);
        vm.expectRevert();
        registry.create(params(), roles(), "meta");
    }

    function test_EpochsAreNumberedByDivision() public {
        assertEq(registry.currentEpoch(NET), block.timestamp / EPOCH, "epoch");
        assertEq(registry.epochLength(NET), EPOCH, "length");
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.UnknownNetwork.selector, uint32(9)));
        registry.currentEpoch(9);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.UnknownNetwork.selector, uint32(9)));
        registry.epochLength(9);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.UnknownNetwork.selector, uint32(9)));
        registry.rootRules(9);
    }

    function test_EveryBoundHolds() public {
        INetworkRegistry.Params memory p = params();
        p.minStake = 0;
        _refused(p, "minStake");
        p = params();
        p.faultPenalty = p.minStake + 1;
        _refused(p, "faultPenalty");
        p = params();
        p.equivocationPenalty = p.minStake / 10 + 1;
        _refused(p, "equivocationPenalty");
        p = params();
        p.epochLength = 59;
        _refused(p, "epochLength");
        p.epochLength = 30 days + 1;
        _refused(p, "epochLength");
        p = params();
        p.challengeWindow = 1 hours - 1;
        _refused(p, "challengeWindow");
        p.challengeWindow = 21 days + 1;
        _refused(p, "challengeWindow");
        p = params();
        p.responseWindow = 72 hours - 1;
        _refused(p, "responseWindow");
        p.responseWindow = 21 days + 1;
        _refused(p, "responseWindow");
        p = params();
        p.maxSlashBps = 0;
        _refused(p, "maxSlashBps");
        p.maxSlashBps = 2001;
        _refused(p, "maxSlashBps");
        _boundsOfSharesHold();
    }

    function _boundsOfSharesHold() private {
        INetworkRegistry.Params memory p = params();
        p.reporterBps = 2501;
        _refused(p, "reporterBps");
        p = params();
        p.feeBps = 1001;
        _refused(p, "feeBps");
        p = params();
        p.feeRecipient = address(0);
        _refused(p, "feeRecipient");
        p = params();
        p.operatorCutMaxBps = 10_001;
        _refused(p, "operatorCutMaxBps");
        p = params();
        p.delegationRatio = 21;
        _refused(p, "delegationRatio");
        p = params();
        p.thawWeeks = 0;
        _refused(p, "thawWeeks");
        p.thawWeeks = 9;
        _refused(p, "thawWeeks");
        p.thawWeeks = 2; // shorter than one day, three days and fourteen
        _refused(p, "thawWeeks");
        p = params();
        p.rootEpochs = 0;
        _refused(p, "rootEpochs");
        p.rootEpochs = 31; // more than 30 days
        _refused(p, "rootEpochs");
        p = params();
        p.epochLength = 1 hours;
        p.rootEpochs = 3; // six times three hours is less than a day
        _refused(p, "rootEpochs");
        p = params();
        p.verifierNet = 3; // itself
        _refused(p, "verifierNet");
        p.verifierNet = 4; // nobody
        _refused(p, "verifierNet");
    }

    function _refused(INetworkRegistry.Params memory p, bytes32 name) private {
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.OutOfBounds.selector, name));
        registry.create(p, roles(), "meta");
    }

    /// A bound that refused its own value would refuse what the documents promise.
    function test_EveryBoundItselfIsAllowed() public {
        INetworkRegistry.Params memory p = params();
        p.faultPenalty = p.minStake;
        p.equivocationPenalty = p.minStake / 10;
        p.reporterBps = 2500;
        p.feeBps = 1000;
        p.operatorCutMaxBps = 10_000;
        p.delegationRatio = 20;
        createNetwork(p);
        p = params();
        p.epochLength = 60;
        p.rootEpochs = 240; // six times four hours is a day
        createNetwork(p);
        p = params();
        p.epochLength = 30 days;
        createNetwork(p);
        p = params();
        p.rootEpochs = 30;
        createNetwork(p);
        p = params();
        p.challengeWindow = 1 hours;
        createNetwork(p);
        (p.challengeWindow, p.rootEpochs, p.thawWeeks) = (21 days, 4, 8);
        createNetwork(p);
        p = params();
        (p.responseWindow, p.thawWeeks) = (21 days, 6);
        createNetwork(p);
        p = params();
        p.responseWindow = 6 days; // with a day to challenge and fourteen days three weeks, to the second
        assertEq(createNetwork(p), 10, "all were created");
    }

    function test_AProposalIsHeldToTheSameBounds() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        p.feeBps = 1001;
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.OutOfBounds.selector, bytes32("feeBps")));
        registry.proposeParams(NET, p);
    }

    function test_TheNewestNetworkMayVerifyAnOlderOne() public {
        INetworkRegistry.Params memory p = registry.params(VERIFIERS);
        p.verifierNet = registry.count();
        vm.prank(founder);
        registry.proposeParams(VERIFIERS, p);
        vm.warp(block.timestamp + DELAY);
        registry.applyParams(VERIFIERS, p);
        assertEq(registry.verifierNetOf(VERIFIERS), NET, "applied");
    }

    function test_WithoutABondNoTokenIsAsked() public {
        INetworkRegistry.Minimums memory minimums = INetworkRegistry.Minimums(60, 1 hours, 72 hours);
        NetworkRegistry free = new NetworkRegistry(IERC20(address(0)), 0, minimums);
        assertEq(free.create(params(), roles(), "free"), 1, "created");
    }

    function test_ADeploymentWithEpochsOfZeroIsImpossible() public {
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.OutOfBounds.selector, bytes32("minEpochLength")));
        new NetworkRegistry(token, 0, INetworkRegistry.Minimums(0, 0, 0));
    }

    function test_ALocalDeploymentAllowsEpochsOfTenSeconds() public {
        NetworkRegistry local = new NetworkRegistry(token, 0, INetworkRegistry.Minimums(10, 10, 10));
        INetworkRegistry.Params memory p = params();
        p.epochLength = 10;
        p.challengeWindow = 20;
        p.responseWindow = 30;
        uint32 net = local.create(p, roles(), "local");
        assertEq(local.currentEpoch(net), block.timestamp / 10, "epoch");
    }

    // N1
    function test_N1_ParamsChangeOnlyAfterTheOldThawAndTwoWeeks() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        p.minStake = 5_000e18;
        p.thawWeeks = 8;
        vm.prank(founder);
        registry.proposeParams(NET, p);
        (, uint40 readyAt) = registry.proposedParams(NET);
        assertEq(readyAt, block.timestamp + DELAY, "ready");
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.TooEarly.selector, readyAt));
        registry.applyParams(NET, p);
        vm.warp(readyAt);
        registry.applyParams(NET, p);
        assertEq(registry.params(NET).minStake, 5_000e18, "applied");
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.NothingProposed.selector, NET));
        registry.applyParams(NET, p);
    }

    function test_OnlyTheProposedParamsApply() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        vm.prank(founder);
        registry.proposeParams(NET, p);
        vm.warp(block.timestamp + DELAY);
        p.feeBps = 1000;
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.NotProposed.selector, NET));
        registry.applyParams(NET, p);
    }

    function test_AMaturedProposalLapses() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        vm.prank(founder);
        registry.proposeParams(NET, p);
        vm.warp(block.timestamp + DELAY + 14 days);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.Lapsed.selector, uint40(block.timestamp)));
        registry.applyParams(NET, p);
    }

    function test_ASecondProposalStartsTheDelayAnew() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        vm.prank(founder);
        registry.proposeParams(NET, p);
        vm.warp(block.timestamp + DELAY);
        p.feeBps = 1000;
        vm.prank(founder);
        registry.proposeParams(NET, p);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.TooEarly.selector, uint40(block.timestamp + DELAY)));
        registry.applyParams(NET, p);
    }

    function test_TheEpochLengthNeverChanges() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        p.epochLength = 2 days;
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.OutOfBounds.selector, bytes32("epochLength")));
        registry.proposeParams(NET, p);
    }

    function test_RolesChangeWithTheSameDelay() public {
        for (uint256 i = 0; i < 3; ++i) {
            INetworkRegistry.Role role = INetworkRegistry.Role(i);
            vm.prank(founder);
            registry.proposeRole(NET, role, address(0x700 + uint160(i)));
            (address account, uint40 readyAt) = registry.proposedRole(NET, role);
            assertEq(account, address(0x700 + uint160(i)), "proposed");
            vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.TooEarly.selector, readyAt));
            registry.applyRole(NET, role);
            vm.warp(readyAt);
            registry.applyRole(NET, role);
        }
        (address publisher_,,,) = registry.rootRules(NET);
        assertEq(publisher_, address(0x700), "publisher");
        assertEq(registry.verifierOf(NET), address(0x701), "verifier");
        assertEq(registry.arbiterOf(NET), address(0x702), "arbiter");
    }

    function test_OnlyTheOwnerGoverns() public {
        INetworkRegistry.Params memory p = registry.params(NET);
        bytes memory refusal = abi.encodeWithSelector(INetworkRegistry.NotOwner.selector, NET, alice);
        vm.prank(alice);
        vm.expectRevert(refusal);
        registry.proposeParams(NET, p);
        vm.prank(alice);
        vm.expectRevert(refusal);
        registry.proposeRole(NET, INetworkRegistry.Role.Publisher, alice);
        vm.prank(alice);
        vm.expectRevert(refusal);
        registry.close(NET);
        vm.prank(alice);
        vm.expectRevert(refusal);
        registry.setMetadata(NET, "x");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.UnknownNetwork.selector, uint32(9)));
        registry.close(9);
    }

    function test_OwnershipMovesInTwoSteps() public {
        vm.prank(founder);
        registry.transferOwnership(NET, alice);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.NotOwner.selector, NET, bob));
        registry.acceptOwnership(NET);
        vm.prank(alice);
        registry.acceptOwnership(NET);
        assertEq(registry.ownerOf(NET), alice, "owner");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.NotOwner.selector, NET, alice));
        registry.acceptOwnership(NET);
    }

    // N3
    function test_N3_TheBondReturnsOnceAndEightWeeksAfterTheClose() public {
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.NetworkIsOpen.selector, NET));
        registry.reclaimBond(NET);
        vm.prank(founder);
        registry.close(NET);
        assertFalse(registry.isActive(NET), "active");
        uint40 readyAt = uint40(block.timestamp) + 8 weeks;
        vm.warp(readyAt - 1);
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.TooEarly.selector, readyAt));
        registry.reclaimBond(NET);
        vm.warp(readyAt);
        uint256 before = token.balanceOf(founder);
        vm.prank(founder);
        registry.reclaimBond(NET);
        assertEq(token.balanceOf(founder) - before, BOND, "bond");
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSelector(INetworkRegistry.NothingToReclaim.selector, NET));
        registry.reclaimBond(NET);
    }

    function test_AClosedNetworkChangesNoMore() public {
        vm.prank(founder);
        registry.close(NET);
        bytes memory refusal = abi.encodeWithSelector(INetworkRegistry.NetworkIsClosed.selector, NET);
        vm.prank(founder);
        vm.expectRevert(refusal);
        registry.close(NET);
        INetworkRegistry.Params memory p = registry.params(NET);
        vm.prank(founder);
        vm.expectRevert(refusal);
        registry.proposeParams(NET, p);
        vm.prank(founder);
        vm.expectRevert(refusal);
        registry.proposeRole(NET, INetworkRegistry.Role.Arbiter, alice);
    }

    // N2
    /// Every value is drawn from a range that is a little wider than what is allowed, so that about half pass.
    function testFuzz_N2_WhatIsStoredIsInsideTheBounds(INetworkRegistry.Params memory p) public {
        p.minStake = uint128(bound(p.minStake, 0, 1e30));
        p.faultPenalty = uint128(bound(p.faultPenalty, 0, uint256(p.minStake) + p.minStake / 50));
        p.equivocationPenalty = uint128(bound(p.equivocationPenalty, 0, uint256(p.minStake) / 10 + p.minStake / 500));
        p.epochLength = uint40(bound(p.epochLength, 1 hours, 10 days));
        p.rootEpochs = uint16(bound(p.rootEpochs, 1, 4));
        p.challengeWindow = uint40(bound(p.challengeWindow, 1 hours, 2 days));
        p.responseWindow = uint40(bound(p.responseWindow, 71 hours, 15 days));
        p.thawWeeks = uint8(bound(p.thawWeeks, 4, 9));
        p.maxSlashBps = uint16(bound(p.maxSlashBps, 0, 2050));
        p.reporterBps = uint16(bound(p.reporterBps, 0, 2550));
        p.feeBps = uint16(bound(p.feeBps, 0, 1020));
        p.operatorCutMaxBps = uint16(bound(p.operatorCutMaxBps, 0, 10_200));
        p.delegationRatio = uint8(bound(p.delegationRatio, 0, 21));
        p.verifierNet = uint32(bound(p.verifierNet, 0, 3));
        vm.prank(founder);
        token.approve(address(registry), BOND);
        vm.prank(founder);
        try registry.create(p, roles(), "fuzz") returns (uint32 net) {
            INetworkRegistry.Params memory s = registry.params(net);
            assertTrue(s.epochLength >= 60 && s.epochLength <= 30 days, "epoch length");
            assertTrue(s.thawWeeks >= 1 && s.thawWeeks <= 8, "thaw");
            assertGe(uint256(s.thawWeeks) * 7 days, s.challengeWindow + s.responseWindow + 14 days, "thaw covers");
            assertGe(6 * uint256(s.rootEpochs) * s.epochLength, s.challengeWindow, "ring never busy");
            assertTrue(s.feeBps <= 1000 && s.reporterBps <= 2500 && s.maxSlashBps <= 2000, "shares");
            assertEq(keccak256(abi.encode(s)), keccak256(abi.encode(p)), "stored as given");
        } catch (bytes memory reason) {
            assertEq(bytes32(bytes4(reason)), bytes32(INetworkRegistry.OutOfBounds.selector), "refusal");
        }
    }

    /// @dev Each asks for what it needs; no field may stand for another.
    function test_TheShortAnswersAreTheParameters() public {
        INetworkRegistry.Params memory p = params();
        p.faultPenalty = 11e18;
        p.equivocationPenalty = 12e18;
        p.disputeBond = 13e18;
        p.rootBond = 14e18;
        uint32 net = createNetwork(p);
        (uint128 fault, uint128 equivocation) = registry.penaltiesOf(net);
        (uint128 bond, uint40 window) = registry.disputeRules(net);
        (uint128 least, bool active) = registry.admission(net);
        (uint40 thaw, uint16 most) = registry.thawRules(net);
        assertEq(fault, 11e18, "fault");
        assertEq(equivocation, 12e18, "equivocation");
        assertEq(bond, 13e18, "bond");
        assertEq(registry.rootBondOf(net), 14e18, "root's bond");
        assertEq(window, p.responseWindow, "window");
        assertEq(registry.reporterBpsOf(net), p.reporterBps, "reporter's part");
        assertEq(least, p.minStake, "minimum");
        assertTrue(active, "open");
        assertEq(thaw, uint256(p.thawWeeks) * 1 weeks, "thaw");
        assertEq(most, p.maxSlashBps, "limit");
        vm.prank(founder);
        registry.close(net);
        (, active) = registry.admission(net);
        assertFalse(active, "closed");
    }
}
