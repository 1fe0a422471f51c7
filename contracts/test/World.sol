// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Delegations} from "../Delegations.sol";
import {DeviceRegistry} from "../DeviceRegistry.sol";
import {EvidenceLog} from "../EvidenceLog.sol";
import {NetworkRegistry} from "../NetworkRegistry.sol";
import {Pointers} from "../Pointers.sol";
import {RewardsDistributor} from "../RewardsDistributor.sol";
import {RootPublisher} from "../RootPublisher.sol";
import {Staking} from "../Staking.sol";
import {Token} from "../Token.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {Test} from "./Vm.sol";

/// @notice The real contracts, wired as a deployment wires them, with the roles that later stages fill played by
/// addresses of the test. Network 1 is the verifiers' network, network 2 is verified by it.
abstract contract World is Test {
    uint256 internal constant SUPPLY = 1_000_000_000e18;
    uint128 internal constant BOND = 100e18;
    uint128 internal constant MIN_STAKE = 1_000e18;
    uint40 internal constant EPOCH = 1 days;
    uint256 internal constant VERIFIER_KEY = 0xC0FFEE;
    uint32 internal constant VERIFIERS = 1;
    uint32 internal constant NET = 2;

    address internal immutable escrow = address(0xE5C0);
    address internal immutable guardian = address(0x60A2D);
    address internal immutable disputes = address(0xD15);
    address internal immutable slasher = address(0x51A5);
    address internal immutable authority = address(0xA07);
    address internal immutable founder = address(0xF0);
    address internal immutable alice = address(0xA11CE);
    address internal immutable bob = address(0xB0B);
    address internal verifier;

    Token internal token;
    NetworkRegistry internal registry;
    Delegations internal delegations;
    Pointers internal pointers;
    DeviceRegistry internal devices;
    Staking internal staking;
    EvidenceLog internal evidence;
    RewardsDistributor internal distributor;
    RootPublisher internal publisher;

    function deployWorld() internal {
        vm.warp(1_800_000_000);
        verifier = vm.addr(VERIFIER_KEY);
        token = new Token(address(this), SUPPLY, address(0));
        registry = new NetworkRegistry(token, BOND, INetworkRegistry.Minimums(60, 1 hours, 72 hours));
        delegations = new Delegations(escrow);
        pointers = new Pointers(delegations);
        devices = new DeviceRegistry(registry, delegations, IDisputeManager(disputes));
        staking = new Staking(token, registry, authority, slasher);
        evidence = new EvidenceLog(registry, staking);
        distributor = new RewardsDistributor(registry, guardian, disputes, staking);
        publisher = new RootPublisher(registry, distributor);
        endow(founder, 10_000e18);
        createNetwork(params());
        INetworkRegistry.Params memory p = params();
        p.verifierNet = VERIFIERS;
        createNetwork(p);
    }

    function params() internal pure returns (INetworkRegistry.Params memory p) {
        p.minStake = MIN_STAKE;
        p.faultPenalty = 100e18;
        p.equivocationPenalty = 50e18;
        p.disputeBond = 10e18;
        p.rootBond = 20e18;
        p.epochLength = EPOCH;
        p.challengeWindow = 1 days;
        p.rootEpochs = 1;
        p.thawWeeks = 3;
        p.maxSlashBps = 2000;
        p.feeRecipient = address(0xFEE);
        p.responseWindow = 3 days;
        p.feeBps = 100;
        p.reporterBps = 2500;
        p.operatorCutMaxBps = 5000;
        p.delegationRatio = 10;
    }

    function roles() internal view returns (INetworkRegistry.Roles memory) {
        return INetworkRegistry.Roles(address(publisher), verifier, address(0xAB));
    }

    function createNetwork(INetworkRegistry.Params memory p) internal returns (uint32) {
        vm.prank(founder);
        token.approve(address(registry), BOND);
        vm.prank(founder);
        return registry.create(p, roles(), "meta");
    }

    function endow(address who, uint256 amount) internal {
        token.transfer(who, amount);
    }

    function bondAs(address operator, uint32 net, uint128 amount) internal {
        endow(operator, amount);
        vm.prank(operator);
        token.approve(address(staking), amount);
        vm.prank(operator);
        staking.bond(net, amount);
    }
}
