// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";
import {Test} from "./Vm.sol";

/// @notice What a browser and its authenticator do with a challenge.
abstract contract Passkeys is Test {
    uint256 internal constant PASSKEY = 0x9A55;
    bytes32 internal constant RP = sha256("cairn.example");
    /// @dev User present and verified.
    bytes1 internal constant UP_UV = 0x05;

    function passkeySigner(bytes32 rpIdHash) internal pure returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        return abi.encodePacked(x, y, rpIdHash);
    }

    function assertion(bytes32 challenge) internal pure returns (bytes memory) {
        return assertionOf(PASSKEY, challenge, RP, UP_UV, "webauthn.get");
    }

    function assertionOf(uint256 key, bytes32 challenge, bytes32 rpIdHash, bytes1 flags, string memory kind)
        internal
        pure
        returns (bytes memory)
    {
        WebAuthn.WebAuthnAuth memory auth;
        auth.authenticatorData = abi.encodePacked(rpIdHash, flags, uint32(1));
        auth.typeIndex = 1;
        auth.challengeIndex = 11 + bytes(kind).length;
        auth.clientDataJSON = string.concat(
            '{"type":"',
            kind,
            '","challenge":"',
            Base64.encodeURL(abi.encodePacked(challenge)),
            '","origin":"https://cairn.example","crossOrigin":false}'
        );
        bytes32 digest = sha256(abi.encodePacked(auth.authenticatorData, sha256(bytes(auth.clientDataJSON))));
        (auth.r, auth.s) = vm.signP256(key, digest);
        if (uint256(auth.s) > P256.N / 2) auth.s = bytes32(P256.N - uint256(auth.s));
        bytes memory encoded = abi.encode(auth);
        // WebAuthnAuth is a dynamic struct: abi.encode puts an offset in front of it, which tryDecodeAuth does not expect.
        bytes memory bare = new bytes(encoded.length - 32);
        for (uint256 i = 0; i < bare.length; ++i) {
            bare[i] = encoded[i + 32];
        }
        return bare;
    }
}
