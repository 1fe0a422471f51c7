// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";

/// @title The kinds of device key.
/// @notice A signer is written like ERC-7913's keys: 20 bytes are an Ethereum address (secp256k1), 64 bytes a P-256
/// public key x‖y, 96 bytes a passkey x‖y‖rpIdHash (WebAuthn, P-256). The verifier contract that ERC-7913 puts in front is
/// left out on purpose: the kind follows from the length, so no registration can name a contract that accepts anything,
/// and a device has one id on every chain.
/// @dev The relying party is part of a passkey's name because OpenZeppelin's WebAuthn leaves checking it to the
/// authenticator: with it here, an assertion made for another site is none of this device's.
library DeviceKeys {
    uint256 internal constant SECP256K1_LENGTH = 20;
    uint256 internal constant P256_LENGTH = 64;
    uint256 internal constant PASSKEY_LENGTH = 96;

    /// @notice The id of the device that holds the key.
    function idOf(bytes calldata signer) internal pure returns (bytes32) {
        return keccak256(signer);
    }

    /// @notice Whether `signature` is the signer's over `digest`. Only low-s signatures are valid on both curves, so a
    /// signature has one form; secp256k1 takes r‖s‖v (65 bytes), P-256 r‖s (64 bytes), a passkey an ABI-encoded
    /// WebAuthn.WebAuthnAuth whose challenge is the digest.
    function verify(bytes calldata signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signer.length == PASSKEY_LENGTH) return verifyPasskey(signer, digest, signature);
        if (signer.length == P256_LENGTH) {
            if (signature.length != 64) return false;
            return P256.verify(
                digest,
                bytes32(signature[0:32]),
                bytes32(signature[32:64]),
                bytes32(signer[0:32]),
                bytes32(signer[32:64])
            );
        }
        if (signer.length != SECP256K1_LENGTH) return false;
        (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, signature);
        return problem == ECDSA.RecoverError.NoError && recovered == address(bytes20(signer));
    }

    /// @notice Whether `signature` is an assertion by the passkey, with user presence and verification, that was
    /// challenged with `digest`.
    function verifyPasskey(bytes memory passkey, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        if (passkey.length != PASSKEY_LENGTH) return false;
        (bool decoded, WebAuthn.WebAuthnAuth calldata auth) = WebAuthn.tryDecodeAuth(signature);
        if (!decoded || auth.authenticatorData.length < 32) return false;
        (bytes32 x, bytes32 y, bytes32 rpIdHash) = abi.decode(passkey, (bytes32, bytes32, bytes32));
        if (bytes32(auth.authenticatorData[0:32]) != rpIdHash) return false;
        return WebAuthn.verify(abi.encodePacked(digest), auth, x, y);
    }
}
