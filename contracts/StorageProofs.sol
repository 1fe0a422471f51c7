// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IDelegations} from "./interfaces/IDelegations.sol";
import {IDisputeManager} from "./interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IStorageProofs} from "./interfaces/IStorageProofs.sol";
import {StorageTree} from "./libraries/StorageTree.sol";

/// @title Demands for proofs of possession.
/// @notice Nothing is on chain while all goes well. Whoever holds a head that provider and customer signed may demand one
/// byte of it against a bond; the provider shows the byte, or both show that they agreed on something newer, or the
/// provider's stake answers. The prover chooses nothing: not the byte, not a depth, not the set.
contract StorageProofs is IStorageProofs {
    using SafeERC20 for IERC20;

    bytes32 private constant HEAD_TYPEHASH = keccak256(
        "Head(uint32 net,bytes32 setId,address provider,address customer,bytes32 root,uint64 count,uint64 totalBytes,uint64 version,uint40 expiresAt)"
    );
    bytes32 private constant DOMAIN_TYPEHASH = keccak256("EIP712Domain(string name,string version,uint256 chainId)");
    uint32 private constant STORAGE = 2;

    /// Longer heads would let a customer who left demand data that nobody is paid for.
    uint40 public constant MAX_HEAD_LIFE = 35 days;
    /// A chain that stood still counts no blocks, so its providers have time again when it goes on (12 s blocks: 2 h).
    uint256 public constant MIN_BLOCKS = 600;

    IERC20 public immutable token;
    INetworkRegistry public immutable registry;
    IDelegations public immutable delegations;
    IDisputeManager public immutable disputes;

    uint256 private _count;
    mapping(uint256 id => Demand) private _demands;
    /// Keyed by the parties too: somebody else's head with the same set id must not occupy the place.
    mapping(bytes32 setKey => uint256 id) private _open;

    constructor(IERC20 token_, INetworkRegistry registry_, IDelegations delegations_, IDisputeManager disputes_) {
        token = token_;
        registry = registry_;
        delegations = delegations_;
        disputes = disputes_;
    }

    /// @notice Demands one byte of a set, drawn now. The bond is the network's dispute bond.
    /// @param customerSignature May be empty when the customer calls.
    function demand(Head calldata head, bytes calldata providerSignature, bytes calldata customerSignature)
        external
        returns (uint256 id)
    {
        if (head.totalBytes == 0) revert EmptySet();
        if (block.timestamp >= head.expiresAt) revert HeadExpired(head.expiresAt);
        if (head.expiresAt > block.timestamp + MAX_HEAD_LIFE) revert HeadTooLong(head.expiresAt);
        bytes32 key = _setKey(head);
        if (_open[key] != 0) revert AlreadyDemanded(_open[key]);
        _requireSigned(head, providerSignature, customerSignature);
        id = ++_count;
        _open[key] = id;
        (uint128 bond,) = registry.disputeRules(head.net);
        // Free demands would let anybody spend a provider's gas.
        if (bond == 0) revert NoBond(head.net);
        Demand storage d = _demands[id];
        d.head = keccak256(abi.encode(head));
        // The demander does not know the block it lands in; the demand's number keeps two in one block apart.
        d.seed = keccak256(abi.encode(block.prevrandao, blockhash(block.number - 1), id));
        d.demander = msg.sender;
        d.openedAt = uint40(block.timestamp);
        d.openedBlock = uint48(block.number);
        d.bond = bond;
        _emitDemanded(id, head, bond, d.seed);
        token.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @notice Shows the byte. Anyone may bring the proof; the bond is the provider's.
    function answer(uint256 id, Head calldata head, StorageTree.Proof calldata proof) external {
        Demand memory d = _requireDemand(id, head);
        uint64 position = _position(d.seed, head.totalBytes);
        if (!StorageTree.verify(head.root, head.count, head.totalBytes, position, proof)) revert BadProof();
        _close(id, head);
        emit Answered(id);
        token.safeTransfer(head.provider, d.bond);
    }

    /// @notice Closes a demand on a head that provider and customer have since replaced. Whoever demanded the old one
    /// pays the provider for the transaction.
    /// @param head What was demanded.
    function supersede(
        uint256 id,
        Head calldata head,
        Head calldata newer,
        bytes calldata providerSignature,
        bytes calldata customerSignature
    ) external {
        Demand memory d = _requireDemand(id, head);
        if (_setKey(newer) != _setKey(head)) revert OtherSet();
        if (newer.version <= head.version) revert StaleVersion(newer.version, head.version);
        _requireSigned(newer, providerSignature, customerSignature);
        _close(id, head);
        emit Superseded(id, newer.version);
        token.safeTransfer(head.provider, d.bond);
    }

    /// @notice Faults a provider that let time and blocks pass. Anyone may; the demander is the reporter.
    function fault(uint256 id, Head calldata head) external {
        Demand memory d = _requireDemand(id, head);
        (, uint40 window) = registry.disputeRules(head.net);
        uint256 readyAt = uint256(d.openedAt) + window;
        uint256 readyBlock = d.openedBlock + MIN_BLOCKS;
        if (block.timestamp < readyAt || block.number < readyBlock) revert TooEarly(readyAt, readyBlock);
        _close(id, head);
        uint128 slashed = disputes.onFault(head.net, head.provider, d.demander, bytes32(id));
        emit Faulted(id, head.net, head.provider, slashed);
        token.safeTransfer(d.demander, d.bond);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IStorageProofs
    function demandOf(uint256 id) external view returns (Demand memory) {
        return _demands[id];
    }

    /// @inheritdoc IStorageProofs
    function openDemand(Head calldata head) external view returns (uint256) {
        return _open[_setKey(head)];
    }

    /// @inheritdoc IStorageProofs
    function positionOf(uint256 id, Head calldata head) external view returns (uint64) {
        return _position(_requireDemand(id, head).seed, head.totalBytes);
    }

    /// @notice Whether a proof shows a byte of a head's set; what `answer` asks, for whoever wants to know before.
    function verify(Head calldata head, uint64 position, StorageTree.Proof calldata proof)
        external
        pure
        returns (bool)
    {
        return StorageTree.verify(head.root, head.count, head.totalBytes, position, proof);
    }

    /// @inheritdoc IStorageProofs
    function digestOf(Head calldata h) public view returns (bytes32) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Cairn StorageProofs"), keccak256("1"), block.chainid));
        // All members are static, so the ABI encoding of the struct is the encoding of EIP-712.
        bytes32 structHash = keccak256(bytes.concat(HEAD_TYPEHASH, abi.encode(h)));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    // ---------------------------------------------------------------- private

    function _requireDemand(uint256 id, Head calldata head) private view returns (Demand memory d) {
        d = _demands[id];
        if (d.demander == address(0)) revert NoDemand(id);
        if (d.head != keccak256(abi.encode(head))) revert WrongHead();
    }

    function _close(uint256 id, Head calldata head) private {
        delete _demands[id];
        delete _open[_setKey(head)];
    }

    /// @dev A customer who calls consents by calling. A session key that expired or was revoked counts for the grace that
    /// Delegations gives payees: a head that it signed does not end with it.
    function _requireSigned(Head calldata head, bytes calldata byProvider, bytes calldata byCustomer) private view {
        bytes32 digest = digestOf(head);
        if (!_signed(head.provider, digest, byProvider)) revert NotSignedBy(head.provider);
        if (msg.sender == head.customer) return;
        if (!_signed(head.customer, digest, byCustomer)) revert NotSignedBy(head.customer);
    }

    function _signed(address party, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem != ECDSA.RecoverError.NoError) return false;
        return signer == party || delegations.isRedeemable(party, signer, STORAGE);
    }

    function _emitDemanded(uint256 id, Head calldata head, uint128 bond, bytes32 seed) private {
        uint64 position = _position(seed, head.totalBytes);
        emit Demanded(id, head.net, head.provider, head.setId, msg.sender, position, bond, head);
    }

    /// @dev The bias of the remainder is below 2^-192.
    function _position(bytes32 seed, uint64 totalBytes) private pure returns (uint64) {
        return uint64(uint256(seed) % totalBytes);
    }

    function _setKey(Head calldata head) private pure returns (bytes32) {
        return keccak256(abi.encode(head.net, head.setId, head.provider, head.customer));
    }
}
