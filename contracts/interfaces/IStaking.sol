// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Stake of operators, one provision per (operator, network).
/// @notice Stage 1: self stake. Stake that is being unbonded sits in the bucket of the week in which it matures.
interface IStaking {
    /// @param active Bonded and counted.
    /// @param owed Slashed but beyond the window's limit; collectable in later windows.
    /// @param liveWeeks Bit (week mod 256) of every week that ever got a bucket; stale bits of matured weeks are harmless.
    /// @param winStart Unix seconds at which the current slash window began.
    /// @param winBase Stake at that moment, of which maxSlashBps may go.
    /// @param winSlashed Slashed in the window.
    struct Provision {
        uint128 active;
        uint128 owed;
        uint256 liveWeeks;
        uint40 winStart;
        uint128 winBase;
        uint128 winSlashed;
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

    function bond(uint32 net, uint128 amount) external;
    function bondFor(address operator, uint32 net, uint128 amount) external;
    function unbond(uint32 net, uint128 amount) external returns (uint32 week);
    function withdrawSelf(uint32 net, uint32 week) external returns (uint128 amount);
    function slash(address operator, uint32 net, uint128 amount, address reporter, uint128 reporterAmount)
        external
        returns (uint128 slashed);
    function collectOwed(address operator, uint32 net) external returns (uint128 slashed);

    /// @return self Active self stake; delegated 0 in stage 1; thawing what is unbonding and still slashable.
    function stakeOf(address operator, uint32 net)
        external
        view
        returns (uint128 self, uint128 delegated, uint128 thawing);
    function isEligible(address operator, uint32 net) external view returns (bool);
    function bucketOf(address operator, uint32 net, uint32 week) external view returns (uint128);
    function slasher() external view returns (address);
}
