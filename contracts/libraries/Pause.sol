// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Whether new commitments are paused.
/// @notice A contract that takes new commitments asks its authority, the Timelock, which the guardian may pause for a few
/// days. Where the authority is a plain account, as on a local network, there is no pause. Exits never ask.
library Pause {
    /// @dev The Timelock answers from one slot. The cap only bounds a broken authority.
    uint256 internal constant GAS = 10_000;

    error Paused(uint256 until);

    /// @notice Reverts while `authority` says that new commitments are paused.
    function check(address authority) internal view {
        uint256 until;
        bytes4 selector = bytes4(keccak256("pausedUntil()"));
        assembly ("memory-safe") {
            mstore(0, selector)
            let ok := staticcall(GAS, authority, 0, 4, 0, 32)
            if and(ok, eq(returndatasize(), 32)) { until := mload(0) }
        }
        if (until > block.timestamp) revert Paused(until);
    }
}
