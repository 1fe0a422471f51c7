// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {StorageProofs} from "../../StorageProofs.sol";
import {IDelegations} from "../../interfaces/IDelegations.sol";
import {IDisputeManager} from "../../interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "../../interfaces/INetworkRegistry.sol";
import {IStorageProofs} from "../../interfaces/IStorageProofs.sol";
import {StorageTree} from "../../libraries/StorageTree.sol";
import {Test} from "../Vm.sol";

/// @notice The edges of a piece: a proof shows the bytes of its own piece, under its own index, and not the next ones.
contract StorageProofsBoundsTest is Test {
    uint64 private constant SIZE = 100;

    StorageProofs private proofs;
    StorageTree.Proof private proof;
    bytes32 private interval;

    function setUp() public {
        proofs = new StorageProofs(
            IERC20(address(0)),
            INetworkRegistry(address(0)),
            IDelegations(address(0)),
            IDisputeManager(address(0))
        );
        // One leaf, so that the piece's root is the leaf's hash and its path is empty.
        proof.size = SIZE;
        proof.pieceId = "piece";
        proof.leaf = new bytes(SIZE);
        proof.pieceRoot = sha256(proof.leaf);
        interval = sha256(abi.encodePacked(proof.start, proof.size, proof.pieceId, proof.pieceRoot));
    }

    function _shows(bytes32 root, uint64 count, uint64 totalBytes, uint64 position) private view returns (bool) {
        IStorageProofs.Head memory head;
        (head.root, head.count, head.totalBytes) = (root, count, totalBytes);
        return proofs.verify(head, position, proof);
    }

    /// Otherwise a provider that lost a piece would show the last leaf of the one before it.
    function test_AProofShowsTheLastByteOfItsPieceAndNotTheOneBehindIt() public view {
        assertTrue(_shows(interval, 1, 2 * SIZE, SIZE - 1), "the last byte");
        assertFalse(_shows(interval, 1, 2 * SIZE, SIZE), "the next piece's first");
        assertFalse(_shows(interval, 1, SIZE, SIZE), "beyond the set");
    }

    function test_APieceMayEndWhereTheSetEndsAndNotBehindIt() public view {
        assertTrue(_shows(interval, 1, SIZE, 0), "ends with the set");
        assertFalse(_shows(interval, 1, SIZE - 1, 0), "a byte longer than the set");
    }

    /// Bits of an index above the tree's depth turn no corner of the path, so only the count keeps them out.
    function test_AnIndexBeyondTheCountIsNoOtherNameOfAPiece() public {
        assertTrue(_shows(interval, 1, SIZE, 0), "the one piece");
        proof.index = 1;
        assertFalse(_shows(interval, 1, SIZE, 0), "a second of one");
        proof.setPath.push("sibling");
        bytes32 root = sha256(abi.encode(interval, bytes32("sibling")));
        assertFalse(_shows(root, 2, SIZE, 0), "the sibling's place");
        proof.index = 2;
        assertFalse(_shows(root, 2, SIZE, 0), "a third of two");
        proof.index = 0;
        assertTrue(_shows(root, 2, SIZE, 0), "the first of two");
    }
}
