// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Market} from "../Market.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Pause} from "../libraries/Pause.sol";
import {Vm} from "./Vm.sol";
import {MoneyFixture} from "./mocks/MoneyFixture.sol";
import {MockAuthority, MockStaking} from "./mocks/MockGovernance.sol";

contract Wallet {
    mapping(bytes32 digest => bytes32 signature) private _accepted;

    function accept(bytes32 digest, bytes32 signature) external {
        _accepted[digest] = signature;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return _accepted[digest] == keccak256(signature) ? this.isValidSignature.selector : bytes4(0);
    }
}

contract MarketTest is MoneyFixture {
    uint256 private constant PROVIDER_KEY = 0x9801;
    uint96 private constant RATE = 1000;
    uint40 private constant TERM = 30 days;
    uint40 private constant NOTICE = 1 days;

    address private provider = vm.addr(PROVIDER_KEY);
    Market private market;
    MockStaking private staking;
    MockAuthority private pauser;

    function setUp() public {
        _deploy();
        staking = new MockStaking();
        staking.setEligible(provider, NET, true);
        pauser = new MockAuthority();
        market = new Market(IEscrow(address(escrow)), IStaking(address(staking)), address(pauser));
        _fund(payer, uint128(RATE) * TERM * 10);
        vm.prank(payer);
        escrow.approveCollector(address(market), address(credits), type(uint128).max, 500 days);
    }

    function _quote() private view returns (IMarket.Quote memory) {
        return IMarket.Quote(
            provider, payer, NET, address(credits), RATE, TERM, NOTICE, "spec", uint40(block.timestamp + 1 hours), 7
        );
    }

    function _sign(IMarket.Quote memory quote) private view returns (bytes memory) {
        return signatureOf(PROVIDER_KEY, market.hashQuote(quote));
    }

    function _open(IMarket.Quote memory quote, uint128 prepay) private returns (uint256) {
        bytes memory signature = _sign(quote);
        vm.prank(payer);
        return market.openLease(quote, signature, prepay);
    }

    function _openOne() private returns (uint256) {
        return _open(_quote(), uint128(RATE) * TERM);
    }

    function _refuse(IMarket.Quote memory quote, uint128 prepay, bytes memory reason) private {
        bytes memory signature = _sign(quote);
        vm.expectRevert(reason);
        vm.prank(payer);
        market.openLease(quote, signature, prepay);
    }

    // ------------------------------------------------------------------------------------------------------- opening

    function test_AQuoteOpensOneLeaseForItsCustomer() public {
        uint256 id = _openOne();
        IMarket.Lease memory l = market.lease(id);
        assertEq(l.customer, payer, "customer");
        assertEq(l.provider, provider, "provider");
        assertEq(l.end, T0 + TERM, "end");
        assertEq(market.lockedOf(id), uint128(RATE) * TERM, "locked");
        assertEq(_available(payer), uint128(RATE) * TERM * 9, "taken");
        assertTrue(market.isUsed(provider, 7), "used");
        _refuse(_quote(), uint128(RATE) * TERM, abi.encodeWithSelector(IMarket.QuoteUsed.selector, provider, 7));
    }

    function test_OnlyWhatTheLeaseCanUseIsLocked() public {
        uint256 id = _open(_quote(), type(uint128).max);
        assertEq(market.lockedOf(id), uint128(RATE) * TERM, "the whole term");
        IMarket.Quote memory quote = _quote();
        quote.nonce = 8;
        id = _open(quote, uint128(RATE) * NOTICE + RATE - 1);
        assertEq(market.lockedOf(id), uint128(RATE) * NOTICE, "whole seconds");
        assertEq(market.lease(id).end, T0 + NOTICE, "as long as the money");
    }

    /// Threat 12: no third party commits a customer, and no quote is good for another, later, twice or unsigned.
    function test_Threat12_QuotesBindCustomerExpiryAndNonce() public {
        IMarket.Quote memory quote = _quote();
        bytes memory signature = _sign(quote);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCustomer.selector, address(this)));
        market.openLease(quote, signature, 1e12);
        quote.rate = RATE - 1;
        vm.expectRevert(IMarket.BadSignature.selector);
        vm.prank(payer);
        market.openLease(quote, signature, 1e12);
        vm.warp(T0 + 1 hours + 1);
        quote = _quote();
        quote.expiry = uint40(T0 + 1 hours);
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.QuoteExpired.selector, quote.expiry));
        vm.prank(provider);
        market.cancelQuote(7);
        _refuse(_quote(), 1e12, abi.encodeWithSelector(IMarket.QuoteUsed.selector, provider, 7));
    }

    function test_QuotesThatMeanNothingAreRefused() public {
        IMarket.Quote memory quote = _quote();
        quote.rate = 0;
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.BadQuote.selector));
        quote = _quote();
        quote.term = 0;
        quote.notice = 0;
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.BadQuote.selector));
        quote = _quote();
        quote.term = 366 days + 1;
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.BadQuote.selector));
        quote = _quote();
        quote.notice = quote.term + 1;
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.BadQuote.selector));
        uint256 least = uint256(RATE) * NOTICE;
        bytes memory reason = abi.encodeWithSelector(IMarket.PrepayTooLow.selector, least - 1, least);
        _refuse(_quote(), uint128(least - 1), reason);
        quote = _quote();
        quote.notice = 0;
        _refuse(quote, RATE - 1, abi.encodeWithSelector(IMarket.PrepayTooLow.selector, RATE - 1, 0));
        staking.setEligible(provider, NET, false);
        _refuse(_quote(), 1e12, abi.encodeWithSelector(IMarket.NotEligible.selector, provider, NET));
        vm.expectRevert(IMarket.ZeroAddress.selector);
        new Market(IEscrow(address(0)), IStaking(address(staking)), address(0));
    }

    /// @dev A contract that accepts one signature of one digest, and any account's own key before its code.
    function test_AQuoteIsSignedByTheKeyOrByTheContract() public {
        Wallet wallet = new Wallet();
        staking.setEligible(address(wallet), NET, true);
        IMarket.Quote memory quote = _quote();
        quote.provider = address(wallet);
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.BadSignature.selector));
        wallet.accept(market.hashQuote(quote), keccak256(_sign(quote)));
        assertEq(market.lease(_open(quote, 1e12)).provider, address(wallet), "by the contract");
        quote.nonce = 8;
        _refuse(quote, 1e12, abi.encodeWithSelector(IMarket.BadSignature.selector));
        vm.etch(provider, address(wallet).code);
        assertEq(market.lease(_openOne()).provider, provider, "by the key of an account with code");
        quote = _quote();
        quote.nonce = 9;
        bytes memory others = signatureOf(OTHER_KEY, market.hashQuote(quote));
        vm.expectRevert(IMarket.BadSignature.selector);
        vm.prank(payer);
        market.openLease(quote, others, 1e12);
    }

    function test_AQuoteIsGoodToItsLastSecond() public {
        IMarket.Quote memory quote = _quote();
        vm.warp(quote.expiry);
        assertEq(market.lease(_open(quote, 1e12)).provider, provider, "opened");
    }

    function test_AQuoteMayBeForALeapYear() public {
        IMarket.Quote memory quote = _quote();
        quote.term = 366 days;
        uint256 id = _open(quote, uint128(RATE) * NOTICE);
        assertEq(market.lease(id).end, T0 + NOTICE, "opened, for as long as the money");
    }

    function test_ThePauseStopsNewLeasesAndNothingElse() public {
        uint256 id = _openOne();
        pauser.setPausedUntil(T0 + 1 days);
        IMarket.Quote memory quote = _quote();
        quote.nonce = 8;
        _refuse(quote, 1e12, abi.encodeWithSelector(Pause.Paused.selector, T0 + 1 days));
        vm.warp(T0 + 100);
        assertEq(market.settle(id), RATE * 100, "settle");
        vm.prank(payer);
        market.close(id);
        vm.warp(T0 + 1 days);
        quote.expiry = uint40(T0 + 2 days);
        _open(quote, 1e12);
    }

    // ------------------------------------------------------------------------------------------------- settle, close

    function test_SettlingPaysForTheTimePassed() public {
        uint256 id = _openOne();
        assertEq(market.settle(id), 0, "no time, no pay");
        vm.warp(T0 + 1000);
        assertEq(market.owedOf(id), RATE * 1000, "owed");
        assertEq(market.settle(id), RATE * 1000, "paid");
        assertEq(_earned(provider), _net(RATE * 1000), "earned, less the fee");
        vm.warp(T0 + TERM + 5);
        assertEq(market.settle(id), uint128(RATE) * (TERM - 1000), "to the end and not beyond");
        assertTrue(market.lease(id).closed, "closed");
        assertEq(market.lockedOf(id), 0, "empty");
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseNotOpen.selector, id));
        market.settle(id);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseNotOpen.selector, 99));
        market.settle(99);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseNotOpen.selector, 99));
        market.close(99);
    }

    function test_WhoSettlesIsToldWhatWasPaidAndNothingWhenNothingWas() public {
        uint256 id = _openOne();
        vm.recordLogs();
        market.settle(id);
        assertEq(vm.getRecordedLogs().length, 0, "no time, no word");
        vm.warp(T0 + 1000);
        vm.expectEmit(address(market));
        emit IMarket.LeaseSettled(id, RATE * 1000, uint40(T0 + 1000));
        market.settle(id);
    }

    function test_TheCustomerPaysToNowAndGetsTheRestAtOnce() public {
        uint256 id = _openOne();
        vm.warp(T0 + 1000);
        vm.prank(payer);
        market.close(id);
        assertEq(_earned(provider), _net(RATE * 1000), "provider");
        assertEq(_available(payer), uint128(RATE) * TERM * 10 - RATE * 1000, "customer");
        assertTrue(market.lease(id).closed, "closed");
    }

    function test_TheProviderGivesNoticeAndIsPaidForIt() public {
        uint256 id = _openOne();
        vm.warp(T0 + 1000);
        vm.prank(provider);
        market.close(id);
        assertFalse(market.lease(id).closed, "not yet");
        assertEq(market.lease(id).end, T0 + 1000 + NOTICE, "after the notice");
        vm.warp(T0 + 2000);
        vm.prank(provider);
        market.close(id);
        assertEq(market.lease(id).end, T0 + 1000 + NOTICE, "a second notice extends nothing");
        vm.warp(T0 + 1000 + NOTICE);
        market.close(id);
        assertEq(_earned(provider) >= _net(uint128(RATE) * (1000 + NOTICE)) - 3, true, "paid through the notice");
        assertEq(_available(payer), uint128(RATE) * TERM * 10 - uint128(RATE) * (1000 + NOTICE), "rest returned");
    }

    function test_ANoticeThatEndsWithTheLeaseChangesNothing() public {
        uint256 id = _openOne();
        vm.warp(T0 + TERM - NOTICE);
        vm.prank(provider);
        market.close(id);
        assertEq(market.lease(id).end, T0 + TERM, "the same end");
        assertEq(_earned(provider), _net(uint128(RATE) * (TERM - NOTICE)), "settled to now");
    }

    function test_StrangersCloseOnlyWhatHasEnded() public {
        uint256 id = _openOne();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotParty.selector, address(this)));
        market.close(id);
        vm.warp(T0 + TERM);
        market.close(id);
        assertTrue(market.lease(id).closed, "closed");
    }

    function test_WhatNobodySettlesInTimeReturnsToTheCustomer() public {
        uint256 id = _openOne();
        vm.warp(T0 + TERM + 30 days - 1);
        assertEq(market.owedOf(id), uint128(RATE) * TERM, "still");
        vm.warp(T0 + TERM + 30 days);
        assertEq(market.owedOf(id), 0, "too late");
        assertEq(market.settle(id), 0, "nothing");
        assertTrue(market.lease(id).closed, "closed");
        assertEq(_available(payer), uint128(RATE) * TERM * 10, "all back");
    }

    function test_EscrowReturnsTheMoneyEvenWithoutTheMarket() public {
        uint256 id = _openOne();
        vm.warp(T0 + TERM + 30 days);
        escrow.returnExpired(address(market), payer, address(credits), bytes32(id));
        assertEq(_available(payer), uint128(RATE) * TERM * 10, "all back");
        market.settle(id);
        assertTrue(market.lease(id).closed, "and the lease closes");
    }

    /// Threat 9: a collector pays only from what it locked of the money that the payer allowed it.
    function test_Threat9_TheMarketLocksOnlyWhatTheCustomerApproved() public {
        vm.prank(payer);
        escrow.approveCollector(address(market), address(credits), uint128(RATE) * NOTICE, 500 days);
        bytes memory reason =
            abi.encodeWithSelector(IEscrow.AllowanceExceeded.selector, uint256(RATE) * TERM, uint256(RATE) * NOTICE);
        _refuse(_quote(), uint128(RATE) * TERM, reason);
        _open(_quote(), uint128(RATE) * NOTICE);
    }

    /// Threat 11: settling costs the same after a year as after a minute.
    function test_Threat11_SettlingIsConstantInTime() public {
        IMarket.Quote memory quote = _quote();
        quote.term = 300 days;
        uint256 id = _open(quote, type(uint128).max);
        market.settle(id);
        vm.warp(T0 + 60);
        market.settle(id);
        vm.warp(T0 + 120);
        market.settle(id);
        uint256 soon = lastGas();
        vm.warp(T0 + 290 days);
        market.settle(id);
        // A new day of the fee book is one new slot and the registry asked once, and the only difference.
        assertLe(lastGas(), soon + 25_000, "no loop over time");
    }

    function test_SettleManyPassesOverWhatIsNotOpen() public {
        uint256[] memory ids = new uint256[](4);
        ids[0] = _openOne();
        ids[1] = 99;
        ids[2] = ids[0];
        IMarket.Quote memory quote = _quote();
        quote.nonce = 8;
        ids[3] = _open(quote, 1e12);
        vm.warp(T0 + 50);
        assertEq(market.settleMany(ids), RATE * 100, "two leases, once each");
    }

    /// @dev Neighbours are paid together; nobody gets what is another's, and the batch goes on after each.
    function test_SettleManyPaysEveryProviderItsOwn() public {
        address second = vm.addr(OTHER_KEY);
        staking.setEligible(second, NET, true);
        cairn.approve(address(escrow), 1e12);
        escrow.deposit(payer, address(cairn), 1e12);
        vm.prank(payer);
        escrow.approveCollector(address(market), address(cairn), type(uint128).max, 500 days);
        uint256[] memory ids = new uint256[](6);
        for (uint256 i = 0; i < 6; ++i) {
            IMarket.Quote memory quote = _quote();
            quote.nonce = 50 + i;
            if (i == 2) quote.provider = second;
            if (i == 4) quote.asset = address(cairn);
            if (i == 5) quote.asset = address(cairn);
            bytes memory signature = signatureOf(i == 2 ? OTHER_KEY : PROVIDER_KEY, market.hashQuote(quote));
            vm.prank(payer);
            ids[i] = market.openLease(quote, signature, uint128(RATE) * NOTICE);
        }
        vm.warp(T0 + 10);
        assertEq(market.settleMany(ids), RATE * 60, "six leases");
        assertEq(escrow.account(provider, address(credits)).earned, _net(RATE * 20) + _net(RATE * 10), "two and one");
        assertEq(escrow.account(second, address(credits)).earned, _net(RATE * 10), "the one between");
        assertEq(escrow.account(provider, address(cairn)).earned, RATE * 20, "in the other asset");
        for (uint256 i = 0; i < 6; ++i) {
            assertEq(market.owedOf(ids[i]), 0, "settled");
        }
        assertEq(market.settleMany(ids), 0, "once");
    }

    /// @dev Escrow books fees by network, and hears of neighbours of one network once.
    function test_NeighboursArePaidTogetherAndTheirNetworksApart() public {
        staking.setEligible(provider, NET + 1, true);
        uint256[] memory ids = new uint256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            IMarket.Quote memory quote = _quote();
            quote.nonce = 60 + i;
            if (i >= 2) quote.net = NET + 1;
            ids[i] = _open(quote, uint128(RATE) * NOTICE);
        }
        vm.warp(T0 + 10);
        vm.recordLogs();
        market.settleMany(ids);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 payments = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow) && logs[i].topics[0] == IEscrow.Settled.selector) ++payments;
        }
        assertEq(payments, 2, "two leases each");
        for (uint32 net = NET; net <= NET + 1; ++net) {
            (uint128 counted,,) = escrow.fees(net, escrow.currentPeriod());
            assertEq(counted, RATE * 20 / 100, "a hundredth of its own");
        }
    }

    /// M2: whatever happens in whichever order, a lease pays for its time and returns the rest.
    function testFuzz_EveryLeasePaysForItsTimeAndReturnsTheRest(
        uint96 rate,
        uint40 term,
        uint40 notice,
        uint128 prepay,
        uint40[3] memory waits,
        uint8 ender
    ) public {
        IMarket.Quote memory quote = _quote();
        quote.term = uint40(bound(term, 1, 366 days));
        quote.notice = uint40(bound(notice, 0, quote.term));
        quote.rate = uint96(bound(rate, 1, 1e9));
        uint128 most = uint128(quote.rate) * quote.term;
        uint128 least = uint128(quote.rate) * quote.notice;
        prepay = uint128(bound(prepay, least < quote.rate ? quote.rate : least, most));
        vm.assume(prepay <= _available(payer));
        uint256 before = _available(payer);
        uint256 id = _open(quote, prepay);
        assertLe(market.lockedOf(id), prepay, "locked");
        uint256 paid;
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(block.timestamp + bound(waits[i], 0, 10 days));
            if (market.lease(id).closed) break;
            paid += market.settle(id);
            assertEq(paid, uint256(quote.rate) * (market.lease(id).settledAt - T0), "M2");
        }
        if (!market.lease(id).closed) {
            vm.prank(ender % 2 == 0 ? payer : provider);
            market.close(id);
            vm.warp(market.lease(id).end);
            if (!market.lease(id).closed) market.settle(id);
        }
        assertEq(before - _available(payer), uint256(quote.rate) * (market.lease(id).end - T0), "the rest came back");
        assertEq(escrow.lockOf(_lockKey(id)).amount, 0, "M5");
    }

    function _lockKey(uint256 id) private view returns (bytes32) {
        return escrow.lockKeyOf(address(market), payer, address(credits), bytes32(id));
    }

    // ----------------------------------------------------------------------------------------------------------- gas

    function test_gas_Lease() public {
        _openOne();
        IMarket.Quote memory quote = _quote();
        quote.nonce = 8;
        uint256 id = _open(quote, 1e12);
        gate("Market", "open lease", lastGas(), 200_000);
        vm.warp(T0 + 100);
        market.settle(id);
        vm.warp(T0 + 200);
        market.settle(id);
        gate("Market", "settle lease", lastGas(), 63_000);
        uint256[] memory ids = new uint256[](32);
        for (uint256 i = 0; i < 32; ++i) {
            quote.nonce = 100 + i;
            quote.notice = 0;
            ids[i] = _open(quote, 1e6);
        }
        vm.warp(T0 + 300);
        market.settleMany(ids);
        vm.warp(T0 + 400);
        market.settleMany(ids);
        gate("Market", "settle lease, of 32", lastGas() / 32, 24_500);
    }
}
