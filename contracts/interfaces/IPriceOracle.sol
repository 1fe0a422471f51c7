// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title What Credits asks of a source of the CAIRN price.
/// @notice Every price is USD · 1e18 for one whole CAIRN (1e18 wei). An adapter owns its freshness: the reader refuses
/// a price older than the adapter's own `maxAge`.
interface IPriceOracle {
    /// @notice The newest price. It may revert; the reader then treats the price as missing.
    /// @return spot The last price.
    /// @return conf One standard deviation (σ) of the price, in the same unit.
    /// @return ema A slow average of the price, so that one block cannot move both.
    /// @return publishedAt Unix seconds at which the source published it.
    function latest() external view returns (uint128 spot, uint128 conf, uint128 ema, uint40 publishedAt);

    /// @notice Seconds after `publishedAt` for which a price of this adapter may be used.
    function maxAge() external view returns (uint40);
}
