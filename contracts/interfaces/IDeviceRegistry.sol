// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Hardware keys, bound to owners.
interface IDeviceRegistry {
    enum Status {
        None,
        Active,
        Retired,
        Revoked
    }

    /// @dev The first five share a slot, so that enrolling writes one.
    /// @param batch Number of the admitted batch within the network, 0 when enrolled without one.
    struct Device {
        address owner;
        uint32 net;
        uint40 boundAt;
        Status status;
        uint16 batch;
        address prevOwner;
        uint40 changedAt;
    }

    /// @param count For how many devices the maker speaks; readers use it, nothing on chain depends on it.
    struct Batch {
        address maker;
        uint40 committedAt;
        uint32 count;
        bool revoked;
    }

    struct Transfer {
        address to;
        uint40 effectiveAt;
    }

    /// @param signer 20 bytes (secp256k1 address) or 64 bytes (P-256 x‖y).
    /// @param transportKey Ed25519 public key of the peer that serves for the device; zero for one without a peer.
    /// @param deadline Unix seconds after which the device's consent lapses.
    /// @param signature The device's over all of the above, the batch and this contract.
    struct Registration {
        uint32 net;
        address owner;
        bytes signer;
        bytes32 transportKey;
        uint40 deadline;
        bytes signature;
    }

    event BatchCommitted(address indexed maker, bytes32 indexed root, uint32 count, bytes32 attestationRoot);
    event BatchRevoked(address indexed maker, bytes32 indexed root);
    event MakerSet(uint32 indexed net, address indexed maker, bool allowed);
    event BatchAdmitted(uint32 indexed net, address indexed maker, bytes32 indexed root, uint16 number);
    event BatchOnlySet(uint32 indexed net, bool batchOnly);
    event DeviceRegistered(
        bytes32 indexed id,
        address indexed owner,
        uint32 indexed net,
        bytes signer,
        bytes32 transportKey,
        uint16 batch,
        bytes32 model
    );
    event TransferStarted(bytes32 indexed id, address indexed from, address indexed to, uint40 effectiveAt);
    event TransferCancelled(bytes32 indexed id);
    event DeviceTransferred(bytes32 indexed id, address indexed from, address indexed to);
    event DeviceRetired(bytes32 indexed id);
    event DeviceRevoked(bytes32 indexed id);
    event EndpointUpdated(bytes32 indexed id, bytes signedRecord);

    error NetworkNotActive(uint32 net);
    error BadOwner();
    error BadDeviceSignature();
    error Expired(uint40 deadline);
    error AlreadyRegistered(bytes32 id);
    error BatchRequired(uint32 net);
    error UnknownBatch(address maker, bytes32 root);
    error BatchExists(address maker, bytes32 root);
    error BatchIsRevoked(address maker, bytes32 root);
    error BatchNotRevoked(address maker, bytes32 root);
    error EmptyBatch();
    error NotAdmitted(uint32 net, address maker, bytes32 root);
    error AlreadyAdmitted(uint32 net, address maker, bytes32 root);
    error NotInBatch();
    error NotMaker(address caller);
    error NotNetworkOwner(address caller);
    error NotOwner(bytes32 id, address caller);
    error NotActive(bytes32 id);
    error NotPunished(bytes32 id);
    error NotRecipient(address caller);
    error NoTransfer(bytes32 id);
    error TooEarly(uint40 effectiveAt);
    error RecordTooLong(uint256 length);

    function commitBatch(bytes32 root, uint32 count, bytes32 attestationRoot) external;
    function revokeBatch(bytes32 root) external;
    function setMaker(uint32 net, address maker, bool allowed) external;
    function setBatchOnly(uint32 net, bool batchOnly) external;
    function admitBatch(uint32 net, address maker, bytes32 root) external returns (uint16 number);

    function register(Registration calldata registration) external returns (bytes32 id);
    function registerMany(Registration[] calldata registrations) external;
    function registerFromBatch(
        Registration calldata registration,
        address maker,
        bytes32 root,
        bytes32 model,
        bytes32[] calldata proof
    ) external returns (bytes32 id);

    function transfer(bytes32 id, address to) external;
    function cancelTransfer(bytes32 id) external;
    function acceptTransfer(bytes32 id) external;
    function retire(bytes32 id) external;
    function revokeDevice(bytes32 id, address maker, bytes32 root) external;
    function revokePunished(bytes32 id) external;
    function updateEndpoint(bytes32 id, bytes calldata signedRecord) external;

    function device(bytes32 id) external view returns (Device memory);
    function isActive(bytes32 id) external view returns (bool);
    function ownerOf(bytes32 id) external view returns (address);
    /// @return Who owned the device at a time: the previous owner before the last change, nobody before it was bound.
    function ownerAt(bytes32 id, uint40 time) external view returns (address);
    function networkOf(bytes32 id) external view returns (uint32);
    function verify(bytes calldata signer, bytes32 digest, bytes calldata signature) external view returns (bool);
    function registrationDigest(Registration calldata registration, bytes32 batchKey) external view returns (bytes32);
}
