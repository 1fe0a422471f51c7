// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Which networks get the base part of emissions.
interface IWeights {
    /// @return bps The network's share of the period's base. Must not change once the period has begun.
    function shareOf(uint32 net, uint32 period) external view returns (uint16 bps);
}
