// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDelegations} from "../interfaces/IDelegations.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {ICredits} from "../interfaces/ICredits.sol";
import {FeeToken, LyingToken, NoReturnToken, ReentrantToken, TwiceRedeemer} from "./mocks/HostileTokens.sol";
import {MoneyFixture} from "./mocks/MoneyFixture.sol";

contract EscrowTest is MoneyFixture {
    uint128 private constant M = 1_000_000;

    function setUp() public {
        _deploy();
        _fund(payer, 100 * M);
    }

    function _books(address who) private view returns (IEscrow.Account memory) {
        return escrow.account(who, address(credits));
    }

    // ---------------------------------------------------------------------------------------------- deposits, exits

    function test_DepositBooksWhatArrived() public {
        FeeToken fee = new FeeToken();
        fee.mint(address(this), 1000);
        fee.approve(address(escrow), 1000);
        assertEq(escrow.deposit(payer, address(fee), 1000), 990, "received");
        assertEq(escrow.account(payer, address(fee)).available, 990, "booked");
        assertEq(fee.balanceOf(address(escrow)), 990, "held");
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.deposit(payer, address(fee), 0);
        fee.mint(address(this), 1000);
        fee.approve(address(escrow), 1000);
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.deposit(address(0), address(fee), 1000);
    }

    function test_TokensWithoutReturnValuesWork() public {
        NoReturnToken token = new NoReturnToken();
        token.mint(payer, 50);
        vm.startPrank(payer);
        token.approve(address(escrow), 50);
        escrow.deposit(payer, address(token), 50);
        escrow.thaw(address(token), 50);
        vm.warp(T0 + 7 days);
        assertEq(escrow.withdraw(address(token), payee), 50, "withdrawn");
        vm.stopPrank();
        assertEq(token.balanceOf(payee), 50, "sent");
    }

    function test_Threat29_AReentrantDepositIsNotCountedTwice() public {
        ReentrantToken token = new ReentrantToken();
        token.mint(address(this), 100);
        token.mint(address(token), 100);
        token.approve(address(escrow), 100);
        vm.prank(address(token));
        token.approve(address(escrow), 100);
        token.arm(address(escrow), abi.encodeCall(IEscrow.deposit, (payee, address(token), 100)));
        escrow.deposit(payer, address(token), 100);
        assertTrue(token.called(), "tried");
        assertFalse(token.succeeded(), "refused");
        assertEq(escrow.account(payer, address(token)).available, 100, "counted once");
    }

    function test_AReentrantWithdrawalFindsNothingLeft() public {
        ReentrantToken token = new ReentrantToken();
        token.mint(address(this), 100);
        token.approve(address(escrow), 100);
        escrow.deposit(address(token), address(token), 40);
        escrow.deposit(payer, address(token), 60);
        vm.prank(address(token));
        escrow.thaw(address(token), 40);
        vm.warp(T0 + 7 days);
        token.arm(address(escrow), abi.encodeCall(IEscrow.withdraw, (address(token), payee)));
        vm.prank(address(token));
        escrow.withdraw(address(token), payee);
        assertTrue(token.called() && !token.succeeded(), "refused");
        assertEq(token.balanceOf(payee), 40, "once");
    }

    function test_PermitDepositsForItsOwnerEvenWhenFrontRun() public {
        _buy(payer, 10 * M);
        (uint8 v, bytes32 r, bytes32 s) = _permit(10 * M);
        credits.permit(payer, address(escrow), 10 * M, T0 + 1, v, r, s);
        vm.prank(payer);
        escrow.depositWithPermit(address(credits), 10 * M, T0 + 1, v, r, s);
        assertEq(_available(payer), 110 * M, "credited");
    }

    function test_NobodyDepositsByAnothersPermit() public {
        _buy(payer, 10 * M);
        (uint8 v, bytes32 r, bytes32 s) = _permit(10 * M);
        vm.prank(payee);
        vm.expectRevert();
        escrow.depositWithPermit(address(credits), 10 * M, T0 + 1, v, r, s);
        assertEq(_available(payee), 0, "nothing");
    }

    function _permit(uint256 amount) private view returns (uint8, bytes32, bytes32) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 digest = keccak256(abi.encode(typehash, payer, address(escrow), amount, credits.nonces(payer), T0 + 1));
        return vm.sign(PAYER_KEY, keccak256(abi.encodePacked(hex"1901", credits.DOMAIN_SEPARATOR(), digest)));
    }

    function _authorize(address to, address asset, bytes32 domain, IEscrow.SessionGrant memory grant)
        private
        view
        returns (IEscrow.Authorization memory a)
    {
        a = IEscrow.Authorization(payer, 10 * M, 0, T0 + 1, 0, 0, 0);
        bytes32 typehash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 nonce = escrow.authorizationNonce(to, asset, grant);
        bytes32 digest = keccak256(abi.encode(typehash, payer, address(escrow), a.amount, 0, T0 + 1, nonce));
        (a.v, a.r, a.s) = vm.sign(PAYER_KEY, keccak256(abi.encodePacked(hex"1901", domain, digest)));
    }

    function test_OneSignatureDepositsAndAuthorizes() public {
        _buy(payer, 10 * M);
        IEscrow.SessionGrant memory grant = IEscrow.SessionGrant(sessionKey, 7, 5 * M, uint40(T0 + 9 days), "salt");
        bytes32 domain = credits.DOMAIN_SEPARATOR();
        IEscrow.Authorization memory a = _authorize(payer, address(credits), domain, grant);
        IEscrow.SessionGrant memory worse = grant;
        escrow.depositWithAuthorization(payer, address(credits), a, grant);
        assertEq(_available(payer), 110 * M, "deposited");
        assertTrue(delegations.isActive(payer, sessionKey, 7), "authorized");
        assertEq(delegations.session(payer, sessionKey).limit, 5 * M, "limit");
        assertEq(_redeem(SESSION_KEY, 1, 8 * M), 5 * M, "spends to its limit");
        vm.expectRevert();
        escrow.depositWithAuthorization(payer, address(credits), a, worse);
    }

    function test_AnAuthorizationCannotBeRedirectedOrWidened() public {
        _buy(payer, 10 * M);
        IEscrow.SessionGrant memory grant = IEscrow.SessionGrant(sessionKey, 1, 5 * M, uint40(T0 + 9 days), "salt");
        IEscrow.Authorization memory a = _authorize(payer, address(credits), credits.DOMAIN_SEPARATOR(), grant);
        vm.expectRevert(IEscrow.GrantNotForDepositor.selector);
        escrow.depositWithAuthorization(payee, address(credits), a, grant);
        grant.limit = 6 * M;
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.depositWithAuthorization(payer, address(credits), a, grant);
        (grant.limit, grant.key) = (5 * M, payee);
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.depositWithAuthorization(payer, address(credits), a, grant);
        grant.key = address(0);
        vm.expectRevert();
        escrow.depositWithAuthorization(payee, address(credits), a, grant);
    }

    /// A token's word is not a signature: it must not be able to register keys of strangers.
    function test_ALyingTokenGrantsNothing() public {
        LyingToken liar = new LyingToken();
        IEscrow.SessionGrant memory grant =
            IEscrow.SessionGrant(payee, 7, type(uint128).max, uint40(T0 + 9 days), "salt");
        liar.setDomain(credits.DOMAIN_SEPARATOR());
        // Even a real signature, made for another asset, does not fit the liar: the nonce names the asset.
        IEscrow.Authorization memory a = _authorize(payer, address(credits), credits.DOMAIN_SEPARATOR(), grant);
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.depositWithAuthorization(payer, address(liar), a, grant);
        assertFalse(delegations.isRedeemable(payer, payee, 1), "no key");
    }

    function test_AnotherAssetsGrantGivesNoCredits() public {
        cairn.transfer(payer, 10 * M);
        IEscrow.SessionGrant memory grant = IEscrow.SessionGrant(sessionKey, 1, 5 * M, uint40(T0 + 9 days), "salt");
        IEscrow.Authorization memory a = _authorize(payer, address(cairn), cairn.DOMAIN_SEPARATOR(), grant);
        escrow.depositWithAuthorization(payer, address(cairn), a, grant);
        assertEq(escrow.keyUsage(payer, sessionKey, address(cairn)).limit, 5 * M, "limit in CAIRN");
        assertEq(delegations.session(payer, sessionKey).limit, 0, "none in credits");
        assertEq(_redeem(SESSION_KEY, 1, M), 0, "no credits drawn");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LimitCannotShrink.selector, 5 * M));
        vm.prank(payer);
        escrow.setKeyLimit(sessionKey, address(cairn), 4 * M);
    }

    function test_ThawTakesSevenDaysAndANewThawRestartsTheClock() public {
        vm.startPrank(payer);
        escrow.thaw(address(credits), 10 * M);
        vm.warp(T0 + 6 days);
        assertEq(escrow.thaw(address(credits), 5 * M), T0 + 13 days, "restarted");
        vm.warp(T0 + 13 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.StillThawing.selector, uint40(T0 + 13 days)));
        escrow.withdraw(address(credits), payer);
        vm.warp(T0 + 13 days);
        assertEq(escrow.withdraw(address(credits), payer), 15 * M, "both");
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.withdraw(address(credits), payer);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, 86 * M, 85 * M));
        escrow.thaw(address(credits), 86 * M);
        vm.stopPrank();
        assertEq(credits.balanceOf(payer), 15 * M, "sent");
    }

    function test_CancelThawMakesItAvailable() public {
        vm.startPrank(payer);
        escrow.thaw(address(credits), 10 * M);
        assertEq(escrow.cancelThaw(address(credits)), 10 * M, "cancelled");
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.cancelThaw(address(credits));
        vm.stopPrank();
        assertEq(_available(payer), 100 * M, "available");
        assertEq(_books(payer).thawEnd, 0, "clock");
    }

    function test_EarnedLeavesAtOnceOrIsSpentOrRedeemed() public {
        _redeem(PAYER_KEY, 1, 40 * M);
        uint128 earned = _earned(payee);
        vm.startPrank(payee);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, earned + 1, earned));
        escrow.withdrawEarned(address(credits), earned + 1, payee);
        escrow.withdrawEarned(address(credits), M, payee);
        escrow.earnedToAvailable(address(credits), 2 * M);
        uint256 tokens = escrow.redeemEarned(3 * M, 0, payee);
        vm.stopPrank();
        assertEq(credits.balanceOf(payee), M, "withdrawn");
        assertEq(_available(payee), 2 * M, "available");
        assertEq(tokens, 3 * 1e6 * 1e7, "at $1");
        assertEq(cairn.balanceOf(payee), tokens, "CAIRN");
        assertEq(_earned(payee), earned - 6 * M, "earned");
    }

    function test_OnlyEarnedCreditsAreRedeemed() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, 1, 0));
        escrow.redeemEarned(1, 0, payer);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, 1, 0));
        escrow.redeemEarnedProRata(1, 0, payer);
        vm.stopPrank();
    }

    function test_ARefusedRedemptionLeavesTheCredits() public {
        _redeem(PAYER_KEY, 1, 40 * M);
        uint128 earned = _earned(payee);
        vm.expectRevert(abi.encodeWithSelector(ICredits.Slippage.selector, 1e13, 1e13 + 1));
        vm.prank(payee);
        escrow.redeemEarned(M, 1e13 + 1, payee);
        assertEq(_earned(payee), earned, "kept");
        oracle.set(0, 0, 0, 0);
        credits.poke();
        vm.warp(T0 + 14 days);
        vm.prank(payee);
        assertEq(escrow.redeemEarnedProRata(M, 0, payee), 1e13, "share");
    }

    // ------------------------------------------------------------------------------------------------------ channels

    function test_ClosingReturnsTheEarmarkAfterSevenDays() public {
        _open(1, 30 * M);
        assertEq(_available(payer), 70 * M, "earmarked");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotPayer.selector, payee));
        vm.prank(payee);
        escrow.closeChannel(_id(1));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotClosing.selector, _key(1)));
        escrow.finalizeClose(_id(1));
        vm.prank(payer);
        escrow.closeChannel(_id(1));
        assertEq(_redeem(PAYER_KEY, 1, 10 * M), 10 * M, "the payee redeems meanwhile");
        vm.warp(T0 + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.StillClosing.selector, uint40(T0 + 7 days)));
        escrow.finalizeClose(_id(1));
        vm.warp(T0 + 7 days);
        assertEq(escrow.finalizeClose(_id(1)), 20 * M, "rest");
        assertEq(_available(payer), 90 * M, "returned");
        assertEq(escrow.channel(_key(1)).redeemed, 10 * M, "never reset");
        _open(1, 30 * M);
        assertEq(_redeem(PAYER_KEY, 1, 10 * M), 0, "not twice");
        assertEq(_redeem(PAYER_KEY, 1, 11 * M), M, "continues");
    }

    function test_FundingAChannelCancelsItsClosing() public {
        _open(1, 10 * M);
        vm.prank(payer);
        escrow.closeChannel(_id(1));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.StillClosing.selector, uint40(T0 + 7 days)));
        vm.prank(payer);
        escrow.closeChannel(_id(1));
        vm.warp(T0 + 6 days);
        _open(1, 10 * M);
        vm.warp(T0 + 8 days);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotClosing.selector, _key(1)));
        escrow.finalizeClose(_id(1));
        assertEq(escrow.channel(_key(1)).earmark, 20 * M, "both");
    }

    function test_ASessionKeyFillsEarmarksUpToItsLimit() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.KeyNotActive.selector, payer, sessionKey));
        vm.prank(sessionKey);
        escrow.openChannel(_id(1), M);
        _register(10 * M);
        vm.startPrank(sessionKey);
        escrow.openChannel(_id(1), 6 * M);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.KeyLimitExceeded.selector, 5 * M, 4 * M));
        escrow.openChannel(_id(1), 5 * M);
        vm.stopPrank();
        vm.prank(payer);
        delegations.revoke(sessionKey);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.KeyNotActive.selector, payer, sessionKey));
        vm.prank(sessionKey);
        escrow.openChannel(_id(1), M);
    }

    // ------------------------------------------------------------------------------------------------------ vouchers

    function test_Threat7_AVoucherDrawsEarmarkThenAvailableThenThawingNeverEarned() public {
        // The payer has earned something itself.
        _fund(payee, 10 * M);
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](1);
        bytes32 digest = escrow.hashVoucher(payer, payer, address(credits), NET, 9, 10 * M);
        (bytes32 r, bytes32 vs) = vm.signCompact(PAYER_KEY, digest);
        items[0] = IEscrow.Voucher(payer, 9, 10 * M, r, vs);
        escrow.redeem(payer, address(credits), NET, items);
        _open(1, 20 * M);
        vm.prank(payer);
        escrow.thaw(address(credits), 30 * M);
        assertEq(_redeem(PAYER_KEY, 1, 20 * M), 20 * M, "earmark");
        assertEq(_available(payer), 40 * M, "pool untouched");
        assertEq(_redeem(PAYER_KEY, 1, 60 * M), 40 * M, "available");
        assertEq(_books(payer).thawing, 30 * M, "thawing untouched");
        assertEq(_redeem(PAYER_KEY, 1, 100 * M), 30 * M, "thawing");
        assertEq(_books(payer).thawing, 0, "which is spent");
        assertEq(_earned(payer), _net(10 * M), "earned untouched");
        assertEq(escrow.channel(_key(1)).redeemed, 90 * M, "records what was paid");
        _fund(payer, 10 * M);
        assertEq(_redeem(PAYER_KEY, 1, 100 * M), 10 * M, "the rest stayed good");
    }

    function _uncollected(uint32 period) private view returns (uint128 uncollected) {
        (,, uncollected) = escrow.fees(NET, period);
    }

    function _collect(uint32 from, uint32 to) private returns (uint128) {
        uint32[] memory periods = new uint32[](to - from + 1);
        for (uint32 i = 0; i < periods.length; ++i) {
            periods[i] = from + i;
        }
        return escrow.collectFees(NET, periods);
    }

    function test_FeesAreTakenFromTheTotalRoundedUp() public {
        registry.setFee(NET, 250, owner);
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](2);
        items[0] = _voucher(PAYER_KEY, 1, 101);
        items[1] = _voucher(PAYER_KEY, 2, 102);
        assertEq(_redeemMany(items), 203, "total");
        (uint128 counted,, uint128 uncollected) = escrow.fees(NET, 3);
        assertEq(uncollected, 6, "ceil(5.075)");
        assertEq(counted, 3, "ceil(2.03), in period 3 after genesis");
        assertEq(_earned(payee), 194, "the rest");
        uint256 supply = credits.totalSupply();
        uint256 vault = credits.vault();
        assertEq(escrow.burnFees(NET, 3), 3, "burned");
        assertEq(escrow.burnFees(NET, 3), 0, "once");
        assertEq(supply - credits.totalSupply(), 3, "supply");
        assertEq(credits.vault(), vault, "vault");
        assertEq(escrow.currentPeriod(), 3, "period");
        assertEq(_uncollected(3), 6, "burning takes nothing of the network's");
        assertEq(_redeem(PAYER_KEY, 1, 201), 100, "after the burn");
        (counted,,) = escrow.fees(NET, 3);
        assertEq(counted, 4, "counted on");
        assertEq(escrow.burnFees(NET, 3), 1, "and burned once");
    }

    function test_TinyTotalsAndGreedyNetworksDoNotUnderflow() public {
        registry.setFee(NET, 65_535, owner);
        assertEq(_redeem(PAYER_KEY, 1, 1), 1, "one unit");
        assertEq(_uncollected(3), 1, "fee is at most the total");
        assertEq(_redeem(PAYER_KEY, 1, 1001), 1000, "more");
        assertEq(_uncollected(3), 101, "a network takes at most 10 %");
        registry.setFee(NET, 1000, address(0));
        vm.warp(block.timestamp + 1 days);
        assertEq(_redeem(PAYER_KEY, 1, 2001), 1000, "no recipient");
        assertEq(_earned(payee), 890 + 990, "no network fee");
    }

    /// @dev The registry is asked once a day; its fees are announced weeks before.
    function test_ANetworksFeeChangesAtMidnight() public {
        registry.setFee(NET, 100, owner);
        _redeem(PAYER_KEY, 1, 1000);
        registry.setFee(NET, 200, owner);
        _redeem(PAYER_KEY, 1, 2000);
        assertEq(_uncollected(3), 20, "the day's fee");
        vm.warp(T0 + 1 days - 1);
        _redeem(PAYER_KEY, 1, 3000);
        assertEq(_uncollected(3), 30, "to its last second");
        vm.warp(T0 + 1 days);
        _redeem(PAYER_KEY, 1, 4000);
        assertEq(_uncollected(4), 20, "the next day's");
        assertEq(_uncollected(3), 30, "and the last one's is what it was");
    }

    function test_FeesAreCollectedOnceForTheRecipient() public {
        registry.setFee(NET, 100, owner);
        _redeem(PAYER_KEY, 1, 1000);
        vm.warp(T0 + 1 days);
        _redeem(PAYER_KEY, 1, 3000);
        assertEq(_earned(owner), 0, "not yet");
        registry.setFee(NET, 100, address(0));
        assertEq(_collect(3, 4), 0, "nobody to give it to");
        registry.setFee(NET, 100, owner);
        vm.expectEmit(address(escrow));
        emit IEscrow.FeesCollected(NET, owner, 30);
        assertEq(_collect(2, 5), 30, "both days'");
        assertEq(_earned(owner), 30, "earned");
        assertEq(_uncollected(3) + _uncollected(4), 0, "nothing is left");
        (uint128 counted, uint128 burned,) = escrow.fees(NET, 4);
        assertEq(counted - burned, 20, "what is to be burned stays");
        assertEq(_collect(2, 5), 0, "once");
        assertEq(_earned(owner), 30, "as before");
        _redeem(PAYER_KEY, 1, 4000);
        assertEq(_collect(4, 4), 10, "the rest of the day");
        vm.prank(owner);
        escrow.withdrawEarned(address(credits), 40, owner);
        assertEq(credits.balanceOf(owner), 40, "and it is money");
    }

    function test_OtherAssetsPayNoProtocolFee() public {
        cairn.approve(address(escrow), 100);
        escrow.deposit(payer, address(cairn), 100);
        bytes32 digest = escrow.hashVoucher(payer, payee, address(cairn), NET, 1, 100);
        (bytes32 r, bytes32 vs) = vm.signCompact(PAYER_KEY, digest);
        assertEq(escrow.redeem(payee, address(cairn), NET, _one(IEscrow.Voucher(payer, 1, 100, r, vs))), 100, "paid");
        assertEq(escrow.account(payee, address(cairn)).earned, 100, "whole");
        registry.setFee(NET, 100, owner);
        cairn.approve(address(escrow), 1000);
        escrow.deposit(payer, address(cairn), 1000);
        (r, vs) = vm.signCompact(PAYER_KEY, escrow.hashVoucher(payer, payee, address(cairn), NET, 1, 1100));
        escrow.redeem(payee, address(cairn), NET, _one(IEscrow.Voucher(payer, 1, 1100, r, vs)));
        assertEq(escrow.account(owner, address(cairn)).earned, 10, "the network's part at once");
        assertEq(escrow.account(payee, address(cairn)).earned, 100 + 990, "less it");
        (uint128 counted,, uint128 uncollected) = escrow.fees(NET, 3);
        assertEq(counted + uncollected, 0, "not in the credits' books");
    }

    function test_BadItemsAreSkippedAndTheOthersPaid() public {
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](5);
        items[0] = _voucher(OTHER_KEY, 1, M);
        items[1] = _voucher(PAYER_KEY, 2, M);
        items[1].vs = bytes32(type(uint256).max);
        items[2] = _voucher(PAYER_KEY, 3, M);
        items[2].cumulative = 2 * M;
        items[3] = _voucher(PAYER_KEY, 4, 0);
        items[4] = _voucher(PAYER_KEY, 5, 3 * M);
        vm.expectEmit(address(escrow));
        emit IEscrow.VoucherSkipped(0, payer, _key(1), IEscrow.SkipReason.KeyNotRedeemable);
        vm.expectEmit(address(escrow));
        emit IEscrow.VoucherSkipped(1, payer, _key(2), IEscrow.SkipReason.BadSignature);
        vm.expectEmit(address(escrow));
        emit IEscrow.VoucherSkipped(2, payer, _key(3), IEscrow.SkipReason.KeyNotRedeemable);
        vm.expectEmit(address(escrow));
        emit IEscrow.VoucherSkipped(3, payer, _key(4), IEscrow.SkipReason.NothingDue);
        vm.expectEmit(address(escrow));
        emit IEscrow.VoucherRedeemed(_key(5), payer, payee, 3 * M, 3 * M);
        assertEq(_redeemMany(items), 3 * M, "total");
    }

    function test_Threat5_AVoucherIsGoodForItsOwnChannelOnly() public {
        IEscrow.Voucher[] memory items = _one(_voucher(PAYER_KEY, 1, M));
        assertEq(escrow.redeem(owner, address(credits), NET, items), 0, "payee");
        assertEq(escrow.redeem(payee, address(cairn), NET, items), 0, "asset");
        assertEq(escrow.redeem(payee, address(credits), NET + 1, items), 0, "network");
        items[0].channelId = 2;
        assertEq(_redeemMany(items), 0, "channel");
        items[0].channelId = 1;
        vm.chainId(5);
        assertEq(_redeemMany(items), 0, "chain");
        vm.chainId(31337);
        assertEq(_redeemMany(items), M, "its own");
    }

    function test_AChannelTwiceInABatchReverts() public {
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](2);
        items[0] = _voucher(PAYER_KEY, 1, M);
        items[1] = _voucher(PAYER_KEY, 1, 2 * M);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.DuplicateChannel.selector, 1));
        _redeemMany(items);
        (uint128 first, uint128 second) =
            new TwiceRedeemer().redeemTwice(escrow, payee, address(credits), NET, _one(items[0]), _one(items[1]));
        assertEq(first, M, "two batches of one transaction");
        assertEq(second, M, "do not disturb each other");
    }

    function test_Threat8_SessionKeysAreLimitedInAllAndGoodForAWeekAfterTheirEnd() public {
        _register(10 * M);
        _open(1, 8 * M);
        assertEq(_redeem(SESSION_KEY, 1, 8 * M), 8 * M, "earmark");
        assertEq(_redeem(SESSION_KEY, 2, 5 * M), 2 * M, "limit over channels");
        assertEq(escrow.keyUsage(payer, sessionKey, address(credits)).spent, 10 * M, "spent");
        assertEq(_redeem(PAYER_KEY, 2, 5 * M), 3 * M, "the payer's own is not limited");
        vm.prank(payer);
        delegations.register(sessionKey, 1, 20 * M, uint40(T0 + 40 days));
        vm.prank(payer);
        delegations.revoke(sessionKey);
        vm.warp(T0 + 7 days - 1);
        assertEq(_redeem(SESSION_KEY, 3, M), M, "grace");
        vm.warp(T0 + 7 days);
        assertEq(_redeem(SESSION_KEY, 3, 2 * M), 0, "over");
    }

    function test_AKeyWithoutVoucherScopeDrawsNothing() public {
        vm.prank(payer);
        delegations.register(sessionKey, 6, 10 * M, uint40(T0 + 30 days));
        assertEq(_redeem(SESSION_KEY, 1, M), 0, "scope");
    }

    /// E6: four channels, two signers, a short pool and a short limit; every order gives the same total.
    function testFuzz_E6_TheTotalDoesNotDependOnOrder(
        uint128[4] memory due,
        uint128[4] memory earmark,
        uint8 signers,
        uint128 limit,
        uint128 pool,
        uint8 seed
    ) public {
        for (uint64 i = 0; i < 4; ++i) {
            earmark[i] = uint128(bound(earmark[i], 0, 20 * M));
            if (earmark[i] != 0) _open(i, earmark[i]);
        }
        pool = uint128(bound(pool, 0, _available(payer)));
        if (pool != _available(payer)) {
            uint128 rest = _available(payer) - pool;
            vm.prank(payer);
            escrow.openChannel(_id(99), rest);
        }
        _register(uint128(bound(limit, 0, 50 * M)));
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](4);
        for (uint64 i = 0; i < 4; ++i) {
            uint256 key = (signers >> i) & 1 == 1 ? SESSION_KEY : PAYER_KEY;
            items[i] = _voucher(key, i, uint128(bound(due[i], 0, 30 * M)));
        }
        uint256 state = vm.snapshotState();
        uint128 total = _redeemMany(items);
        uint128 earned = _earned(payee);
        vm.revertToState(state);
        for (uint256 i = 3; i > 0; --i) {
            uint256 j = uint256(keccak256(abi.encode(seed, i))) % (i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
        assertEq(_redeemMany(items), total, "total");
        assertEq(_earned(payee), earned, "credited");
    }

    // --------------------------------------------------------------------------------------------------------- proofs

    function test_ProvedUsageIsPaidFromTheEarmarkAndSharesTheVouchersCounter() public {
        _open(1, 50 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) =
            _usage(1, 10 * M + 1, 5 * M + 1, 3, 5, PAYER_KEY);
        // Σ floors: (10M + 1) · 3/3 + ⌊(5M + 1) · 5/3⌋
        uint128 value = 10 * M + 1 + ((5 * M + 1) * 5) / 3;
        _redeem(PAYER_KEY, 1, 4 * M);
        uint128 pool = _available(payer);
        assertEq(escrow.redeemProved(_id(1), root, units), value - 4 * M, "what the voucher left");
        assertEq(escrow.channel(_key(1)).redeemed, value, "shared counter");
        assertEq(_available(payer), pool, "pool untouched");
        assertEq(_redeem(PAYER_KEY, 1, value), 0, "a later voucher pays nothing again");
        vm.expectRevert(IEscrow.NothingDue.selector);
        escrow.redeemProved(_id(1), root, units);
        assertEq(_redeem(PAYER_KEY, 1, value + 1), 1, "only what is above");
    }

    function test_ProvedUsageStopsAtTheEarmarkAndAtTheKeysLimit() public {
        _register(7 * M);
        _open(1, 5 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) =
            _usage(1, 10 * M, 10 * M, 3, 3, SESSION_KEY);
        assertEq(escrow.redeemProved(_id(1), root, units), 5 * M, "earmark");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, 15 * M, 0));
        escrow.redeemProved(_id(1), root, units);
        _open(1, 5 * M);
        assertEq(escrow.redeemProved(_id(1), root, units), 2 * M, "limit");
        vm.prank(payer);
        delegations.revoke(sessionKey);
        vm.warp(T0 + 7 days);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.KeyNotRedeemable.selector, payer, sessionKey));
        escrow.redeemProved(_id(1), root, units);
    }

    function test_ProofsAreRefused() public {
        _open(1, 50 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) = _usage(1, 10 * M, 10 * M, 3, 3, PAYER_KEY);
        distributor.setActive(NET, address(cairn), 3, root.root, false);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.RootNotActive.selector, 3, root.root));
        escrow.redeemProved(_id(1), root, units);
        distributor.setActive(NET, address(cairn), 3, root.root, true);

        root.cumulative += 1;
        vm.expectRevert(IEscrow.BadProof.selector);
        escrow.redeemProved(_id(1), root, units);
        root.cumulative -= 1;

        units[0].units += 1;
        vm.expectRevert(IEscrow.BadProof.selector);
        escrow.redeemProved(_id(1), root, units);
        units[0].units -= 1;

        // Another channel's line does not serve this one, and its rate is not signed for this one.
        vm.expectRevert();
        escrow.redeemProved(_id(2), root, units);
        IEscrow.ChannelId memory stolen = _id(1);
        stolen.payee = owner;
        vm.expectRevert(IEscrow.BadProof.selector);
        escrow.redeemProved(stolen, root, units);

        units[0].numerator = 4;
        vm.expectRevert(); // the signature recovers to a stranger, so the signers differ
        escrow.redeemProved(_id(1), root, units);
        units[0].numerator = 3;
        units[0].denominator = 0;
        vm.expectRevert(abi.encodeWithSelector(IEscrow.BadRate.selector, bytes32("a")));
        escrow.redeemProved(_id(1), root, units);
        units[0].denominator = 3;

        (units[0], units[1]) = (units[1], units[0]);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.UnitsNotAscending.selector, bytes32("a")));
        escrow.redeemProved(_id(1), root, units);
        units[1] = units[0];
        vm.expectRevert(abi.encodeWithSelector(IEscrow.UnitsNotAscending.selector, bytes32("b")));
        escrow.redeemProved(_id(1), root, units);
        vm.expectRevert();
        escrow.redeemProved(_id(1), root, new IEscrow.ProvedUnit[](0));
    }

    function test_ARateOfAStrangerAndMixedSignersAreRefused() public {
        _open(1, 50 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) = _usage(1, 10 * M, 10 * M, 3, 3, OTHER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.KeyNotRedeemable.selector, payer, vm.addr(OTHER_KEY)));
        escrow.redeemProved(_id(1), root, units);
        (, IEscrow.ProvedUnit[] memory own) = _usage(1, 10 * M, 10 * M, 3, 3, PAYER_KEY);
        units[0] = own[0];
        vm.expectRevert(IEscrow.MixedSigners.selector);
        escrow.redeemProved(_id(1), root, units);
    }

    function testFuzz_VoucherAndProofPayTheLargerOfTheTwoInAnyOrder(uint128 signed, uint128 proved, bool proofFirst)
        public
    {
        signed = uint128(bound(signed, 1, 40 * M));
        proved = uint128(bound(proved, 1, 20 * M));
        _open(1, 50 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) = _usage(1, proved, proved, 3, 3, PAYER_KEY);
        uint128 value = 2 * proved;
        if (!proofFirst) _redeem(PAYER_KEY, 1, signed);
        if (proofFirst || value > signed) escrow.redeemProved(_id(1), root, units);
        if (proofFirst) _redeem(PAYER_KEY, 1, signed);
        assertEq(escrow.channel(_key(1)).redeemed, signed > value ? signed : value, "the larger");
        assertEq(
            100 * M - _available(payer) - escrow.channel(_key(1)).earmark, signed > value ? signed : value, "drawn"
        );
    }

    // ----------------------------------------------------------------------------------------------------- collectors

    function _approve(uint128 allowance) private {
        vm.prank(payer);
        escrow.approveCollector(address(this), address(credits), allowance, 10 days);
    }

    function test_Threat9_ACollectorPaysFromItsLockOnly() public {
        _approve(20 * M);
        escrow.lock(payer, address(credits), "a", 12 * M, uint40(T0 + 10 days));
        assertEq(_available(payer), 88 * M, "locked");
        escrow.pay(payer, payee, address(credits), NET, "a", 5 * M);
        assertEq(_earned(payee), _net(5 * M), "paid less the fee");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, 8 * M, 7 * M));
        escrow.pay(payer, payee, address(credits), NET, "a", 8 * M);
        escrow.unlock(payer, address(credits), "a", 3 * M);
        assertEq(_available(payer), 91 * M, "unlocked");
        assertEq(escrow.approval(payer, address(this), address(credits)).allowance, 8 * M, "allowance is used up");
        assertEq(escrow.lockOf(escrow.lockKeyOf(address(this), payer, address(credits), "a")).amount, 4 * M, "left");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LockExpired.selector, 0));
        vm.prank(payee);
        escrow.pay(payer, payee, address(credits), NET, "a", 1);
    }

    function test_ACollectorPaysFromSeveralLocksAtOnce() public {
        registry.setFee(NET, 100, owner);
        _approve(20 * M);
        _fund(owner, 10 * M);
        vm.prank(owner);
        escrow.approveCollector(address(this), address(credits), 10 * M, 10 days);
        escrow.lock(payer, address(credits), "a", 1000, uint40(T0 + 2 days));
        escrow.lock(payer, address(credits), "b", 1000, uint40(T0 + 1 days));
        escrow.lock(owner, address(credits), "a", 1000, uint40(T0 + 2 days));
        IEscrow.Payment[] memory payments = new IEscrow.Payment[](3);
        payments[0] = IEscrow.Payment(payer, "a", 100);
        payments[1] = IEscrow.Payment(owner, "a", 101);
        payments[2] = IEscrow.Payment(payer, "b", 102);
        bytes32 key = escrow.lockKeyOf(address(this), owner, address(credits), "a");
        vm.expectEmit(address(escrow));
        emit IEscrow.PaidFromLock(escrow.lockKeyOf(address(this), payer, address(credits), "a"), payee, NET, 100);
        vm.expectEmit(address(escrow));
        emit IEscrow.PaidFromLock(key, payee, NET, 101);
        vm.expectEmit(address(escrow));
        emit IEscrow.PaidFromLock(escrow.lockKeyOf(address(this), payer, address(credits), "b"), payee, NET, 102);
        vm.expectEmit(address(escrow));
        emit IEscrow.Settled(payee, address(credits), NET, 303, 4, 4);
        escrow.payMany(payee, address(credits), NET, payments);
        assertEq(_earned(payee), 295, "less fees on the total");
        assertEq(escrow.lockOf(key).amount, 899, "each from its own");
        payments[1].amount = 900;
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insufficient.selector, 900, 899));
        escrow.payMany(payee, address(credits), NET, payments);
        payments[1].amount = 0;
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.payMany(payee, address(credits), NET, payments);
        payments[1].amount = 1;
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.payMany(address(0), address(credits), NET, payments);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LockExpired.selector, 0));
        vm.prank(payee);
        escrow.payMany(payee, address(credits), NET, payments);
        vm.warp(T0 + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LockExpired.selector, uint40(T0 + 1 days)));
        escrow.payMany(payee, address(credits), NET, payments);
        escrow.payMany(payee, address(credits), NET, new IEscrow.Payment[](0));
        assertEq(_earned(payee), 295, "nothing of these");
    }

    function test_LocksAreBoundByTheApproval() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.AllowanceExceeded.selector, 1, 0));
        escrow.lock(payer, address(credits), "a", 1, uint40(T0 + 1));
        _approve(20 * M);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.BadExpiry.selector, uint40(T0 + 10 days + 1)));
        escrow.lock(payer, address(credits), "a", M, uint40(T0 + 10 days + 1));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.BadExpiry.selector, uint40(T0)));
        escrow.lock(payer, address(credits), "a", M, uint40(T0));
        escrow.lock(payer, address(credits), "a", M, uint40(T0 + 1));
        bytes32 key = escrow.lockKeyOf(address(this), payer, address(credits), "a");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LockExists.selector, key));
        escrow.lock(payer, address(credits), "a", M, uint40(T0 + 1));
    }

    function test_Threat10_AnyoneReturnsAnExpiredLockAndTheCollectorCanNoLongerPay() public {
        _approve(20 * M);
        escrow.lock(payer, address(credits), "a", 10 * M, uint40(T0 + 1 days));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LockNotExpired.selector, uint40(T0 + 1 days)));
        vm.prank(owner);
        escrow.returnExpired(address(this), payer, address(credits), "a");
        vm.warp(T0 + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LockExpired.selector, uint40(T0 + 1 days)));
        escrow.pay(payer, payee, address(credits), NET, "a", 1);
        vm.prank(owner);
        assertEq(escrow.returnExpired(address(this), payer, address(credits), "a"), 10 * M, "returned");
        assertEq(_available(payer), 100 * M, "payer");
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.returnExpired(address(this), payer, address(credits), "a");
    }

    function test_VouchersDoNotDrawLockedMoney() public {
        _approve(90 * M);
        escrow.lock(payer, address(credits), "a", 90 * M, uint40(T0 + 1 days));
        assertEq(_redeem(PAYER_KEY, 1, 100 * M), 10 * M, "the unlocked rest");
    }

    // ---------------------------------------------------------------------------------------------------------- views

    function test_AForkedChainHasADomainOfItsOwn() public {
        _fund(payer, 100);
        IEscrow.Voucher[] memory items = _one(_voucher(PAYER_KEY, 1, 10));
        vm.chainId(block.chainid + 1);
        assertEq(_redeemMany(items), 0, "signed for the other chain");
        assertEq(_redeem(PAYER_KEY, 1, 10), 10, "signed for this one");
    }

    function test_DigestsAreEip712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Cairn Escrow"),
                keccak256("1"),
                block.chainid,
                address(escrow)
            )
        );
        bytes32 voucher = keccak256(
            abi.encode(
                keccak256(
                    "Voucher(address payer,address payee,address asset,uint32 net,uint64 channelId,uint128 cumulative)"
                ),
                payer,
                payee,
                address(credits),
                NET,
                uint64(3),
                M
            )
        );
        assertEq(
            escrow.hashVoucher(payer, payee, address(credits), NET, 3, M),
            keccak256(abi.encodePacked(hex"1901", domain, voucher)),
            "voucher"
        );
        bytes32 rate = keccak256(
            abi.encode(
                keccak256("Rate(bytes32 channel,bytes32 unit,uint128 numerator,uint128 denominator)"),
                _key(3),
                bytes32("gib"),
                uint128(2),
                uint128(3)
            )
        );
        assertEq(escrow.hashRate(_key(3), "gib", 2, 3), keccak256(abi.encodePacked(hex"1901", domain, rate)), "rate");
        assertEq(_key(3), keccak256(abi.encode(payer, payee, address(credits), NET, uint64(3))), "channel key");
    }
}
