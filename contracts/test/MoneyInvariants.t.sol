// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {MoneyFixture} from "./mocks/MoneyFixture.sol";
import {MoneyHandler} from "./mocks/MoneyHandler.sol";

/// @notice What must hold whatever customers, payees, collectors and prices do. E2, E3, E4, C3 and C4 are asserted by the
/// handler at the moment they could break.
contract MoneyInvariantsTest is MoneyFixture {
    MoneyHandler private handler;

    function setUp() public {
        _deploy();
        registry.setFee(NET, 300, owner);
        handler = new MoneyHandler(cairn, credits, escrow, delegations, oracle);
        cairn.transfer(address(handler), cairn.balanceOf(address(this)));
        handler.start();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// Everything that Escrow owes in credits: accounts, earmarks, locks, and fees that wait to be burned or collected.
    function _liabilities() private view returns (uint256 sum, uint256 earmarks, uint256 locked) {
        (uint256 accounts, uint256 channels, uint256 locks, uint256 periods) = handler.counts();
        for (uint256 i = 0; i < accounts; ++i) {
            IEscrow.Account memory books = escrow.account(handler.accounts(i), address(credits));
            sum += uint256(books.available) + books.thawing + books.earned;
        }
        for (uint256 i = 0; i < channels; ++i) {
            earmarks += escrow.channel(handler.channels(i)).earmark;
        }
        for (uint256 i = 0; i < locks; ++i) {
            locked += escrow.lockOf(handler.locks(i)).amount;
        }
        for (uint256 i = 0; i < periods; ++i) {
            (uint128 counted, uint128 feesBurned, uint128 uncollected) = escrow.fees(NET, handler.periods(i));
            sum += uint256(counted) - feesBurned + uncollected;
        }
        sum += earmarks + locked;
    }

    /// E1 to the unit: Escrow holds exactly what it owes, so no payment creates, loses or strands a µcredit.
    /// forge-config: default.invariant.runs = 12
    function invariant_E1_balanceEqualsLiabilities() public view {
        (uint256 owed,,) = _liabilities();
        assertEq(credits.balanceOf(address(escrow)), owed, "E1");
    }

    /// E5: what collectors hold is what they locked less what they paid and returned.
    /// forge-config: default.invariant.runs = 12
    function invariant_E5_locksAreWhatWasLocked() public view {
        (,, uint256 locked) = _liabilities();
        assertEq(locked, handler.lockedIn() - handler.lockedOut(), "E5");
    }

    /// Conservation: what was minted is in Escrow, in wallets, or burned.
    /// forge-config: default.invariant.runs = 12
    function invariant_C1_supplyIsMintedLessBurned() public view {
        assertEq(credits.totalSupply(), handler.minted() - handler.burned(), "C1");
        uint256 wallets = credits.balanceOf(address(handler));
        (uint256 accounts,,,) = handler.counts();
        for (uint256 i = 0; i < accounts; ++i) {
            wallets += credits.balanceOf(handler.accounts(i));
        }
        assertEq(credits.totalSupply(), wallets + credits.balanceOf(address(escrow)), "C1: holders");
    }

    /// C2: the vault and the reserve are exactly the CAIRN that came in less what was paid out.
    /// forge-config: default.invariant.runs = 12
    function invariant_C2_tokensInAreVaultedOrPaid() public view {
        assertEq(credits.vault() + credits.topUpReserve(), handler.tokensIn() - handler.tokensOut(), "C2");
        assertEq(cairn.balanceOf(address(credits)), credits.vault() + credits.topUpReserve(), "C2: held");
    }

    /// The protocol fee is at least 1 % of all that was paid, and all of it is counted.
    /// forge-config: default.invariant.runs = 12
    function invariant_protocolFeeIsAtLeastOnePercent() public view {
        (,,, uint256 periods) = handler.counts();
        uint256 counted;
        for (uint256 i = 0; i < periods; ++i) {
            (uint128 fee,,) = escrow.fees(NET, handler.periods(i));
            counted += fee;
        }
        // A total of 1 pays its one unit to the network, so the bound is short by at most one unit per payment; totals
        // that small do not occur beyond the run's depth.
        assertGe(counted * 100 + 100 * 64, handler.settled(), "fee");
    }

    /// The handler reaches what the campaign is about: a fixed sequence pays, redeems, locks and burns something.
    function test_TheHandlerDoesWhatItSays() public {
        handler.buyAndDeposit(0, 1e14);
        handler.openChannel(0, 0, 0, 4e13);
        handler.redeem(0, 0, [uint128(2e13), 0, 0], 0);
        handler.useEarned(3, 2, 1e12);
        handler.lock(0, 0, 1e12, 100);
        handler.useLock(0, 0, 1, 5e11, true);
        handler.collectFees(0);
        assertEq(escrow.account(handler.accounts(5), address(credits)).earned, 6e11 + 15e9, "collected");
        handler.burnFees(0);
        assertEq(handler.settled(), 2e13 + 5e11, "settled");
        assertEq(handler.tokensOut(), 1e12 * 1e7, "redeemed");
        assertEq(handler.lockedIn() - handler.lockedOut(), 5e11, "locked");
        assertEq(handler.burned(), 1e12 + 2e11 + 5e9, "burned");
        invariant_E1_balanceEqualsLiabilities();
        invariant_C1_supplyIsMintedLessBurned();
    }
}
