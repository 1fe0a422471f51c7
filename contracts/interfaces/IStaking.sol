// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Stake of operators and of those who delegate to them, one provision per (operator, network).
/// @notice Self stake stands first in every slash; delegated stake only pays what self stake cannot. Stake on its way
/// out sits in the bucket of the week in which it matures: slashable until then, never after.
interface IStaking {
    /// @dev Whatever bonds, delegates or slashes finds what it decides by in the first slot; a slash writes the second, too,
    /// and only one beyond a limit the third. 96 bits are eighty times the supply of CAIRN.
    /// @param active Self stake that is bonded and counted.
    /// @param votes Voting units that the operator has for it; lags behind after a slash until somebody syncs.
    /// @param liveWeeks Bit (week mod 32) of every week that ever got a bucket; stale bits cost a read and no more.
    /// @param nonce Number of the pool that takes delegations now; a pool that a slash wiped out is left behind.
    /// @param winBase All slashable stake when the window began, of which maxSlashBps may go.
    /// @param winSlashed Slashed in the window.
    /// @param winStart Unix seconds at which the current slash window began.
    /// @param cutBps The operator's cut of its delegators' rewards until `cutReadyAt`.
    /// @param nextCutBps The cut from `cutReadyAt` on, when that is not zero.
    /// @param owed Slashed but not taken: beyond the window's limit, or more than there was.
    /// @param owedBySelf The same of slashes that spare delegators.
    struct Provision {
        uint96 active;
        uint96 votes;
        uint32 liveWeeks;
        uint32 nonce;
        uint96 winBase;
        uint96 winSlashed;
        uint40 winStart;
        uint16 cutBps;
        uint16 nextCutBps;
        uint40 cutReadyAt;
        uint96 owed;
        uint96 owedBySelf;
    }

    /// @param tokens Delegated, bonded and counted.
    /// @param shares Of all delegators; the value of one is (tokens + 1) / (shares + 1e6).
    /// @param locked Rewards on their way into `tokens`.
    /// @param unlockedAt Until when they have been moved.
    /// @param unlockEnd When the last of them will be.
    /// @param liveWeeks As in Provision, of this pool's buckets.
    struct Pool {
        uint128 tokens;
        uint128 shares;
        uint128 locked;
        uint40 unlockedAt;
        uint40 unlockEnd;
        uint32 liveWeeks;
    }

    /// @notice Stake that thaws until one week: an operator's own, without shares, or of all delegators of a pool.
    struct Bucket {
        uint128 tokens;
        uint128 shares;
    }

    /// @notice One delegator's part of a pool.
    /// @param votes Voting units booked for it.
    struct Position {
        uint128 shares;
        uint128 votes;
    }

    event Bonded(address indexed operator, uint32 indexed net, address indexed from, uint128 amount);
    event Unbonding(address indexed operator, uint32 indexed net, uint32 week, uint128 amount);
    event Withdrawn(address indexed operator, uint32 indexed net, uint32 week, uint128 amount);
    event Slashed(
        address indexed operator,
        uint32 indexed net,
        uint128 fromActive,
        uint128 fromThawing,
        uint128 owed,
        address reporter,
        uint128 paid
    );
    /// @param nextNonce The pool that takes delegations from here on: another one, if this one was wiped out.
    event DelegationSlashed(
        address indexed operator,
        uint32 indexed net,
        uint32 nonce,
        uint128 fromActive,
        uint128 fromThawing,
        uint32 nextNonce
    );
    event Delegated(
        address indexed operator,
        uint32 indexed net,
        address indexed delegator,
        uint32 nonce,
        uint128 amount,
        uint128 shares
    );
    event Undelegated(
        address indexed operator,
        uint32 indexed net,
        address indexed delegator,
        uint32 nonce,
        uint32 week,
        uint128 amount,
        uint128 shares
    );
    event DelegationWithdrawn(
        address indexed operator,
        uint32 indexed net,
        address indexed delegator,
        uint32 nonce,
        uint32 week,
        uint128 amount
    );
    event RewardsAdded(
        address indexed operator, uint32 indexed net, address indexed from, uint128 toOperator, uint128 toDelegators
    );
    event CutSet(address indexed operator, uint32 indexed net, uint16 bps, uint40 effectiveAt);
    event SlasherProposed(address slasher, uint40 readyAt);
    event SlasherChanged(address slasher);

