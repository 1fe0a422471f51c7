// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Shares} from "../libraries/Shares.sol";
import {ThawWeeks} from "../libraries/ThawWeeks.sol";
import {StakingBase} from "./StakingBase.sol";

/// @title Slashing: the operator's own stake to zero, then its delegators'.
/// @notice Whatever the number of delegators, a slash walks at most nine weeks of the operator and, only when it reaches
/// that far or a new window begins, nine of the pool.
abstract contract StakingSlash is StakingBase {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// Longer than every thaw: whoever distrusts a new slasher is out before it has power.
    uint40 public constant SLASHER_DELAY = 10 weeks;

    address public slasher;
    address public proposedSlasher;
    uint40 public slasherReadyAt;

    /// @dev One slash on its way: whom it hits, what stands there, and what it took of the operator's own.
    struct Case {
        address operator;
        uint32 net;
        bool selfOnly;
        uint128 active;
        uint128 thawing;
        uint128 poolActive;
        uint128 poolThawing;
        uint128 fromActive;
        uint128 fromThawing;
    }

    constructor(address slasher_) {
        slasher = slasher_;
    }

    /// @notice Takes up to `amount`: of the operator's stake, active and thawing pro rata, to zero, then of its
    /// delegators' pro rata. What the window's limit does not allow stays owed. The reporter gets his part of what was
    /// taken; the rest is burned.
    /// @param reporterAmount The reporter's part if all of `amount` were taken.
    /// @return slashed What was taken now.
    function slash(address operator, uint32 net, uint128 amount, address reporter, uint128 reporterAmount)
        external
        returns (uint128 slashed)
    {
        slashed = _slash(_case(operator, net, false), amount, reporter, reporterAmount);
    }

    /// @notice The same for what delegators cannot see coming, such as a device's equivocation: spares them.
    function slashSelf(address operator, uint32 net, uint128 amount, address reporter, uint128 reporterAmount)
        external
        returns (uint128 slashed)
    {
        slashed = _slash(_case(operator, net, true), amount, reporter, reporterAmount);
    }

    /// @notice Burns what an earlier slash left owed, as far as the current window allows. Anyone may.
    function collectOwed(address operator, uint32 net) external returns (uint128 slashed) {
        Provision storage p = _provisions[operator][net];
        uint128 owed = p.owed;
        slashed = _collect(_case(operator, net, false), p, owed);
        p.owed = uint96(owed - slashed);
    }

    /// @notice The same for what only the operator's own stake owes.
    function collectOwedBySelf(address operator, uint32 net) external returns (uint128 slashed) {
        Provision storage p = _provisions[operator][net];
        uint128 owed = p.owedBySelf;
        slashed = _collect(_case(operator, net, true), p, owed);
        p.owedBySelf = uint96(owed - slashed);
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

    // ---------------------------------------------------------------- private

    function _case(address operator, uint32 net, bool selfOnly) private pure returns (Case memory c) {
        (c.operator, c.net, c.selfOnly) = (operator, net, selfOnly);
    }

    function _slash(Case memory c, uint128 amount, address reporter, uint128 reporterAmount)
        private
        returns (uint128 slashed)
    {
        if (msg.sender != slasher) revert NotSlasher(msg.sender);
        if (amount == 0) revert ZeroAmount();
        if (reporterAmount > amount) revert ReporterTooHigh(reporterAmount, amount);
        Provision storage p = _provisions[c.operator][c.net];
        slashed = _take(c, p, amount);
        uint256 sum = uint256(amount - slashed) + (c.selfOnly ? p.owedBySelf : p.owed);
        // More than there will ever be of the token is owed in vain, and must not stop the slash.
        uint96 owed = uint96(Math.min(sum, type(uint96).max));
        if (c.selfOnly) p.owedBySelf = owed;
        else p.owed = owed;
        uint128 paid = reporter == address(0) ? 0 : Math.mulDiv(reporterAmount, slashed, amount).toUint128();
        emit Slashed(c.operator, c.net, c.fromActive, c.fromThawing, owed, reporter, paid);
        if (paid > 0) token.safeTransfer(reporter, paid);
        if (slashed > paid) ERC20Burnable(address(token)).burn(slashed - paid);
    }

    function _collect(Case memory c, Provision storage p, uint128 owed) private returns (uint128 slashed) {
        if (owed == 0) revert NothingOwed();
        slashed = _take(c, p, owed);
        if (slashed == 0) revert WindowExhausted();
        emit Slashed(c.operator, c.net, c.fromActive, c.fromThawing, owed - slashed, address(0), 0);
        ERC20Burnable(address(token)).burn(slashed);
    }

    /// @dev Takes min(amount, what there is, what the window allows): self stake first, pro rata, to zero.
    function _take(Case memory c, Provision storage p, uint128 amount) private returns (uint128 taken) {
        c.active = p.active;
        c.thawing = _sum(_buckets[c.operator][c.net], p.liveWeeks);
        uint128 self = c.active + c.thawing;
        bool opens = block.timestamp >= uint256(p.winStart) + 1 weeks;
        bytes32 key = _poolKey(c.operator, c.net, p.nonce);
        if (opens || (!c.selfOnly && amount > self)) {
            Pool storage pool = _pools[key];
            _unlock(pool);
            c.poolActive = pool.tokens;
            c.poolThawing = _sum(_poolBuckets[key], pool.liveWeeks);
        }
        uint128 total = self + c.poolActive + c.poolThawing;
        if (opens) _openWindow(p, total);
        taken = _allow(c.net, p, Math.min(amount, c.selfOnly ? self : total).toUint128());
        uint128 fromSelf = taken < self ? taken : self;
        if (fromSelf != 0) _takeSelf(c, p, fromSelf);
        if (taken != fromSelf) _takePool(c, p, key, taken - fromSelf);
    }

    /// @dev The buckets' part is rounded down and active pays the rest, which is ⌈amount · active / total⌉ ≤ active, so
    /// the parts sum to the whole.
    function _takeSelf(Case memory c, Provision storage p, uint128 amount) private {
        c.fromThawing = Math.mulDiv(amount, c.thawing, uint256(c.active) + c.thawing).toUint128();
        c.fromActive = amount - c.fromThawing;
        p.active = uint96(c.active - c.fromActive);
        _drain(_buckets[c.operator][c.net], p.liveWeeks, c.fromThawing, c.thawing);
    }

    /// @dev The same for delegated stake. Rewards that are still locked are not stake and stay.
    function _takePool(Case memory c, Provision storage p, bytes32 key, uint128 amount) private {
        Pool storage pool = _pools[key];
        uint128 fromThawing = Math.mulDiv(amount, c.poolThawing, uint256(c.poolActive) + c.poolThawing).toUint128();
        pool.tokens = c.poolActive - (amount - fromThawing);
        _drain(_poolBuckets[key], pool.liveWeeks, fromThawing, c.poolThawing);
        uint32 nonce = p.nonce;
        bool nothingLeft = amount == c.poolActive + c.poolThawing;
        // New tokens must not buy into a price of nothing; what is left stays with the old nonce's delegators.
        if (nothingLeft || Shares.isWipedOut(pool.tokens, pool.shares)) p.nonce = nonce + 1;
        emit DelegationSlashed(c.operator, c.net, nonce, amount - fromThawing, fromThawing, p.nonce);
    }

    /// @dev Takes exactly `want` ≤ `thawing`: each bucket pays its floor share of what is left to pay over what is left
    /// to walk, so the last one pays the remainder and nothing is lost to rounding.
    function _drain(mapping(uint256 week => Bucket) storage buckets, uint32 live, uint128 want, uint128 thawing)
        private
    {
        uint32 current = ThawWeeks.current();
        for (uint32 i = 1; i <= ThawWeeks.MAX_LIVE && want != 0; ++i) {
            if (!ThawWeeks.has(live, current + i)) continue;
            Bucket storage bucket = buckets[current + i];
            uint128 held = bucket.tokens;
            if (held == 0) continue;
            uint128 part = Math.mulDiv(want, held, thawing).toUint128();
            bucket.tokens = held - part;
            thawing -= held;
            want -= part;
        }
    }

    function _openWindow(Provision storage p, uint128 total) private {
        uint96 base = uint256(total).toUint96();
        p.winBase = base;
        p.winSlashed = 0;
        p.winStart = uint40(block.timestamp);
    }

    /// @dev The limiter works in tokens: a window begins with the first slash after the last one ended and allows
    /// maxSlashBps of the stake held then. Stake added inside a window does not widen it.
    function _allow(uint32 net, Provision storage p, uint128 amount) private returns (uint128 take) {
        (, uint16 maxSlashBps) = registry.thawRules(net);
        uint256 cap = uint256(p.winBase) * maxSlashBps / BPS;
        uint256 room = cap > p.winSlashed ? cap - p.winSlashed : 0;
        take = Math.min(amount, room).toUint128();
        p.winSlashed += uint96(take); // take ≤ winBase
    }

    /// @dev What is slashable of the buckets: those that have not matured.
    function _sum(mapping(uint256 week => Bucket) storage buckets, uint32 live) internal view returns (uint128 sum) {
        if (live == 0) return 0;
        uint32 current = ThawWeeks.current();
        for (uint32 i = 1; i <= ThawWeeks.MAX_LIVE; ++i) {
            if (ThawWeeks.has(live, current + i)) sum += buckets[current + i].tokens;
        }
    }
}
