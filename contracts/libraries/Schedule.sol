// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title A halving schedule in closed form.
/// @notice Each half-life emits half of what is left, in equal parts per period: S(p) = M − M/2^k + ⌊M/2^(k+1) · r/H⌋
/// with k = ⌊p/H⌋ and r = p mod H. S never falls and never reaches M.
library Schedule {
    /// @param total M in wei.
    /// @param halfLife H in periods, not 0.
    /// @param period p.
    /// @return S(p): all that is emitted before period p begins.
    function cumulative(uint256 total, uint256 halfLife, uint256 period) internal pure returns (uint256) {
        uint256 halvings = period / halfLife;
        // From here on M/2^k is 0 for every uint128 M.
        if (halvings >= 128) return total;
        uint256 left = total >> halvings;
        uint256 step = left - (left >> 1);
        return total - left + (step * (period % halfLife)) / halfLife;
    }
}
