// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Pause} from "../libraries/Pause.sol";
import {Shares} from "../libraries/Shares.sol";
import {ThawWeeks} from "../libraries/ThawWeeks.sol";
import {StakingBase} from "./StakingBase.sol";

/// @title Stake that others delegate to operators, and the rewards that reach them.
/// @notice A pool has no list of delegators: each holds shares, and a reward or a slash moves the price of all.
abstract contract StakingPools is StakingBase {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// Rewards reach the price slowly, so that nobody delegates an hour before a payment and leaves after it.
    uint40 public constant UNLOCK_TIME = 7 days;
    /// Smaller delegations would be worth less than the transactions that move them.
    uint128 public constant MIN_DELEGATION = 1e18;

    /// @notice Delegates `amount` to an operator's current pool.
    /// @param minShares The caller's bound against a price that moved before the transaction.
    function delegateTo(address operator, uint32 net, uint128 amount, uint128 minShares)
        external
        returns (uint128 shares)
    {
        if (amount < MIN_DELEGATION) revert BelowMinimum(amount, MIN_DELEGATION);
        Pause.check(authority);
        (bool active, uint8 ratio) = registry.delegationRules(net);
        if (!active) revert NetworkNotActive(net);
        Provision storage p = _provisions[operator][net];
        uint32 nonce = p.nonce;
        bytes32 key = _poolKey(operator, net, nonce);
        Pool storage pool = _pools[key];
        _unlock(pool);
        uint128 tokens = pool.tokens;
        shares = Shares.toShares(amount, tokens, pool.shares);
        // Zero shares would be a gift to the others.
        if (shares == 0 || shares < minShares) revert SlippageExceeded(shares, minShares);
        _requireRatio(p.active, ratio, uint256(tokens) + amount);
        pool.tokens = tokens + amount;
        pool.shares += shares;
        Position storage position = _positions[key][msg.sender];
        _changePosition(pool, position, position.shares + shares);
        emit Delegated(operator, net, msg.sender, nonce, amount, shares);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Starts the thaw of shares of a pool, whose nonce the Delegated event told. Works in closed networks too.
    /// @return week The bucket that matures at week · 7 days; amount what the shares were worth, which a slash before
    /// that may still lower.
    function undelegate(address operator, uint32 net, uint32 nonce, uint128 shares)
        external
        returns (uint32 week, uint128 amount)
    {
        bytes32 key = _poolKey(operator, net, nonce);
        Position storage position = _positions[key][msg.sender];
        uint128 held = position.shares;
        if (shares > held) revert InsufficientShares(held, shares);
        Pool storage pool = _pools[key];
        _unlock(pool);
        amount = Shares.toTokens(shares, pool.tokens, pool.shares);
        if (amount == 0) revert ZeroAmount();
        pool.tokens -= amount;
        pool.shares -= shares;
        _changePosition(pool, position, held - shares);
        (uint40 thaw,) = registry.thawRules(net);
        week = ThawWeeks.maturity(thaw);
        pool.liveWeeks = ThawWeeks.add(pool.liveWeeks, week);
        _thaw(key, week, amount);
        emit Undelegated(operator, net, msg.sender, nonce, week, amount, shares);
    }

    /// @notice Pays out the caller's part of a matured bucket.
    function withdrawDelegated(address operator, uint32 net, uint32 nonce, uint32 week)
        external
        returns (uint128 amount)
    {
        uint256 maturesAt = ThawWeeks.startOf(week);
        if (block.timestamp < maturesAt) revert NotMatured(maturesAt);
        bytes32 key = _poolKey(operator, net, nonce);
        uint128 shares = _thawing[key][week][msg.sender];
        Bucket storage bucket = _poolBuckets[key][week];
        amount = Shares.toTokens(shares, bucket.tokens, bucket.shares);
        if (amount == 0) revert NothingToWithdraw();
        _thawing[key][week][msg.sender] = 0;
        bucket.tokens -= amount;
        bucket.shares -= shares;
        emit DelegationWithdrawn(operator, net, msg.sender, nonce, week, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Splits a reward of the operator with its delegators: by active stake, less the operator's cut of their
    /// part. The operator's own goes to it at once; the delegators' unlocks over seven days. Anyone may add.
    function addRewards(address operator, uint32 net, uint128 amount) external {
        if (amount == 0) revert ZeroAmount();
        Provision storage p = _provisions[operator][net];
        Pool storage pool = _pools[_poolKey(operator, net, p.nonce)];
        _unlock(pool);
        uint256 delegated = pool.shares == 0 ? 0 : pool.tokens;
        uint256 part = delegated == 0 ? 0 : Math.mulDiv(amount, delegated, delegated + p.active);
        uint128 toDelegators = (part - Math.ceilDiv(part * _cutOf(p), BPS)).toUint128();
        if (toDelegators != 0) _lock(pool, toDelegators);
        emit RewardsAdded(operator, net, msg.sender, amount - toDelegators, toDelegators);
        token.safeTransferFrom(msg.sender, address(this), amount);
        if (amount > toDelegators) token.safeTransfer(operator, amount - toDelegators);
    }

    /// @notice Sets the caller's cut of its delegators' rewards. A higher one waits for the network's thaw, so that
    /// whoever leaves because of it is out before it counts.
    function setCut(uint32 net, uint16 bps) external {
        INetworkRegistry.Params memory params = registry.params(net);
        if (bps > params.operatorCutMaxBps) revert CutTooHigh(bps, params.operatorCutMaxBps);
        Provision storage p = _provisions[msg.sender][net];
        uint16 now_ = _cutOf(p);
        p.cutBps = bps < now_ ? bps : now_;
        p.nextCutBps = bps;
        p.cutReadyAt = uint40(block.timestamp) + (bps > now_ ? uint40(params.thawWeeks) * 1 weeks : 0);
        emit CutSet(msg.sender, net, bps, p.cutReadyAt);
    }

    function _cutOf(Provision storage p) internal view returns (uint16) {
        uint40 readyAt = p.cutReadyAt;
        // Who never set a cut has none; so a reward reads one slot for it.
        if (readyAt == 0) return 0;
        return block.timestamp >= readyAt ? p.nextCutBps : p.cutBps;
    }

    /// @dev Delegators follow their operator's own risk: they may not stake more than a multiple of it.
    function _requireRatio(uint128 self, uint8 ratio, uint256 delegated) private pure {
        uint256 limit = uint256(self) * ratio;
        if (delegated > limit) revert OverDelegated(delegated, limit);
    }

    /// @dev For a pool that was just unlocked: its tokens are all that its shares are worth.
    function _changePosition(Pool storage pool, Position storage position, uint128 shares) private {
        uint256 votes = _book(msg.sender, position.votes, Shares.toTokens(shares, pool.tokens, pool.shares));
        position.shares = shares;
        position.votes = uint128(votes); // what toTokens gave
    }

    function _thaw(bytes32 key, uint32 week, uint128 amount) private {
        Bucket storage bucket = _poolBuckets[key][week];
        uint128 shares = Shares.toShares(amount, bucket.tokens, bucket.shares);
        bucket.tokens += amount;
        bucket.shares += shares;
        _thawing[key][week][msg.sender] += shares;
    }

    /// @dev The end moves in proportion, so that a reward of one wei does not hold up what has almost come free.
    function _lock(Pool storage pool, uint128 amount) private {
        uint128 locked = pool.locked;
        uint256 left = locked == 0 ? 0 : pool.unlockEnd - block.timestamp;
        uint128 sum = locked + amount;
        uint256 time = Math.ceilDiv(locked * left + uint256(amount) * UNLOCK_TIME, sum);
        pool.locked = sum;
        pool.unlockedAt = uint40(block.timestamp);
        pool.unlockEnd = uint40(block.timestamp + time);
    }
}
