// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice The one answer of NetworkRegistry that Escrow reads.
contract MockRegistry {
    struct Fee {
        uint16 bps;
        address recipient;
    }

    mapping(uint32 net => Fee) public feeOf;

    function setFee(uint32 net, uint16 bps, address recipient) external {
        feeOf[net] = Fee(bps, recipient);
    }
}

/// @notice The one answer of RewardsDistributor that Escrow reads.
contract MockDistributor {
    mapping(bytes32 => bool) private _active;

    function setActive(uint32 net, address asset, uint32 index, bytes32 root, bool active) external {
        _active[keccak256(abi.encode(net, asset, index, root))] = active;
    }

    function isActiveRoot(uint32 net, address asset, uint32 index, bytes32 root) external view returns (bool) {
        return _active[keccak256(abi.encode(net, asset, index, root))];
    }
}
