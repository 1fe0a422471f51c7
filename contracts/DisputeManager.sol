// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IDisputeManager} from "./interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "./interfaces/IRewardsDistributor.sol";
import {IRootPublisher} from "./interfaces/IRootPublisher.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {DisputeEvidence} from "./disputes/DisputeEvidence.sol";

/// @title Disputes: bond against bond before the network's arbiter.
/// @notice What can be proved is slashed without an arbiter (DisputeEvidence). For the rest a challenger posts a bond, the
/// accused posts as much or loses by default, and the arbiter has two weeks; its silence is a draw. Nobody is paid by
/// pushing: what anyone gets is withdrawn. Immutable, without owner.
contract DisputeManager is DisputeEvidence {
    using SafeERC20 for IERC20;

    /// Part of the margin that every thaw leaves above both windows (NetworkRegistry.THAW_MARGIN).
    uint40 public constant RULING_TIME = 14 days;
    /// Silence takes time and blocks, so that a chain that stood still condemns nobody.
    uint256 public constant MIN_BLOCKS = 600;
    uint256 public constant MAX_OPEN = 4;
    /// What a draw costs either side, so that opening a dispute is never free.
    uint128 private constant DRAW_DIVISOR = 20;

    IERC20 public immutable token;

    uint256 private _count;
    mapping(uint256 id => Dispute) private _disputes;
    mapping(bytes32 evidence => bool) private _used;
    mapping(uint32 net => mapping(address accused => uint256)) private _openAgainst;
    mapping(uint32 net => mapping(address asset => uint256)) private _openRoots;
    mapping(address account => uint128) private _withdrawable;

    constructor(
        IERC20 token_,
        INetworkRegistry registry_,
        IStaking staking_,
        IDeviceRegistry devices_,
        IRewardsDistributor distributor_,
        IRootPublisher publisher_,
        IRootPublisher quorum_,
        address storageProofs_
    ) DisputeEvidence(registry_, staking_, devices_, distributor_, publisher_, quorum_, storageProofs_) {
        token = token_;
    }

    // ---------------------------------------------------------------- opening

    /// @notice Accuses an operator against the network's dispute bond.
    /// @param evidence Hash of what the challenger publishes; good for one dispute against this operator.
    function open(uint32 net, address accused, bytes32 evidence) external returns (uint256 id) {
        (uint128 bond, uint40 window) = registry.disputeRules(net);
        if (bond == 0) revert NoBond(net);
        uint256 open_ = _openAgainst[net][accused];
        if (open_ >= MAX_OPEN) revert TooManyOpen(open_);
        bytes32 key = keccak256(abi.encode(net, accused, evidence));
        if (_used[key]) revert EvidenceUsed(evidence);
        uint128 stake = _stakeBehind(accused, net);
        if (stake == 0) revert NothingAtStake(accused, net);
        _used[key] = true;
        _openAgainst[net][accused] = open_ + 1;
        Dispute storage d;
        (id, d) = _create(net, bond, State.Open, window);
        d.accused = accused;
        d.stakeNet = net;
        d.maxSlash = stake;
        emit DisputeOpened(id, net, accused, msg.sender, bond, evidence);
        token.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @notice Challenges a pending root, which freezes until the verdict. The bond doubles with every challenge that is
    /// open in the pot. The root itself is the answer, so the arbiter's time begins at once.
    /// @param reason Hash of what the challenger publishes.
    function openRoot(uint32 net, address asset, uint32 index, bytes32 reason) external returns (uint256 id) {
        uint128 bond = rootBondOf(net, asset);
        if (bond == 0) revert NoBond(net);
        uint256 open_ = _openRoots[net][asset];
        if (open_ >= MAX_OPEN) revert TooManyOpen(open_);
        _openRoots[net][asset] = open_ + 1;
        Dispute storage d;
        (id, d) = _create(net, bond, State.Answered, RULING_TIME);
        // Who signs for the network now; a quorum has no one accused, its signers answer for equivocation only.
        d.accused = registry.verifierOf(net);
        d.stakeNet = registry.verifierNetOf(net);
        d.asset = asset;
        d.index = index;
        d.maxSlash = _stakeBehind(d.accused, d.stakeNet);
        emit RootDisputed(id, net, asset, index, msg.sender, bond, reason);
        distributor.challenge(net, asset, index);
        token.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @notice The accused answers and posts as much as the challenger did.
    function respond(uint256 id, bytes32 answer) external {
        Dispute storage d = _requireState(id, State.Open);
        if (msg.sender != d.accused) revert NotAccused(msg.sender);
        if (_isOverdue(d)) revert TooLate(d.deadline);
        d.state = State.Answered;
        d.deadline = uint40(block.timestamp) + RULING_TIME;
        emit DisputeAnswered(id, answer);
        token.safeTransferFrom(msg.sender, address(this), d.bond);
    }

    // ---------------------------------------------------------------- closing

    /// @notice The arbiter's verdict.
    /// @param amount What an accepted dispute slashes, at most what stood behind the accused when it opened; the
    /// limiter of Staking applies besides.
    function rule(uint256 id, Verdict verdict, uint128 amount) external {
        Dispute storage d = _requireState(id, State.Answered);
        if (msg.sender != d.arbiter) revert NotArbiter(msg.sender);
        if (block.timestamp >= d.deadline) revert TooLate(d.deadline);
        if (verdict == Verdict.Default || (verdict != Verdict.Accept && amount != 0)) revert BadVerdict();
        if (amount > d.maxSlash) revert SlashTooHigh(amount, d.maxSlash);
        _resolve(id, d, verdict, amount);
    }

    /// @notice Closes what somebody was silent about: the accused loses by default, the arbiter's silence is a draw.
    function finalize(uint256 id) external {
        Dispute storage d = _disputes[id];
        if (d.state == State.Open) {
            if (!_isOverdue(d)) revert TooEarly(d.deadline, d.openedBlock + MIN_BLOCKS);
            uint128 penalty = _faultPenalty(d.net);
            _resolve(id, d, Verdict.Default, penalty < d.maxSlash ? penalty : d.maxSlash);
        } else {
            _requireState(id, State.Answered);
            if (block.timestamp < d.deadline) revert TooEarly(d.deadline, 0);
            _resolve(id, d, Verdict.Draw, 0);
        }
    }

    /// @notice Pays the caller what disputes left him.
    function withdrawBond() external returns (uint128 amount) {
        amount = _withdrawable[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        _withdrawable[msg.sender] = 0;
        emit BondWithdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    // ------------------------------------------------------------------ views

    function dispute(uint256 id) external view returns (Dispute memory) {
        return _disputes[id];
    }

    function withdrawable(address account) external view returns (uint128) {
        return _withdrawable[account];
    }

    /// @inheritdoc IDisputeManager
    function openAgainst(uint32 net, address accused) external view returns (uint256) {
        return _openAgainst[net][accused];
    }

    /// @inheritdoc IDisputeManager
    function rootBondOf(uint32 net, address asset) public view returns (uint128) {
        return registry.rootBondOf(net) * uint128(1 << _openRoots[net][asset]);
    }

    // ---------------------------------------------------------------- private

    function _create(uint32 net, uint128 bond, State state, uint40 time)
        private
        returns (uint256 id, Dispute storage d)
    {
        id = ++_count;
        d = _disputes[id];
        d.challenger = msg.sender;
        d.deadline = uint40(block.timestamp) + time;
        d.openedBlock = uint48(block.number);
        d.state = state;
        d.net = net;
        // A later arbiter rules later disputes: nobody is judged by one who came because of his case.
        d.arbiter = registry.arbiterOf(net);
        d.bond = bond;
    }

    function _resolve(uint256 id, Dispute storage d, Verdict verdict, uint128 amount) private {
        d.state = State.Closed;
        uint128 slashed = d.asset == address(0) ? _settle(d, verdict, amount) : _settleRoot(d, verdict, amount);
        emit DisputeResolved(id, verdict, slashed);
    }

    /// @dev The loser's bond goes to the winner and to nobody, half each. The challenger's part of a slash tops up what he
    /// gains to his bond at most: disputes pay for the risk and are no business.
    function _settle(Dispute storage d, Verdict verdict, uint128 amount) private returns (uint128 slashed) {
        uint128 bond = d.bond;
        --_openAgainst[d.net][d.accused];
        if (verdict == Verdict.Draw) {
            uint128 cost = bond / DRAW_DIVISOR;
            _withdrawable[d.challenger] += bond - cost;
            _withdrawable[d.accused] += bond - cost;
            _burn(2 * cost);
        } else if (verdict == Verdict.Reject) {
            _withdrawable[d.accused] += bond + bond / 2;
            _burn(bond - bond / 2);
        } else if (verdict == Verdict.Accept) {
            _withdrawable[d.challenger] += bond + bond / 2;
            _burn(bond - bond / 2);
            slashed = _punish(d, amount, bond - bond / 2);
        } else {
            _withdrawable[d.challenger] += bond;
            slashed = _punish(d, amount, bond);
        }
    }

    /// @dev A root that was not shown to be wrong stands, and half the bond goes to who signed it. A root that newer ones
    /// pushed out of the ring while it was frozen has no state any more; the bonds are settled all the same.
    function _settleRoot(Dispute storage d, Verdict verdict, uint128 amount) private returns (uint128 slashed) {
        uint128 bond = d.bond;
        --_openRoots[d.net][d.asset];
        bool fraudulent = verdict == Verdict.Accept;
        if (fraudulent) {
            _withdrawable[d.challenger] += bond;
            slashed = _punish(d, amount, bond);
        } else {
            uint128 half = d.accused == address(0) ? 0 : bond / 2;
            if (half != 0) _withdrawable[d.accused] += half;
            _burn(bond - half);
        }
        try distributor.onVerdict(d.net, d.asset, d.index, fraudulent) {} catch {}
    }

    function _punish(Dispute storage d, uint128 amount, uint128 most) private returns (uint128) {
        if (amount == 0) return 0;
        uint128 reward = _reporterPart(d.net, amount);
        return staking.slash(d.accused, d.stakeNet, amount, d.challenger, reward < most ? reward : most);
    }

    function _isOverdue(Dispute storage d) private view returns (bool) {
        return block.timestamp >= d.deadline && block.number >= d.openedBlock + MIN_BLOCKS;
    }

    function _requireState(uint256 id, State state) private view returns (Dispute storage d) {
        d = _disputes[id];
        if (d.state != state) revert WrongState(d.state);
    }

    function _stakeBehind(address accused, uint32 net) private view returns (uint128) {
        (uint128 self, uint128 delegated, uint128 thawing) = staking.stakeOf(accused, net);
        return self + delegated + thawing;
    }

    function _burn(uint128 amount) private {
        if (amount != 0) ERC20Burnable(address(token)).burn(amount);
    }
}
