// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Create3} from "@openzeppelin/contracts/utils/Create3.sol";
import {Credits} from "../Credits.sol";
import {Token} from "../Token.sol";
import {NetworkGovernor} from "../governance/NetworkGovernor.sol";
import {Timelock} from "../governance/Timelock.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {Pause} from "../libraries/Pause.sol";
import {FixedOracle} from "../oracle/FixedOracle.sol";
import {Test} from "./Vm.sol";
import {MockVotes} from "./mocks/MockVotes.sol";

contract GovernanceTest is Test {
    uint256 private constant T0 = 1_800_000_000;
    uint256 private constant SUPPLY = 1e27;
    uint256 private constant THRESHOLD = 1e24;
    address private immutable guardian = address(0x60A2D);
    address private immutable whale = address(0x3A1E);
    address private immutable voter = address(0x507E);

    Token private token;
    MockVotes private votes;
    Timelock private timelock;
    NetworkGovernor private governor;
    Credits private credits;
    FixedOracle private next;

    function setUp() public {
        vm.warp(T0);
        token = new Token(address(this), SUPPLY, address(0));
        votes = new MockVotes();
        timelock = Timelock(payable(Create3.computeAddress("Timelock")));
        bytes memory args = abi.encode(votes, token, timelock, THRESHOLD);
        governor = NetworkGovernor(
            payable(Create3.deploy(0, "Governor", abi.encodePacked(type(NetworkGovernor).creationCode, args)))
        );
        args = abi.encode(7 days, governor, guardian);
        Create3.deploy(0, "Timelock", abi.encodePacked(type(Timelock).creationCode, args));
        credits = new Credits(token, address(0xE5C), new FixedOracle(1e18), address(timelock), 1e18);
        token.approve(address(credits), type(uint256).max);
        next = new FixedOracle(2e18);
        _stake(whale, 20e24);
        _stake(voter, 5e24);
        vm.warp(T0 + 1);
    }

    function _stake(address who, uint256 amount) private {
        votes.mint(who, amount);
        vm.prank(who);
        votes.delegate(who);
    }

    function _proposal(address target, bytes memory data)
        private
        pure
        returns (address[] memory targets, uint256[] memory values, bytes[] memory calls)
    {
        (targets, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], calls[0]) = (target, data);
    }

    function _propose(address target, bytes memory data) private returns (uint256) {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _proposal(target, data);
        vm.prank(whale);
        return governor.propose(targets, values, calls, "");
    }

    function _vote(uint256 id, address who) private {
        vm.prank(who);
        governor.castVote(id, 1);
    }

    function _pass(address target, bytes memory data) private {
        uint256 id = _propose(target, data);
        vm.warp(governor.proposalSnapshot(id) + 1);
        _vote(id, whale);
        vm.warp(governor.proposalDeadline(id) + 1);
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _proposal(target, data);
        governor.queue(targets, values, calls, keccak256(""));
        vm.warp(governor.proposalEta(id));
        governor.execute(targets, values, calls, keccak256(""));
    }

    // ------------------------------------------------------------------------------------------------------ governor

    function test_ADecisionTakesTwoDaysSevenDaysAndTheTimelock() public {
        bytes memory data = abi.encodeCall(Credits.proposeOracle, (next));
        uint256 id = _propose(address(credits), data);
        assertEq(governor.proposalSnapshot(id), block.timestamp + 2 days, "delay");
        assertEq(governor.proposalDeadline(id), block.timestamp + 9 days, "period");
        vm.warp(T0 + 3 days);
        _vote(id, whale);
        vm.warp(T0 + 10 days);
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _proposal(address(credits), data);
        governor.queue(targets, values, calls, keccak256(""));
        vm.warp(block.timestamp + 7 days - 1);
        vm.expectRevert();
        governor.execute(targets, values, calls, keccak256(""));
        vm.warp(block.timestamp + 1);
        governor.execute(targets, values, calls, keccak256(""));
        (IPriceOracle proposed, uint40 readyAt) = credits.proposedOracle();
        assertEq(address(proposed), address(next), "proposed");
        assertEq(readyAt, block.timestamp + 14 days, "and the oracle's own fourteen days");
    }

    function test_TheQuorumIsTheLargerOfStakeAndSupply() public {
        assertEq(governor.quorum(T0), SUPPLY / 100, "1 % of the supply");
        _stake(address(0xB16), 500e24);
        vm.warp(T0 + 2);
        assertEq(governor.quorum(T0 + 1), 525e24 * 4 / 100, "4 % of the stake");
    }

    function test_BurningDuringAVoteDoesNotLowerItsQuorum() public {
        uint256 id = _propose(address(1), "");
        uint256 snapshot = governor.proposalSnapshot(id);
        token.burn(SUPPLY / 2);
        vm.warp(snapshot + 1);
        assertEq(governor.quorum(snapshot), SUPPLY / 100, "of the proposal's supply");
    }

    function test_WithoutTheQuorumNothingPasses() public {
        uint256 id = _propose(address(1), "");
        vm.warp(governor.proposalSnapshot(id) + 1);
        _vote(id, voter);
        vm.warp(governor.proposalDeadline(id) + 1);
        assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Defeated), "5 of 10 million");
    }

    /// Threat 18: a vote at the last second leaves two days to answer, and no decision is in force under seven.
    function test_Threat18_ALateQuorumExtendsTheVote() public {
        uint256 id = _propose(address(1), "");
        uint256 deadline = governor.proposalDeadline(id);
        vm.warp(deadline);
        _vote(id, whale);
        assertEq(governor.proposalDeadline(id), deadline + 2 days, "extended");
        assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Active), "still open");
    }

    function test_BorrowedVotesComeTooLate() public {
        uint256 id = _propose(address(1), "");
        vm.warp(governor.proposalSnapshot(id) + 1);
        _stake(address(0xF1A5), 900e24);
        vm.prank(address(0xF1A5));
        governor.castVote(id, 0);
        (uint256 against,,) = governor.proposalVotes(id);
        assertEq(against, 0, "weight at the snapshot");
    }

    function test_ProposingNeedsTheThreshold() public {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _proposal(address(1), "");
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, address(this), 0, THRESHOLD)
        );
        governor.propose(targets, values, calls, "");
        assertEq(governor.proposalThreshold(), THRESHOLD, "threshold");
        assertEq(keccak256(bytes(governor.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        assertEq(governor.clock(), block.timestamp, "clock");
    }

    function _refused(bytes memory data) private {
        uint256 id = _propose(address(governor), data);
        vm.warp(governor.proposalSnapshot(id) + 1);
        _vote(id, whale);
        vm.warp(governor.proposalDeadline(id) + 1);
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _proposal(address(governor), data);
        governor.queue(targets, values, calls, keccak256(""));
        vm.warp(governor.proposalEta(id));
        vm.expectPartialRevert(NetworkGovernor.SettingOutOfBounds.selector);
        governor.execute(targets, values, calls, keccak256(""));
    }

    function test_EvenGovernanceCannotMakeItselfHasty() public {
        _refused(abi.encodeCall(governor.setVotingDelay, (2 days - 1)));
        _refused(abi.encodeCall(governor.setVotingPeriod, (3 days - 1)));
        _refused(abi.encodeCall(governor.setLateQuorumVoteExtension, (2 days - 1)));
        _refused(abi.encodeCall(governor.setProposalThreshold, (SUPPLY / 100 + 1)));
        _pass(address(governor), abi.encodeCall(governor.setProposalThreshold, (SUPPLY / 100)));
        assertEq(governor.proposalThreshold(), SUPPLY / 100, "within the bounds it can");
        _pass(address(governor), abi.encodeCall(governor.setVotingDelay, (3 days)));
        assertEq(governor.votingDelay(), 3 days, "longer it can");
    }

    function test_GovernanceMayShortenTheVoteToThreeDays() public {
        _pass(address(governor), abi.encodeCall(governor.setVotingPeriod, (3 days)));
        assertEq(governor.votingPeriod(), 3 days, "the least");
    }

    // ------------------------------------------------------------------------------------------------------ timelock

    function test_OnlyTheGovernorProposesAndNobodyAdministers() public view {
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        assertTrue(timelock.hasRole(proposer, address(governor)), "governor");
        assertTrue(timelock.hasRole(timelock.CANCELLER_ROLE(), address(governor)), "cancels");
        assertTrue(timelock.hasRole(timelock.EXECUTOR_ROLE(), address(0)), "anyone executes");
        assertFalse(timelock.hasRole(proposer, address(this)), "not the deployer");
        assertFalse(timelock.hasRole(admin, address(this)), "who administers nothing");
        assertTrue(timelock.hasRole(admin, address(timelock)), "itself only");
        assertEq(timelock.getMinDelay(), 7 days, "delay");
    }

    function test_TheDelayNeverFallsBelowItsFirst() public {
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, address(this)));
        timelock.updateDelay(8 days);
        _pass(address(timelock), abi.encodeCall(timelock.updateDelay, (9 days)));
        assertEq(timelock.getMinDelay(), 9 days, "longer");
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(Timelock.DelayTooShort.selector, 7 days - 1, 7 days));
        timelock.updateDelay(7 days - 1);
        vm.prank(address(timelock));
        timelock.updateDelay(7 days);
        assertEq(timelock.getMinDelay(), 7 days, "back to the first");
    }

    /// Threat 19: the guardian's pause is short, rare, stops new commitments alone, and governance can end it.
    function test_Threat19_TheGuardianPausesOnlyNewCommitmentsAndNotForLong() public {
        vm.expectRevert(abi.encodeWithSelector(Timelock.NotGuardian.selector, address(this)));
        timelock.pause(block.timestamp + 1);
        vm.startPrank(guardian);
        uint256 most = block.timestamp + 7 days;
        vm.expectRevert(abi.encodeWithSelector(Timelock.PauseTooLong.selector, most + 1, most));
        timelock.pause(most + 1);
        vm.expectRevert(abi.encodeWithSelector(Timelock.PauseTooLong.selector, block.timestamp, most));
        timelock.pause(block.timestamp);
        timelock.pause(most);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(Pause.Paused.selector, most));
        credits.mint(address(this), 1e6, 1e18);
        credits.poke();
        vm.warp(most);
        credits.mint(address(this), 1e6, 1e18);
        vm.warp(most + 30 days - 1);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(Timelock.PausedRecently.selector, most + 30 days));
        timelock.pause(block.timestamp + 1);
        vm.warp(most + 30 days);
        vm.prank(guardian);
        timelock.pause(block.timestamp + 1 days);
    }

    function test_APauseEndsEarlyByGuardianOrGovernance() public {
        vm.expectRevert(abi.encodeWithSelector(Timelock.NotGuardian.selector, address(this)));
        timelock.unpause();
        vm.startPrank(guardian);
        vm.expectRevert(Timelock.NotPaused.selector);
        timelock.unpause();
        timelock.pause(block.timestamp + 1 days);
        timelock.unpause();
        vm.expectPartialRevert(Timelock.PausedRecently.selector);
        timelock.pause(block.timestamp + 1 days);
        vm.stopPrank();
        credits.mint(address(this), 1e6, 1e18);
        vm.warp(block.timestamp + 30 days);
        vm.prank(guardian);
        timelock.pause(block.timestamp + 1 days);
        vm.prank(address(timelock));
        timelock.unpause();
        credits.mint(address(this), 1e6, 1e18);
    }

    function test_APauseThatIsOverCannotBeEnded() public {
        uint256 until = block.timestamp + 1 days;
        vm.startPrank(guardian);
        timelock.pause(until);
        vm.warp(until);
        vm.expectRevert(Timelock.NotPaused.selector);
        timelock.unpause();
        vm.stopPrank();
    }

    function test_GovernanceReplacesTheGuardian() public {
        vm.expectRevert(abi.encodeWithSelector(Timelock.NotGovernance.selector, guardian));
        vm.prank(guardian);
        timelock.setGuardian(address(1));
        _pass(address(timelock), abi.encodeCall(timelock.setGuardian, (address(1))));
        assertEq(timelock.guardian(), address(1), "replaced");
    }
}
