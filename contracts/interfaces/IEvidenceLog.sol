// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title What verifiers saw, fixed in time before it pays.
interface IEvidenceLog {
    event NonceCommitted(uint32 indexed net, uint32 indexed epoch, address indexed verifier, bytes32 nonceHash);
    event EvidenceCommitted(
        uint32 indexed net, uint32 indexed epoch, address indexed verifier, bytes32 sha256Digest, uint64 size
    );

    error NotVerified(uint32 net);
    error NotEligible(address verifier, uint32 verifierNet);
    error EpochBegan(uint32 epoch);
    error TooFarAhead(uint32 epoch, uint32 last);
    error OutsideWindow(uint256 from, uint256 to);
    error AlreadyCommitted(uint32 net, uint32 epoch, address verifier);
    error EmptyBundle();

    function commitNonce(uint32 net, uint32 epoch, bytes32 nonceHash) external;
    function commit(uint32 net, uint32 epoch, bytes32 sha256Digest, uint64 size) external;

    /// @return from First second at which evidence of `epoch` may be committed; to the first at which it may not.
    function commitWindow(uint32 net, uint32 epoch) external view returns (uint256 from, uint256 to);
    function hasCommitted(uint32 net, uint32 epoch, address verifier) external view returns (bool);
    function hasCommittedNonce(uint32 net, uint32 epoch, address verifier) external view returns (bool);
}
