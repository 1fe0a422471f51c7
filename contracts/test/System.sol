// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Credits} from "../Credits.sol";
import {Delegations} from "../Delegations.sol";
import {Deployment} from "../Deployment.sol";
import {DeviceRegistry} from "../DeviceRegistry.sol";
import {Escrow} from "../Escrow.sol";
import {EvidenceLog} from "../EvidenceLog.sol";
import {NetworkRegistry} from "../NetworkRegistry.sol";
import {Pointers} from "../Pointers.sol";
import {RewardsDistributor} from "../RewardsDistributor.sol";
import {RootPublisher} from "../RootPublisher.sol";
import {Staking} from "../Staking.sol";
import {Token} from "../Token.sol";
import {FixedOracle} from "../oracle/FixedOracle.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRootPublisher} from "../interfaces/IRootPublisher.sol";
import {FullSet} from "./FullSet.sol";
import {Test} from "./Vm.sol";

/// @notice The whole set as a user meets it: deployed and sealed by Deployment, with no stand-in for any contract, and a
/// network with hourly epochs and the longest challenge window that they allow.
abstract contract System is Test {
    uint256 internal constant SUPPLY = 1e27;
    uint128 internal constant BOND = 100e18;
    uint40 internal constant EPOCH = 1 hours;
    uint40 internal constant WINDOW = 6 hours;
    uint256 internal constant VERIFIER_KEY = 0xC0FFEE;
    uint16 internal constant FEE_BPS = 300;
    uint32 internal constant NET = 2;

    address internal immutable guardian = address(0x60A2D);
    address internal immutable feeRecipient = address(0xFEE);

    Deployment internal deployment;
    Token internal token;
    Credits internal credits;
    Escrow internal escrow;
    Delegations internal delegations;
    NetworkRegistry internal registry;
    RewardsDistributor internal distributor;
    RootPublisher internal publisher;

    function deploySystem() internal {
        vm.warp(1_800_000_000);
        deployment = new Deployment(address(this), "system");
        token = Token(_put("Token", type(Token).creationCode, abi.encode(address(this), SUPPLY, _at("Emissions"))));
        _put("Oracle", type(FixedOracle).creationCode, abi.encode(1e18));
        _deployMoney();
        _deployNetworks();
        FullSet.deployRest(deployment, guardian);
        deployment.seal();
        token.approve(address(registry), type(uint256).max);
        _createNetwork(0);
        assertEq(_createNetwork(1), NET, "the network that the verifiers' one verifies");
    }

    function _put(bytes32 name, bytes memory code, bytes memory args) private returns (address) {
        return deployment.deploy(name, abi.encodePacked(code, args));
    }

    function _at(bytes32 name) private view returns (address) {
        return deployment.addressOf(name);
    }

    function _deployMoney() private {
        bytes memory args = abi.encode(token, _at("Escrow"), _at("Oracle"), _at("Timelock"), 1e18);
        credits = Credits(_put("Credits", type(Credits).creationCode, args));
        args =
            abi.encode(credits, _at("NetworkRegistry"), _at("Delegations"), _at("RewardsDistributor"), block.timestamp);
        escrow = Escrow(_put("Escrow", type(Escrow).creationCode, args));
        delegations = Delegations(_put("Delegations", type(Delegations).creationCode, abi.encode(escrow)));
        _put("Pointers", type(Pointers).creationCode, abi.encode(delegations));
    }

    function _deployNetworks() private {
        INetworkRegistry.Minimums memory minimums = INetworkRegistry.Minimums(60, 1 hours, 72 hours);
        bytes memory args = abi.encode(token, BOND, minimums);
        registry = NetworkRegistry(_put("NetworkRegistry", type(NetworkRegistry).creationCode, args));
        args = abi.encode(registry, delegations, _at("DisputeManager"));
        _put("DeviceRegistry", type(DeviceRegistry).creationCode, args);
        args = abi.encode(token, registry, _at("Timelock"), _at("DisputeManager"));
        address staking = _put("Staking", type(Staking).creationCode, args);
        _put("EvidenceLog", type(EvidenceLog).creationCode, abi.encode(registry, staking));
        args = abi.encode(registry, guardian, _at("DisputeManager"), staking);
        distributor = RewardsDistributor(_put("RewardsDistributor", type(RewardsDistributor).creationCode, args));
        args = abi.encode(registry, distributor);
        publisher = RootPublisher(_put("RootPublisher", type(RootPublisher).creationCode, args));
    }

    function _createNetwork(uint32 verifierNet) private returns (uint32) {
        INetworkRegistry.Params memory p;
        p.minStake = 1_000e18;
        p.epochLength = EPOCH;
        p.challengeWindow = WINDOW;
        p.rootEpochs = 1;
        p.thawWeeks = 3;
        p.maxSlashBps = 2000;
        p.feeRecipient = feeRecipient;
        p.responseWindow = 3 days;
        p.feeBps = FEE_BPS;
        p.verifierNet = verifierNet;
        address verifier = vm.addr(VERIFIER_KEY);
        return registry.create(p, INetworkRegistry.Roles(address(publisher), verifier, address(0)), "meta");
    }

    /// @dev Publishes by the verifier's signature, for the last epoch that is over.
    function publishSigned(address asset, bytes32 root, uint128 total) internal returns (uint32 index) {
        IRootPublisher.RootMessage memory m;
        m.net = NET;
        m.asset = asset;
        m.epoch = registry.currentEpoch(NET) - 1;
        m.root = root;
        m.total = total;
        m.dataHash = "data";
        return publisher.publish(m, signatureOf(VERIFIER_KEY, publisher.digestOf(m)));
    }
}
