// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRootPublisher} from "./IRootPublisher.sol";

/// @title Roots signed by a quorum of staked verifiers.
interface IRootQuorum is IRootPublisher {
    /// @param count Members, at most 32.
    /// @param cap What one member's weight counts at most: a quarter of `total`.
    /// @param total Sum of the capped weights; 0 while there are fewer than four members.
    struct Set {
        uint32 count;
        uint96 cap;
        uint128 total;
    }

    event Nominated(uint32 indexed verifierNet, uint32 indexed week, address indexed member, uint96 weight);
    event Displaced(uint32 indexed verifierNet, uint32 indexed week, address indexed member);

    error NotVerified(uint32 net);
    error NotEligible(address operator, uint32 verifierNet);
    error SetIsFull(uint96 smallest);
    error NotMember(address signer);
    error NotAscending(address signer);
    error NoQuorum(uint256 weight, uint256 total);

    function nominate(uint32 verifierNet, address operator) external;
    /// @return The week whose set signs now: the newest that began and has at least four members, for its week and the one
    /// after; 0 when there is none.
    function setInForce(uint32 verifierNet) external view returns (uint32);
    function setOf(uint32 verifierNet, uint32 week) external view returns (Set memory);
    function membersOf(uint32 verifierNet, uint32 week) external view returns (address[] memory);
    /// @return A member's stake when it was last nominated, before the cap.
    function weightOf(uint32 verifierNet, uint32 week, address member) external view returns (uint96);
}
