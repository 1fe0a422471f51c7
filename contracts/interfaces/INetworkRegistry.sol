// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Networks: their parameters, roles and lives.
/// @notice Network ids count from 1. Epoch e of a network is [e · epochLength, (e + 1) · epochLength) in unix seconds.
interface INetworkRegistry {
    /// @dev Ordered so that what one call reads shares a slot: publishing reads the third, Escrow's fee the fourth.
    /// @param minStake Self stake from which an operator is eligible, in CAIRN wei.
    /// @param faultPenalty Slash for a proven fault.
    /// @param equivocationPenalty Slash for two conflicting signatures; at most minStake / 10.
    /// @param disputeBond Bond of a dispute.
    /// @param rootBond Bond of a challenge to a root.
    /// @param epochLength Seconds; fixed for the network's life, because epochs are numbered by division.
    /// @param challengeWindow Seconds between a root's publication and its activation.
    /// @param rootEpochs Epochs between two publications at least.
    /// @param thawWeeks Weeks for which unbonding stake stays slashable.
    /// @param maxSlashBps Most of the stake that one 7-day window may slash.
    /// @param feeRecipient Who gets the network's fee.
    /// @param responseWindow Seconds to answer a demand or a dispute.
    /// @param feeBps Network fee on payments.
    /// @param reporterBps Reporter's share of an objective slash.
    /// @param operatorCutMaxBps Highest cut of delegators' rewards.
    /// @param delegationRatio Delegated stake at most, as a multiple of self stake.
    /// @param verifierNet The network whose stakers verify this one; 0 for a network that is not verified.
    struct Params {
        uint128 minStake;
        uint128 faultPenalty;
        uint128 equivocationPenalty;
        uint128 disputeBond;
        uint128 rootBond;
        uint40 epochLength;
        uint40 challengeWindow;
        uint16 rootEpochs;
        uint8 thawWeeks;
        uint16 maxSlashBps;
        address feeRecipient;
        uint40 responseWindow;
        uint16 feeBps;
        uint16 reporterBps;
        uint16 operatorCutMaxBps;
        uint8 delegationRatio;
        uint32 verifierNet;
    }

    /// @notice Publisher writes roots, Verifier signs them (stage 1), Arbiter rules disputes.
    enum Role {
        Publisher,
        Verifier,
        Arbiter
    }

    struct Roles {
        address publisher;
        address verifier;
        address arbiter;
    }

    struct Network {
        address owner;
        uint40 createdAt;
        uint40 closedAt;
        address pendingOwner;
        uint128 bond;
        bytes32 metadata;
        Roles roles;
    }

    /// @notice The smallest windows of a deployment, fixed at construction: generous on a public chain, seconds on a
    /// local one, so that the same bytecode serves both and no test-only switch exists.
    struct Minimums {
        uint40 epochLength;
        uint40 challengeWindow;
        uint40 responseWindow;
    }

    event NetworkCreated(
        uint32 indexed net, address indexed owner, bytes32 metadata, Params params, Roles roles, uint128 bond
    );
    event ParamsProposed(uint32 indexed net, Params params, uint40 readyAt);
    event ParamsApplied(uint32 indexed net, Params params);
    event RoleProposed(uint32 indexed net, Role indexed role, address account, uint40 readyAt);
    event RoleApplied(uint32 indexed net, Role indexed role, address account);
    event MetadataChanged(uint32 indexed net, bytes32 metadata);
    event OwnershipOffered(uint32 indexed net, address indexed to);
    event OwnershipTransferred(uint32 indexed net, address indexed from, address indexed to);
    event NetworkClosed(uint32 indexed net);
    event BondReclaimed(uint32 indexed net, address indexed to, uint128 amount);

    error UnknownNetwork(uint32 net);
    error NotOwner(uint32 net, address caller);
    error OutOfBounds(bytes32 param);
    error NothingProposed(uint32 net);
    error NotProposed(uint32 net);
    error TooEarly(uint40 readyAt);
    error Lapsed(uint40 lapsedAt);
    error NetworkIsClosed(uint32 net);
    error NetworkIsOpen(uint32 net);
    error NothingToReclaim(uint32 net);

    function create(Params calldata params, Roles calldata roles, bytes32 metadata) external returns (uint32 net);
    function proposeParams(uint32 net, Params calldata params) external;
    function applyParams(uint32 net, Params calldata params) external;
    function proposeRole(uint32 net, Role role, address account) external;
    function applyRole(uint32 net, Role role) external;
    function setMetadata(uint32 net, bytes32 metadata) external;
    function transferOwnership(uint32 net, address to) external;
    function acceptOwnership(uint32 net) external;
    function close(uint32 net) external;
    function reclaimBond(uint32 net) external;

    function count() external view returns (uint32);
    function exists(uint32 net) external view returns (bool);
    function isActive(uint32 net) external view returns (bool);
    function ownerOf(uint32 net) external view returns (address);
    function network(uint32 net) external view returns (Network memory);
    function params(uint32 net) external view returns (Params memory);
    function feeOf(uint32 net) external view returns (uint16 feeBps, address recipient);
    function epochLength(uint32 net) external view returns (uint40);
    function currentEpoch(uint32 net) external view returns (uint32);
    function verifierOf(uint32 net) external view returns (address);
    function arbiterOf(uint32 net) external view returns (address);
    function verifierNetOf(uint32 net) external view returns (uint32);
    /// @return publisher Who may publish; interval seconds between publications; window seconds until activation;
    /// epoch the current one.
    function rootRules(uint32 net)
        external
        view
        returns (address publisher, uint40 interval, uint40 window, uint32 epoch);
    /// @return minStake CAIRN wei from which an operator is eligible; active whether the network is open.
    function admission(uint32 net) external view returns (uint128 minStake, bool active);
    /// @return thaw Seconds; maxSlashBps of one window.
    function thawRules(uint32 net) external view returns (uint40 thaw, uint16 maxSlashBps);
    /// @return fault CAIRN wei slashed for a proven fault; equivocation for two conflicting signatures of a device.
    function penaltiesOf(uint32 net) external view returns (uint128 fault, uint128 equivocation);
    function reporterBpsOf(uint32 net) external view returns (uint16);
    /// @return disputeBond CAIRN wei; responseWindow seconds.
    function disputeRules(uint32 net) external view returns (uint128 disputeBond, uint40 responseWindow);
    function rootBondOf(uint32 net) external view returns (uint128);
    /// @return active Whether the network is open; ratio delegated stake at most, as a multiple of self stake.
    function delegationRules(uint32 net) external view returns (bool active, uint8 ratio);
}
