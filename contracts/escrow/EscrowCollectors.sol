// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title Locks: money set aside for a contract that the payer approved, such as a market for leases.
/// @notice A collector pays only from what it locked, and only before the lock's expiry; afterwards anyone returns the
/// rest to the payer. A collector that stops working therefore holds nobody's money for longer than the payer agreed.
abstract contract EscrowCollectors is EscrowBase {
    using SafeCast for uint256;

    mapping(address payer => mapping(address collector => mapping(address asset => Approval))) private _approvals;
    mapping(bytes32 lockKey => Lock) private _locks;

    /// @notice Sets what `collector` may lock of the caller's money from now on, and for how long at most.
    function approveCollector(address collector, address asset, uint128 allowance, uint40 maxLockSeconds) external {
        if (collector == address(0)) revert ZeroAddress();
        _approvals[msg.sender][collector][asset] = Approval(allowance, maxLockSeconds);
        emit CollectorApproved(msg.sender, collector, asset, allowance, maxLockSeconds);
    }

    /// @notice Locks `amount` of the payer's available money for the calling collector.
    /// @dev Uses up the allowance for good: giving it back on unlock could restore one that the payer has withdrawn.
    /// @param lockId The collector's own name for it; free again once the lock is empty.
    function lock(address payer, address asset, bytes32 lockId, uint128 amount, uint40 expiry)
        external
        returns (bytes32 lockKey)
    {
        Approval storage granted = _approvals[payer][msg.sender][asset];
        uint128 allowance = granted.allowance;
        if (amount > allowance) revert AllowanceExceeded(amount, allowance);
        if (expiry <= block.timestamp || expiry - block.timestamp > granted.maxLockSeconds) revert BadExpiry(expiry);
        lockKey = lockKeyOf(msg.sender, payer, asset, lockId);
        if (_locks[lockKey].amount != 0) revert LockExists(lockKey);
        granted.allowance = allowance - amount;
        _takeAvailable(payer, asset, amount);
        _locks[lockKey] = Lock(amount, expiry);
        emit Locked(lockKey, msg.sender, payer, asset, amount, expiry);
    }

    /// @notice Pays `amount` from the calling collector's lock to `payee`, less fees.
    function pay(address payer, address payee, address asset, uint32 net, bytes32 lockId, uint128 amount) external {
        _payLocked(lockKeyOf(msg.sender, payer, asset, lockId), payee, net, amount);
        _settle(payee, asset, net, amount);
    }

    /// @notice The same from several of the calling collector's locks, with fees on the total. One that cannot be paid
    /// fails all.
    function payMany(address payee, address asset, uint32 net, Payment[] calldata payments) external {
        uint256 total = 0;
        for (uint256 i = 0; i < payments.length; ++i) {
            Payment calldata one = payments[i];
            _payLocked(lockKeyOf(msg.sender, one.payer, asset, one.lockId), payee, net, one.amount);
            total += one.amount;
        }
        _settle(payee, asset, net, total.toUint128());
    }

    function _payLocked(bytes32 lockKey, address payee, uint32 net, uint128 amount) private {
        if (payee == address(0)) revert ZeroAddress();
        uint40 expiry = _locks[lockKey].expiry;
        if (block.timestamp >= expiry) revert LockExpired(expiry);
        _takeLocked(lockKey, amount);
        emit PaidFromLock(lockKey, payee, net, amount);
    }

    /// @notice Returns `amount` of the calling collector's lock to its payer.
    function unlock(address payer, address asset, bytes32 lockId, uint128 amount) external {
        _release(lockKeyOf(msg.sender, payer, asset, lockId), payer, asset, amount);
    }

    /// @notice Returns what is left of an expired lock to its payer. Anyone may call it.
    function returnExpired(address collector, address payer, address asset, bytes32 lockId)
        external
        returns (uint128 amount)
    {
        bytes32 lockKey = lockKeyOf(collector, payer, asset, lockId);
        Lock memory held = _locks[lockKey];
        if (block.timestamp < held.expiry) revert LockNotExpired(held.expiry);
        amount = held.amount;
        _release(lockKey, payer, asset, amount);
    }

    function _release(bytes32 lockKey, address payer, address asset, uint128 amount) private {
        _takeLocked(lockKey, amount);
        _giveAvailable(payer, asset, amount);
        emit Unlocked(lockKey, payer, amount);
    }

    function _takeLocked(bytes32 lockKey, uint128 amount) private {
        if (amount == 0) revert ZeroAmount();
        uint128 held = _locks[lockKey].amount;
        if (amount > held) revert Insufficient(amount, held);
        _locks[lockKey].amount = held - amount;
    }

    /// @inheritdoc IEscrow
    function approval(address payer, address collector, address asset) external view returns (Approval memory) {
        return _approvals[payer][collector][asset];
    }

    /// @notice keccak256(abi.encode(collector, payer, asset, lockId)).
    function lockKeyOf(address collector, address payer, address asset, bytes32 lockId) public pure returns (bytes32) {
        return keccak256(abi.encode(collector, payer, asset, lockId));
    }

    /// @inheritdoc IEscrow
    function lockOf(bytes32 lockKey) external view returns (Lock memory) {
        return _locks[lockKey];
    }
}
