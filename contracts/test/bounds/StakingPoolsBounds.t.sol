// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IStaking} from "../../interfaces/IStaking.sol";
import {World} from "../World.sol";

/// @notice Pools at the price where they end, and what changes nothing.
contract StakingPoolsBoundsTest is World {
    uint128 private constant SELF = 10_000e18;

    function setUp() public {
        deployWorld();
        bondAs(alice, NET, SELF);
    }

    function _slash(uint128 amount) private {
        vm.prank(slasher);
        assertEq(staking.slash(alice, NET, amount, address(0), 0), amount, "within the window");
    }

    /// A pool ends below a ten thousandth of its first price; at exactly that new shares still fit.
    function test_APoolWorthExactlyATenThousandthLivesAndAWeiLessEndsIt() public {
        endow(bob, 1_000e18);
        vm.startPrank(bob);
        token.approve(address(staking), 1_000e18);
        staking.delegateTo(alice, NET, 1_000e18, 0);
        vm.stopPrank();
        vm.prank(alice);
        uint32 week = staking.unbond(NET, SELF);
        vm.warp(uint256(week) * 1 weeks - 1);
        _slash(1); // opens a window while alice's stake still counts
        vm.warp(block.timestamp + 1);
        _slash(1_000e18 - 0.1e18);
        assertEq(staking.provisionOf(alice, NET).nonce, 0, "a ten thousandth");
        _slash(1);
        assertEq(staking.provisionOf(alice, NET).nonce, 1, "a wei less");
    }

    function test_UndelegatingNothingIsRefused() public {
        vm.prank(bob);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.undelegate(alice, NET, 0, 0);
    }

    function test_TheSameCutAgainIsInForceAtOnce() public {
        vm.startPrank(alice);
        staking.setCut(NET, 5_000);
        vm.warp(block.timestamp + 3 weeks);
        vm.expectEmit(address(staking));
        emit IStaking.CutSet(alice, NET, 5_000, uint40(block.timestamp));
        staking.setCut(NET, 5_000);
        vm.stopPrank();
        assertEq(staking.cutOf(alice, NET), 5_000, "unchanged");
    }
}
