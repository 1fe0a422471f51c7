// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Pause} from "../libraries/Pause.sol";
import {ThawWeeks} from "../libraries/ThawWeeks.sol";
import {StakingBase} from "./StakingBase.sol";

/// @title Operators' own stake.
abstract contract StakingSelf is StakingBase {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

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
        (uint128 minStake,) = registry.admission(net);
        uint128 left = active - amount;
        if (left != 0 && left < minStake) revert BelowMinimum(left, minStake);
        p.active = uint96(left); // left ≤ active
        p.votes = uint96(_book(msg.sender, p.votes, left));
        (uint40 thaw,) = registry.thawRules(net);
        week = ThawWeeks.maturity(thaw);
        p.liveWeeks = ThawWeeks.add(p.liveWeeks, week);
        _buckets[msg.sender][net][week].tokens += amount;
        emit Unbonding(msg.sender, net, week, amount);
    }

    /// @notice Pays out a matured bucket of the caller.
    function withdrawSelf(uint32 net, uint32 week) external returns (uint128 amount) {
        uint256 maturesAt = ThawWeeks.startOf(week);
        if (block.timestamp < maturesAt) revert NotMatured(maturesAt);
        amount = _buckets[msg.sender][net][week].tokens;
        if (amount == 0) revert NothingToWithdraw();
        _buckets[msg.sender][net][week].tokens = 0;
        emit Withdrawn(msg.sender, net, week, amount);
        token.safeTransfer(msg.sender, amount);
    }

    function _bond(address operator, uint32 net, uint128 amount) private {
        Pause.check(authority);
        if (amount == 0) revert ZeroAmount();
        (uint128 minStake, bool active) = registry.admission(net);
        if (!active) revert NetworkNotActive(net);
        Provision storage p = _provisions[operator][net];
        uint96 total = (uint256(p.active) + amount).toUint96();
        if (total < minStake) revert BelowMinimum(total, minStake);
        p.active = total;
        p.votes = uint96(_book(operator, p.votes, total));
        emit Bonded(operator, net, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }
}
