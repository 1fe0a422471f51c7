// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Delegations} from "../Delegations.sol";
import {DeviceRegistry} from "../DeviceRegistry.sol";
import {DisputeManager} from "../DisputeManager.sol";
import {EvidenceLog} from "../EvidenceLog.sol";
import {NetworkRegistry} from "../NetworkRegistry.sol";
import {Pointers} from "../Pointers.sol";
import {RewardsDistributor} from "../RewardsDistributor.sol";
import {RootPublisher} from "../RootPublisher.sol";
import {RootQuorum} from "../RootQuorum.sol";
import {Staking} from "../Staking.sol";
import {StorageProofs} from "../StorageProofs.sol";
import {Token} from "../Token.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IStorageProofs} from "../interfaces/IStorageProofs.sol";
import {World} from "./World.sol";

/// @notice The World with the real judges in place of the test's addresses, wired by predicted addresses.
abstract contract Judges is World {
    uint256 internal constant PROVIDER_KEY = 0xB0B1;
    uint256 internal constant CUSTOMER_KEY = 0xC057;
    address internal immutable arbiter = address(0xAB);

    DisputeManager internal manager;
    StorageProofs internal proofs;
    RootQuorum internal quorum;
    address internal provider;
    address internal customer;

    function deployJudges() internal {
        vm.warp(1_800_000_000);
        vm.roll(1_000);
        verifier = vm.addr(VERIFIER_KEY);
        provider = vm.addr(PROVIDER_KEY);
        customer = vm.addr(CUSTOMER_KEY);
        uint64 nonce = vm.getNonce(address(this));
        address managerAt = vm.computeCreateAddress(address(this), nonce + 9);
        token = new Token(address(this), SUPPLY, address(0));
        registry = new NetworkRegistry(token, BOND, INetworkRegistry.Minimums(60, 1 hours, 72 hours));
        delegations = new Delegations(escrow);
        devices = new DeviceRegistry(registry, delegations, IDisputeManager(managerAt));
        staking = new Staking(token, registry, authority, managerAt);
        distributor = new RewardsDistributor(registry, guardian, managerAt, staking);
        publisher = new RootPublisher(registry, distributor);
        quorum = new RootQuorum(registry, distributor, staking);
        proofs = new StorageProofs(token, registry, delegations, IDisputeManager(managerAt));
        manager = new DisputeManager(token, registry, staking, devices, distributor, publisher, quorum, address(proofs));
        assertEq(address(manager), managerAt, "predicted");
        endow(founder, 10_000e18);
        createNetwork(params());
        INetworkRegistry.Params memory p = params();
        p.verifierNet = VERIFIERS;
        createNetwork(p);
        bondAs(provider, NET, 10_000e18);
    }

    function allow(address who, address spender, uint256 amount) internal {
        endow(who, amount);
        vm.prank(who);
        token.approve(spender, amount);
    }
}
