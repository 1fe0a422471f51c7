// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Session keys: what an account lets another key sign in its name.
/// @notice One registry read by Escrow, Pointers, DeviceRegistry, and off chain by gateways and providers.
interface IDelegations {
    /// @param scope Bits of what the key may do: 1 VOUCHER, 2 STORAGE (orders, heads), 4 POINTER.
    /// @param limit Most µcredits that vouchers of this key may ever draw; Escrow counts what is spent. It is for Credits
    /// alone: every other asset has the limit that Escrow.setKeyLimit or a deposit's grant gave the key.
    /// @param until Unix seconds at which the key stops being active.
    /// @param revokedAt Unix seconds of the revocation, 0 while there is none.
    struct Session {
        uint32 scope;
        uint128 limit;
        uint40 until;
        uint40 revokedAt;
    }

    event SessionRegistered(address indexed account, address indexed key, uint32 scope, uint128 limit, uint40 until);
    event SessionRevoked(address indexed account, address indexed key, uint40 revokedAt);

    /// Only the escrow registers keys for somebody else: it has verified that account's deposit signature.
    error NotEscrow(address caller);
    /// A revoked key stays revoked, so that nobody can undo the payee's week of grace or the owner's revocation.
    error KeyRevoked(address account, address key);
    error UnknownScope(uint32 scope);
    error BadExpiry(uint40 until);
    error BadKey(address key);
    /// While a key's vouchers can still be redeemed its terms may only grow; a smaller grant needs a new key.
    error CannotShrink(Session current);
    error NoSession(address account, address key);

    function register(address key, uint32 scope, uint128 limit, uint40 until) external;
    function registerFor(address account, address key, uint32 scope, uint128 limit, uint40 until) external;
    function revoke(address key) external;

    function session(address account, address key) external view returns (Session memory);
    /// @return Whether the key may sign now: registered with all bits of `scope`, not expired, not revoked.
    function isActive(address account, address key, uint32 scope) external view returns (bool);
    /// @return Whether what the key signed still counts: active, or within 7 days of its expiry or revocation.
    function isRedeemable(address account, address key, uint32 scope) external view returns (bool);
    /// @return The contract whose one-signature deposits may register a key.
    function escrow() external view returns (address);
}
