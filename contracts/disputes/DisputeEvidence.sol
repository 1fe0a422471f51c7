// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {IRootPublisher} from "../interfaces/IRootPublisher.sol";
import {IStaking} from "../interfaces/IStaking.sol";

/// @title What needs no arbiter: two signatures that exclude each other, and demands that nobody answered.
/// @notice Only this pays a reporter a part of the slash, a quarter at most, so that reporting oneself always loses. All
/// of it touches the operator's own stake only: delegators cannot see a device's key.
abstract contract DisputeEvidence is IDisputeManager, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(uint32 net,bytes32 deviceId,bytes32 boot,uint64 sequence,uint40 timestamp,bytes32 contentHash)"
    );
    uint256 private constant BPS = 10_000;

    INetworkRegistry public immutable registry;
    IStaking public immutable staking;
    IDeviceRegistry public immutable devices;
    IRewardsDistributor public immutable distributor;
    /// Whose digest the single verifier of set 0 signs.
    IRootPublisher public immutable publisher;
    /// Whose digest the members of every other set sign.
    IRootPublisher public immutable quorum;
    address public immutable storageProofs;

    mapping(uint32 net => mapping(bytes32 deviceId => bool)) private _punishedDevices;
    mapping(bytes32 key => bool) private _punishedRoots;

    constructor(
        INetworkRegistry registry_,
        IStaking staking_,
        IDeviceRegistry devices_,
        IRewardsDistributor distributor_,
        IRootPublisher publisher_,
        IRootPublisher quorum_,
        address storageProofs_
    ) EIP712("Cairn DisputeManager", "1") {
        registry = registry_;
        staking = staking_;
        devices = devices_;
        distributor = distributor_;
        publisher = publisher_;
        quorum = quorum_;
        storageProofs = storageProofs_;
    }

    /// @notice Two receipts of one device under one (boot, sequence) that say different things. Once per device, ever: the
    /// key is either broken or stolen, and a second penalty would teach nobody. Its owner when it signed pays.
    /// @param signer The device's public key, as it was registered.
    function submitEquivocation(
        bytes calldata signer,
        Receipt calldata a,
        bytes calldata signatureA,
        Receipt calldata b,
        bytes calldata signatureB
    ) external returns (uint128 slashed) {
        (uint32 net, bytes32 deviceId) = (a.net, a.deviceId);
        _requireSameSlot(a, b);
        if (keccak256(signer) != deviceId || devices.networkOf(deviceId) != net) revert BadEvidence();
        if (_punishedDevices[net][deviceId]) revert AlreadyPunished();
        address accused = _ownerThen(net, deviceId, a.timestamp, b.timestamp);
        if (!devices.verify(signer, receiptDigest(a), signatureA)) revert BadEvidence();
        if (!devices.verify(signer, receiptDigest(b), signatureB)) revert BadEvidence();
        _punishedDevices[net][deviceId] = true;
        (, uint128 penalty) = registry.penaltiesOf(net);
        slashed = _slashSelf(accused, net, net, penalty, msg.sender);
        emit EquivocationProven(net, deviceId, accused, msg.sender, slashed);
    }

    /// @notice Two different roots that one signer signed for one (net, asset, epoch, attempt, setId). Its stake in the
    /// verifying network is the bond; a root is worth more than a receipt, so the penalty is the full one.
    function submitRootEquivocation(
        IRootPublisher.RootMessage calldata a,
        bytes calldata signatureA,
        IRootPublisher.RootMessage calldata b,
        bytes calldata signatureB
    ) external returns (uint128 slashed) {
        address signer = _signerOfBoth(a, signatureA, b, signatureB);
        bytes32 key = keccak256(abi.encode(_rootSlot(a), signer));
        if (_punishedRoots[key]) revert AlreadyPunished();
        uint32 stakeNet = registry.verifierNetOf(a.net);
        _requireFresh(stakeNet, (uint256(a.epoch) + 1) * registry.epochLength(a.net));
        _punishedRoots[key] = true;
        slashed = _slashSelf(signer, a.net, stakeNet, _faultPenalty(stakeNet), msg.sender);
        emit RootEquivocationProven(a.net, signer, msg.sender, a.epoch, a.attempt, slashed);
    }

    /// @notice Slashes for a demand that was not answered; StorageProofs has checked it.
    function onFault(uint32 net, address accused, address reporter, bytes32 ref) external returns (uint128 slashed) {
        if (msg.sender != storageProofs) revert NotStorageProofs(msg.sender);
        slashed = _slashSelf(accused, net, net, _faultPenalty(net), reporter);
        emit FaultSlashed(net, accused, reporter, ref, slashed);
    }

    /// @inheritdoc IDisputeManager
    function isPunished(uint32 net, bytes32 deviceId) external view returns (bool) {
        return _punishedDevices[net][deviceId];
    }

    /// @inheritdoc IDisputeManager
    function receiptDigest(Receipt calldata r) public view returns (bytes32) {
        // All members are static, so the ABI encoding of the struct is the encoding of EIP-712.
        return _hashTypedDataV4(keccak256(bytes.concat(RECEIPT_TYPEHASH, abi.encode(r))));
    }

    function _slashSelf(address accused, uint32 net, uint32 stakeNet, uint128 penalty, address reporter)
        private
        returns (uint128)
    {
        // A network may set no penalty; the fact is recorded all the same.
        if (penalty == 0) return 0;
        return staking.slashSelf(accused, stakeNet, penalty, reporter, _reporterPart(net, penalty));
    }

    /// @dev At most a quarter: NetworkRegistry bounds `reporterBps`.
    function _reporterPart(uint32 net, uint128 amount) internal view returns (uint128) {
        return Math.mulDiv(amount, registry.reporterBpsOf(net), BPS).toUint128();
    }

    function _faultPenalty(uint32 net) internal view returns (uint128 penalty) {
        (penalty,) = registry.penaltiesOf(net);
    }

    function _requireSameSlot(Receipt calldata a, Receipt calldata b) private pure {
        bool same = a.net == b.net && a.deviceId == b.deviceId && a.boot == b.boot && a.sequence == b.sequence;
        if (!same || (a.timestamp == b.timestamp && a.contentHash == b.contentHash)) revert NotConflicting();
    }

    /// @dev Who owned the device at the later of two signatures; transfers take a thaw, so his stake is still there.
    function _ownerThen(uint32 net, bytes32 deviceId, uint40 a, uint40 b) private view returns (address owner) {
        (uint40 earlier, uint40 later) = a < b ? (a, b) : (b, a);
        if (later > block.timestamp) revert BadEvidence();
        _requireFresh(net, earlier);
        owner = devices.ownerAt(deviceId, later);
        if (owner == address(0)) revert BadEvidence();
    }

    /// @dev What is older than a thaw may fall on stake that came after; it is not admissible.
    function _requireFresh(uint32 net, uint256 time) private view {
        (uint40 thaw,) = registry.thawRules(net);
        if (time + thaw < block.timestamp) revert TooOld(block.timestamp - thaw);
    }

    function _signerOfBoth(
        IRootPublisher.RootMessage calldata a,
        bytes calldata signatureA,
        IRootPublisher.RootMessage calldata b,
        bytes calldata signatureB
    ) private view returns (address signer) {
        (bytes32 digestA, bytes32 digestB) = (_rootDigest(a), _rootDigest(b));
        if (_rootSlot(a) != _rootSlot(b) || digestA == digestB) revert NotConflicting();
        signer = _recover(digestA, signatureA);
        if (signer != _recover(digestB, signatureB)) revert BadEvidence();
    }

    function _rootSlot(IRootPublisher.RootMessage calldata m) private pure returns (bytes32) {
        return keccak256(abi.encode(m.net, m.asset, m.epoch, m.attempt, m.setId));
    }

    function _rootDigest(IRootPublisher.RootMessage calldata m) private view returns (bytes32) {
        return m.setId == 0 ? publisher.digestOf(m) : quorum.digestOf(m);
    }

    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        ECDSA.RecoverError problem;
        (signer, problem,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem != ECDSA.RecoverError.NoError) revert BadEvidence();
    }
}
