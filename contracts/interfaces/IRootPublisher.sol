// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Who says which root a network publishes.
/// @notice Stage 1 is one named verifier; the quorum of staked verifiers implements the same interface.
interface IRootPublisher {
    /// @param attempt Distinguishes roots that are signed again for one epoch, after a veto or a correction: two
    /// signatures with equal (net, asset, epoch, attempt, setId) and different content are equivocation.
    /// @param setId The set of signers; 0 is the single verifier of stage 1.
    struct RootMessage {
        uint32 net;
        address asset;
        uint32 epoch;
        uint32 attempt;
        uint32 setId;
        bytes32 root;
        uint128 total;
        bytes32 dataHash;
    }

    /// The signatures stay readable in the log: they are the evidence if a signer contradicts itself.
    event RootSigned(
        uint32 indexed net,
        address indexed asset,
        uint32 indexed epoch,
        uint32 index,
        uint32 attempt,
        uint32 setId,
        bytes signatures
    );

    error UnknownSet(uint32 setId);
    error BadSignature();

    /// @notice Publishes a signed root. Anyone may submit it.
    /// @param signatures 65 bytes (r, s, v) per signer over the EIP-712 digest; exactly one in stage 1.
    function publish(RootMessage calldata message, bytes calldata signatures) external returns (uint32 index);
    function digestOf(RootMessage calldata message) external view returns (bytes32);
}
