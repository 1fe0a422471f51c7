// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Weeks in which stake matures, and the set of those that have any.
/// @notice Thaws are at most eight weeks and end on a week's edge, so that nine weeks can hold slashable stake; a set of
/// 32 bits indexed by week mod 32 never confuses two of them.
library ThawWeeks {
    uint256 internal constant MAX_LIVE = 9;

    /// @notice The week whose start is the first edge at or after the end of a thaw that begins now: stake is slashable
    /// for at least the thaw, and up to a week more.
    function maturity(uint40 thaw) internal view returns (uint32) {
        return uint32(Math.ceilDiv(block.timestamp + thaw, 1 weeks));
    }

    function current() internal view returns (uint32) {
        return uint32(block.timestamp / 1 weeks);
    }

    function startOf(uint32 week) internal pure returns (uint256) {
        return uint256(week) * 1 weeks;
    }

    function add(uint32 set, uint32 week) internal pure returns (uint32) {
        return set | _bit(week);
    }

    function has(uint32 set, uint32 week) internal pure returns (bool) {
        return set & _bit(week) != 0;
    }

    function _bit(uint32 week) private pure returns (uint32) {
        return uint32(1) << (week & 31);
    }
}
