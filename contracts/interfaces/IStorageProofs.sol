// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {StorageTree} from "../libraries/StorageTree.sol";

/// @title Possession of stored data, proved on demand.
interface IStorageProofs {
    /// @notice What customer and provider both signed of a data set (typed-data.ts, SET_HEAD).
    /// @param setId There is one set per network, device and customer.
    /// @param root Root of the tree over the set's intervals.
    /// @param count Pieces.
    /// @param version A provider never signs two heads with one version.
    /// @param expiresAt Unix seconds from which the provider may delete; at most 35 days ahead.
    struct Head {
        uint32 net;
        bytes32 setId;
        address provider;
        address customer;
        bytes32 root;
        uint64 count;
        uint64 totalBytes;
        uint64 version;
        uint40 expiresAt;
    }

    /// @param head keccak256 of the ABI-encoded head; whoever acts brings the head along.
    /// @param seed Decides which byte must be shown.
    /// @param bond Goes to the provider for its answer, back to the demander for its silence.
    struct Demand {
        bytes32 head;
        bytes32 seed;
        address demander;
        uint40 openedAt;
        uint48 openedBlock;
        uint128 bond;
    }

    event Demanded(
        uint256 indexed id,
        uint32 indexed net,
        address indexed provider,
        bytes32 setId,
        address demander,
        uint64 position,
        uint128 bond,
        Head head
    );
    event Answered(uint256 indexed id);
    event Superseded(uint256 indexed id, uint64 version);
    event Faulted(uint256 indexed id, uint32 indexed net, address indexed provider, uint128 slashed);

    error EmptySet();
    error NoBond(uint32 net);
    error HeadExpired(uint40 expiresAt);
    error HeadTooLong(uint40 expiresAt);
    error NotSignedBy(address party);
    error AlreadyDemanded(uint256 id);
    error NoDemand(uint256 id);
    error WrongHead();
    error OtherSet();
    error StaleVersion(uint64 version, uint64 demanded);
    error BadProof();
    error TooEarly(uint256 readyAt, uint256 readyBlock);

    function demand(Head calldata head, bytes calldata providerSignature, bytes calldata customerSignature)
        external
        returns (uint256 id);
    function answer(uint256 id, Head calldata head, StorageTree.Proof calldata proof) external;
    function supersede(
        uint256 id,
        Head calldata head,
        Head calldata newer,
        bytes calldata providerSignature,
        bytes calldata customerSignature
    ) external;
    function fault(uint256 id, Head calldata head) external;

    function demandOf(uint256 id) external view returns (Demand memory);
    /// @return The open demand on a head's set; 0 when there is none.
    function openDemand(Head calldata head) external view returns (uint256);
    /// @return The byte of the set that an answer must show.
    function positionOf(uint256 id, Head calldata head) external view returns (uint64);
    /// @return What both sign. The domain names chain but no contract, because heads are signed and checked by peers whatever
    /// contract judges them.
    function digestOf(Head calldata head) external view returns (bytes32);
}
