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
import {Test} from "./Vm.sol";

contract DeploymentTest is Test {
    Deployment private deployment;

    function setUp() public {
        deployment = new Deployment(address(this), "1");
    }

    function _put(bytes32 name, bytes memory code, bytes memory args) private {
        address where = deployment.deploy(name, abi.encodePacked(code, args));
        assertEq(where, deployment.addressOf(name), "where it was predicted");
    }

    function _at(bytes32 name) private view returns (address) {
        return deployment.addressOf(name);
    }

    function _deployMoney() private {
        _put("Token", type(Token).creationCode, abi.encode(address(this), 1e27, address(0)));
        _put("Oracle", type(FixedOracle).creationCode, abi.encode(1e18));
        _put("Credits", type(Credits).creationCode, abi.encode(_at("Token"), _at("Escrow"), _at("Oracle"), this, 1));
    }

    function _deployEscrow() private {
        bytes memory args = abi.encode(
            _at("Credits"), _at("NetworkRegistry"), _at("Delegations"), _at("RewardsDistributor"), block.timestamp
        );
        _put("Escrow", type(Escrow).creationCode, args);
    }

    function _deployIdentity() private {
        INetworkRegistry.Minimums memory m = INetworkRegistry.Minimums(60, 1 hours, 72 hours);
        _put("NetworkRegistry", type(NetworkRegistry).creationCode, abi.encode(_at("Token"), uint128(1e20), m));
        _put("Delegations", type(Delegations).creationCode, abi.encode(_at("Escrow")));
        _put(
            "DeviceRegistry", type(DeviceRegistry).creationCode, abi.encode(_at("NetworkRegistry"), _at("Delegations"))
        );
        _put("Pointers", type(Pointers).creationCode, abi.encode(_at("Delegations")));
        _put("EvidenceLog", type(EvidenceLog).creationCode, abi.encode(_at("NetworkRegistry"), _at("Staking")));
        _put(
            "RootPublisher",
            type(RootPublisher).creationCode,
            abi.encode(_at("NetworkRegistry"), _at("RewardsDistributor"))
        );
        _put(
            "RewardsDistributor",
            type(RewardsDistributor).creationCode,
            abi.encode(_at("NetworkRegistry"), address(this), address(0), _at("Staking"))
        );
    }

    function _deployStaking(address registry) private {
        _put("Staking", type(Staking).creationCode, abi.encode(_at("Token"), registry, address(0), address(0)));
    }

    function test_AddressesDependOnDeployerReleaseAndName() public {
        Deployment other = new Deployment(address(this), "2");
        assertTrue(other.addressOf("Token") != deployment.addressOf("Token"), "release");
        assertTrue(deployment.addressOf("Token") != deployment.addressOf("Escrow"), "name");
    }

    function test_OnlyTheOwnerDeploysKnownNamesOnce() public {
        vm.prank(address(1));
        vm.expectRevert(abi.encodeWithSelector(Deployment.NotOwner.selector, address(1)));
        deployment.deploy("Token", "");
        vm.expectRevert(abi.encodeWithSelector(Deployment.UnknownName.selector, bytes32("Backdoor")));
        deployment.deploy("Backdoor", hex"00");
        _put("Oracle", type(FixedOracle).creationCode, abi.encode(1e18));
        bytes memory again = abi.encodePacked(type(FixedOracle).creationCode, abi.encode(2e18));
        vm.expectRevert();
        deployment.deploy("Oracle", again);
        vm.expectRevert(abi.encodeWithSelector(Deployment.NotOwner.selector, address(0)));
        new Deployment(address(0), "1");
    }

    function test_SealRefusesAnIncompleteSet() public {
        _deployMoney();
        vm.expectRevert(abi.encodeWithSelector(Deployment.NoCode.selector, bytes32("Escrow"), _at("Escrow")));
        deployment.seal();
    }

    function test_AWholeSetSealsAndThenNobodyOwnsIt() public {
        _deployMoney();
        _deployIdentity();
        _deployEscrow();
        _deployStaking(_at("NetworkRegistry"));
        vm.prank(address(1));
        vm.expectRevert(abi.encodeWithSelector(Deployment.NotOwner.selector, address(1)));
        deployment.seal();
        deployment.seal();
        assertEq(deployment.owner(), address(0), "owner");
        deployment.check();
        vm.expectRevert(abi.encodeWithSelector(Deployment.NotOwner.selector, address(this)));
        deployment.deploy("Token", hex"00");
    }

    function test_SealFindsAPointerThatLeadsElsewhere() public {
        _deployMoney();
        _deployIdentity();
        _deployEscrow();
        _deployStaking(address(0xBAD));
        vm.expectRevert(
            abi.encodeWithSelector(
                Deployment.MiswiredPointer.selector,
                bytes32("Staking"),
                "registry()",
                address(0xBAD),
                _at("NetworkRegistry")
            )
        );
        deployment.seal();
    }
}
