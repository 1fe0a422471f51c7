// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title Governor: decisions of those who stake.
/// @notice Votes are stake, so borrowed and exchanged tokens have none. A proposal waits 2 days, is voted on for 7, and
/// stays open for 2 more after the vote that reached the quorum. What passes goes to the Timelock.
/// @dev OpenZeppelin's parts and three rules of ours: the clock, the quorum, and floors under the settings.
contract NetworkGovernor is
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorPreventLateQuorum,
    GovernorTimelockControl
{
    /// @notice Stakers see a proposal this long before their votes are counted.
    uint48 public constant LEAST_VOTING_DELAY = 2 days;
    uint32 public constant LEAST_VOTING_PERIOD = 3 days;
    uint48 public constant LATE_QUORUM_EXTENSION = 2 days;
    /// @notice Quorum: the larger of this part of the stake and that part of the supply.
    uint256 public constant QUORUM_OF_STAKE_BPS = 400;
    uint256 public constant QUORUM_OF_SUPPLY_BPS = 100;
    /// @notice A threshold above this part of the supply would end governance.
    uint256 public constant MOST_THRESHOLD_BPS = 100;
    uint256 private constant _BPS = 10_000;

    IERC20 public immutable TOKEN;
    /// @dev The token keeps no history of its supply, so each snapshot gets the supply of its proposal.
    mapping(uint256 timepoint => uint256) private _supplyFor;

    error SettingOutOfBounds(uint256 value, uint256 bound);

    /// @param votes Staking, by timestamps.
    /// @param token CAIRN; neither it nor `votes` or `timelock` needs to exist yet.
    /// @param threshold Votes needed to propose.
    constructor(IVotes votes, IERC20 token, TimelockController timelock, uint256 threshold)
        Governor("Cairn Governor")
        GovernorSettings(LEAST_VOTING_DELAY, 7 days, threshold)
        GovernorVotes(votes)
        GovernorPreventLateQuorum(LATE_QUORUM_EXTENSION)
        GovernorTimelockControl(timelock)
    {
        TOKEN = token;
    }

    /// @notice max(4 % of the stake at the snapshot, 1 % of the supply at the proposal).
    function quorum(uint256 timepoint) public view override returns (uint256) {
        uint256 supply = _supplyFor[timepoint];
        if (supply == 0) supply = TOKEN.totalSupply();
        uint256 staked = token().getPastTotalSupply(timepoint);
        return Math.max(staked * QUORUM_OF_STAKE_BPS / _BPS, supply * QUORUM_OF_SUPPLY_BPS / _BPS);
    }

    /// @notice Unix seconds, whatever Staking says.
    function clock() public view override(Governor, GovernorVotes) returns (uint48) {
        return Time.timestamp();
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override(Governor, GovernorVotes) returns (string memory) {
        return "mode=timestamp";
    }

    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal override returns (uint256 id) {
        id = super._propose(targets, values, calldatas, description, proposer);
        uint256 snapshot = proposalSnapshot(id);
        if (_supplyFor[snapshot] == 0) _supplyFor[snapshot] = TOKEN.totalSupply();
    }

    function _setVotingDelay(uint48 value) internal override {
        if (value < LEAST_VOTING_DELAY) revert SettingOutOfBounds(value, LEAST_VOTING_DELAY);
        super._setVotingDelay(value);
    }

    function _setVotingPeriod(uint32 value) internal override {
        if (value < LEAST_VOTING_PERIOD) revert SettingOutOfBounds(value, LEAST_VOTING_PERIOD);
        super._setVotingPeriod(value);
    }

    function _setLateQuorumVoteExtension(uint48 value) internal override {
        if (value < LATE_QUORUM_EXTENSION) revert SettingOutOfBounds(value, LATE_QUORUM_EXTENSION);
        super._setLateQuorumVoteExtension(value);
    }

    function _setProposalThreshold(uint256 value) internal override {
        // While it is constructed the token may not exist; afterwards a proposal is bound by the supply.
        if (address(this).code.length != 0) {
            uint256 most = TOKEN.totalSupply() * MOST_THRESHOLD_BPS / _BPS;
            if (value > most) revert SettingOutOfBounds(value, most);
        }
        super._setProposalThreshold(value);
    }

    // ------------------------------------------------------------------ where two of OpenZeppelin's parts both answer

    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    function proposalDeadline(uint256 id) public view override(Governor, GovernorPreventLateQuorum) returns (uint256) {
        return super.proposalDeadline(id);
    }

    function state(uint256 id) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(id);
    }

    function proposalNeedsQueuing(uint256 id) public view override(Governor, GovernorTimelockControl) returns (bool) {
        return super.proposalNeedsQueuing(id);
    }

    function _tallyUpdated(uint256 id) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(id);
    }

    function _queueOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
