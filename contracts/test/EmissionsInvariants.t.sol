// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "./Vm.sol";
import {EmissionsHandler} from "./mocks/EmissionsHandler.sol";

/// @notice Emissions against one washer who is customer, operator and network owner at once.
contract EmissionsInvariantsTest is Test {
    EmissionsHandler private handler;

    function setUp() public {
        handler = new EmissionsHandler();
        handler.start();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// totalSupply ≤ genesis supply + S(t), always.
    /// forge-config: default.invariant.runs = 12
    function invariant_I1_SupplyStaysWithinTheSchedule() public view {
        assertTrue(handler.withinSchedule(), "I1");
    }

    /// Matched is at most what was burned, and every period within its parts.
    /// forge-config: default.invariant.runs = 12
    function invariant_I2_MatchedIsAtMostTheBurnedValue() public view {
        assertTrue(handler.periodsHold(), "I2");
    }

    /// Mint → pay self → redeem → matched never profits at a constant price: not even for who owns every credit, at a
    /// cover where burning fees gives the owner of the rest its value back. Credits count at their face value.
    /// forge-config: default.invariant.runs = 12
    function invariant_WashingNeverProfitsAtAConstantPrice() public view {
        assertLe(handler.wealth(), handler.startWealth(), "wash");
    }

    function test_TheHandlerWashesMatchesAndFills() public {
        handler.wash(0, type(uint64).max / 2);
        handler.passTime(1 days);
        handler.count(0, 1);
        handler.passTime(1 days);
        handler.close(2);
        handler.claim(0, 2);
        handler.burnFees(0, 2);
        handler.redeem(1e12);
        handler.fill();
        assertEq(handler.washed(), 1, "washed");
        assertTrue(handler.matched() != 0, "matched");
        assertEq(handler.filled(), 1, "filled");
        invariant_WashingNeverProfitsAtAConstantPrice();
        invariant_I1_SupplyStaysWithinTheSchedule();
        invariant_I2_MatchedIsAtMostTheBurnedValue();
    }
}
