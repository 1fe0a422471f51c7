// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @notice A plain Merkle tree of sorted pairs for tests: an odd node moves up unchanged.
library Trees {
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory level = leaves;
        while (level.length > 1) level = _up(level);
        return level[0];
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        bytes32[] memory level = leaves;
        bytes32[] memory long = new bytes32[](32);
        uint256 length = 0;
        while (level.length > 1) {
            uint256 sibling = index ^ 1;
            if (sibling < level.length) long[length++] = level[sibling];
            level = _up(level);
            index /= 2;
        }
        path = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            path[i] = long[i];
        }
    }

    /// @notice Folds a leaf with `depth` made-up siblings: a proof as deep as in a tree of 2^depth leaves.
    function deep(bytes32 leaf, uint256 depth) internal pure returns (bytes32 top, bytes32[] memory path) {
        path = new bytes32[](depth);
        top = leaf;
        for (uint256 i = 0; i < depth; ++i) {
            path[i] = keccak256(abi.encode("sibling", leaf, i));
            top = Hashes.commutativeKeccak256(top, path[i]);
        }
    }

    function _up(bytes32[] memory level) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] =
                2 * i + 1 < level.length ? Hashes.commutativeKeccak256(level[2 * i], level[2 * i + 1]) : level[2 * i];
        }
    }
}
