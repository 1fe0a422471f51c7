// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Credits} from "../Credits.sol";
import {ICredits} from "../interfaces/ICredits.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {FixedOracle} from "../oracle/FixedOracle.sol";
import {MockOracle} from "./mocks/MockOracle.sol";
import {MoneyFixture} from "./mocks/MoneyFixture.sol";

contract CreditsTest is MoneyFixture {
    function setUp() public {
        _deploy();
    }

    /// @dev As Escrow does it: the credits are its own when it redeems.
    function _give(uint128 amount) private {
        _buy(address(this), amount);
        credits.approve(address(escrow), amount);
        vm.prank(address(escrow));
        credits.transferFrom(address(this), address(escrow), amount);
    }

    function _redeemAs(uint256 amount, uint256 least) private returns (uint256) {
        vm.prank(address(escrow));
        return credits.redeem(payee, amount, least);
    }

    // ------------------------------------------------------------------------------------------------------- minting

    function test_ADollarOfTokensBuys1e11() public {
        assertEq(credits.mintExactIn(payer, 1e18, 0), USD, "credits");
        assertEq(credits.balanceOf(payer), USD, "balance");
        assertEq(credits.vault(), 1e18, "vault");
        assertEq(credits.decimals(), 6, "a wallet shows 100 000 credits");
        assertEq(cairn.balanceOf(address(credits)), 1e18, "tokens are kept, not burned");
    }

    function test_MintUsesTheLowEndAndRedeemTheHighEnd() public {
        oracle.set(2e18, 0.01e18, 1.5e18, 0);
        (bool valid, uint256 low, uint256 high) = credits.prices();
        assertTrue(valid, "valid");
        assertEq(low, 1.48e18, "min - 2 sigma");
        assertEq(high, 2.02e18, "max + 2 sigma");
        assertEq(credits.mintExactIn(payer, 1e18, 0), 1.48e11, "mint at the low end");
    }

    function test_MintRoundsTokensUpAndCreditsDown() public {
        oracle.set(3e18, 0, 3e18, 0);
        assertEq(credits.mint(payer, 1, 1e18), 3_333_334, "ceil(1e25 / 3e18)");
        assertEq(credits.mintExactIn(payer, 6_666_666, 0), 1, "floor");
    }

    function test_MintChecksTheBuyersBounds() public {
        vm.expectRevert(abi.encodeWithSelector(ICredits.Slippage.selector, 1e18, 1e18 - 1));
        credits.mint(payer, USD, 1e18 - 1);
        vm.expectRevert(abi.encodeWithSelector(ICredits.Slippage.selector, USD, USD + 1));
        credits.mintExactIn(payer, 1e18, USD + 1);
        vm.expectRevert(ICredits.ZeroAmount.selector);
        credits.mintExactIn(payer, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotTransferable.selector, address(0), address(escrow)));
        credits.mint(address(escrow), USD, 1e18);
    }

    function test_QuotesAreWhatHappens() public {
        oracle.set(1.7e18, 0.013e18, 1.6e18, 0);
        uint256 quote = credits.quoteMint(12_345_678);
        assertEq(credits.mint(payer, 12_345_678, type(uint256).max), quote, "mint");
        quote = credits.quoteMintExactIn(1e20);
        assertEq(credits.mintExactIn(payer, 1e20, 0), quote, "mintExactIn");
        _give(USD);
        quote = credits.quoteRedeem(USD / 3);
        assertEq(_redeemAs(USD / 3, 0), quote, "redeem");
    }

    function test_MintLimitIsTheFloorThenATenthOfTheDaysFirstSupply() public {
        _buy(payer, uint128(FLOOR));
        assertEq(credits.mintable(), 0, "used up");
        vm.expectRevert(abi.encodeWithSelector(ICredits.MintLimitExceeded.selector, 1, 0));
        credits.mint(payer, 1, 1e18);
        for (uint256 day = 1; day <= 20; ++day) {
            vm.warp(T0 + day * 1 days);
            _buy(payer, uint128(FLOOR));
        }
        vm.warp(T0 + 21 days);
        uint256 allowance = credits.totalSupply() / 10;
        assertEq(credits.mintable(), allowance, "a tenth");
        _buy(payer, uint128(allowance / 2));
        assertEq(credits.mintable(), allowance - allowance / 2, "minting does not raise its own limit");
        vm.expectRevert();
        credits.mint(payer, allowance - allowance / 2 + 1, type(uint256).max);
    }

    function test_MintHaltsUnder90PercentAndResumesAt95() public {
        _buy(payer, 1000 * USD);
        oracle.set(0.9e18, 0, 0.9e18, 0);
        credits.mint(payer, 1, 1e18);
        oracle.set(0.899e18, 0, 0.899e18, 0);
        vm.expectRevert(ICredits.MintHalted.selector);
        credits.mint(payer, 1, 1e18);
        credits.poke();
        oracle.set(0.94e18, 0, 0.94e18, 0);
        assertTrue(credits.mintHalted(), "still halted");
        vm.expectRevert(ICredits.MintHalted.selector);
        credits.mint(payer, 1, 1e18);
        oracle.set(0.951e18, 0, 0.951e18, 0);
        assertFalse(credits.mintHalted(), "resumed");
        credits.mint(payer, 1, 1e18);
    }

    // ------------------------------------------------------------------------------------------------- invalid prices

    function _assertInvalid(string memory what) private {
        (bool valid,,) = credits.prices();
        assertFalse(valid, what);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        credits.mint(payer, 1, 1e18);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        vm.prank(address(escrow));
        credits.redeem(payee, 1, 0);
    }

    function test_ABadPriceOfAnyKindStopsMintAndRedeem() public {
        _give(USD);
        oracle.set(0, 0, DOLLAR, 0);
        _assertInvalid("zero spot");
        oracle.set(DOLLAR, 0, 0, 0);
        _assertInvalid("zero ema");
        oracle.set(DOLLAR, 0.0200001e18, DOLLAR, 0);
        _assertInvalid("sigma over 2 %");
        oracle.set(DOLLAR, 0.02e18, 0.04e18, 0);
        _assertInvalid("low end not above zero");
        oracle.set(DOLLAR, 0, DOLLAR, uint40(T0 - 10 minutes - 1));
        _assertInvalid("stale");
        oracle.set(DOLLAR, 0, DOLLAR, uint40(T0 + 1));
        _assertInvalid("from the future");
        oracle.set(DOLLAR, 0, DOLLAR, 0);
        for (uint8 manner = 1; manner <= 4; ++manner) {
            oracle.setManner(MockOracle.Manner(manner));
            _assertInvalid("manner");
        }
        oracle.setManner(MockOracle.Manner.Answer);
        credits.mint(payer, 1, 1e18);
    }

    function test_APriceIsGoodToItsLastSecondAndItsWidestSigma() public {
        oracle.set(DOLLAR, 0.02e18, DOLLAR, 0);
        (bool valid, uint256 low, uint256 high) = credits.prices();
        assertTrue(valid, "sigma of exactly 2 %");
        assertEq(low, 0.96e18, "low");
        assertEq(high, 1.04e18, "high");
        oracle.set(DOLLAR, 0, DOLLAR, uint40(T0 - 10 minutes));
        (valid,,) = credits.prices();
        assertTrue(valid, "as old as the adapter allows");
    }

    function test_WithoutAPriceThereIsNeitherAQuoteNorACover() public {
        _give(USD);
        oracle.set(0, 0, 0, 0);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        credits.quoteMint(USD);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        credits.quoteMintExactIn(1e18);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        credits.quoteRedeem(USD);
        vm.expectRevert(ICredits.PriceInvalid.selector);
        credits.cover();
    }

    function test_AStarvedCallCannotMakeTheOracleLookBroken() public {
        vm.expectRevert(ICredits.NotEnoughGas.selector);
        credits.poke{gas: 200_000}();
        assertEq(credits.priceInvalidSince(), 0, "price is there");
    }

    function test_PokeStartsAndStopsTheClock() public {
        oracle.set(0, 0, 0, 0);
        credits.poke();
        vm.warp(T0 + 1 days);
        credits.poke();
        assertEq(credits.priceInvalidSince(), T0, "first seen missing");
        oracle.set(DOLLAR, 0, DOLLAR, 0);
        credits.poke();
        assertEq(credits.priceInvalidSince(), 0, "back");
    }

    function test_ProRataOnlyAfter14DaysWithoutPrice() public {
        _give(100 * USD);
        credits.topUp(50e18);
        vm.startPrank(address(escrow));
        vm.expectRevert(ICredits.PriceIsValid.selector);
        credits.redeemProRata(payee, USD, 0);
        oracle.set(0, 0, 0, 0);
        credits.poke();
        vm.warp(T0 + 14 days - 1);
        vm.expectRevert(abi.encodeWithSelector(ICredits.TooEarly.selector, uint40(T0 + 14 days)));
        credits.redeemProRata(payee, USD, 0);
        vm.warp(T0 + 14 days);
        assertEq(credits.redeemProRata(payee, 25 * USD, 25e18), 25e18, "a quarter of the vault");
        assertEq(credits.topUpReserve(), 50e18, "the reserve stays");
        vm.expectRevert(abi.encodeWithSelector(ICredits.Slippage.selector, 25e18, 26e18));
        credits.redeemProRata(payee, 25 * USD, 26e18);
        vm.stopPrank();
    }

    // ----------------------------------------------------------------------------------------------------- redeeming

    function test_RedeemPaysTheValueWhileCovered() public {
        _give(100 * USD);
        oracle.set(2e18, 0, 2e18, 0);
        assertEq(_redeemAs(10 * USD, 5e18), 5e18, "half the tokens");
        assertEq(cairn.balanceOf(payee), 5e18, "paid");
        assertEq(credits.vault(), 95e18, "vault");
        assertEq(credits.totalSupply(), 90 * USD, "burned");
    }

    function test_RedeemPaysTheShareWhenNotCovered() public {
        _give(100 * USD);
        oracle.set(0.5e18, 0, 0.5e18, 0);
        assertEq(_redeemAs(10 * USD, 0), 10e18, "share, not the 20 of value");
        vm.expectRevert(abi.encodeWithSelector(ICredits.Slippage.selector, 10e18, 10e18 + 1));
        _redeemAs(10 * USD, 10e18 + 1);
        assertEq(credits.balanceOf(address(escrow)), 90 * USD, "kept by the revert");
    }

    function test_TopUpFillsTheGapToTheValue() public {
        _give(100 * USD);
        credits.topUp(15e18);
        oracle.set(0.5e18, 0, 0.5e18, 0);
        assertEq(_redeemAs(10 * USD, 0), 20e18, "whole");
        assertEq(credits.topUpReserve(), 5e18, "reserve");
        assertEq(_redeemAs(10 * USD, 0), 15e18, "as far as it goes");
        assertEq(credits.vault(), 80e18, "vault gave its share only");
    }

    function test_NothingIsNeitherRedeemedNorAddedToTheReserve() public {
        _give(USD);
        vm.expectRevert(ICredits.ZeroAmount.selector);
        _redeemAs(0, 0);
        vm.expectRevert(ICredits.ZeroAmount.selector);
        credits.topUp(0);
    }

    function test_BurnReleasesNothing() public {
        _give(100 * USD);
        vm.prank(address(escrow));
        credits.burn(50 * USD);
        assertEq(credits.vault(), 100e18, "vault");
        assertEq(credits.cover(), 2e18, "cover doubled");
    }

    function test_OnlyEscrowRedeems() public {
        _buy(payer, USD);
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotEscrow.selector, payer));
        vm.prank(payer);
        credits.redeem(payer, USD, 0);
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotEscrow.selector, payer));
        vm.prank(payer);
        credits.redeemProRata(payer, USD, 0);
    }

    function testFuzz_RedeemNeverLowersTheCoverOrPaysMoreThanValueOrShare(
        uint128 minted,
        uint128 redeemed,
        uint128 price,
        uint128 reserve
    ) public {
        minted = uint128(bound(minted, 2, FLOOR));
        redeemed = uint128(bound(redeemed, 1, minted));
        price = uint128(bound(price, 0.001e18, 1000e18));
        reserve = uint128(bound(reserve, 1, 1e24));
        _give(minted);
        credits.topUp(reserve);
        oracle.set(price, price / 60, price, 0);
        (,, uint256 high) = credits.prices();
        uint256 vault = credits.vault();
        uint256 paid = _redeemAs(redeemed, 0);
        assertLe(paid * high, uint256(redeemed) * 1e25, "not more than the value");
        assertLe((vault - credits.vault()) * minted, vault * redeemed, "not more than the share");
        assertGe(credits.vault() * minted, vault * credits.totalSupply(), "R/C does not fall");
        assertEq(
            cairn.balanceOf(address(credits)), credits.vault() + credits.topUpReserve(), "balance covers the books"
        );
    }

    /// Buying and redeeming at one constant price never gains, however the amounts are chosen.
    function testFuzz_NoRoundTripGains(uint128 amount, uint128 spot, uint128 ema, uint16 sigmaBps, uint128 others)
        public
    {
        spot = uint128(bound(spot, 0.001e18, 1000e18));
        ema = uint128(bound(ema, spot / 2, uint256(spot) * 2));
        _give(uint128(bound(others, 1, FLOOR / 4)));
        credits.topUp(1e24);
        oracle.set(spot, uint128(uint256(spot) * bound(sigmaBps, 0, 200) / 10_000), ema, 0);
        if (credits.mintHalted()) return;
        amount = uint128(bound(amount, 1, FLOOR / 4));
        uint256 before = cairn.balanceOf(address(this));
        _give(amount);
        vm.prank(address(escrow));
        credits.redeem(address(this), amount, 0);
        assertLe(cairn.balanceOf(address(this)), before, "no gain");
    }

    // ---------------------------------------------------------------------------------------------- transfers, oracle

    function test_CreditsMoveOnlyThroughEscrow() public {
        _buy(payer, USD);
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotTransferable.selector, payer, payee));
        credits.transfer(payee, 1);
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotTransferable.selector, payer, address(escrow)));
        credits.transfer(address(escrow), 1);
        credits.approve(payee, USD);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotTransferable.selector, payer, payee));
        vm.prank(payee);
        credits.transferFrom(payer, payee, 1);
    }

    function test_OracleChangeTakes14DaysAndLapses() public {
        IPriceOracle next = new FixedOracle(2e18);
        vm.expectRevert(abi.encodeWithSelector(ICredits.NotAuthority.selector, address(this)));
        credits.proposeOracle(next);
        vm.expectRevert(ICredits.NoProposal.selector);
        credits.applyOracle();
        vm.prank(authority);
        credits.proposeOracle(next);
        vm.warp(T0 + 14 days - 1);
        vm.expectRevert(abi.encodeWithSelector(ICredits.TooEarly.selector, uint40(T0 + 14 days)));
        credits.applyOracle();
        vm.warp(T0 + 28 days);
        vm.expectRevert(abi.encodeWithSelector(ICredits.Lapsed.selector, uint40(T0 + 28 days)));
        credits.applyOracle();
        vm.warp(T0 + 28 days - 1);
        credits.applyOracle();
        assertEq(address(credits.oracle()), address(next), "applied");
        vm.expectRevert(ICredits.NoProposal.selector);
        credits.applyOracle();
        vm.prank(authority);
        credits.proposeOracle(oracle);
        vm.prank(authority);
        credits.cancelOracle();
        vm.warp(T0 + 100 days);
        vm.expectRevert(ICredits.NoProposal.selector);
        credits.applyOracle();
    }

    function test_AProposalNamesAnOracleAndIsThereWhenItIsCancelled() public {
        vm.startPrank(authority);
        vm.expectRevert(ICredits.ZeroAddress.selector);
        credits.proposeOracle(IPriceOracle(address(0)));
        vm.expectRevert(ICredits.NoProposal.selector);
        credits.cancelOracle();
        vm.stopPrank();
    }

    function test_CreditsAreNotMadeWithoutAnyOfTheirPeers() public {
        vm.expectRevert(ICredits.ZeroAddress.selector);
        new Credits(IERC20(address(0)), address(escrow), oracle, authority, FLOOR);
        vm.expectRevert(ICredits.ZeroAddress.selector);
        new Credits(cairn, address(0), oracle, authority, FLOOR);
        vm.expectRevert(ICredits.ZeroAddress.selector);
        new Credits(cairn, address(escrow), IPriceOracle(address(0)), authority, FLOOR);
        vm.expectRevert(ICredits.ZeroAddress.selector);
        new Credits(cairn, address(escrow), oracle, address(0), FLOOR);
    }

    function test_FixedOracleIsAlwaysFresh() public {
        FixedOracle fixedOracle = new FixedOracle(0.25e18);
        Credits other = new Credits(cairn, address(escrow), fixedOracle, authority, FLOOR);
        vm.warp(T0 + 365 days);
        (bool valid, uint256 low, uint256 high) = other.prices();
        assertTrue(valid, "valid");
        assertEq(low, 0.25e18, "low");
        assertEq(high, 0.25e18, "high");
        vm.expectRevert(FixedOracle.ZeroPrice.selector);
        new FixedOracle(0);
    }
}
