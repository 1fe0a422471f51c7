// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EscrowBase} from "./EscrowBase.sol";

/// @title What is signed for Escrow, for whoever signs or explains it.
/// @notice Answered by EscrowChecks, word for word; no payment calls any of this. The ERC-5267 description is CHECKS.eip712Domain().
abstract contract EscrowDigests is EscrowBase {
    /// @notice The EIP-712 digest that a voucher signs.
    function hashVoucher(address, address, address, uint32, uint64, uint128) external view returns (bytes32) {
        return _answer();
    }

    /// @notice The EIP-712 digest that a rate signs: `numerator` / `denominator` units of the asset per unit of usage.
    function hashRate(bytes32, bytes32, uint128, uint128) external view returns (bytes32) {
        return _answer();
    }

    /// @notice The ERC-3009 nonce that binds a deposit to its receiver, its asset and its grant.
    function authorizationNonce(address, address, SessionGrant calldata) external view returns (bytes32) {
        return _answer();
    }
}
