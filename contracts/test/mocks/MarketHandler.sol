// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Market} from "../../Market.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IMarket} from "../../interfaces/IMarket.sol";
import {IStaking} from "../../interfaces/IStaking.sol";
import {MockStaking} from "./MockGovernance.sol";
import {MoneyFixture} from "./MoneyFixture.sol";

/// @notice Customers and providers who open, settle and end leases in any order; M2 to M4 are asserted on the way.
contract MarketHandler is MoneyFixture {
    uint256 private constant PROVIDERS = 2;
    uint256[] private _keys = [uint256(0x9801), 0x9802];
    Market public market;
    uint256 public opened;
    uint256 public ended;
    uint256 private _nonce;
    mapping(uint256 id => uint256) private _openedAt;
    mapping(uint256 id => uint256) private _paid;

    function start() external {
        if (address(market) != address(0)) return;
        _deploy();
        MockStaking staking = new MockStaking();
        for (uint256 i = 0; i < PROVIDERS; ++i) {
            staking.setEligible(vm.addr(_keys[i]), NET, true);
        }
        market = new Market(IEscrow(address(escrow)), IStaking(address(staking)), address(0));
        _fund(payer, 1000 * USD);
        vm.prank(payer);
        escrow.approveCollector(address(market), address(credits), type(uint128).max, 500 days);
    }

    function open(uint8 who, uint32 rate, uint32 term, uint32 notice, uint64 prepay) external {
        IMarket.Quote memory quote;
        quote.provider = vm.addr(_keys[who % PROVIDERS]);
        (quote.customer, quote.net, quote.asset) = (payer, NET, address(credits));
        quote.rate = uint96(bound(rate, 1, 1e5));
        quote.term = uint40(bound(term, 1, 60 days));
        quote.notice = uint40(bound(notice, 0, quote.term));
        (quote.expiry, quote.nonce) = (uint40(block.timestamp), ++_nonce);
        uint128 least = uint128(quote.rate) * (quote.notice == 0 ? 1 : quote.notice);
        uint128 most = uint128(quote.rate) * quote.term;
        prepay = uint64(bound(prepay, least, most));
        if (prepay > _available(payer)) return;
        bytes memory signature = signatureOf(_keys[who % PROVIDERS], market.hashQuote(quote));
        vm.prank(payer);
        uint256 id = market.openLease(quote, signature, prepay);
        (opened, _openedAt[id]) = (id, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(IMarket.QuoteUsed.selector, quote.provider, quote.nonce));
        vm.prank(payer);
        market.openLease(quote, signature, prepay);
    }

    function settle(uint256 which) external {
        if (opened == 0) return;
        uint256 id = bound(which, 1, opened);
        if (market.lease(id).closed) return;
        _paid[id] += market.settle(id);
        _check(id);
    }

    function close(uint256 which, bool byProvider) external {
        if (opened == 0) return;
        uint256 id = bound(which, 1, opened);
        IMarket.Lease memory l = market.lease(id);
        if (l.closed) return;
        uint256 owed = market.owedOf(id);
        vm.prank(byProvider ? l.provider : l.customer);
        market.close(id);
        _paid[id] += owed;
        ++ended;
        _check(id);
    }

    function returnExpired(uint256 which) external {
        if (opened == 0) return;
        uint256 id = bound(which, 1, opened);
        IEscrow.Lock memory held = escrow.lockOf(lockKeyOf(id));
        if (held.amount == 0 || block.timestamp < held.expiry) return;
        escrow.returnExpired(address(market), payer, address(credits), bytes32(id));
    }

    function passTime(uint32 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 1, 20 days));
    }

    /// @dev M2: paid = rate · time served, and M3 and M5 for what is closed.
    function _check(uint256 id) private view {
        IMarket.Lease memory l = market.lease(id);
        if (l.closed) assertEq(market.lockedOf(id), 0, "M5");
        assertLe(_paid[id], uint256(l.rate) * (l.end - _openedAt[id]), "M2");
        assertLe(l.settledAt, l.end, "M3");
    }

    function lockKeyOf(uint256 id) public view returns (bytes32) {
        return escrow.lockKeyOf(address(market), payer, address(credits), bytes32(id));
    }

    /// @notice Both sums of M1: what leases hold, and what Escrow holds for them.
    function sums() external view returns (uint256 leases, uint256 locks) {
        for (uint256 id = 1; id <= opened; ++id) {
            locks += escrow.lockOf(lockKeyOf(id)).amount;
            // An expired lock may have been returned without the lease knowing.
            IMarket.Lease memory l = market.lease(id);
            bool past = !l.closed && block.timestamp >= l.end + market.SETTLE_GRACE();
            leases += past ? escrow.lockOf(lockKeyOf(id)).amount : market.lockedOf(id);
        }
    }

    /// @notice Credits in Escrow: both sides', and the fees that wait to be burned.
    function moneyHeld() external view returns (uint256 sum) {
        sum = credits.balanceOf(address(escrow));
    }
}
