// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice The one answer of Staking that Market reads.
contract MockStaking {
    mapping(address operator => mapping(uint32 net => bool)) public isEligible;

    function setEligible(address operator, uint32 net, bool eligible) external {
        isEligible[operator][net] = eligible;
    }
}

/// @notice An authority whose guardian is the test.
contract MockAuthority {
    uint256 public pausedUntil;

    function setPausedUntil(uint256 until) external {
        pausedUntil = until;
    }
}