    error ZeroAmount();
    error NetworkNotActive(uint32 net);
    error BelowMinimum(uint128 left, uint128 minStake);
    error InsufficientStake(uint128 active, uint128 asked);
    error NotMatured(uint256 maturesAt);
    error NothingToWithdraw();
    error NotSlasher(address caller);
    error NotAuthority(address caller);
    error ReporterTooHigh(uint128 reporterAmount, uint128 amount);
    error NothingOwed();
    error WindowExhausted();
    error TooEarly(uint40 readyAt);
    error NothingProposed();
    error OverDelegated(uint256 delegated, uint256 limit);
    error SlippageExceeded(uint128 shares, uint128 minShares);
    error InsufficientShares(uint128 held, uint128 asked);
    error CutTooHigh(uint16 bps, uint16 limit);

    function bond(uint32 net, uint128 amount) external;
    function bondFor(address operator, uint32 net, uint128 amount) external;
    function unbond(uint32 net, uint128 amount) external returns (uint32 week);
    function withdrawSelf(uint32 net, uint32 week) external returns (uint128 amount);

    function delegateTo(address operator, uint32 net, uint128 amount, uint128 minShares)
        external
        returns (uint128 shares);
    function undelegate(address operator, uint32 net, uint32 nonce, uint128 shares)
        external
        returns (uint32 week, uint128 amount);
    function withdrawDelegated(address operator, uint32 net, uint32 nonce, uint32 week)
        external
        returns (uint128 amount);
    function addRewards(address operator, uint32 net, uint128 amount) external;
    function setCut(uint32 net, uint16 bps) external;
    function syncVotes(address account, address operator, uint32 net, uint32 nonce) external;

    function slash(address operator, uint32 net, uint128 amount, address reporter, uint128 reporterAmount)
        external
        returns (uint128 slashed);
    function slashSelf(address operator, uint32 net, uint128 amount, address reporter, uint128 reporterAmount)
        external
        returns (uint128 slashed);
    function collectOwed(address operator, uint32 net) external returns (uint128 slashed);
    function collectOwedBySelf(address operator, uint32 net) external returns (uint128 slashed);
    function proposeSlasher(address next) external;
    function applySlasher() external;

    /// @return self Active self stake.
    /// @return delegated Active delegated stake of the current pool.
    /// @return thawing Self stake that is unbonding and still slashable.
    function stakeOf(address operator, uint32 net)
        external
        view
        returns (uint128 self, uint128 delegated, uint128 thawing);
    function isEligible(address operator, uint32 net) external view returns (bool);
    function bucketOf(address operator, uint32 net, uint32 week) external view returns (uint128);
    function provisionOf(address operator, uint32 net) external view returns (Provision memory);
    function poolOf(address operator, uint32 net, uint32 nonce) external view returns (Pool memory);
    function poolBucketOf(address operator, uint32 net, uint32 nonce, uint32 week) external view returns (Bucket memory);
    function positionOf(address account, address operator, uint32 net, uint32 nonce)
        external
        view
        returns (Position memory);
    /// @return Shares of the delegator in the bucket of a week.
    function thawingSharesOf(address account, address operator, uint32 net, uint32 nonce, uint32 week)
        external
        view
        returns (uint128);
    /// @return What the delegator's active shares are worth now.
    function valueOf(address account, address operator, uint32 net, uint32 nonce) external view returns (uint128);
    /// @return The cut in force now.
    function cutOf(address operator, uint32 net) external view returns (uint16);
    function slasher() external view returns (address);
    /// @return CAIRN, the one asset that is staked.
    function token() external view returns (IERC20);
}
