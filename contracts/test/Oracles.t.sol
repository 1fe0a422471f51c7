// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ICredits} from "../interfaces/ICredits.sol";
import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {IPyth} from "../interfaces/IPyth.sol";
import {IUpdatableOracle} from "../interfaces/IUpdatableOracle.sol";
import {ChainlinkOracle} from "../oracle/ChainlinkOracle.sol";
import {PythOracle} from "../oracle/PythOracle.sol";
import {SpotBand} from "../oracle/SpotBand.sol";
import {MockFeed, MockPyth} from "./mocks/MockFeeds.sol";
import {MoneyFixture} from "./mocks/MoneyFixture.sol";

/// @notice Both adapters, alone and behind Credits, under prices that fall and rise by 90 %.
contract OraclesTest is MoneyFixture {
    bytes32 private constant ID = "CAIRN/USD";
    uint256 private constant DOLLAR8 = 1e8;

    MockFeed private feed;
    MockFeed private sequencer;
    ChainlinkOracle private chainlink;
    MockPyth private pyth;
    PythOracle private pythOracle;

    receive() external payable {}

    function setUp() public {
        _deploy();
        feed = new MockFeed(8);
        sequencer = new MockFeed(0);
        sequencer.setAt(0, T0 - 1 days, T0);
        chainlink = new ChainlinkOracle(feed, sequencer, 1 hours, 50);
        pyth = new MockPyth();
        pythOracle = new PythOracle(pyth, ID, 60);
        vm.deal(address(this), 1 ether);
        vm.deal(payee, 1 ether);
    }

    // ----------------------------------------------------------------------------------------------------- Chainlink

    /// @dev One sample every two hours at `price` (8 decimals).
    function _pokes(uint256 count, uint256 price) private {
        for (uint256 i = 0; i < count; ++i) {
            vm.warp(block.timestamp + 2 hours);
            feed.set(int256(price));
            chainlink.poke();
        }
    }

    function _use(IPriceOracle next) private {
        vm.prank(authority);
        credits.proposeOracle(next);
        vm.warp(block.timestamp + 14 days);
        credits.applyOracle();
    }

    function _valid() private view returns (bool valid) {
        (valid,,) = credits.prices();
    }

    function test_AFullRingGivesThePriceWithTheFeedsThresholdAsSigma() public {
        _pokes(11, DOLLAR8);
        vm.expectRevert(abi.encodeWithSelector(ChainlinkOracle.RingNotFull.selector, 11));
        chainlink.latest();
        _pokes(1, DOLLAR8);
        (uint128 spot, uint128 conf, uint128 ema, uint40 publishedAt) = chainlink.latest();
        assertEq(spot, 1e18, "spot");
        assertEq(conf, 0.005e18, "half a percent");
        assertEq(ema, 1e18, "ema");
        assertEq(publishedAt, block.timestamp, "published");
        assertEq(chainlink.maxAge(), 1 hours, "own maxAge");
        (uint256 number, uint40 newestAt) = chainlink.samples();
        assertEq(number, 12, "samples");
        assertEq(newestAt, block.timestamp, "newest");
    }

    function test_TheAverageIsTwoThirteenthsPerSample() public {
        _pokes(12, DOLLAR8);
        _pokes(1, 1.13e8);
        assertEq(chainlink.average(), 1.02e18, "1 + 0.13 * 2/13");
        _pokes(12, 2e8);
        assertEq(chainlink.average(), 2e18, "one turn forgets everything older");
    }

    function test_PokesAreTwoHoursApart() public {
        feed.set(int256(DOLLAR8));
        chainlink.poke();
        vm.warp(T0 + 2 hours - 1);
        vm.expectRevert(abi.encodeWithSelector(ChainlinkOracle.TooSoon.selector, T0 + 2 hours));
        chainlink.poke();
        vm.warp(T0 + 2 hours);
        feed.set(int256(DOLLAR8));
        chainlink.poke();
    }

    function test_ARingWithGapsGivesNoPriceUntilItIsRefilled() public {
        _pokes(12, DOLLAR8);
        vm.warp(block.timestamp + 14 hours);
        feed.set(int256(DOLLAR8));
        chainlink.latest();
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(ChainlinkOracle.RingHasGaps.selector);
        chainlink.latest();
        _pokes(12, DOLLAR8);
        chainlink.latest();
    }

    function test_ABadAnswerNeitherCountsNorEntersTheRing() public {
        int256[4] memory answers = [int256(0), int256(-1), int256(1e8), int256(1e8)];
        uint256[4] memory times = [T0, T0, T0 - 1 hours - 1, T0 + 1];
        for (uint256 i = 0; i < 4; ++i) {
            feed.setAt(answers[i], times[i], times[i]);
            vm.expectRevert(abi.encodeWithSelector(ChainlinkOracle.BadAnswer.selector, answers[i], times[i]));
            chainlink.poke();
        }
        feed.set(type(int256).max);
        vm.expectRevert();
        chainlink.poke();
    }

    function test_NoPriceWhileTheSequencerIsDownAndForAnHourAfter() public {
        feed.set(int256(DOLLAR8));
        sequencer.setAt(1, T0 - 2 hours, T0);
        vm.expectRevert(ChainlinkOracle.SequencerDown.selector);
        chainlink.poke();
        sequencer.setAt(0, T0 - 1 hours, T0);
        vm.expectRevert(ChainlinkOracle.SequencerDown.selector);
        chainlink.poke();
        sequencer.setAt(0, 0, T0);
        vm.expectRevert(ChainlinkOracle.SequencerDown.selector);
        chainlink.poke();
        sequencer.setAt(0, T0 - 1 hours - 1, T0);
        chainlink.poke();
    }

    function test_ConstructorsRefuseSettingsThatMeanNothing() public {
        MockFeed wide = new MockFeed(19);
        vm.expectRevert(ChainlinkOracle.BadFeed.selector);
        new ChainlinkOracle(wide, IAggregatorV3(address(0)), 1, 50);
        uint40[3] memory ages = [uint40(0), 1, 1];
        uint256[3] memory confs = [uint256(50), 0, 201];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(ChainlinkOracle.BadSettings.selector);
            new ChainlinkOracle(feed, sequencer, ages[i], confs[i]);
        }
        vm.expectRevert(PythOracle.BadSettings.selector);
        new PythOracle(IPyth(address(0)), ID, 60);
        vm.expectRevert(PythOracle.BadSettings.selector);
        new PythOracle(pyth, 0, 60);
        vm.expectRevert(PythOracle.BadSettings.selector);
        new PythOracle(pyth, ID, 0);
        vm.expectRevert(PythOracle.BadSettings.selector);
        new PythOracle(pyth, ID, 601);
    }

    /// Whatever was sampled, the average lies between the ring's extremes and one sample moves it by its weight.
    function testFuzz_TheAverageStaysWithinItsSamples(uint64[12] memory prices) public {
        uint256 lowest = type(uint256).max;
        uint256 highest;
        for (uint256 i = 0; i < 12; ++i) {
            uint256 price = bound(prices[i], 1, 1e15);
            if (price < lowest) lowest = price;
            if (price > highest) highest = price;
            _pokes(1, price);
        }
        assertGe(chainlink.average(), lowest * 1e10 - 11, "not under the lowest, but for floors");
        assertLe(chainlink.average(), highest * 1e10, "not over the highest");
    }

    /// Threat 28: one block's price, however wrong, gives no price at all, and never a better one.
    function test_Threat28_ASpotOutsideTheBandGivesNoPrice() public {
        _pokes(12, DOLLAR8);
        feed.set(1.2e8);
        chainlink.latest();
        feed.set(1.2e8 + 1);
        vm.expectRevert(abi.encodeWithSelector(SpotBand.OutOfBand.selector, 1.2e18 + 1e10, 1e18));
        chainlink.latest();
        feed.set(0.8e8);
        chainlink.latest();
        feed.set(0.8e8 - 1);
        vm.expectPartialRevert(SpotBand.OutOfBand.selector);
        chainlink.latest();
    }

    // ------------------------------------------------------------------------- moves of 90 %, and what must not stop

    /// Everything by which customers and operators get their money out, but not through a price.
    function _assertRefundsGoOn() private {
        _fundedChannelPays();
        vm.startPrank(payer);
        escrow.thaw(address(credits), 1000);
        vm.stopPrank();
        vm.warp(block.timestamp + 7 days);
        vm.startPrank(payer);
        uint256 before = credits.balanceOf(payer);
        escrow.withdraw(address(credits), payer);
        assertEq(credits.balanceOf(payer) - before, 1000, "withdrawn");
        uint40 closesAt = escrow.closeChannel(_id(1));
        vm.warp(closesAt);
        assertTrue(escrow.finalizeClose(_id(1)) != 0, "the earmark came back");
        vm.stopPrank();
        vm.prank(payee);
        escrow.withdrawEarned(address(credits), 10, payee);
    }

    function _fundedChannelPays() private {
        _open(1, 1e6);
        uint128 paid = escrow.channel(_key(1)).redeemed;
        assertEq(_redeem(PAYER_KEY, 1, paid + 1e5), 1e5, "voucher");
    }

    function _sendCreditsBeforeTheOracleChanges() private {
        _fund(payer, 100 * USD);
        _fundedChannelPays();
    }

    function test_AfterACrashOf90PercentMintAndRedeemWaitForTheAverageAndNothingElseDoes() public {
        _sendCreditsBeforeTheOracleChanges();
        _use(chainlink);
        _pokes(12, DOLLAR8);
        assertTrue(_valid(), "before");
        feed.set(0.1e8);
        assertFalse(_valid(), "the breaker");
        vm.expectRevert(ICredits.PriceInvalid.selector);
        credits.mint(payer, 1, 1e18);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        vm.prank(payee);
        escrow.redeemEarned(1000, 0, payee);
        _pokes(11, 0.1e8);
        assertFalse(_valid(), "eleven samples are not enough");
        _pokes(1, 0.1e8);
        assertTrue(_valid(), "after one turn of the ring");
        // Cover is a tenth: buying stays halted, redeeming pays the share.
        vm.expectRevert(ICredits.MintHalted.selector);
        credits.mint(payer, 1, 1e18);
        uint256 share = credits.vault() * 1000 / credits.totalSupply();
        vm.prank(payee);
        assertEq(escrow.redeemEarned(1000, 0, payee), share, "the share");
        feed.set(1e6);
        assertFalse(_valid(), "and down again");
        _assertRefundsGoOn();
    }

    function test_AfterARiseOf90PercentTheSameAndThenRedeemersGetFewerTokens() public {
        _sendCreditsBeforeTheOracleChanges();
        _use(chainlink);
        _pokes(12, DOLLAR8);
        feed.set(1.9e8);
        assertFalse(_valid(), "the breaker");
        _assertRefundsGoOn();
        _pokes(12, 1.9e8);
        assertTrue(_valid(), "after one turn");
        vm.prank(payee);
        uint256 got = escrow.redeemEarned(1e4, 0, payee);
        assertEq(got, uint256(1e4) * 1e25 / (1.9e18 + 2 * 0.0095e18), "value at the high end");
        credits.mint(payer, 1, 1e18);
    }

    function test_AFeedThatDiesLeavesTheProRataWayAfter14Days() public {
        _sendCreditsBeforeTheOracleChanges();
        _use(chainlink);
        _pokes(12, DOLLAR8);
        vm.warp(block.timestamp + 1 hours + 1);
        assertFalse(_valid(), "stale");
        credits.poke();
        vm.warp(block.timestamp + 14 days);
        uint256 share = credits.vault() * 1000 / credits.totalSupply();
        vm.prank(payee);
        assertEq(escrow.redeemEarnedProRata(1000, 0, payee), share, "share");
        _assertRefundsGoOn();
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_NoSequenceOfPricesLetsABandPassThatIsTooWide(uint64[16] memory prices, uint64 last) public {
        _pokes(12, DOLLAR8);
        for (uint256 i = 0; i < 16; ++i) {
            _pokes(1, bound(prices[i], 0.1e8, 1.9e8));
        }
        feed.set(int256(bound(last, 0.01e8, 19e8)));
        try chainlink.latest() returns (uint128 spot, uint128, uint128 ema, uint40) {
            uint256 distance = spot > ema ? spot - ema : ema - spot;
            assertLe(distance * 5, ema, "20 %");
        } catch {}
    }

    // ---------------------------------------------------------------------------------------------------------- Pyth

    function _price(int64 mantissa, uint64 conf) private view returns (IPyth.Price memory) {
        return IPyth.Price(mantissa, conf, -8, block.timestamp);
    }

    function _update(int64 spot, int64 ema, uint64 conf) private view returns (bytes[] memory data) {
        data = new bytes[](1);
        data[0] = abi.encode(_price(spot, conf), _price(ema, conf / 2));
    }

    function test_PythGivesSpotEmaAndTheLargerSigma() public {
        pythOracle.update{value: 1}(_update(1.1e8, 1e8, 0.01e8), address(this));
        (uint128 spot, uint128 conf, uint128 ema, uint40 publishedAt) = pythOracle.latest();
        assertEq(spot, 1.1e18, "spot");
        assertEq(conf, 0.01e18, "sigma");
        assertEq(ema, 1e18, "ema");
        assertEq(publishedAt, T0, "published");
        assertEq(pythOracle.maxAge(), 60, "maxAge");
        assertEq(pythOracle.updateFee(_update(1, 1, 0)), 1, "fee");
    }

    function test_TheOlderTimeCounts() public {
        bytes[] memory data = new bytes[](1);
        IPyth.Price memory ema = _price(1e8, 0);
        ema.publishTime -= 10;
        data[0] = abi.encode(_price(1e8, 0), ema);
        pythOracle.update{value: 1}(data, address(this));
        (,,, uint40 publishedAt) = pythOracle.latest();
        assertEq(publishedAt, T0 - 10, "the average's");
    }

    function test_UpdateChargesTheFeeAndReturnsTheRest() public {
        uint256 before = address(this).balance;
        pythOracle.update{value: 100}(_update(1e8, 1e8, 0), address(this));
        assertEq(before - address(this).balance, 1, "one wei");
        bytes[] memory data = _update(1e8, 1e8, 0);
        vm.expectRevert(abi.encodeWithSelector(IUpdatableOracle.FeeTooLow.selector, 0, 1));
        pythOracle.update(data, address(this));
        vm.expectRevert(PythOracle.NotRefundable.selector);
        pythOracle.update{value: 1}(data, address(0));
    }

    function test_APriceThatCannotBeOneGivesNone() public {
        bytes[] memory data = new bytes[](1);
        int64[4] memory mantissas = [int64(0), -1, 1e8, 1e8];
        int32[4] memory expos = [int32(-8), -8, -19, 1];
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(block.timestamp + 1);
            IPyth.Price memory p = IPyth.Price(mantissas[i], 0, expos[i], block.timestamp);
            data[0] = abi.encode(p, p);
            pythOracle.update{value: 1}(data, address(this));
            vm.expectRevert(abi.encodeWithSelector(PythOracle.BadPrice.selector, mantissas[i], expos[i]));
            pythOracle.latest();
        }
    }

    function test_MintAndRedeemBringTheirPriceAlong() public {
        _sendCreditsBeforeTheOracleChanges();
        _use(pythOracle);
        assertFalse(_valid(), "nobody has posted one");
        uint256 before = address(this).balance;
        assertEq(credits.mintWithPrice{value: 5}(payer, USD, 2e18, _update(1e8, 1e8, 0)), 1e18, "exact out");
        vm.warp(block.timestamp + 1);
        assertEq(credits.mintExactInWithPrice{value: 5}(payer, 1e18, 0, _update(2e8, 2e8, 0)), 2 * USD, "exact in");
        assertEq(before - address(this).balance, 2, "two fees");
        vm.warp(block.timestamp + 61);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        vm.prank(payee);
        escrow.redeemEarned(1e4, 0, payee);
        bytes[] memory data = _update(2e8, 2e8, 0);
        vm.prank(payee);
        assertEq(escrow.redeemEarnedWithPrice{value: 9}(1e4, 0, payee, data), 1e4 * 1e7 / 2, "redeemed");
        assertEq(payee.balance, 1 ether - 1, "the rest came back");
        assertEq(address(escrow).balance + address(credits).balance + address(pythOracle).balance, 0, "nothing stuck");
    }

    function test_APriceUpdateNeedsAnOracleThatTakesOne() public {
        bytes[] memory data = _update(1e8, 1e8, 0);
        vm.expectRevert();
        credits.mintWithPrice{value: 1}(payer, USD, 1e18, data);
    }

    function test_APythMoveOf90PercentStopsMintAndRedeemUntilItsAverageFollows() public {
        _sendCreditsBeforeTheOracleChanges();
        _use(pythOracle);
        int64[2] memory moved = [int64(0.1e8), 1.9e8];
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(block.timestamp + 60);
            bytes[] memory data = _update(moved[i], 1e8, 0);
            vm.expectRevert(ICredits.PriceInvalid.selector);
            credits.mintWithPrice{value: 1}(payer, 1, 1e18, data);
            pythOracle.update{value: 1}(data, address(this));
            assertFalse(_valid(), "the breaker");
            _assertRefundsGoOn();
            pythOracle.update{value: 1}(_update(moved[i], moved[i], 0), address(this));
            assertTrue(_valid(), "the average has followed");
        }
    }
}
