// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The part of Pyth's contract that we read.
/// @dev https://docs.pyth.network/price-feeds/core. Declared here because one interface is not worth a dependency.
interface IPyth {
    /// @param price Mantissa; the price is price · 10^expo.
    /// @param conf One standard deviation, in the same unit.
    /// @param publishTime Unix seconds.
    struct Price {
        int64 price;
        uint64 conf;
        int32 expo;
        uint256 publishTime;
    }

    /// @notice The stored price, however old; reverts when there is none.
    function getPriceUnsafe(bytes32 id) external view returns (Price memory);
    /// @notice The stored average of about an hour, however old.
    function getEmaPriceUnsafe(bytes32 id) external view returns (Price memory);
    function getUpdateFee(bytes[] calldata updateData) external view returns (uint256 feeAmount);
    function updatePriceFeeds(bytes[] calldata updateData) external payable;
}
