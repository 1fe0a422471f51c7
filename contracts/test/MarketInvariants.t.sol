// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "./Vm.sol";
import {MarketHandler} from "./mocks/MarketHandler.sol";

contract MarketInvariantsTest is Test {
    MarketHandler private handler;

    function setUp() public {
        handler = new MarketHandler();
        handler.start();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// M1: what the open leases hold is what Escrow holds for the Market.
    /// forge-config: default.invariant.runs = 12
    function invariant_M1_LeasesHoldWhatEscrowLocks() public view {
        (uint256 leases, uint256 locks) = handler.sums();
        assertEq(leases, locks, "M1");
    }

    /// No lease makes or loses a µcredit: what was deposited is still in Escrow.
    /// forge-config: default.invariant.runs = 12
    function invariant_LeasesConserveMoney() public view {
        assertEq(handler.moneyHeld(), 1000 * 1e11, "conserved");
    }

    function test_TheHandlerOpensSettlesAndEnds() public {
        handler.open(0, 100, 1 days, 100, 1e6);
        handler.passTime(60);
        handler.settle(1);
        handler.close(1, true);
        handler.close(1, false);
        assertEq(handler.opened(), 1, "opened");
        assertEq(handler.ended(), 2, "notice, then at once");
        invariant_M1_LeasesHoldWhatEscrowLocks();
    }
}
