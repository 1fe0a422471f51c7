// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";

/// @title Permissionless networks.
/// @notice Anyone creates a network against a bond. Its owner can change parameters and roles only with a delay longer
/// than the longest thaw, so that everybody with stake can leave under the rules they joined under.
contract NetworkRegistry is INetworkRegistry {
    using SafeERC20 for IERC20;

    /// Hard bounds (CONTRACTS.md, NetworkRegistry): no owner and no vote moves a network outside of them.
    uint40 public constant MAX_EPOCH_LENGTH = 30 days;
    uint40 public constant MAX_WINDOW = 21 days;
    uint8 public constant MAX_THAW_WEEKS = 8;
    uint16 public constant MAX_SLASH_BPS = 2000;
    uint16 public constant MAX_REPORTER_BPS = 2500;
    uint16 public constant MAX_FEE_BPS = 1000;
    uint8 public constant MAX_DELEGATION_RATIO = 20;
    /// A penalty for equivocation stays small, because a stolen device key must not ruin its owner.
    uint8 public constant EQUIVOCATION_DIVISOR = 10;
    /// Added to both windows, so that an offence found on the last day can still be slashed.
    uint40 public constant THAW_MARGIN = 14 days;
    /// With 8 ring slots, 6 intervals inside one window leave two slots of slack: no publication finds its slot busy.
    uint40 public constant WINDOW_INTERVALS = 6;
    /// A matured proposal that nobody applies lapses, so that it cannot lie in wait for years.
    uint40 public constant PROPOSAL_LIFE = 14 days;
    uint40 public constant BOND_DELAY = 8 weeks;

    IERC20 public immutable token;
    uint128 public immutable creationBond;
    uint40 public immutable minEpochLength;
    uint40 public immutable minChallengeWindow;
    uint40 public immutable minResponseWindow;

    /// @dev The event has the parameters; their hash is one slot instead of six, and whoever applies brings them along.
    struct ProposedParams {
        bytes32 hash;
        uint40 readyAt;
    }

    struct ProposedRole {
        address account;
        uint40 readyAt;
    }

    uint32 private _count;
    mapping(uint32 net => Network) private _networks;
    mapping(uint32 net => Params) private _params;
    mapping(uint32 net => ProposedParams) private _proposedParams;
    mapping(uint32 net => mapping(Role => ProposedRole)) private _proposedRoles;

    constructor(IERC20 token_, uint128 creationBond_, Minimums memory minimums) {
        token = token_;
        creationBond = creationBond_;
        minEpochLength = minimums.epochLength;
        minChallengeWindow = minimums.challengeWindow;
        minResponseWindow = minimums.responseWindow;
        // Epochs are numbered by division, so a length of zero must be impossible, not merely discouraged.
        _bound(minimums.epochLength != 0, "minEpochLength");
    }

    modifier onlyOwner(uint32 net) {
        if (_networks[net].owner != msg.sender) {
            _requireExists(net);
            revert NotOwner(net, msg.sender);
        }
        _;
    }

    // ------------------------------------------------------------------ life

    /// @inheritdoc INetworkRegistry
    function create(Params calldata p, Roles calldata roles, bytes32 metadata) external returns (uint32 net) {
        net = ++_count;
        _check(net, p);
        _params[net] = p;
        Network storage n = _networks[net];
        n.owner = msg.sender;
        n.createdAt = uint40(block.timestamp);
        n.bond = creationBond;
        n.metadata = metadata;
        n.roles = roles;
        emit NetworkCreated(net, msg.sender, metadata, p, roles, creationBond);
        if (creationBond > 0) token.safeTransferFrom(msg.sender, address(this), creationBond);
    }

    /// @inheritdoc INetworkRegistry
    function setMetadata(uint32 net, bytes32 metadata) external onlyOwner(net) {
        _networks[net].metadata = metadata;
        emit MetadataChanged(net, metadata);
    }

    /// @inheritdoc INetworkRegistry
    function transferOwnership(uint32 net, address to) external onlyOwner(net) {
        _networks[net].pendingOwner = to;
        emit OwnershipOffered(net, to);
    }

    /// @inheritdoc INetworkRegistry
    function acceptOwnership(uint32 net) external {
        Network storage n = _networks[net];
        if (n.pendingOwner != msg.sender) revert NotOwner(net, msg.sender);
        emit OwnershipTransferred(net, n.owner, msg.sender);
        n.owner = msg.sender;
        n.pendingOwner = address(0);
    }

    /// @notice Ends new stake and new registrations for good. Exits, claims and roots go on.
    function close(uint32 net) external onlyOwner(net) {
        Network storage n = _networks[net];
        if (n.closedAt != 0) revert NetworkIsClosed(net);
        n.closedAt = uint40(block.timestamp);
        emit NetworkClosed(net);
    }

    /// @notice Returns the creation bond once, 8 weeks after the close.
    function reclaimBond(uint32 net) external onlyOwner(net) {
        Network storage n = _networks[net];
        if (n.closedAt == 0) revert NetworkIsOpen(net);
        uint40 readyAt = n.closedAt + BOND_DELAY;
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        uint128 amount = n.bond;
        if (amount == 0) revert NothingToReclaim(net);
        n.bond = 0;
        emit BondReclaimed(net, msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    // --------------------------------------------------------------- changes

    /// @notice Proposes parameters; a second proposal replaces the first and starts its delay anew.
    function proposeParams(uint32 net, Params calldata p) external onlyOwner(net) {
        _requireOpen(net);
        _check(net, p);
        // Old epochs keep their numbers only if the divisor never changes.
        _bound(p.epochLength == _params[net].epochLength, "epochLength");
        uint40 readyAt = _readyAt(net);
        _proposedParams[net] = ProposedParams(keccak256(abi.encode(p)), readyAt);
        emit ParamsProposed(net, p, readyAt);
    }

    /// @notice Applies a matured proposal; anyone may, so that an owner cannot let the network hang between two rules.
    /// @param p The parameters that were proposed, as the event shows them.
    function applyParams(uint32 net, Params calldata p) external {
        ProposedParams memory proposed = _proposedParams[net];
        _requireMatured(net, proposed.readyAt);
        if (proposed.hash != keccak256(abi.encode(p))) revert NotProposed(net);
        delete _proposedParams[net];
        _params[net] = p;
        emit ParamsApplied(net, p);
    }

    /// @inheritdoc INetworkRegistry
    function proposeRole(uint32 net, Role role, address account) external onlyOwner(net) {
        _requireOpen(net);
        uint40 readyAt = _readyAt(net);
        _proposedRoles[net][role] = ProposedRole(account, readyAt);
        emit RoleProposed(net, role, account, readyAt);
    }

    /// @inheritdoc INetworkRegistry
    function applyRole(uint32 net, Role role) external {
        ProposedRole memory proposed = _proposedRoles[net][role];
        _requireMatured(net, proposed.readyAt);
        delete _proposedRoles[net][role];
        Roles storage roles = _networks[net].roles;
        if (role == Role.Publisher) roles.publisher = proposed.account;
        else if (role == Role.Verifier) roles.verifier = proposed.account;
        else roles.arbiter = proposed.account;
        emit RoleApplied(net, role, proposed.account);
    }

    // ----------------------------------------------------------------- views

    function count() external view returns (uint32) {
        return _count;
    }

    function exists(uint32 net) public view returns (bool) {
        return net != 0 && net <= _count;
    }

    function isActive(uint32 net) external view returns (bool) {
        return _isActive(net);
    }

    function ownerOf(uint32 net) external view returns (address) {
        return _networks[net].owner;
    }

    function network(uint32 net) external view returns (Network memory) {
        return _networks[net];
    }

    function params(uint32 net) external view returns (Params memory) {
        return _params[net];
    }

    /// @notice The proposal that waits, with readyAt 0 when there is none.
    /// @return hash keccak256 of the ABI-encoded parameters.
    function proposedParams(uint32 net) external view returns (bytes32 hash, uint40 readyAt) {
        ProposedParams storage proposed = _proposedParams[net];
        return (proposed.hash, proposed.readyAt);
    }

    function proposedRole(uint32 net, Role role) external view returns (address account, uint40 readyAt) {
        ProposedRole storage proposed = _proposedRoles[net][role];
        return (proposed.account, proposed.readyAt);
    }

    function feeOf(uint32 net) external view returns (uint16 feeBps, address recipient) {
        Params storage p = _params[net];
        return (p.feeBps, p.feeRecipient);
    }

    function epochLength(uint32 net) external view returns (uint40) {
        return _length(net);
    }

    function currentEpoch(uint32 net) external view returns (uint32) {
        return uint32(block.timestamp / _length(net));
    }

    function verifierOf(uint32 net) external view returns (address) {
        return _networks[net].roles.verifier;
    }

    function arbiterOf(uint32 net) external view returns (address) {
        return _networks[net].roles.arbiter;
    }

    function verifierNetOf(uint32 net) external view returns (uint32) {
        return _params[net].verifierNet;
    }

    function rootRules(uint32 net)
        external
        view
        returns (address publisher, uint40 interval, uint40 window, uint32 epoch)
    {
        Params storage p = _params[net];
        uint40 length = _length(net);
        return
            (_networks[net].roles.publisher, length * p.rootEpochs, p.challengeWindow, uint32(block.timestamp / length));
    }

    function thawRules(uint32 net) external view returns (uint40 thaw, uint16 maxSlashBps) {
        Params storage p = _params[net];
        return (uint40(p.thawWeeks) * 1 weeks, p.maxSlashBps);
    }

    function admission(uint32 net) external view returns (uint128 minStake, bool active) {
        return (_params[net].minStake, _isActive(net));
    }

    function penaltiesOf(uint32 net) external view returns (uint128 fault, uint128 equivocation) {
        return (_params[net].faultPenalty, _params[net].equivocationPenalty);
    }

    function reporterBpsOf(uint32 net) external view returns (uint16) {
        return _params[net].reporterBps;
    }

    function disputeRules(uint32 net) external view returns (uint128 disputeBond, uint40 responseWindow) {
        return (_params[net].disputeBond, _params[net].responseWindow);
    }

    function rootBondOf(uint32 net) external view returns (uint128) {
        return _params[net].rootBond;
    }

    function delegationRules(uint32 net) external view returns (bool active, uint8 ratio) {
        return (_isActive(net), _params[net].delegationRatio);
    }

    // --------------------------------------------------------------- private

    function _isActive(uint32 net) private view returns (bool) {
        Network storage n = _networks[net];
        return n.createdAt != 0 && n.closedAt == 0;
    }

    /// @dev No network has an epoch of length zero, so one read tells both.
    function _length(uint32 net) private view returns (uint40 length) {
        length = _params[net].epochLength;
        if (length == 0) revert UnknownNetwork(net);
    }

    function _requireExists(uint32 net) private view {
        if (!exists(net)) revert UnknownNetwork(net);
    }

    function _requireOpen(uint32 net) private view {
        if (_networks[net].closedAt != 0) revert NetworkIsClosed(net);
    }

    /// @dev Two weeks above the thaw that is in force, not the proposed one: whoever unbonds the day after a proposal
    /// is out before it applies (N1).
    function _readyAt(uint32 net) private view returns (uint40) {
        return uint40(block.timestamp) + (uint40(_params[net].thawWeeks) + 2) * 1 weeks;
    }

    function _requireMatured(uint32 net, uint40 readyAt) private view {
        if (readyAt == 0) revert NothingProposed(net);
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        if (block.timestamp >= readyAt + PROPOSAL_LIFE) revert Lapsed(readyAt + PROPOSAL_LIFE);
    }

    /// @dev N2: every stored parameter set went through here. Existence of `verifierNet` is checked against the count,
    /// which includes the network that is being created; naming oneself is excluded before.
    function _check(uint32 net, Params calldata p) private view {
        _bound(p.minStake != 0, "minStake");
        _bound(p.faultPenalty <= p.minStake, "faultPenalty");
        _bound(p.equivocationPenalty <= p.minStake / EQUIVOCATION_DIVISOR, "equivocationPenalty");
        _bound(p.epochLength >= minEpochLength && p.epochLength <= MAX_EPOCH_LENGTH, "epochLength");
        _bound(p.challengeWindow >= minChallengeWindow && p.challengeWindow <= MAX_WINDOW, "challengeWindow");
        _bound(p.responseWindow >= minResponseWindow && p.responseWindow <= MAX_WINDOW, "responseWindow");
        _bound(p.maxSlashBps != 0 && p.maxSlashBps <= MAX_SLASH_BPS, "maxSlashBps");
        _bound(p.reporterBps <= MAX_REPORTER_BPS, "reporterBps");
        _bound(p.feeBps <= MAX_FEE_BPS, "feeBps");
        _bound(p.feeBps == 0 || p.feeRecipient != address(0), "feeRecipient");
        _bound(p.operatorCutMaxBps <= 10_000, "operatorCutMaxBps");
        _bound(p.delegationRatio <= MAX_DELEGATION_RATIO, "delegationRatio");
        // A network that named itself would let its own stakers sign their own pay.
        _bound(p.verifierNet != net && p.verifierNet <= _count, "verifierNet");
        uint256 thaw = uint256(p.thawWeeks) * 1 weeks;
        _bound(p.thawWeeks != 0 && p.thawWeeks <= MAX_THAW_WEEKS, "thawWeeks");
        _bound(thaw >= uint256(p.challengeWindow) + p.responseWindow + THAW_MARGIN, "thawWeeks");
        uint256 interval = uint256(p.epochLength) * p.rootEpochs;
        _bound(interval != 0 && interval <= MAX_EPOCH_LENGTH, "rootEpochs");
        _bound(interval * WINDOW_INTERVALS >= p.challengeWindow, "rootEpochs");
    }

    function _bound(bool inside, bytes32 param) private pure {
        if (!inside) revert OutOfBounds(param);
    }
}
