// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Staking} from "../Staking.sol";
import {GovernedWeights} from "../emissions/GovernedWeights.sol";
import {Emissions} from "../emissions/Emissions.sol";
import {NetworkGovernor} from "../governance/NetworkGovernor.sol";
import {System} from "./System.sol";

/// @notice From stake to a decision in force, in the whole deployment: who stakes lists a network, and it is paid.
contract GovernanceSystemTest is System {
    address private immutable staker = address(0x57A4E);
    NetworkGovernor private governor;
    GovernedWeights private weights;
    Emissions private emissions;

    function setUp() public {
        deploySystem();
        governor = NetworkGovernor(payable(deployment.addressOf("Governor")));
        weights = GovernedWeights(deployment.addressOf("Weights"));
        emissions = Emissions(deployment.addressOf("Emissions"));
        Staking staking = Staking(deployment.addressOf("Staking"));
        token.transfer(staker, SUPPLY / 50);
        vm.startPrank(staker);
        token.approve(address(staking), SUPPLY / 50);
        staking.bond(NET, uint128(SUPPLY / 50));
        vm.stopPrank();
        vm.warp(block.timestamp + 1);
    }

    function test_StakersListANetworkAndItsPotIsFilled() public {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _listing();
        vm.prank(staker);
        uint256 id = governor.propose(targets, values, calls, "list");
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(staker);
        governor.castVote(id, 1);
        (, uint256 votesFor,) = governor.proposalVotes(id);
        assertEq(votesFor, SUPPLY / 50, "a bond is a vote");
        vm.warp(governor.proposalDeadline(id) + 1);
        governor.queue(targets, values, calls, keccak256("list"));
        vm.warp(governor.proposalEta(id));
        governor.execute(targets, values, calls, keccak256("list"));
        uint32 period = escrow.currentPeriod() + 1;
        vm.warp(block.timestamp + 2 days);
        uint128 amount = emissions.claimEmission(NET, period);
        assertEq(distributor.pot(NET, address(token)).funded, amount, "the pot");
        assertEq(token.totalSupply(), SUPPLY + amount, "minted by the one minter");
    }

    function _listing() private view returns (address[] memory targets, uint256[] memory values, bytes[] memory calls) {
        (targets, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (uint32[] memory nets, uint16[] memory shares) = (new uint32[](1), new uint16[](1));
        (nets[0], shares[0]) = (NET, 4000);
        (targets[0], calls[0]) = (address(weights), abi.encodeCall(weights.set, (nets, shares)));
    }
}
