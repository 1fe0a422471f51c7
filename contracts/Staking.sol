// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Self stake with weekly thaw buckets.
/// @notice No list, no queue, no request cap: unbonding adds to the bucket of the week in which it matures, and a
/// slash walks at most nine buckets. A matured bucket can no longer be slashed, whether withdrawn or not.
contract Staking is IStaking {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// Thaws are at most 8 weeks and end on a week's edge, so that nine weeks can hold slashable stake.
    uint256 public constant MAX_LIVE_WEEKS = 9;
    uint256 private constant BPS = 10_000;
    /// Longer than every thaw: whoever distrusts a new slasher is out before it has power.
    uint40 public constant SLASHER_DELAY = 10 weeks;

    IERC20 public immutable token;
    INetworkRegistry public immutable registry;
    /// May propose another slasher; the Timelock later, nobody (zero) in stage 1.
    address public immutable authority;

    address public slasher;
    address public proposedSlasher;
    uint40 public slasherReadyAt;

    mapping(address operator => mapping(uint32 net => Provision)) private _provisions;
    mapping(address operator => mapping(uint32 net => mapping(uint256 week => uint128))) private _buckets;

    /// @param slasher_ DisputeManager; zero in stage 1, where nothing slashes.
    constructor(IERC20 token_, INetworkRegistry registry_, address authority_, address slasher_) {
        token = token_;
        registry = registry_;
        authority = authority_;
        slasher = slasher_;
    }

    // ------------------------------------------------------- bond and unbond

    /// @inheritdoc IStaking
    function bond(uint32 net, uint128 amount) external {
        _bond(msg.sender, net, amount);
    }

    /// @notice Bonds the caller's tokens as somebody else's self stake. It is a gift: only the operator can unbond.
    function bondFor(address operator, uint32 net, uint128 amount) external {
        _bond(operator, net, amount);
    }

    /// @notice Starts the thaw of `amount`. What stays must be nothing or at least the network's minimum.
    /// @return week The bucket: it matures at week · 7 days.
    function unbond(uint32 net, uint128 amount) external returns (uint32 week) {
        if (amount == 0) revert ZeroAmount();
        Provision storage p = _provisions[msg.sender][net];
        uint128 active = p.active;
        if (amount > active) revert InsufficientStake(active, amount);
        (uint128 minStake, uint40 thaw,,) = registry.stakeRules(net);
        uint128 left = active - amount;
        if (left != 0 && left < minStake) revert BelowMinimum(left, minStake);
        p.active = left;
        // Rounded up: stake is slashable for at least the thaw, and up to a week more.
        week = uint32(Math.ceilDiv(block.timestamp + thaw, 1 weeks));
        p.liveWeeks |= _bit(week);
        _buckets[msg.sender][net][week] += amount;
        emit Unbonding(msg.sender, net, week, amount);
    }

    /// @notice Pays out a matured bucket of the caller.
    function withdrawSelf(uint32 net, uint32 week) external returns (uint128 amount) {
        uint256 maturesAt = uint256(week) * 1 weeks;
        if (block.timestamp < maturesAt) revert NotMatured(maturesAt);
        amount = _buckets[msg.sender][net][week];
        if (amount == 0) revert NothingToWithdraw();
        _buckets[msg.sender][net][week] = 0;
        emit Withdrawn(msg.sender, net, week, amount);
        token.safeTransfer(msg.sender, amount);
    }

    // --------------------------------------------------------------- slashing

    /// @notice Takes up to `amount` of the operator's stake in one network, active and thawing pro rata. What the
    /// window's limit does not allow stays owed. The reporter gets his part of what was taken; the rest is burned.
    /// @param reporterAmount The reporter's part if all of `amount` were taken.
    /// @return slashed What was taken now.
    function slash(address operator, uint32 net, uint128 amount, address reporter, uint128 reporterAmount)
        external
        returns (uint128 slashed)
    {
        if (msg.sender != slasher) revert NotSlasher(msg.sender);
        if (amount == 0) revert ZeroAmount();
        if (reporterAmount > amount) revert ReporterTooHigh(reporterAmount, amount);
        Provision storage p = _provisions[operator][net];
        (uint128 fromActive, uint128 fromThawing) = _take(operator, net, p, amount);
        slashed = fromActive + fromThawing;
        p.owed += amount - slashed;
        uint128 paid = reporter == address(0) ? 0 : Math.mulDiv(reporterAmount, slashed, amount).toUint128();
        emit Slashed(operator, net, fromActive, fromThawing, p.owed, reporter, paid);
        _settle(slashed, reporter, paid);
    }

    /// @notice Burns what an earlier slash left owed, as far as the current window allows. Anyone may.
    function collectOwed(address operator, uint32 net) external returns (uint128 slashed) {
        Provision storage p = _provisions[operator][net];
        uint128 owed = p.owed;
        if (owed == 0) revert NothingOwed();
        (uint128 fromActive, uint128 fromThawing) = _take(operator, net, p, owed);
        slashed = fromActive + fromThawing;
        if (slashed == 0) revert WindowExhausted();
        p.owed = owed - slashed;
        emit Slashed(operator, net, fromActive, fromThawing, p.owed, address(0), 0);
        _settle(slashed, address(0), 0);
    }

    /// @notice Names the next slasher, who takes over ten weeks later.
    function proposeSlasher(address next) external {
        if (msg.sender != authority) revert NotAuthority(msg.sender);
        proposedSlasher = next;
        slasherReadyAt = uint40(block.timestamp) + SLASHER_DELAY;
        emit SlasherProposed(next, slasherReadyAt);
    }

    /// @notice Puts a matured proposal in force. Anyone may.
    function applySlasher() external {
        uint40 readyAt = slasherReadyAt;
        if (readyAt == 0) revert NothingProposed();
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        slasher = proposedSlasher;
        slasherReadyAt = 0;
        emit SlasherChanged(slasher);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IStaking
    function stakeOf(address operator, uint32 net)
        external
        view
        returns (uint128 self, uint128 delegated, uint128 thawing)
    {
        Provision storage p = _provisions[operator][net];
        return (p.active, 0, _thawing(operator, net, p.liveWeeks));
    }

    /// @notice Whether the operator may work in the network: enough active self stake in a network that is open.
    function isEligible(address operator, uint32 net) external view returns (bool) {
        (uint128 minStake,,, bool active) = registry.stakeRules(net);
        return active && _provisions[operator][net].active >= minStake;
    }

    /// @inheritdoc IStaking
    function bucketOf(address operator, uint32 net, uint32 week) external view returns (uint128) {
        return _buckets[operator][net][week];
    }

    function provisionOf(address operator, uint32 net) external view returns (Provision memory) {
        return _provisions[operator][net];
    }

    // ---------------------------------------------------------------- private

    function _bond(address operator, uint32 net, uint128 amount) private {
        if (amount == 0) revert ZeroAmount();
        (uint128 minStake,,, bool active) = registry.stakeRules(net);
        if (!active) revert NetworkNotActive(net);
        Provision storage p = _provisions[operator][net];
        uint128 total = p.active + amount;
        if (total < minStake) revert BelowMinimum(total, minStake);
        p.active = total;
        emit Bonded(operator, net, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev Takes min(amount, what the window allows) from active and live buckets pro rata. The buckets' part is
    /// rounded down and active pays the rest, which is ⌈take · active / total⌉ ≤ active, so the parts sum to the whole.
    function _take(address operator, uint32 net, Provision storage p, uint128 amount)
        private
        returns (uint128 fromActive, uint128 fromThawing)
    {
        uint128 active = p.active;
        uint128 thawing = _thawing(operator, net, p.liveWeeks);
        uint128 total = active + thawing;
        uint128 take = _allow(net, p, total, amount);
        if (take == 0) return (0, 0);
        fromThawing = Math.mulDiv(take, thawing, total).toUint128();
        fromActive = take - fromThawing;
        p.active = active - fromActive;
        _takeThawing(operator, net, p.liveWeeks, fromThawing, thawing);
    }

    /// @dev Takes exactly `want` ≤ `thawing`: each bucket pays its floor share of what is left to pay over what is left
    /// to walk, so the last one pays the remainder and nothing is lost to rounding.
    function _takeThawing(address operator, uint32 net, uint256 liveWeeks, uint128 want, uint128 thawing) private {
        uint256 current = block.timestamp / 1 weeks;
        for (uint256 i = 1; i <= MAX_LIVE_WEEKS && want != 0; ++i) {
            if (liveWeeks & _bit(current + i) == 0) continue;
            uint128 held = _buckets[operator][net][current + i];
            if (held == 0) continue;
            uint128 part = Math.mulDiv(want, held, thawing).toUint128();
            _buckets[operator][net][current + i] = held - part;
            thawing -= held;
            want -= part;
        }
    }

    /// @dev The limiter works in tokens: a window begins with the first slash after the last one ended and allows
    /// maxSlashBps of the stake held then. Stake added inside a window does not widen it.
    function _allow(uint32 net, Provision storage p, uint128 total, uint128 amount) private returns (uint128 take) {
        if (block.timestamp >= uint256(p.winStart) + 1 weeks) {
            p.winStart = uint40(block.timestamp);
            p.winBase = total;
            p.winSlashed = 0;
        }
        (,, uint16 maxSlashBps,) = registry.stakeRules(net);
        uint256 cap = uint256(p.winBase) * maxSlashBps / BPS;
        uint256 room = cap > p.winSlashed ? cap - p.winSlashed : 0;
        take = Math.min(Math.min(amount, total), room).toUint128();
        p.winSlashed += take;
    }

    function _thawing(address operator, uint32 net, uint256 liveWeeks) private view returns (uint128 sum) {
        uint256 current = block.timestamp / 1 weeks;
        for (uint256 i = 1; i <= MAX_LIVE_WEEKS; ++i) {
            if (liveWeeks & _bit(current + i) != 0) sum += _buckets[operator][net][current + i];
        }
    }

    function _settle(uint128 slashed, address reporter, uint128 paid) private {
        if (paid > 0) token.safeTransfer(reporter, paid);
        if (slashed > paid) ERC20Burnable(address(token)).burn(slashed - paid);
    }

    function _bit(uint256 week) private pure returns (uint256) {
        return 1 << (week & 255);
    }
}
