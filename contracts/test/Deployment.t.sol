// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
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
import {Emissions} from "../emissions/Emissions.sol";
import {GovernedWeights} from "../emissions/GovernedWeights.sol";
import {NetworkGovernor} from "../governance/NetworkGovernor.sol";
import {Timelock} from "../governance/Timelock.sol";
import {FixedOracle} from "../oracle/FixedOracle.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {StakingSlash} from "../staking/StakingSlash.sol";
import {FullSet} from "./FullSet.sol";
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
        _put("Token", type(Token).creationCode, abi.encode(address(0x401D), 1e27, _at("Emissions")));
        _put("Oracle", type(FixedOracle).creationCode, abi.encode(1e18));
        _put(
            "Credits",
            type(Credits).creationCode,
            abi.encode(_at("Token"), _at("Escrow"), _at("Oracle"), _at("Timelock"), 1)
        );
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
            "DeviceRegistry",
            type(DeviceRegistry).creationCode,
            abi.encode(_at("NetworkRegistry"), _at("Delegations"), _at("DisputeManager"))
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
            abi.encode(_at("NetworkRegistry"), address(0x60A2D), _at("DisputeManager"), _at("Staking"))
        );
    }

    function _deployStaking(address registry) private {
        _put(
            "Staking",
            type(Staking).creationCode,
            abi.encode(_at("Token"), registry, _at("Timelock"), _at("DisputeManager"))
        );
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
        FullSet.deployRest(deployment, address(0x60A2D));
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
        FullSet.deployRest(deployment, address(0x60A2D));
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

    /// What the deployer chose is in the code; what it could still choose is nothing.
    function test_TheDeployerKeepsNothing() public {
        _deployMoney();
        _deployIdentity();
        _deployEscrow();
        _deployStaking(_at("NetworkRegistry"));
        FullSet.deployRest(deployment, address(0x60A2D));
        deployment.seal();
        _assertNoRole();
        _refused("Token", abi.encodeCall(Token.mint, (address(this), 1)));
        _refused("Credits", abi.encodeCall(Credits.proposeOracle, (FixedOracle(address(1)))));
        _refused("Credits", abi.encodeCall(Credits.cancelOracle, ()));
        _refused("Credits", abi.encodeCall(Credits.redeem, (address(this), 0, 0)));
        _refused("Delegations", abi.encodeCall(Delegations.registerFor, (address(1), address(2), 1, 1, 2)));
        _refused("Staking", abi.encodeCall(StakingSlash.proposeSlasher, (address(this))));
        _refused("Staking", abi.encodeCall(StakingSlash.slash, (address(1), 1, 1, address(this), 1)));
        _refused("RewardsDistributor", abi.encodeCall(RewardsDistributor.veto, (1, address(1), 0)));
        _refused("RewardsDistributor", abi.encodeCall(RewardsDistributor.challenge, (1, address(1), 0)));
        _refused("Emissions", abi.encodeCall(Emissions.proposeWeights, (GovernedWeights(address(1)))));
        _refused("Weights", abi.encodeCall(GovernedWeights.set, (new uint32[](0), new uint16[](0))));
        _refused("Timelock", abi.encodeCall(Timelock.pause, (block.timestamp + 1)));
        _refused("Timelock", abi.encodeCall(Timelock.setGuardian, (address(this))));
        _refused("Timelock", abi.encodeCall(TimelockController.updateDelay, (0)));
        bytes memory call =
            abi.encodeCall(TimelockController.schedule, (address(1), 0, "", bytes32(0), bytes32(0), 7 days));
        _refused("Timelock", call);
        call = abi.encodeCall(IAccessControl.grantRole, (keccak256("PROPOSER_ROLE"), address(this)));
        _refused("Timelock", call);
        _refused("Governor", abi.encodeCall(NetworkGovernor(payable(0)).setProposalThreshold, (0)));
    }

    function _assertNoRole() private view {
        IAccessControl timelock = IAccessControl(_at("Timelock"));
        string[4] memory roles = ["", "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"];
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 role = i == 0 ? bytes32(0) : keccak256(bytes(roles[i]));
            assertFalse(timelock.hasRole(role, address(this)), roles[i]);
        }
        assertEq(Token(_at("Token")).balanceOf(address(this)), 0, "no tokens but those that it named a holder for");
    }

    function _refused(bytes32 name, bytes memory call) private {
        (bool ok,) = _at(name).call(call);
        assertFalse(ok, string(abi.encodePacked(name)));
    }

    function test_SealRefusesATimelockInWhichTheDeployerHasARole() public {
        _deployMoney();
        _deployIdentity();
        _deployEscrow();
        _deployStaking(_at("NetworkRegistry"));
        FullSet.deployRest(deployment, address(0x60A2D));
        bytes memory asked = abi.encodeCall(IAccessControl.hasRole, (keccak256("CANCELLER_ROLE"), address(this)));
        vm.mockCall(_at("Timelock"), asked, abi.encode(true));
        bytes memory reason =
            abi.encodeWithSelector(Deployment.RoleKept.selector, keccak256("CANCELLER_ROLE"), address(this));
        vm.expectRevert(reason);
        deployment.seal();
        vm.mockCall(_at("Timelock"), asked, abi.encode(false));
        asked = abi.encodeCall(IAccessControl.hasRole, (bytes32(0), _at("Timelock")));
        vm.mockCall(_at("Timelock"), asked, abi.encode(false));
        vm.expectRevert(abi.encodeWithSelector(Deployment.RoleMissing.selector, bytes32(0), _at("Timelock")));
        deployment.seal();
    }
}
