// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The leaves of the reward trees.
/// @notice Trees are OpenZeppelin's: commutative keccak256 of sorted pairs. Leaves are hashed twice, so that no inner
/// node (64 bytes, hashed once) can be passed off as a leaf. Network and asset are in the leaf, so that a root for one
/// pot pays nothing from another even if a publisher used it twice.
library RewardLeaf {
    /// @notice What an owner has earned in a pot since the beginning.
    /// @param net Network id.
    /// @param asset ERC-20 of the pot.
    /// @param account Owner who is paid.
    /// @param cumulative Sum of all rewards ever, in units of the asset.
    /// @param detailRoot Root of the tree of `detail` lines that explain the sum.
    function leaf(uint32 net, address asset, address account, uint128 cumulative, bytes32 detailRoot)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(bytes.concat(keccak256(abi.encode(net, asset, account, cumulative, detailRoot))));
    }

    /// @notice Proved units of one channel, which a payee may turn into payment without the payer.
    /// @param channelKey Escrow's key of (payer, payee, asset, net, channelId).
    /// @param unit Id of the unit, as its resource names it.
    /// @param cumulativeUnits Units proved since the channel's beginning.
    function detail(bytes32 channelKey, bytes32 unit, uint128 cumulativeUnits) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(channelKey, unit, cumulativeUnits))));
    }
}
