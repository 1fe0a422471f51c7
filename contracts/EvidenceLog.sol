// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {IEvidenceLog} from "./interfaces/IEvidenceLog.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Commitments of staked verifiers.
/// @notice Two per epoch: the hash of the verifier's nonce before the epoch, so that it cannot choose its challenges,
/// and the digest of its evidence bundle in the first quarter of the next epoch, so that nobody can add to the evidence
/// later. The event log is the data; storage only holds one bit each, against a second commitment.
contract EvidenceLog is IEvidenceLog {
    using BitMaps for BitMaps.BitMap;

    /// A nonce fixed further ahead than this would have to be kept secret longer than it is worth.
    uint32 public constant MAX_EPOCHS_AHEAD = 256;

    INetworkRegistry public immutable registry;
    IStaking public immutable staking;

    mapping(uint32 net => mapping(address verifier => BitMaps.BitMap)) private _nonces;
    mapping(uint32 net => mapping(address verifier => BitMaps.BitMap)) private _bundles;

    constructor(INetworkRegistry registry_, IStaking staking_) {
        registry = registry_;
        staking = staking_;
    }

    /// @notice Commits the caller to its nonce for an epoch that has not begun.
    /// @param nonceHash keccak256 of the 32-byte nonce.
    function commitNonce(uint32 net, uint32 epoch, bytes32 nonceHash) external {
        _requireEligible(net);
        uint32 current = registry.currentEpoch(net);
        if (epoch <= current) revert EpochBegan(epoch);
        if (epoch > current + MAX_EPOCHS_AHEAD) revert TooFarAhead(epoch, current + MAX_EPOCHS_AHEAD);
        _once(_nonces[net][msg.sender], net, epoch);
        emit NonceCommitted(net, epoch, msg.sender, nonceHash);
    }

    /// @notice Commits the caller's evidence bundle of `epoch`, in the first quarter of the epoch after it.
    /// @param sha256Digest SHA-256 of the bundle's index.
    /// @param size Bytes of the index, so that whoever fetches it knows its limit.
    function commit(uint32 net, uint32 epoch, bytes32 sha256Digest, uint64 size) external {
        _requireEligible(net);
        if (size == 0) revert EmptyBundle();
        (uint256 from, uint256 to) = commitWindow(net, epoch);
        if (block.timestamp < from || block.timestamp >= to) revert OutsideWindow(from, to);
        _once(_bundles[net][msg.sender], net, epoch);
        emit EvidenceCommitted(net, epoch, msg.sender, sha256Digest, size);
    }

    /// @inheritdoc IEvidenceLog
    function commitWindow(uint32 net, uint32 epoch) public view returns (uint256 from, uint256 to) {
        uint256 length = registry.epochLength(net);
        from = (uint256(epoch) + 1) * length;
        // Rounded up, so that a quarter of the shortest epochs still has a block in it.
        to = from + (length + 3) / 4;
    }

    /// @inheritdoc IEvidenceLog
    function hasCommitted(uint32 net, uint32 epoch, address verifier) external view returns (bool) {
        return _bundles[net][verifier].get(epoch);
    }

    /// @inheritdoc IEvidenceLog
    function hasCommittedNonce(uint32 net, uint32 epoch, address verifier) external view returns (bool) {
        return _nonces[net][verifier].get(epoch);
    }

    function _requireEligible(uint32 net) private view {
        uint32 verifierNet = registry.verifierNetOf(net);
        if (verifierNet == 0) revert NotVerified(net);
        if (!staking.isEligible(msg.sender, verifierNet)) revert NotEligible(msg.sender, verifierNet);
    }

    function _once(BitMaps.BitMap storage seen, uint32 net, uint32 epoch) private {
        if (seen.get(epoch)) revert AlreadyCommitted(net, epoch, msg.sender);
        seen.set(epoch);
    }
}
