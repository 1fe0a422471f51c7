// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IWeights} from "../interfaces/IWeights.sol";

/// @title Base weights set by governance.
/// @notice The first weights: a list that the Timelock keeps. Votes of stakers are another contract behind the same
/// interface. What is not given to a network is not minted.
contract GovernedWeights is IWeights {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice No network gets more of the base, so that no one network is what emissions are for.
    uint16 public constant MAX_SHARE_BPS = 4_000;
    uint16 public constant ALL_BPS = 10_000;

    address public immutable AUTHORITY;
    IEscrow public immutable ESCROW;

    /// @notice Sum of all shares, as of the next period.
    uint256 public total;
    mapping(uint32 net => Checkpoints.Trace208) private _shares;

    event ShareSet(uint32 indexed net, uint16 bps, uint32 fromPeriod);

    error ZeroAddress();
    error NotAuthority(address caller);
    error LengthsDiffer(uint256 nets, uint256 shares);
    error ShareTooHigh(uint32 net, uint16 bps);
    error SumTooHigh(uint256 sum);

    /// @param escrow Whose periods these are; it may not exist yet.
    constructor(address authority, IEscrow escrow) {
        if (authority == address(0) || address(escrow) == address(0)) revert ZeroAddress();
        AUTHORITY = authority;
        ESCROW = escrow;
    }

    /// @notice Sets shares from the next period on; networks that are not named keep theirs.
    /// @param nets Networks; a repeated one gets its last share.
    /// @param shares Basis points of the base, 0 to take a network off the list.
    function set(uint32[] calldata nets, uint16[] calldata shares) external {
        if (msg.sender != AUTHORITY) revert NotAuthority(msg.sender);
        if (nets.length != shares.length) revert LengthsDiffer(nets.length, shares.length);
        uint32 from = ESCROW.currentPeriod() + 1;
        uint256 sum = total;
        for (uint256 i = 0; i < nets.length; ++i) {
            if (shares[i] > MAX_SHARE_BPS) revert ShareTooHigh(nets[i], shares[i]);
            (uint208 before,) = _shares[nets[i]].push(from, shares[i]);
            sum = sum + shares[i] - before;
            emit ShareSet(nets[i], shares[i], from);
        }
        if (sum > ALL_BPS) revert SumTooHigh(sum);
        total = sum;
    }

    /// @inheritdoc IWeights
    function shareOf(uint32 net, uint32 period) external view returns (uint16 bps) {
        return uint16(_shares[net].upperLookupRecent(period));
    }
}
