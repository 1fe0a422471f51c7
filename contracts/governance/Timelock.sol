// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Timelock: the authority of the contracts that have one, and the guardian's pause.
/// @notice What governance decides waits here for at least the delay of construction, 7 days on a public chain; what each
/// contract adds (14 days for an oracle, 10 weeks for a slasher) comes on top. The guardian can pause new commitments for
/// 7 days and then not for 30: minting credits, opening leases and staking ask `pausedUntil`, exits never do. It can move
/// nothing.
/// @dev The Governor alone proposes and cancels; anyone executes. There is no admin: roles change by a proposal.
contract Timelock is TimelockController {
    /// @notice Longest pause.
    uint256 public constant MAX_PAUSE = 7 days;
    /// @notice Least time between the end of a pause and the start of the next.
    uint256 public constant PAUSE_REST = 30 days;

    /// @notice The delay can grow above this, and return to it.
    uint256 public immutable LEAST_DELAY;
    /// @notice May pause; zero for nobody. Changed by a proposal.
    address public guardian;
    /// @notice Unix seconds until which new commitments are paused; past when they are not.
    uint256 public pausedUntil;

    event PausedUntil(uint256 until);
    event GuardianChanged(address indexed from, address indexed to);

    error NotGuardian(address caller);
    error NotGovernance(address caller);
    error PauseTooLong(uint256 until, uint256 most);
    error PausedRecently(uint256 readyAt);
    error NotPaused();
    error DelayTooShort(uint256 delay, uint256 least);

    /// @param delay Seconds between a decision and its execution.
    /// @param governor The one proposer; it may not exist yet.
    /// @param guardian_ A multisig, or zero.
    constructor(uint256 delay, address governor, address guardian_)
        TimelockController(delay, _one(governor), _one(address(0)), address(0))
    {
        LEAST_DELAY = delay;
        guardian = guardian_;
        emit GuardianChanged(address(0), guardian_);
    }

    /// @notice Pauses new commitments until `until`, at most 7 days ahead and 30 days after the last pause.
    function pause(uint256 until) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        uint256 most = block.timestamp + MAX_PAUSE;
        if (until <= block.timestamp || until > most) revert PauseTooLong(until, most);
        uint256 last = pausedUntil;
        if (last != 0 && block.timestamp < last + PAUSE_REST) revert PausedRecently(last + PAUSE_REST);
        pausedUntil = until;
        emit PausedUntil(until);
    }

    /// @notice Ends a pause, by the guardian or by governance. It counts as one all the same.
    function unpause() external {
        if (msg.sender != guardian && msg.sender != address(this)) revert NotGuardian(msg.sender);
        if (block.timestamp >= pausedUntil) revert NotPaused();
        pausedUntil = block.timestamp;
        emit PausedUntil(block.timestamp);
    }

    /// @notice Names another guardian; by governance.
    function setGuardian(address next) external {
        if (msg.sender != address(this)) revert NotGovernance(msg.sender);
        emit GuardianChanged(guardian, next);
        guardian = next;
    }

    /// @inheritdoc TimelockController
    /// @dev Never below the first delay: whoever captured one vote must not make the next one instant.
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < LEAST_DELAY) revert DelayTooShort(newDelay, LEAST_DELAY);
        super.updateDelay(newDelay);
    }

    function _one(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
