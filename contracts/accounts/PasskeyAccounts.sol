// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {PasskeyAccount} from "./PasskeyAccount.sol";

/// @title Makes the account of a passkey.
/// @notice Its address follows from the key, so it can be paid and can own devices before it exists; anyone may create it.
contract PasskeyAccounts {
    /// @notice The code that every account shares; itself it has no key and can do nothing.
    address public immutable IMPLEMENTATION;

    event AccountCreated(address indexed account, bytes32 x, bytes32 y, bytes32 rpIdHash);

    error BadKey();

    constructor() {
        IMPLEMENTATION = address(new PasskeyAccount());
    }

    /// @notice Creates the account, or returns it if it is there.
    /// @param rpIdHash SHA-256 of the relying party's id, which the passkey's assertions carry.
    function create(bytes32 x, bytes32 y, bytes32 rpIdHash) external returns (address account) {
        if (!P256.isValidPublicKey(x, y)) revert BadKey();
        account = addressOf(x, y, rpIdHash);
        if (account.code.length != 0) return account;
        Clones.cloneDeterministicWithImmutableArgs(IMPLEMENTATION, abi.encodePacked(x, y, rpIdHash), bytes32(0));
        emit AccountCreated(account, x, y, rpIdHash);
    }

    /// @notice Where the account of a key is or will be.
    function addressOf(bytes32 x, bytes32 y, bytes32 rpIdHash) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(
            IMPLEMENTATION, abi.encodePacked(x, y, rpIdHash), bytes32(0)
        );
    }
}
