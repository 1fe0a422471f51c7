// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The hash trees of stored data, as src/resources/storage/piece-tree.ts and data-set.ts build them.
/// @notice SHA-256, inner node = SHA-256(left ‖ right) without prefix, padded to a power of two. Depths follow from the
/// signed count and from the size in the proven interval, never from the prover, so no node passes for a leaf.
library StorageTree {
    /// Bytes of a piece that one leaf hashes; the last leaf is as short as the piece ends.
    uint256 internal constant LEAF_BYTES = 4096;

    /// @notice One byte of a set, shown: the interval that holds it and its leaf, with both paths.
    /// @param index Of the interval among the set's.
    /// @param start Byte of the set at which the piece begins.
    /// @param size Bytes of the piece.
    struct Proof {
        uint64 index;
        uint64 start;
        uint64 size;
        bytes32 pieceId;
        bytes32 pieceRoot;
        bytes32[] setPath;
        bytes leaf;
        bytes32[] piecePath;
    }

    /// @notice Whether `proof` shows byte `position` < `totalBytes` of the set of `count` pieces under `root`.
    function verify(bytes32 root, uint64 count, uint64 totalBytes, uint64 position, Proof calldata proof)
        internal
        pure
        returns (bool)
    {
        uint256 end = uint256(proof.start) + proof.size;
        if (proof.index >= count || end > totalBytes) return false;
        if (position < proof.start || position >= end) return false;
        uint256 leaf = (position - proof.start) / LEAF_BYTES;
        uint256 rest = proof.size - leaf * LEAF_BYTES;
        if (proof.leaf.length != (rest < LEAF_BYTES ? rest : LEAF_BYTES)) return false;
        // 80 bytes: never 64, so that no interval can be read as an inner node.
        bytes32 interval = sha256(abi.encodePacked(proof.start, proof.size, proof.pieceId, proof.pieceRoot));
        if (!_leads(interval, proof.index, count, proof.setPath, root)) return false;
        uint256 leaves = (uint256(proof.size) + LEAF_BYTES - 1) / LEAF_BYTES;
        return _leads(sha256(proof.leaf), leaf, leaves, proof.piecePath, proof.pieceRoot);
    }

    /// @notice Levels above `count` ≥ 1 leaves: 0 for one leaf.
    function depthOf(uint256 count) internal pure returns (uint256 depth) {
        while ((uint256(1) << depth) < count) ++depth;
    }

    /// @dev Exact: path length, index and order are all fixed by what was signed.
    function _leads(bytes32 node, uint256 index, uint256 count, bytes32[] calldata path, bytes32 root)
        private
        pure
        returns (bool)
    {
        if (path.length != depthOf(count)) return false;
        for (uint256 i = 0; i < path.length; ++i) {
            node = index & 1 == 1 ? sha256(abi.encode(path[i], node)) : sha256(abi.encode(node, path[i]));
            index >>= 1;
        }
        return node == root;
    }
}
