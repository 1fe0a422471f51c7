// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IDelegations} from "./interfaces/IDelegations.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IDisputeManager} from "./interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {DeviceKeys} from "./libraries/DeviceKeys.sol";

/// @title Devices: keys that hardware holds, bound to owners.
/// @notice No NFT and no wallet per device. The device signs who owns it, where and until when, so nobody can register
/// somebody else's device to himself. A maker commits any number of devices in one transaction; a device touches the
/// chain only when it is enrolled, changes hands or is disputed.
contract DeviceRegistry is IDeviceRegistry, EIP712 {
    bytes32 private constant REGISTER_TYPEHASH =
        keccak256("Register(uint32 net,address owner,bytes32 transportKey,uint40 deadline,bytes32 batch)");
    uint32 private constant POINTER = 4;

    /// A signed peer record with eight addresses takes some 300 bytes.
    uint256 public constant MAX_RECORD = 512;

    INetworkRegistry public immutable registry;
    IDelegations public immutable delegations;
    /// Keeps which devices signed things that exclude each other.
    IDisputeManager public immutable disputes;

    mapping(bytes32 id => Device) private _devices;
    mapping(bytes32 id => Transfer) private _transfers;
    mapping(bytes32 batchKey => Batch) private _batches;
    mapping(uint32 net => mapping(address maker => bool)) private _makers;
    /// Batches that a network admits are numbered, because a number fits into the device's slot and a root does not.
    mapping(uint32 net => mapping(bytes32 batchKey => uint16)) private _admitted;
    mapping(uint32 net => uint16) private _admittedCount;
    mapping(uint32 net => bool) private _batchOnly;

    constructor(INetworkRegistry registry_, IDelegations delegations_, IDisputeManager disputes_)
        EIP712("Cairn DeviceRegistry", "1")
    {
        registry = registry_;
        delegations = delegations_;
        disputes = disputes_;
    }

    modifier onlyNetworkOwner(uint32 net) {
        if (registry.ownerOf(net) != msg.sender) revert NotNetworkOwner(msg.sender);
        _;
    }

    modifier onlyOwner(bytes32 id) {
        if (_devices[id].owner != msg.sender) revert NotOwner(id, msg.sender);
        _;
    }

    // ------------------------------------------------------------------- batches

    /// @notice Commits the caller, a maker, to a batch of devices.
    /// @param root Root over keccak256(keccak256(abi.encode(deviceId, model))), OpenZeppelin's sorted-pair trees.
    /// @param attestationRoot Root over what the maker attests of each device; published, not checked here.
    function commitBatch(bytes32 root, uint32 count, bytes32 attestationRoot) external {
        if (root == 0 || count == 0) revert EmptyBatch();
        bytes32 key = batchKeyOf(msg.sender, root);
        if (_batches[key].committedAt != 0) revert BatchExists(msg.sender, root);
        _batches[key] = Batch(msg.sender, uint40(block.timestamp), count, false);
        emit BatchCommitted(msg.sender, root, count, attestationRoot);
    }

    /// @notice Takes a batch back, for instance because its keys leaked. Blocks new registrations at once; each device
    /// that came from it is then revoked by `revokeDevice`, by anyone.
    function revokeBatch(bytes32 root) external {
        Batch storage b = _batches[batchKeyOf(msg.sender, root)];
        if (b.committedAt == 0) revert UnknownBatch(msg.sender, root);
        if (b.revoked) revert BatchIsRevoked(msg.sender, root);
        b.revoked = true;
        emit BatchRevoked(msg.sender, root);
    }

    /// @notice Lets a maker admit his batches to the network.
    function setMaker(uint32 net, address maker, bool allowed) external onlyNetworkOwner(net) {
        _makers[net][maker] = allowed;
        emit MakerSet(net, maker, allowed);
    }

    /// @notice Whether new devices must come from an admitted batch.
    function setBatchOnly(uint32 net, bool batchOnly) external onlyNetworkOwner(net) {
        _batchOnly[net] = batchOnly;
        emit BatchOnlySet(net, batchOnly);
    }

    /// @notice Admits a batch to a network, by an allowed maker or the network's owner.
    function admitBatch(uint32 net, address maker, bytes32 root) external returns (uint16 number) {
        bool byMaker = msg.sender == maker && _makers[net][maker];
        if (!byMaker && registry.ownerOf(net) != msg.sender) revert NotMaker(msg.sender);
        bytes32 key = batchKeyOf(maker, root);
        if (_batches[key].committedAt == 0) revert UnknownBatch(maker, root);
        if (_admitted[net][key] != 0) revert AlreadyAdmitted(net, maker, root);
        number = ++_admittedCount[net];
        _admitted[net][key] = number;
        emit BatchAdmitted(net, maker, root, number);
    }

    // -------------------------------------------------------------- registration

    /// @notice Enrols a device. Anyone may submit it; the device's signature says who owns it.
    function register(Registration calldata r) external returns (bytes32 id) {
        return _registerOpen(r);
    }

    /// @notice Enrols several; each is as `register`, and one failure fails all.
    function registerMany(Registration[] calldata registrations) external {
        for (uint256 i = 0; i < registrations.length; ++i) {
            _registerOpen(registrations[i]);
        }
    }

    /// @notice Enrols a device that a maker committed.
    function registerFromBatch(
        Registration calldata r,
        address maker,
        bytes32 root,
        bytes32 model,
        bytes32[] calldata proof
    ) external returns (bytes32 id) {
        bytes32 key = batchKeyOf(maker, root);
        uint16 number = _admitted[r.net][key];
        if (number == 0) revert NotAdmitted(r.net, maker, root);
        if (_batches[key].revoked) revert BatchIsRevoked(maker, root);
        id = DeviceKeys.idOf(r.signer);
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(id, model))));
        if (!MerkleProof.verifyCalldata(proof, root, leaf)) revert NotInBatch();
        _register(r, id, key, number, model);
    }

    // ------------------------------------------------------------- later changes

    /// @notice Offers the device to another owner. It takes effect after the network's thaw, so that the old owner's
    /// stake answers for what the device did under him.
    function transfer(bytes32 id, address to) external onlyOwner(id) {
        Device storage d = _requireActive(id);
        if (to == address(0) || to == msg.sender) revert BadOwner();
        (uint40 thaw,) = registry.thawRules(d.net);
        uint40 effectiveAt = uint40(block.timestamp) + thaw;
        _transfers[id] = Transfer(to, effectiveAt);
        emit TransferStarted(id, msg.sender, to, effectiveAt);
    }

    /// @notice Takes an offer back.
    function cancelTransfer(bytes32 id) external onlyOwner(id) {
        if (_transfers[id].to == address(0)) revert NoTransfer(id);
        delete _transfers[id];
        emit TransferCancelled(id);
    }

    /// @notice Completes a transfer, by the new owner, who thereby takes the responsibility.
    function acceptTransfer(bytes32 id) external {
        Transfer memory t = _transfers[id];
        if (t.to == address(0)) revert NoTransfer(id);
        if (msg.sender != t.to) revert NotRecipient(msg.sender);
        if (block.timestamp < t.effectiveAt) revert TooEarly(t.effectiveAt);
        Device storage d = _requireActive(id);
        delete _transfers[id];
        address from = d.owner;
        d.prevOwner = from;
        d.changedAt = uint40(block.timestamp);
        d.owner = msg.sender;
        emit DeviceTransferred(id, from, msg.sender);
    }

    /// @notice Ends the device for good; its key is never accepted again.
    function retire(bytes32 id) external onlyOwner(id) {
        _requireActive(id).status = Status.Retired;
        delete _transfers[id];
        emit DeviceRetired(id);
    }

    /// @notice Revokes a device whose batch its maker revoked. Anyone may; the number in the device's slot is the proof.
    function revokeDevice(bytes32 id, address maker, bytes32 root) external {
        Device storage d = _requireActive(id);
        bytes32 key = batchKeyOf(maker, root);
        if (!_batches[key].revoked) revert BatchNotRevoked(maker, root);
        if (d.batch == 0 || _admitted[d.net][key] != d.batch) revert NotInBatch();
        d.status = Status.Revoked;
        delete _transfers[id];
        emit DeviceRevoked(id);
    }

    /// @notice Revokes a device that was proved to have signed two receipts that exclude each other. Anyone may; the
    /// DisputeManager keeps the proof. A call of its own, because evidence counts against retired devices too.
    function revokePunished(bytes32 id) external {
        Device storage d = _requireActive(id);
        if (!disputes.isPunished(d.net, id)) revert NotPunished(id);
        d.status = Status.Revoked;
        delete _transfers[id];
        emit DeviceRevoked(id);
    }

    /// @notice Announces where the device's peer is reached. Only an event: readers check the record's own signature by
    /// the transport key. The owner may be cold, so its POINTER session key may do it too.
    function updateEndpoint(bytes32 id, bytes calldata signedRecord) external {
        if (signedRecord.length > MAX_RECORD) revert RecordTooLong(signedRecord.length);
        address owner = _requireActive(id).owner;
        if (msg.sender != owner && !delegations.isActive(owner, msg.sender, POINTER)) {
            revert NotOwner(id, msg.sender);
        }
        emit EndpointUpdated(id, signedRecord);
    }

    // --------------------------------------------------------------------- views

    function device(bytes32 id) external view returns (Device memory) {
        return _devices[id];
    }

    function isActive(bytes32 id) external view returns (bool) {
        return _devices[id].status == Status.Active;
    }

    function ownerOf(bytes32 id) external view returns (address) {
        return _devices[id].owner;
    }

    /// @inheritdoc IDeviceRegistry
    function ownerAt(bytes32 id, uint40 time) external view returns (address) {
        Device storage d = _devices[id];
        if (time < d.boundAt) return address(0);
        return time < d.changedAt ? d.prevOwner : d.owner;
    }

    function networkOf(bytes32 id) external view returns (uint32) {
        return _devices[id].net;
    }

    function transferOf(bytes32 id) external view returns (Transfer memory) {
        return _transfers[id];
    }

    function batch(address maker, bytes32 root) external view returns (Batch memory) {
        return _batches[batchKeyOf(maker, root)];
    }

    /// @return The batch's number within the network, 0 while it is not admitted.
    function admittedNumber(uint32 net, address maker, bytes32 root) external view returns (uint16) {
        return _admitted[net][batchKeyOf(maker, root)];
    }

    function isMaker(uint32 net, address maker) external view returns (bool) {
        return _makers[net][maker];
    }

    function isBatchOnly(uint32 net) external view returns (bool) {
        return _batchOnly[net];
    }

    /// @notice Keys name the maker too: a root alone could be committed first by somebody else.
    function batchKeyOf(address maker, bytes32 root) public pure returns (bytes32) {
        return keccak256(abi.encode(maker, root));
    }

    function verify(bytes calldata signer, bytes32 digest, bytes calldata signature) external view returns (bool) {
        return DeviceKeys.verify(signer, digest, signature);
    }

    /// @notice What the device signs; `batchKey` is zero outside of batches.
    function registrationDigest(Registration calldata r, bytes32 batchKey) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(REGISTER_TYPEHASH, r.net, r.owner, r.transportKey, r.deadline, batchKey))
        );
    }

    // ------------------------------------------------------------------- private

    function _registerOpen(Registration calldata r) private returns (bytes32 id) {
        if (_batchOnly[r.net]) revert BatchRequired(r.net);
        id = DeviceKeys.idOf(r.signer);
        _register(r, id, 0, 0, 0);
    }

    function _register(Registration calldata r, bytes32 id, bytes32 batchKey, uint16 number, bytes32 model) private {
        if (!registry.isActive(r.net)) revert NetworkNotActive(r.net);
        if (r.owner == address(0)) revert BadOwner();
        if (block.timestamp > r.deadline) revert Expired(r.deadline);
        // Any status but None stays for ever, so neither a retired nor a revoked key comes back (D3).
        if (_devices[id].status != Status.None) revert AlreadyRegistered(id);
        if (!DeviceKeys.verify(r.signer, registrationDigest(r, batchKey), r.signature)) revert BadDeviceSignature();
        Device storage d = _devices[id];
        d.owner = r.owner;
        d.net = r.net;
        d.boundAt = uint40(block.timestamp);
        d.status = Status.Active;
        d.batch = number;
        emit DeviceRegistered(id, r.owner, r.net, r.signer, r.transportKey, number, model);
    }

    function _requireActive(bytes32 id) private view returns (Device storage d) {
        d = _devices[id];
        if (d.status != Status.Active) revert NotActive(id);
    }
}
