// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title How much may be minted in a day.
/// @notice Days are unix days. The allowance is max(floor, supply at the day's first mint / 10): measured at the start,
/// so that minting does not raise its own limit. Two days' allowances can meet at midnight; a wrong price is bounded by
/// that, and a slow refill would bound it no better (a full bucket plus its refill is also two allowances in a day).
library MintLimit {
    using SafeCast for uint256;

    /// @dev One slot. uint112 holds 5e33 µcredits, which is 5e22 dollars.
    struct Window {
        uint32 day;
        uint112 base;
        uint112 minted;
    }

    error MintLimitExceeded(uint256 credits, uint256 available);

    /// @param supply Supply before this mint.
    /// @return What may still be minted today.
    function available(Window storage self, uint256 supply, uint256 floor) internal view returns (uint256) {
        bool sameDay = self.day == block.timestamp / 1 days;
        uint256 most = _most(sameDay ? self.base : supply, floor);
        uint256 minted = sameDay ? self.minted : 0;
        return most > minted ? most - minted : 0;
    }

    /// @notice Books `credits` against today's allowance, or reverts.
    function consume(Window storage self, uint256 credits, uint256 supply, uint256 floor) internal {
        Window memory window = self;
        uint32 day = (block.timestamp / 1 days).toUint32();
        if (window.day != day) window = Window(day, supply.toUint112(), 0);
        uint256 left = _most(window.base, floor) - window.minted;
        if (credits > left) revert MintLimitExceeded(credits, left);
        window.minted += credits.toUint112();
        self.day = window.day;
        self.base = window.base;
        self.minted = window.minted;
    }

    function _most(uint256 base, uint256 floor) private pure returns (uint256) {
        return base / 10 > floor ? base / 10 : floor;
    }
}
