// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDelegations} from "./interfaces/IDelegations.sol";

/// @title Session keys of accounts.
/// @notice A gateway holds only such a key: scope, limit and expiry are on chain, and a leaked one is revoked by its
/// account in one transaction. Payees keep a week to redeem what the key had signed, so revocation cannot rob them.
contract Delegations is IDelegations {
    uint32 public constant VOUCHER = 1;
    uint32 public constant STORAGE = 2;
    uint32 public constant POINTER = 4;
    uint32 private constant ALL = VOUCHER | STORAGE | POINTER;

    /// The time payees have after expiry or revocation; the same as a thaw of Escrow, so neither outruns the other.
    uint40 public constant GRACE = 7 days;
    /// A key that nobody renews for a year should not be able to spend.
    uint40 public constant MAX_LIFE = 366 days;

    /// @inheritdoc IDelegations
    address public immutable escrow;

    mapping(address account => mapping(address key => Session)) private _sessions;

    /// @param escrow_ Predicted address of Escrow, which is deployed later.
    constructor(address escrow_) {
        escrow = escrow_;
    }

    /// @notice Lets `key` sign for the caller.
    /// @param key Address of the session key.
    /// @param scope Bits of VOUCHER, STORAGE, POINTER.
    /// @param limit Most µcredits its vouchers may draw in total.
    /// @param until Unix seconds of its expiry, at most `MAX_LIFE` ahead.
    function register(address key, uint32 scope, uint128 limit, uint40 until) external {
        _register(msg.sender, key, scope, limit, until);
    }

    /// @notice The same for `account`, by Escrow, which has checked that the account signed these values.
    function registerFor(address account, address key, uint32 scope, uint128 limit, uint40 until) external {
        if (msg.sender != escrow) revert NotEscrow(msg.sender);
        _register(account, key, scope, limit, until);
    }

    /// @notice Revokes a key for good; what it signed stays redeemable for `GRACE`.
    function revoke(address key) external {
        Session storage s = _sessions[msg.sender][key];
        if (s.scope == 0) revert NoSession(msg.sender, key);
        if (s.revokedAt != 0) revert KeyRevoked(msg.sender, key);
        s.revokedAt = uint40(block.timestamp);
        emit SessionRevoked(msg.sender, key, uint40(block.timestamp));
    }

    /// @inheritdoc IDelegations
    function session(address account, address key) external view returns (Session memory) {
        return _sessions[account][key];
    }

    /// @inheritdoc IDelegations
    function isActive(address account, address key, uint32 scope) external view returns (bool) {
        Session memory s = _sessions[account][key];
        return _has(s, scope) && s.revokedAt == 0 && block.timestamp < s.until;
    }

    /// @inheritdoc IDelegations
    function isRedeemable(address account, address key, uint32 scope) external view returns (bool) {
        Session memory s = _sessions[account][key];
        return _has(s, scope) && block.timestamp < _end(s) + GRACE;
    }

    function _register(address account, address key, uint32 scope, uint128 limit, uint40 until) private {
        if (key == address(0) || key == account) revert BadKey(key);
        if (scope == 0 || scope & ~ALL != 0) revert UnknownScope(scope);
        if (until <= block.timestamp || until > block.timestamp + MAX_LIFE) revert BadExpiry(until);
        Session memory old = _sessions[account][key];
        if (old.revokedAt != 0) revert KeyRevoked(account, key);
        // Shrinking a live key would cancel vouchers that a payee already holds.
        bool live = old.scope != 0 && block.timestamp < _end(old) + GRACE;
        if (live && (old.scope & ~scope != 0 || limit < old.limit || until < old.until)) revert CannotShrink(old);
        _sessions[account][key] = Session(scope, limit, until, 0);
        emit SessionRegistered(account, key, scope, limit, until);
    }

    /// @dev An empty scope is asked for by nobody honest, and every session has all of its bits.
    function _has(Session memory s, uint32 scope) private pure returns (bool) {
        return scope != 0 && s.scope & scope == scope;
    }

    /// @dev The earlier of expiry and revocation: revoking an expired key must not reopen its grace.
    function _end(Session memory s) private pure returns (uint256) {
        return s.revokedAt != 0 && s.revokedAt < s.until ? s.revokedAt : s.until;
    }
}
