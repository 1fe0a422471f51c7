// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IPriceOracle} from "../interfaces/IPriceOracle.sol";

/// @title A price that never changes, for a network that has no market for CAIRN yet.
/// @notice Nobody may set it: whoever could would own the vault. A new price is a new FixedOracle, proposed to Credits
/// like any other oracle and applied after its 14 days.
contract FixedOracle is IPriceOracle {
    /// @notice USD · 1e18 per CAIRN.
    uint128 public immutable PRICE;

    error ZeroPrice();

    /// @param price USD · 1e18 per CAIRN.
    constructor(uint128 price) {
        if (price == 0) revert ZeroPrice();
        PRICE = price;
    }

    /// @inheritdoc IPriceOracle
    function latest() external view returns (uint128 spot, uint128 conf, uint128 ema, uint40 publishedAt) {
        return (PRICE, 0, PRICE, uint40(block.timestamp));
    }

    /// @inheritdoc IPriceOracle
    function maxAge() external pure returns (uint40) {
        return 1;
    }
}
