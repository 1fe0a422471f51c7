// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDelegations} from "./interfaces/IDelegations.sol";
import {IPointers} from "./interfaces/IPointers.sol";

/// @title Pointers to metadata.
/// @notice With the account's seed and this contract another gateway rebuilds a lost one.
contract Pointers is IPointers {
    uint32 private constant POINTER = 4;

    IDelegations public immutable delegations;

    mapping(address account => Pointer) private _pointers;

    constructor(IDelegations delegations_) {
        delegations = delegations_;
    }

    /// @notice Moves the pointer of `account`, by itself or by its session key with the POINTER scope.
    /// @param seq Strictly above the current one, so that two gateways of one account cannot undo each other unseen.
    function set(address account, bytes32 digest, uint64 seq, bytes32 extra) external {
        if (msg.sender != account && !delegations.isActive(account, msg.sender, POINTER)) {
            revert NotAllowed(account, msg.sender);
        }
        uint64 current = _pointers[account].seq;
        if (seq <= current) revert StaleSequence(seq, current);
        _pointers[account] = Pointer(digest, extra, seq, uint40(block.timestamp));
        emit PointerSet(account, digest, seq, extra, msg.sender);
    }

    /// @inheritdoc IPointers
    function pointerOf(address account) external view returns (Pointer memory) {
        return _pointers[account];
    }
}
