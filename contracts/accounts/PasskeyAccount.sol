// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {DeviceKeys} from "../libraries/DeviceKeys.sol";

/// @title An account whose only key is a passkey.
/// @notice A phone or a security key signs, anyone pays the gas. It owns devices, registers session keys, sets its payout
/// and receives its claims like any other account. One key, no recovery and no owner: who needs those uses a larger wallet.
/// @dev A clone made by PasskeyAccounts; the key is part of its code. Vouchers are not among what it signs: Escrow takes
/// ECDSA alone, so it registers a session key for them.
contract PasskeyAccount is IERC1271, EIP712 {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    bytes32 private constant _EXECUTE_TYPEHASH = keccak256("Execute(bytes32 calls,uint256 nonce,uint40 deadline)");
    bytes32 private constant _MESSAGE_TYPEHASH = keccak256("Message(bytes32 hash)");
    /// @notice Calls of one signature: enough for any flow of this system, few enough to show to a person.
    uint256 public constant MAX_CALLS = 16;

    /// @notice Next nonce; each signature has one.
    uint256 public nonce;

    event Executed(uint256 indexed nonce, uint256 calls);

    error BadSignature();
    error BadNonce(uint256 expected);
    error Expired(uint40 deadline);
    error TooManyCalls(uint256 calls);

    constructor() EIP712("Cairn PasskeyAccount", "1") {}

    receive() external payable {}

    /// @notice Performs `calls` in order, all or none. Anyone may submit them.
    /// @param nonce_ The account's current one.
    /// @param signature The passkey's assertion over executeDigest, as WebAuthn.WebAuthnAuth.
    function execute(Call[] calldata calls, uint256 nonce_, uint40 deadline, bytes calldata signature)
        external
        payable
    {
        if (calls.length > MAX_CALLS) revert TooManyCalls(calls.length);
        if (nonce_ != nonce) revert BadNonce(nonce);
        if (block.timestamp > deadline) revert Expired(deadline);
        if (!DeviceKeys.verifyPasskey(key(), executeDigest(calls, nonce_, deadline), signature)) revert BadSignature();
        // Before the calls, so that none of them can use the signature again.
        nonce = nonce_ + 1;
        emit Executed(nonce_, calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            Address.functionCallWithValue(calls[i].target, calls[i].data, calls[i].value);
        }
    }

    /// @inheritdoc IERC1271
    /// @dev The passkey signs the hash inside this account's domain, so that no other account of the key can use it.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(_MESSAGE_TYPEHASH, hash)));
        return DeviceKeys.verifyPasskey(key(), digest, signature) ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @notice The passkey: x‖y‖SHA-256 of the relying party's id.
    function key() public view returns (bytes memory) {
        return Clones.fetchCloneArgs(address(this));
    }

    /// @notice What the passkey is challenged with to execute `calls`.
    function executeDigest(Call[] calldata calls, uint256 nonce_, uint40 deadline) public view returns (bytes32) {
        bytes32 content = keccak256(abi.encode(calls));
        return _hashTypedDataV4(keccak256(abi.encode(_EXECUTE_TYPEHASH, content, nonce_, deadline)));
    }
}
