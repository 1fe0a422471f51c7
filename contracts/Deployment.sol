// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Create3} from "@openzeppelin/contracts/utils/Create3.sol";

/// @title Deploys one release of the contracts at addresses known beforehand.
/// @notice Contracts that name each other (Delegations and Escrow, Credits and Escrow) take predicted addresses and call
/// nobody while they are constructed, so the order does not matter. `seal` then checks that every contract exists and
/// reads back every pointer, and drops the owner: from there on this contract can do nothing.
contract Deployment {
    /// A pointer that `seal` reads back: contract `from` must answer `getter` with the address of contract `to`.
    struct Wire {
        bytes32 from;
        string getter;
        bytes32 to;
    }

    /// Whoever deploys; part of the salts, and zero once sealed.
    address public owner;
    address public immutable deployer;
    bytes32 public immutable release;

    event Deployed(bytes32 indexed name, address indexed where);
    event Sealed();

    error NotOwner(address caller);
    error UnknownName(bytes32 name);
    error NoCode(bytes32 name, address where);
    error MiswiredPointer(bytes32 name, string getter, address actual, address expected);

    error RoleMissing(bytes32 role, address holder);
    error RoleKept(bytes32 role, address holder);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    /// @param owner_ Who deploys; named, because this contract itself may come from a CREATE2 factory.
    /// @param release_ Version of the set, so that the next one gets other addresses.
    constructor(address owner_, bytes32 release_) {
        if (owner_ == address(0)) revert NotOwner(owner_);
        owner = owner_;
        deployer = owner_;
        release = release_;
    }

    /// @notice Deploys one contract of the set.
    /// @param name One of `names`.
    /// @param creationCode Bytecode followed by the ABI-encoded constructor arguments.
    /// @return where The address that `addressOf(name)` predicts, whatever the code is.
    function deploy(bytes32 name, bytes calldata creationCode) external onlyOwner returns (address where) {
        _requireKnown(name);
        where = Create3.deploy(0, _salt(name), creationCode);
        emit Deployed(name, where);
    }

    /// @notice Checks the set and gives up the ownership. Reverts when something is missing or wired wrongly.
    function seal() external onlyOwner {
        check();
        owner = address(0);
        emit Sealed();
    }

    /// @notice Reverts unless every contract has code and every pointer leads to the contract of this set.
    function check() public view {
        bytes32[] memory all = names();
        for (uint256 i = 0; i < all.length; ++i) {
            address where = addressOf(all[i]);
            if (where.code.length == 0) revert NoCode(all[i], where);
        }
        Wire[] memory list = wires();
        for (uint256 i = 0; i < list.length; ++i) {
            _checkWire(list[i]);
        }
        _checkRoles();
    }

    /// @notice Where a contract of this set is or will be.
    function addressOf(bytes32 name) public view returns (address) {
        return Create3.computeAddress(_salt(name));
    }

    /// @notice The contracts of the set.
    function names() public pure returns (bytes32[] memory list) {
        list = new bytes32[](21);
        list[0] = "Token";
        list[1] = "Oracle";
        list[2] = "Credits";
        list[3] = "Escrow";
        list[4] = "Delegations";
        list[5] = "NetworkRegistry";
        list[6] = "DeviceRegistry";
        list[7] = "Staking";
        list[8] = "Pointers";
        list[9] = "EvidenceLog";
        list[10] = "RewardsDistributor";
        list[11] = "RootPublisher";
        list[12] = "RootQuorum";
        list[13] = "StorageProofs";
        list[14] = "DisputeManager";
        list[15] = "Emissions";
        list[16] = "Weights";
        list[17] = "Market";
        list[18] = "PasskeyAccounts";
        list[19] = "Timelock";
        list[20] = "Governor";
    }

    /// @notice The pointers between them.
    function wires() public pure returns (Wire[] memory list) {
        list = new Wire[](56);
        list[0] = Wire("Token", "minter()", "Emissions");
        list[1] = Wire("Credits", "token()", "Token");
        list[2] = Wire("Credits", "escrow()", "Escrow");
        list[3] = Wire("Credits", "oracle()", "Oracle");
        list[4] = Wire("Credits", "authority()", "Timelock");
        list[5] = Wire("Escrow", "CREDITS()", "Credits");
        list[6] = Wire("Escrow", "REGISTRY()", "NetworkRegistry");
        list[7] = Wire("Escrow", "DELEGATIONS()", "Delegations");
        list[8] = Wire("Escrow", "DISTRIBUTOR()", "RewardsDistributor");
        list[9] = Wire("Delegations", "escrow()", "Escrow");
        list[10] = Wire("NetworkRegistry", "token()", "Token");
        list[11] = Wire("DeviceRegistry", "registry()", "NetworkRegistry");
        list[12] = Wire("DeviceRegistry", "delegations()", "Delegations");
        list[13] = Wire("DeviceRegistry", "disputes()", "DisputeManager");
        list[14] = Wire("Staking", "token()", "Token");
        list[15] = Wire("Staking", "registry()", "NetworkRegistry");
        list[16] = Wire("Staking", "authority()", "Timelock");
        list[17] = Wire("Staking", "slasher()", "DisputeManager");
        list[18] = Wire("Pointers", "delegations()", "Delegations");
        list[19] = Wire("EvidenceLog", "registry()", "NetworkRegistry");
        list[20] = Wire("EvidenceLog", "staking()", "Staking");
        list[21] = Wire("RewardsDistributor", "registry()", "NetworkRegistry");
        list[22] = Wire("RewardsDistributor", "staking()", "Staking");
        list[23] = Wire("RewardsDistributor", "disputes()", "DisputeManager");
        list[24] = Wire("RootPublisher", "registry()", "NetworkRegistry");
        list[25] = Wire("RootPublisher", "distributor()", "RewardsDistributor");
        list[26] = Wire("RootQuorum", "registry()", "NetworkRegistry");
        list[27] = Wire("RootQuorum", "distributor()", "RewardsDistributor");
        list[28] = Wire("RootQuorum", "staking()", "Staking");
        list[29] = Wire("StorageProofs", "token()", "Token");
        list[30] = Wire("StorageProofs", "registry()", "NetworkRegistry");
        list[31] = Wire("StorageProofs", "delegations()", "Delegations");
        list[32] = Wire("StorageProofs", "disputes()", "DisputeManager");
        list[33] = Wire("DisputeManager", "token()", "Token");
        list[34] = Wire("DisputeManager", "registry()", "NetworkRegistry");
        list[35] = Wire("DisputeManager", "staking()", "Staking");
        list[36] = Wire("DisputeManager", "devices()", "DeviceRegistry");
        list[37] = Wire("DisputeManager", "distributor()", "RewardsDistributor");
        list[38] = Wire("DisputeManager", "publisher()", "RootPublisher");
        list[39] = Wire("DisputeManager", "quorum()", "RootQuorum");
        list[40] = Wire("DisputeManager", "storageProofs()", "StorageProofs");
        list[41] = Wire("Emissions", "TOKEN()", "Token");
        list[42] = Wire("Emissions", "CREDITS()", "Credits");
        list[43] = Wire("Emissions", "ESCROW()", "Escrow");
        list[44] = Wire("Emissions", "REGISTRY()", "NetworkRegistry");
        list[45] = Wire("Emissions", "DISTRIBUTOR()", "RewardsDistributor");
        list[46] = Wire("Emissions", "AUTHORITY()", "Timelock");
        list[47] = Wire("Emissions", "weights()", "Weights");
        list[48] = Wire("Weights", "ESCROW()", "Escrow");
        list[49] = Wire("Weights", "AUTHORITY()", "Timelock");
        list[50] = Wire("Market", "ESCROW()", "Escrow");
        list[51] = Wire("Market", "STAKING()", "Staking");
        list[52] = Wire("Market", "AUTHORITY()", "Timelock");
        list[53] = Wire("Governor", "token()", "Staking");
        list[54] = Wire("Governor", "TOKEN()", "Token");
        list[55] = Wire("Governor", "timelock()", "Timelock");
    }

    /// @dev Roles are no pointers: the Governor alone proposes and cancels, the Timelock alone changes roles, and whoever
    /// deployed has none.
    function _checkRoles() private view {
        IAccessControl timelock = IAccessControl(addressOf("Timelock"));
        address governor = addressOf("Governor");
        bytes32[3] memory held = [bytes32(0), keccak256("PROPOSER_ROLE"), keccak256("CANCELLER_ROLE")];
        for (uint256 i = 0; i < held.length; ++i) {
            address holder = held[i] == 0 ? address(timelock) : governor;
            if (!timelock.hasRole(held[i], holder)) revert RoleMissing(held[i], holder);
            if (timelock.hasRole(held[i], deployer)) revert RoleKept(held[i], deployer);
        }
    }

    function _checkWire(Wire memory w) private view {
        address expected = addressOf(w.to);
        (bool ok, bytes memory answer) = addressOf(w.from).staticcall(abi.encodeWithSignature(w.getter));
        address actual = ok && answer.length == 32 ? address(uint160(uint256(bytes32(answer)))) : address(0);
        if (actual != expected) revert MiswiredPointer(w.from, w.getter, actual, expected);
    }

    function _salt(bytes32 name) private view returns (bytes32) {
        return keccak256(abi.encode(deployer, release, name));
    }

    function _requireKnown(bytes32 name) private pure {
        bytes32[] memory all = names();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == name) return;
        }
        revert UnknownName(name);
    }
}
