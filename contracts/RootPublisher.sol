// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "./interfaces/IRewardsDistributor.sol";
import {IRootPublisher} from "./interfaces/IRootPublisher.sol";

/// @title Publishes roots signed by the one verifier that the network names.
/// @notice A network uses it by naming this contract as its publisher and the signer as its verifier; both change only
/// with the network's delay. Immutable, without owner.
contract RootPublisher is IRootPublisher, EIP712 {
    bytes32 private constant ROOT_TYPEHASH = keccak256(
        "Root(uint32 net,address asset,uint32 epoch,uint32 attempt,uint32 setId,bytes32 root,uint128 total,bytes32 dataHash)"
    );
    /// The single verifier counts as set 0, so that a signature of stage 1 can never pass as one of a later quorum.
    uint32 private constant SINGLE = 0;

    INetworkRegistry public immutable registry;
    IRewardsDistributor public immutable distributor;

    constructor(INetworkRegistry registry_, IRewardsDistributor distributor_) EIP712("Cairn RootPublisher", "1") {
        registry = registry_;
        distributor = distributor_;
    }

    /// @inheritdoc IRootPublisher
    function publish(RootMessage calldata m, bytes calldata signatures) external returns (uint32 index) {
        if (m.setId != SINGLE) revert UnknownSet(m.setId);
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digestOf(m), signatures);
        // A network without a verifier has the zero address there; a failed recovery must not match it.
        if (problem != ECDSA.RecoverError.NoError || signer != registry.verifierOf(m.net)) revert BadSignature();
        index = distributor.publish(m.net, m.asset, m.epoch, m.root, m.total, m.dataHash);
        emit RootSigned(m.net, m.asset, m.epoch, index, m.attempt, m.setId, signatures);
    }

    /// @inheritdoc IRootPublisher
    function digestOf(RootMessage calldata m) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(ROOT_TYPEHASH, m.net, m.asset, m.epoch, m.attempt, m.setId, m.root, m.total, m.dataHash)
            )
        );
    }
}
