// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEvidenceLog} from "../interfaces/IEvidenceLog.sol";
import {World} from "./World.sol";

contract EvidenceLogTest is World {
    uint32 private epoch;

    function setUp() public {
        deployWorld();
        bondAs(alice, VERIFIERS, MIN_STAKE);
        bondAs(bob, NET, MIN_STAKE);
        epoch = registry.currentEpoch(NET);
    }

    function _start(uint32 e) private pure returns (uint256) {
        return uint256(e) * EPOCH;
    }

    function test_EvidenceIsCommittedInTheFirstQuarterOfTheNextEpoch() public {
        (uint256 from, uint256 to) = evidence.commitWindow(NET, epoch);
        assertEq(from, _start(epoch + 1), "from");
        assertEq(to, _start(epoch + 1) + EPOCH / 4, "to");
        bytes memory refusal = abi.encodeWithSelector(IEvidenceLog.OutsideWindow.selector, from, to);
        vm.startPrank(alice);
        vm.warp(from - 1);
        vm.expectRevert(refusal);
        evidence.commit(NET, epoch, "digest", 1);
        vm.warp(to);
        vm.expectRevert(refusal);
        evidence.commit(NET, epoch, "digest", 1);
        vm.warp(from);
        vm.expectRevert(IEvidenceLog.EmptyBundle.selector);
        evidence.commit(NET, epoch, "digest", 0);
        vm.expectEmit(address(evidence));
        emit IEvidenceLog.EvidenceCommitted(NET, epoch, alice, "digest", 7);
        evidence.commit(NET, epoch, "digest", 7);
        assertTrue(evidence.hasCommitted(NET, epoch, alice), "committed");
        vm.warp(to - 1);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.AlreadyCommitted.selector, NET, epoch, alice));
        evidence.commit(NET, epoch, "another", 7);
        vm.stopPrank();
    }

    function test_OnlyStakersOfTheVerifyingNetworkCommit() public {
        vm.warp(_start(epoch + 1));
        bytes memory refusal = abi.encodeWithSelector(IEvidenceLog.NotEligible.selector, bob, VERIFIERS);
        vm.prank(bob);
        vm.expectRevert(refusal);
        evidence.commit(NET, epoch, "digest", 1);
        vm.prank(bob);
        vm.expectRevert(refusal);
        evidence.commitNonce(NET, epoch + 5, "nonce");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.NotVerified.selector, VERIFIERS));
        evidence.commit(VERIFIERS, epoch, "digest", 1);
    }

    function test_TheNonceIsCommittedBeforeItsEpochOnce() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.EpochBegan.selector, epoch));
        evidence.commitNonce(NET, epoch, "nonce");
        vm.warp(_start(epoch + 1) - 1);
        vm.expectEmit(address(evidence));
        emit IEvidenceLog.NonceCommitted(NET, epoch + 1, alice, "nonce");
        evidence.commitNonce(NET, epoch + 1, "nonce");
        assertTrue(evidence.hasCommittedNonce(NET, epoch + 1, alice), "committed");
        assertFalse(evidence.hasCommitted(NET, epoch + 1, alice), "not the bundle");
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.AlreadyCommitted.selector, NET, epoch + 1, alice));
        evidence.commitNonce(NET, epoch + 1, "other");
        evidence.commitNonce(NET, epoch + 256, "far");
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.TooFarAhead.selector, epoch + 257, epoch + 256));
        evidence.commitNonce(NET, epoch + 257, "too far");
        vm.stopPrank();
    }

    function test_GasOfACommitIsOneBitPerEpoch() public {
        vm.startPrank(alice);
        vm.warp(_start(epoch + 1));
        evidence.commit(NET, epoch, "digest", 1);
        vm.warp(_start(epoch + 2));
        evidence.commit(NET, epoch + 1, "digest", 1);
        gate("EvidenceLog", "steady commit", lastGas(), 55_000);
    }
}
