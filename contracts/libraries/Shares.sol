// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Shares of a sum of tokens, as OpenZeppelin's ERC-4626 with an offset of six digits.
/// @notice A million virtual shares stand against one virtual wei: whoever inflates the price of an empty pool loses a
/// million times what the next one loses. Both ways round down, against whoever acts, so a price only rises by it.
library Shares {
    using SafeCast for uint256;

    uint256 internal constant VIRTUAL = 1e6;
    /// A pool whose shares are worth less than a ten thousandth of their first price is wiped out: beyond that, shares
    /// for new tokens would outgrow 128 bits.
    uint256 private constant WIPED_OUT = 1e4;

    function toShares(uint128 amount, uint128 tokens, uint128 shares) internal pure returns (uint128) {
        return Math.mulDiv(amount, uint256(shares) + VIRTUAL, uint256(tokens) + 1).toUint128();
    }

    function toTokens(uint128 amount, uint128 tokens, uint128 shares) internal pure returns (uint128) {
        return Math.mulDiv(amount, uint256(tokens) + 1, uint256(shares) + VIRTUAL).toUint128();
    }

    function isWipedOut(uint128 tokens, uint128 shares) internal pure returns (bool) {
        return uint256(tokens) * VIRTUAL * WIPED_OUT < shares;
    }
}
