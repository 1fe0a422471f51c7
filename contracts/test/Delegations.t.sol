// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDelegations} from "../interfaces/IDelegations.sol";
import {IPointers} from "../interfaces/IPointers.sol";
import {World} from "./World.sol";

contract DelegationsTest is World {
    address private constant KEY = address(0x5E55);
    uint40 private until;

    function setUp() public {
        deployWorld();
        until = uint40(block.timestamp) + 30 days;
    }

    function _register(uint32 scope, uint128 limit, uint40 until_) private {
        vm.prank(alice);
        delegations.register(KEY, scope, limit, until_);
    }

    function test_AKeyIsActiveForItsScopesUntilItExpires() public {
        _register(1 | 4, 100, until);
        assertTrue(delegations.isActive(alice, KEY, 1), "voucher");
        assertTrue(delegations.isActive(alice, KEY, 5), "both");
        assertFalse(delegations.isActive(alice, KEY, 2), "storage");
        assertFalse(delegations.isActive(alice, KEY, 3), "one of two");
        assertFalse(delegations.isActive(alice, KEY, 0), "no scope");
        assertFalse(delegations.isActive(bob, KEY, 1), "another account");
        vm.warp(until - 1);
        assertTrue(delegations.isActive(alice, KEY, 1), "last second");
        vm.warp(until);
        assertFalse(delegations.isActive(alice, KEY, 1), "expired");
    }

    function test_WhatAKeySignedIsRedeemableForAWeekAfterExpiry() public {
        _register(1, 100, until);
        vm.warp(until + 7 days - 1);
        assertTrue(delegations.isRedeemable(alice, KEY, 1), "grace");
        assertFalse(delegations.isRedeemable(alice, KEY, 4), "other scope");
        vm.warp(until + 7 days);
        assertFalse(delegations.isRedeemable(alice, KEY, 1), "over");
    }

    function test_RevocationKeepsAWeekOfGraceAndIsFinal() public {
        _register(1, 100, until);
        uint40 revokedAt = uint40(block.timestamp);
        vm.prank(alice);
        delegations.revoke(KEY);
        assertFalse(delegations.isActive(alice, KEY, 1), "active");
        assertTrue(delegations.isRedeemable(alice, KEY, 1), "grace");
        assertEq(delegations.session(alice, KEY).revokedAt, revokedAt, "revokedAt");
        vm.warp(revokedAt + 7 days);
        assertFalse(delegations.isRedeemable(alice, KEY, 1), "over");
        bytes memory refusal = abi.encodeWithSelector(IDelegations.KeyRevoked.selector, alice, KEY);
        vm.prank(alice);
        vm.expectRevert(refusal);
        delegations.register(KEY, 1, 100, until);
        vm.prank(alice);
        vm.expectRevert(refusal);
        delegations.revoke(KEY);
    }

    function test_RevokingAnExpiredKeyDoesNotReopenItsGrace() public {
        _register(1, 100, until);
        vm.warp(until + 30 days);
        vm.prank(alice);
        delegations.revoke(KEY);
        assertFalse(delegations.isRedeemable(alice, KEY, 1), "redeemable");
    }

    function test_ALiveKeyOnlyGrows() public {
        _register(3, 100, until);
        IDelegations.Session memory s = delegations.session(alice, KEY);
        bytes memory refusal = abi.encodeWithSelector(IDelegations.CannotShrink.selector, s);
        vm.prank(alice);
        vm.expectRevert(refusal);
        delegations.register(KEY, 1, 100, until);
        vm.prank(alice);
        vm.expectRevert(refusal);
        delegations.register(KEY, 3, 99, until);
        vm.prank(alice);
        vm.expectRevert(refusal);
        delegations.register(KEY, 3, 100, until - 1);
        _register(7, 200, until + 1);
        assertEq(delegations.session(alice, KEY).limit, 200, "grown");
        vm.warp(until + 1 + 7 days);
        _register(1, 1, uint40(block.timestamp) + 1);
        assertEq(delegations.session(alice, KEY).limit, 1, "anew after the grace");
    }

    function test_BadGrantsAreRefused() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.UnknownScope.selector, uint32(0)));
        delegations.register(KEY, 0, 1, until);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.UnknownScope.selector, uint32(8)));
        delegations.register(KEY, 8, 1, until);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.BadExpiry.selector, uint40(block.timestamp)));
        delegations.register(KEY, 1, 1, uint40(block.timestamp));
        uint40 far = uint40(block.timestamp) + 366 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IDelegations.BadExpiry.selector, far));
        delegations.register(KEY, 1, 1, far);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.BadKey.selector, alice));
        delegations.register(alice, 1, 1, until);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.BadKey.selector, address(0)));
        delegations.register(address(0), 1, 1, until);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.NoSession.selector, alice, KEY));
        delegations.revoke(KEY);
        vm.stopPrank();
    }

    function test_AKeyMayLiveForALeapYear() public {
        _register(1, 100, uint40(block.timestamp) + 366 days);
        assertTrue(delegations.isActive(alice, KEY, 1), "active");
    }

    function test_OnlyEscrowRegistersForOthers() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IDelegations.NotEscrow.selector, bob));
        delegations.registerFor(alice, KEY, 1, 5, until);
        vm.prank(escrow);
        delegations.registerFor(alice, KEY, 1, 5, until);
        assertTrue(delegations.isActive(alice, KEY, 1), "active");
    }

    /// Active implies redeemable, whatever was granted and whenever it is asked.
    function testFuzz_ActiveImpliesRedeemable(uint32 scope, uint32 asked, uint40 life, uint40 wait, bool revoked)
        public
    {
        life = uint40(bound(life, 1, 366 days));
        _register(uint32(bound(scope, 1, 7)), 1, uint40(block.timestamp) + life);
        if (revoked) {
            vm.prank(alice);
            delegations.revoke(KEY);
        }
        vm.warp(block.timestamp + bound(wait, 0, 400 days));
        bool active = delegations.isActive(alice, KEY, asked);
        assertTrue(!active || delegations.isRedeemable(alice, KEY, asked), "implies");
        assertTrue(!active || !revoked, "revoked keys are never active");
    }

    // ------------------------------------------------------------ pointers

    function test_ThePointerMovesForwardOnly() public {
        vm.startPrank(alice);
        pointers.set(alice, "digest", 5, "extra");
        IPointers.Pointer memory p = pointers.pointerOf(alice);
        assertEq(p.digest, "digest", "digest");
        assertEq(p.extra, "extra", "extra");
        assertEq(p.seq, 5, "seq");
        assertEq(p.changedAt, block.timestamp, "time");
        vm.expectRevert(abi.encodeWithSelector(IPointers.StaleSequence.selector, uint64(5), uint64(5)));
        pointers.set(alice, "other", 5, 0);
        vm.expectRevert(abi.encodeWithSelector(IPointers.StaleSequence.selector, uint64(4), uint64(5)));
        pointers.set(alice, "other", 4, 0);
        pointers.set(alice, "other", 6, 0);
        vm.stopPrank();
        assertEq(pointers.pointerOf(alice).digest, "other", "moved");
    }

    function test_OnlyAPointerKeyMovesSomebodyElsesPointer() public {
        bytes memory refusal = abi.encodeWithSelector(IPointers.NotAllowed.selector, alice, KEY);
        vm.prank(KEY);
        vm.expectRevert(refusal);
        pointers.set(alice, "digest", 1, 0);
        _register(1 | 2, 0, until);
        vm.prank(KEY);
        vm.expectRevert(refusal);
        pointers.set(alice, "digest", 1, 0);
        _register(7, 0, until);
        vm.prank(KEY);
        pointers.set(alice, "digest", 1, 0);
        vm.prank(alice);
        delegations.revoke(KEY);
        vm.prank(KEY);
        vm.expectRevert(refusal);
        pointers.set(alice, "digest", 2, 0);
    }
}
