// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Token} from "../Token.sol";
import {Emissions} from "../emissions/Emissions.sol";
import {GovernedWeights} from "../emissions/GovernedWeights.sol";
import {IEmissions} from "../interfaces/IEmissions.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IWeights} from "../interfaces/IWeights.sol";
import {Schedule} from "../libraries/Schedule.sol";
import {EmissionsFixture} from "./EmissionsFixture.sol";

/// @notice A weights contract that promises more than there is, or fails.
contract GreedyWeights is IWeights {
    bool public broken;

    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function shareOf(uint32, uint32) external view returns (uint16) {
        require(!broken);
        return type(uint16).max;
    }
}

contract EmissionsTest is EmissionsFixture {
    function setUp() public {
        _deploy();
    }

    // ------------------------------------------------------------------------------------------------------ schedule

    function test_AHalfLifeEmitsHalfOfWhatIsLeftInEqualDays() public view {
        assertEq(emissions.scheduled(0), 0, "nothing before genesis");
        assertEq(emissions.scheduled(1), TOTAL / 2 / HALF_LIFE, "the first day");
        assertEq(emissions.scheduled(HALF_LIFE / 2), TOTAL / 4, "linear within the half-life");
        assertEq(emissions.scheduled(HALF_LIFE), TOTAL / 2, "half");
        assertEq(emissions.scheduled(3 * HALF_LIFE), TOTAL - TOTAL / 8, "three halvings");
        assertEq(emissions.scheduled(128 * HALF_LIFE), TOTAL, "the end");
    }

    function testFuzz_TheScheduleNeverFallsNorPassesItsTotal(uint128 total, uint16 halfLife, uint32 period)
        public
        pure
    {
        uint256 life = bound(halfLife, 1, type(uint16).max);
        period = uint32(bound(period, 0, type(uint32).max - 1));
        uint256 now_ = Schedule.cumulative(total, life, period);
        uint256 next = Schedule.cumulative(total, life, uint256(period) + 1);
        assertLe(now_, next, "monotone");
        assertLe(next, total, "bounded");
        // A day is never worth more than a day of the half-life before it, but for one wei of rounding.
        if (period >= life) {
            uint256 earlier =
                Schedule.cumulative(total, life, period - life + 1) - Schedule.cumulative(total, life, period - life);
            assertLe(next - now_, earlier + 1, "halving");
        }
    }

    function testFuzz_ThePartsOfAPeriodSumToTheWhole(uint32 period) public view {
        period = uint32(bound(period, 0, 200 * HALF_LIFE));
        (uint128 base, uint128 matched, uint128 topUp) = emissions.split(period);
        uint256 whole = emissions.scheduled(period + 1) - emissions.scheduled(period);
        assertEq(uint256(base) + matched + topUp, whole, "no dust");
        assertLe(base, whole * 45 / 100 + 1, "45 %");
        assertLe(topUp, whole / 10 + 1, "10 %");
    }

    // ---------------------------------------------------------------------------------------------------------- base

    function test_BaseGoesToListedNetworksOnlyFromTheNextPeriodOn() public {
        _setShares(4000, 0);
        uint32 first = _nextPeriod();
        assertEq(emissions.baseOf(NET, first), 0, "not the running period");
        uint32 second = _nextPeriod();
        (uint128 base,,) = emissions.split(second);
        assertEq(emissions.claimEmission(NET, second), uint256(base) * 4 / 10, "40 %");
        assertEq(distributor.pot(NET, address(token)).funded, uint256(base) * 4 / 10, "in the pot");
        assertEq(emissions.claimedOf(NET, second), uint256(base) * 4 / 10, "booked");
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.claimEmission(OTHER, second);
        assertEq(token.totalSupply(), GENESIS_SUPPLY + emissions.minted(), "and not a wei more");
    }

    function test_ABudgetIsMintedOnceAndOnlyIntoAPotThatHasRoom() public {
        _setShares(4000, 4000);
        _nextPeriod();
        uint32 first = _nextPeriod();
        uint32 second = _nextPeriod();
        uint128 got = emissions.claimEmission(NET, first);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.claimEmission(NET, first);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.claimEmission(NET, second);
        _allocateAll(NET);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.claimEmission(NET, first);
        assertEq(emissions.claimEmission(NET, second), got, "room again: the budget was kept");
    }

    /// A network that reports weekly turns its pot over weekly, so a week's budgets fit into it.
    function test_AWeeklyNetworkGetsAWeeksBudgets() public {
        registry.proposeParams(NET, _weekly());
        vm.warp(T0 + 35 days);
        registry.applyParams(NET, _weekly());
        _setShares(4000, 0);
        _nextPeriod();
        for (uint256 day = 0; day < 7; ++day) {
            emissions.claimEmission(NET, _nextPeriod());
        }
        _nextPeriod();
        uint32 last = _nextPeriod();
        emissions.claimEmission(NET, last);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.claimEmission(NET, last - 1);
    }

    function _weekly() private pure returns (INetworkRegistry.Params memory p) {
        p = _params();
        p.rootEpochs = 24 * 7;
    }

    function test_OnlyPeriodsThatAreOverAndNotLapsedAreClaimed() public {
        _setShares(4000, 0);
        _nextPeriod();
        uint32 period = escrow.currentPeriod();
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodOpen.selector, period));
        emissions.claimEmission(NET, period);
        vm.warp(T0 + (uint256(period) + 57) * 1 days);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodLapsed.selector, period));
        emissions.claimEmission(NET, period);
        vm.warp(T0 + (uint256(period) + 57) * 1 days - 1);
        emissions.claimEmission(NET, period);
    }

    function test_AClosedNetworkGetsNothing() public {
        _setShares(4000, 0);
        _nextPeriod();
        uint32 period = _nextPeriod();
        registry.close(NET);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.NetworkNotActive.selector, NET));
        emissions.claimEmission(NET, period);
        _count(period, NET);
        assertFalse(emissions.isCounted(NET, period), "nor is it counted");
    }

    // ------------------------------------------------------------------------------------------------------- matched

    function test_FeesAreMatchedAtTheRedeemPriceOfTheClosing() public {
        _pay(NET, address(this), 1000 * USD);
        uint32 period = _nextPeriod();
        _count(period, NET);
        assertEq(emissions.matchedOf(NET, period), 0, "not before the closing");
        vm.expectRevert(abi.encodeWithSelector(IEmissions.StillCounting.selector, period));
        emissions.closePeriod(period);
        _nextPeriod();
        oracle.set(2e18, 0, 2e18, 0);
        emissions.closePeriod(period);
        assertEq(emissions.matchedOf(NET, period), 5e18, "ten dollars of fees are five CAIRN");
        assertEq(emissions.periodOf(period).price, 2e18, "price");
        assertEq(emissions.periodOf(period).fees, 10 * USD, "fees");
        oracle.set(1e18, 0, 1e18, 0);
        assertEq(emissions.claimEmission(NET, period), 5e18, "fixed");
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodIsClosed.selector, period));
        emissions.closePeriod(period);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodIsClosed.selector, period));
        _count(period, OTHER);
    }

    function test_ANetworkCountsOnceAndOnlyIfCountedInTime() public {
        _pay(NET, address(this), 1000 * USD);
        _pay(OTHER, address(this), 500 * USD);
        uint32 period = escrow.currentPeriod();
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodOpen.selector, period));
        _count(period, NET);
        _nextPeriod();
        _count(period, NET);
        _count(period, NET);
        _count(period, 99);
        assertEq(emissions.periodOf(period).fees, 10 * USD, "once");
        assertTrue(emissions.isCounted(NET, period), "counted");
        assertFalse(emissions.isCounted(99, period), "no such network");
        _nextPeriod();
        emissions.closePeriod(period);
        assertEq(emissions.matchedOf(OTHER, period), 0, "nobody counted it");
    }

    function test_Threat20_TheMatchedPoolIsSharedByFeesAndCappedPerNetwork() public {
        (, uint128 pool,) = emissions.split(0);
        _pay(NET, address(this), 90_000_000 * USD);
        _pay(OTHER, address(this), 30_000_000 * USD);
        uint32 period = _nextPeriod();
        _count(period, NET);
        _count(period, OTHER);
        _nextPeriod();
        emissions.closePeriod(period);
        assertEq(emissions.matchedOf(NET, period), uint256(pool) * 4 / 10, "three quarters, but capped");
        assertEq(emissions.matchedOf(OTHER, period), pool / 4, "a quarter");
    }

    function test_APeriodClosesOnlyByAValidPrice() public {
        uint32 period = _nextPeriod();
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodOpen.selector, period + 1));
        emissions.closePeriod(period + 1);
        _nextPeriod();
        oracle.set(0, 0, 0, 0);
        vm.expectRevert(IEmissions.PriceInvalid.selector);
        emissions.closePeriod(period);
        vm.expectRevert(IEmissions.PriceInvalid.selector);
        emissions.fillTopUp();
        vm.warp(T0 + 57 days);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.PeriodLapsed.selector, period));
        emissions.closePeriod(period);
    }

    /// Threat 21: at one price and full cover, no wash of any size on any network comes out above what it put in.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_Threat21_WashUsageNeverGains(uint64 dollars, uint96 price, uint16 sigmaBps, bool other) public {
        uint256 spot = bound(price, 0.001e18, 1000e18);
        oracle.set(uint128(spot), uint128(spot * bound(sigmaBps, 0, 200) / 10_000), uint128(spot), 0);
        uint128 amount = uint128(bound(dollars, 1, 1_000_000_000_000)) * 1e4;
        uint256 most = token.balanceOf(address(this));
        (, uint256 mintPrice,) = credits.prices();
        vm.assume(uint256(amount) * 1e25 / mintPrice < most);
        _pay(other ? OTHER : NET, address(this), amount);
        uint128 earned = escrow.account(address(this), address(credits)).earned;
        escrow.redeemEarned(earned, 0, address(this));
        uint32 period = _nextPeriod();
        _count(period, other ? OTHER : NET);
        _nextPeriod();
        emissions.closePeriod(period);
        uint256 matched = emissions.matchedOf(other ? OTHER : NET, period);
        assertLe(token.balanceOf(address(this)) + matched, most, "no gain");
    }

    // ------------------------------------------------------------------------------------------------------- reserve

    function test_TheReserveGrowsFor30DaysAndThenLapsesDayByDay() public {
        assertEq(emissions.reserve(), 0, "nothing yet");
        vm.warp(T0 + 30 days);
        assertEq(emissions.reserve(), emissions.scheduled(30) / 10, "30 days");
        vm.warp(T0 + 100 days);
        uint256 expected = emissions.scheduled(100) / 10 - emissions.scheduled(70) / 10;
        assertEq(emissions.reserve(), expected, "the last 30 only");
    }

    function test_TheReserveFillsWhatCoverLacksAndNothingElse() public {
        credits.mint(address(0xBEE), 1_000_000 * USD, type(uint256).max);
        vm.warp(T0 + 10 days);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.fillTopUp();
        oracle.set(0.5e18, 0, 0.5e18, 0);
        uint128 before = emissions.reserve();
        uint128 got = emissions.fillTopUp();
        assertEq(got, 1_000_000e18 < before ? 1_000_000e18 : before, "the gap, or what there is");
        assertEq(credits.topUpReserve(), got, "with Credits");
        assertEq(emissions.reserve(), before - got, "taken");
        oracle.set(0.9999e18, 0, 0.9999e18, 0);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.fillTopUp();
    }

    function test_WhatTheReserveGaveDoesNotLapseTwice() public {
        credits.mint(address(0xBEE), 500_000_000 * USD, type(uint256).max);
        oracle.set(0.1e18, 0, 0.1e18, 0);
        vm.warp(T0 + 30 days);
        uint256 sum = emissions.fillTopUp();
        assertEq(sum, emissions.scheduled(30) / 10, "all of it");
        assertEq(emissions.reserve(), 0, "empty");
        vm.warp(T0 + 45 days);
        sum += emissions.fillTopUp();
        assertEq(sum, emissions.scheduled(45) / 10, "the new days only");
    }

    // ------------------------------------------------------------------------------------------------------- weights

    function test_OtherWeightsTake14DaysLapseAndNeverSpeakForThePast() public {
        GreedyWeights next = new GreedyWeights();
        vm.expectRevert(abi.encodeWithSelector(IEmissions.NotAuthority.selector, address(this)));
        emissions.proposeWeights(next);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.NotAuthority.selector, address(this)));
        emissions.cancelWeights();
        vm.expectRevert(IEmissions.NoProposal.selector);
        emissions.applyWeights();
        vm.startPrank(authority);
        vm.expectRevert(IEmissions.NoProposal.selector);
        emissions.cancelWeights();
        vm.expectRevert(IEmissions.ZeroAddress.selector);
        emissions.proposeWeights(IWeights(address(0)));
        emissions.proposeWeights(next);
        emissions.cancelWeights();
        emissions.proposeWeights(next);
        vm.stopPrank();
        (IWeights proposed, uint40 readyAt) = emissions.proposedWeights();
        assertEq(address(proposed), address(next), "proposed");
        vm.expectRevert(abi.encodeWithSelector(IEmissions.TooEarly.selector, readyAt));
        emissions.applyWeights();
        vm.warp(readyAt + 14 days);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.Lapsed.selector, readyAt + 14 days));
        emissions.applyWeights();
        vm.warp(readyAt);
        emissions.applyWeights();
        uint32 period = escrow.currentPeriod();
        assertEq(address(emissions.weights()), address(weights), "not this period");
        assertEq(address(emissions.weightsAt(period + 1)), address(next), "the next one");
        assertEq(emissions.baseOf(NET, period), 0, "the past keeps its own");
    }

    function test_GreedyWeightsCannotMintMoreThanThePeriodHas() public {
        GreedyWeights greedy = _greedy();
        _createNetwork(1);
        _createNetwork(1);
        uint32 period = _nextPeriod();
        (uint128 base, uint128 matched,) = emissions.split(period);
        uint256 sum;
        for (uint32 net = 1; net <= 4; ++net) {
            sum += emissions.claimEmission(net, period);
        }
        assertLe(sum, uint256(base) + matched, "not even with 40 % for each of four");
        assertEq(emissions.periodOf(period).minted, sum, "booked");
        _createNetwork(1);
        sum += emissions.claimEmission(5, period);
        assertEq(sum, uint256(base) + matched, "the fifth gets the rest");
        _createNetwork(1);
        vm.expectRevert(IEmissions.NothingToMint.selector);
        emissions.claimEmission(6, period);
        greedy.setBroken(true);
        assertEq(emissions.baseOf(NET, period), 0, "failing weights give nothing");
    }

    function _greedy() private returns (GreedyWeights greedy) {
        greedy = new GreedyWeights();
        vm.prank(authority);
        emissions.proposeWeights(greedy);
        vm.warp(T0 + 14 days);
        emissions.applyWeights();
        _nextPeriod();
    }

    function test_GovernedSharesAreBoundedAndKeepTheirHistory() public {
        vm.expectRevert(abi.encodeWithSelector(GovernedWeights.NotAuthority.selector, address(this)));
        weights.set(new uint32[](0), new uint16[](0));
        vm.startPrank(authority);
        vm.expectRevert(abi.encodeWithSelector(GovernedWeights.LengthsDiffer.selector, 1, 0));
        weights.set(new uint32[](1), new uint16[](0));
        (uint32[] memory nets, uint16[] memory shares) = (new uint32[](3), new uint16[](3));
        (nets[0], nets[1], nets[2]) = (1, 2, 3);
        (shares[0], shares[1], shares[2]) = (4001, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(GovernedWeights.ShareTooHigh.selector, 1, 4001));
        weights.set(nets, shares);
        (shares[0], shares[1], shares[2]) = (4000, 4000, 2001);
        vm.expectRevert(abi.encodeWithSelector(GovernedWeights.SumTooHigh.selector, 10_001));
        weights.set(nets, shares);
        shares[2] = 2000;
        weights.set(nets, shares);
        vm.warp(T0 + 1 days);
        (shares[0], shares[1], shares[2]) = (0, 1000, 4000);
        weights.set(nets, shares);
        vm.stopPrank();
        assertEq(weights.total(), 5000, "total");
        assertEq(weights.shareOf(1, 0), 0, "before");
        assertEq(weights.shareOf(1, 1), 4000, "period 1");
        assertEq(weights.shareOf(1, 2), 0, "period 2");
        assertEq(weights.shareOf(3, 9), 4000, "until changed");
        vm.expectRevert(GovernedWeights.ZeroAddress.selector);
        new GovernedWeights(address(0), IEscrow(address(escrow)));
    }

    // -------------------------------------------------------------------------------------------------------- minter

    function test_OnlyEmissionsMints() public {
        vm.expectRevert(abi.encodeWithSelector(Token.NotMinter.selector, address(this)));
        token.mint(address(this), 1);
        assertEq(token.minter(), address(emissions), "minter");
    }

    function test_ConstructorRefusesMissingPeers() public {
        Emissions.Peers memory peers = _peers();
        peers.authority = address(0);
        vm.expectRevert(IEmissions.ZeroAddress.selector);
        new Emissions(peers, TOTAL, HALF_LIFE);
        peers.authority = authority;
        vm.expectRevert(IEmissions.BadSchedule.selector);
        new Emissions(peers, TOTAL, 0);
    }

    // ----------------------------------------------------------------------------------------------------------- gas

    /// @dev The target is 120k. New slots are most of it: the pot's, the period's and the network's share, 22k each.
    function test_gas_ClaimEmission() public {
        _setShares(4000, 4000);
        _nextPeriod();
        _pay(NET, address(this), 1000 * USD);
        uint32 period = _nextPeriod();
        _count(period, NET);
        _nextPeriod();
        emissions.closePeriod(period);
        emissions.claimEmission(OTHER, period);
        emissions.claimEmission(NET, period);
        gate("Emissions", "claim emission, a pot's first", lastGas(), 140_000);
        _allocateAll(NET);
        _nextPeriod();
        _count(period + 1, NET);
        emissions.claimEmission(NET, period + 1);
        gate("Emissions", "claim emission", lastGas(), 140_000);
    }
}
