// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The part of a Chainlink feed that we read.
/// @dev https://docs.chain.link/data-feeds/api-reference. Declared here because one interface is not worth a dependency.
interface IAggregatorV3 {
    function decimals() external view returns (uint8);
    /// @return roundId The round; answer the price in `decimals`; startedAt, updatedAt unix seconds; answeredInRound
    /// deprecated by Chainlink.
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
