// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {ThawWeeks} from "./libraries/ThawWeeks.sol";
import {StakingBase} from "./staking/StakingBase.sol";
import {StakingPools} from "./staking/StakingPools.sol";
import {StakingSelf} from "./staking/StakingSelf.sol";
import {StakingSlash} from "./staking/StakingSlash.sol";

/// @title Stake of operators and their delegators, with weekly thaw buckets and votes.
/// @notice No list, no queue, no request cap: leaving adds to the bucket of the week in which it matures, and a slash
/// walks at most nine buckets. A matured bucket can no longer be slashed, whether withdrawn or not. Nothing here has an
/// owner; only the slasher can change, by the authority and after longer than every thaw.
contract Staking is StakingSelf, StakingPools, StakingSlash {
    uint256 public constant MAX_LIVE_WEEKS = ThawWeeks.MAX_LIVE;

    /// @param authority_ Timelock; zero in stage 1.
    /// @param slasher_ DisputeManager; zero in stage 1, where nothing slashes.
    constructor(IERC20 token_, INetworkRegistry registry_, address authority_, address slasher_)
        StakingBase(token_, registry_, authority_)
        StakingSlash(slasher_)
    {}

    /// @inheritdoc IStaking
    function stakeOf(address operator, uint32 net)
        external
        view
        returns (uint128 self, uint128 delegated, uint128 thawing)
    {
        Provision storage p = _provisions[operator][net];
        Pool storage pool = _pools[_poolKey(operator, net, p.nonce)];
        return (p.active, pool.tokens + _unlocked(pool), _sum(_buckets[operator][net], p.liveWeeks));
    }

    /// @notice Whether the operator may work in the network: enough active self stake in a network that is open.
    function isEligible(address operator, uint32 net) external view returns (bool) {
        (uint128 minStake, bool active) = registry.admission(net);
        return active && _provisions[operator][net].active >= minStake;
    }

    /// @inheritdoc IStaking
    function bucketOf(address operator, uint32 net, uint32 week) external view returns (uint128) {
        return _buckets[operator][net][week].tokens;
    }

    function provisionOf(address operator, uint32 net) external view returns (Provision memory) {
        return _provisions[operator][net];
    }

    function poolOf(address operator, uint32 net, uint32 nonce) external view returns (Pool memory) {
        return _pools[_poolKey(operator, net, nonce)];
    }

    function poolBucketOf(address operator, uint32 net, uint32 nonce, uint32 week)
        external
        view
        returns (Bucket memory)
    {
        return _poolBuckets[_poolKey(operator, net, nonce)][week];
    }

    function positionOf(address account, address operator, uint32 net, uint32 nonce)
        external
        view
        returns (Position memory)
    {
        return _positions[_poolKey(operator, net, nonce)][account];
    }

    /// @inheritdoc IStaking
    function thawingSharesOf(address account, address operator, uint32 net, uint32 nonce, uint32 week)
        external
        view
        returns (uint128)
    {
        return _thawing[_poolKey(operator, net, nonce)][week][account];
    }

    /// @inheritdoc IStaking
    function valueOf(address account, address operator, uint32 net, uint32 nonce) external view returns (uint128) {
        bytes32 key = _poolKey(operator, net, nonce);
        return _valueOf(key, _positions[key][account].shares);
    }

    /// @inheritdoc IStaking
    function cutOf(address operator, uint32 net) external view returns (uint16) {
        return _cutOf(_provisions[operator][net]);
    }
}
