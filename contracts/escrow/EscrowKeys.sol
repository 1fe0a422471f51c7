// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title What session keys may spend.
/// @notice A session's limit in Delegations is one number without a unit, and the same number is a coffee in µcredits
/// and a house in a 6-decimals dollar token. So it counts for Credits only; every other asset needs a limit of its own,
/// set here or by a deposit's grant. Limits are for the life of a key and only grow.
abstract contract EscrowKeys is EscrowBase {
    mapping(address payer => mapping(address key => mapping(address asset => KeyUsage))) private _usage;

    /// @notice Lets `key` draw up to `limit` of `asset` from the caller's money, over its life. Not for Credits, whose
    /// limit is the session's. The key's scope and expiry are Delegations'.
    function setKeyLimit(address key, address asset, uint128 limit) external {
        _setKeyLimit(msg.sender, key, asset, limit);
    }

    function _setKeyLimit(address payer, address key, address asset, uint128 limit) private {
        KeyUsage storage usage = _usageOf(payer, key, asset);
        if (limit < usage.limit) revert LimitCannotShrink(usage.limit);
        usage.limit = limit;
        emit KeyLimitSet(payer, key, asset, limit);
    }

    /// @dev A deposit in another asset keeps the key's limit of credits, and gives none to a key that had run out.
    function _grant(address payer, address asset, SessionGrant calldata grant) internal {
        uint128 creditLimit = grant.limit;
        if (asset != address(CREDITS)) {
            _setKeyLimit(payer, grant.key, asset, grant.limit);
            bool live = DELEGATIONS.isRedeemable(payer, grant.key, SCOPE_VOUCHER);
            creditLimit = live ? DELEGATIONS.session(payer, grant.key).limit : 0;
        }
        DELEGATIONS.registerFor(payer, grant.key, grant.scope, creditLimit, grant.until);
    }

    /// @return Whether what `signer` signed draws the money of `payer`: its own key, or a session key in its week of
    /// grace at the latest. The payer's code is ignored: what a wallet contract accepts could change after the service.
    function _maySpend(address payer, address signer) internal view returns (bool) {
        return signer == payer || DELEGATIONS.isRedeemable(payer, signer, SCOPE_VOUCHER);
    }

    /// @return What `signer` may still draw.
    function _spendable(address payer, address signer, address asset) internal view returns (uint128) {
        if (signer == payer) return type(uint128).max;
        KeyUsage storage usage = _usageOf(payer, signer, asset);
        uint128 limit = _limitOf(payer, signer, asset);
        uint128 spent = usage.spent;
        return limit > spent ? limit - spent : 0;
    }

    function _spend(address payer, address signer, address asset, uint128 amount) internal {
        if (signer != payer) _usageOf(payer, signer, asset).spent += amount;
    }

    /// @dev A key may fill earmarks up to its limit in all, so that a bad one cannot tie up more than it could spend.
    function _earmarkBy(address payer, address key, address asset, uint128 amount) internal {
        if (!DELEGATIONS.isActive(payer, key, SCOPE_VOUCHER)) revert KeyNotActive(payer, key);
        KeyUsage storage usage = _usageOf(payer, key, asset);
        uint128 limit = _limitOf(payer, key, asset);
        uint128 earmarked = usage.earmarked;
        uint128 left = limit > earmarked ? limit - earmarked : 0;
        if (amount > left) revert KeyLimitExceeded(amount, left);
        usage.earmarked = earmarked + amount;
    }

    function _usageOf(address payer, address key, address asset) private view returns (KeyUsage storage) {
        return _usage[payer][key][asset];
    }

    function _limitOf(address payer, address key, address asset) private view returns (uint128) {
        return asset == address(CREDITS) ? DELEGATIONS.session(payer, key).limit : _usageOf(payer, key, asset).limit;
    }

    /// @inheritdoc IEscrow
    function keyUsage(address payer, address key, address asset) external view returns (KeyUsage memory) {
        return _usageOf(payer, key, asset);
    }
}
