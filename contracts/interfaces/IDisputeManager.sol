// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRootPublisher} from "./IRootPublisher.sol";

/// @title Evidence that slashes at once, and disputes that an arbiter rules.
interface IDisputeManager {
    enum State {
        None,
        Open,
        Answered,
        Closed
    }

    /// @notice Accept: the challenger was right. Draw also when the arbiter is silent.
    enum Verdict {
        Accept,
        Reject,
        Draw,
        Default
    }

    /// @notice What a device signs of its work.
    /// @param boot Random at start, or persisted: sequences begin anew with it.
    /// @param sequence Never used twice under one boot; signers persist a ceiling ahead and skip to it on restart.
    struct Receipt {
        uint32 net;
        bytes32 deviceId;
        bytes32 boot;
        uint64 sequence;
        uint40 timestamp;
        bytes32 contentHash;
    }

    /// @param net Whose parameters and arbiter rule.
    /// @param stakeNet Where the accused's stake is: the network itself, or for a root the one that verifies it.
    /// @param deadline Of the accused while Open, of the arbiter once Answered.
    /// @param openedBlock Silence also takes blocks.
    /// @param arbiter As it was when the dispute opened.
    /// @param bond Of the challenger; the accused posts as much.
    /// @param maxSlash What stood behind the accused when the dispute opened.
    /// @param asset Of the pot, when a root is disputed; zero otherwise.
    /// @param index Of the publication.
    struct Dispute {
        address challenger;
        uint40 deadline;
        uint48 openedBlock;
        State state;
        address accused;
        uint32 net;
        uint32 stakeNet;
        uint32 index;
        address arbiter;
        address asset;
        uint128 bond;
        uint128 maxSlash;
    }

    event EquivocationProven(
        uint32 indexed net, bytes32 indexed deviceId, address indexed accused, address reporter, uint128 slashed
    );
    event RootEquivocationProven(
        uint32 indexed net, address indexed signer, address reporter, uint32 epoch, uint32 attempt, uint128 slashed
    );
    event FaultSlashed(uint32 indexed net, address indexed accused, address reporter, bytes32 ref, uint128 slashed);
    event DisputeOpened(
        uint256 indexed id,
        uint32 indexed net,
        address indexed accused,
        address challenger,
        uint128 bond,
        bytes32 evidence
    );
    event RootDisputed(
        uint256 indexed id,
        uint32 indexed net,
        address indexed asset,
        uint32 index,
        address challenger,
        uint128 bond,
        bytes32 reason
    );
    event DisputeAnswered(uint256 indexed id, bytes32 answer);
    event DisputeResolved(uint256 indexed id, Verdict verdict, uint128 slashed);
    event BondWithdrawn(address indexed account, uint128 amount);

    error NotConflicting();
    error AlreadyPunished();
    error BadEvidence();
    error TooOld(uint256 oldest);
    error NotStorageProofs(address caller);
    error NoBond(uint32 net);
    error EvidenceUsed(bytes32 evidence);
    error TooManyOpen(uint256 open);
    error NothingAtStake(address accused, uint32 net);
    error NotAccused(address caller);
    error NotArbiter(address caller);
    error WrongState(State state);
    error BadVerdict();
    error SlashTooHigh(uint128 amount, uint128 limit);
    error TooEarly(uint256 readyAt, uint256 readyBlock);
    error TooLate(uint256 deadline);
    error NothingToWithdraw();

    function submitEquivocation(
        bytes calldata signer,
        Receipt calldata a,
        bytes calldata signatureA,
        Receipt calldata b,
        bytes calldata signatureB
    ) external returns (uint128 slashed);
    function submitRootEquivocation(
        IRootPublisher.RootMessage calldata a,
        bytes calldata signatureA,
        IRootPublisher.RootMessage calldata b,
        bytes calldata signatureB
    ) external returns (uint128 slashed);
    function onFault(uint32 net, address accused, address reporter, bytes32 ref) external returns (uint128 slashed);

    function open(uint32 net, address accused, bytes32 evidence) external returns (uint256 id);
    function openRoot(uint32 net, address asset, uint32 index, bytes32 reason) external returns (uint256 id);
    function respond(uint256 id, bytes32 answer) external;
    function rule(uint256 id, Verdict verdict, uint128 amount) external;
    function finalize(uint256 id) external;
    function withdrawBond() external returns (uint128 amount);

    function dispute(uint256 id) external view returns (Dispute memory);
    function isPunished(uint32 net, bytes32 deviceId) external view returns (bool);
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);
    function withdrawable(address account) external view returns (uint128);
    /// @return Disputes of an accused in a network that are not closed.
    function openAgainst(uint32 net, address accused) external view returns (uint256);
    /// @return The bond that the next challenge to a root of the pot takes.
    function rootBondOf(uint32 net, address asset) external view returns (uint128);
}
