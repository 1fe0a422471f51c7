// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The newest metadata of each account, found from its address alone.
interface IPointers {
    /// @param digest Digest of the account's newest metadata snapshot.
    /// @param extra 32 bytes the application uses as it likes, such as the head of its log.
    /// @param seq Grows with every change, so that an old pointer is never taken for a new one.
    /// @param changedAt Unix seconds.
    struct Pointer {
        bytes32 digest;
        bytes32 extra;
        uint64 seq;
        uint40 changedAt;
    }

    event PointerSet(address indexed account, bytes32 digest, uint64 seq, bytes32 extra, address by);

    error NotAllowed(address account, address caller);
    error StaleSequence(uint64 seq, uint64 current);

    function set(address account, bytes32 digest, uint64 seq, bytes32 extra) external;
    function pointerOf(address account) external view returns (Pointer memory);
}
