// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";

/// @notice Keeps 1 % of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : value / 100;
        super._update(from, to, value - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}

/// @notice Returns nothing from transfer and transferFrom, like some old tokens.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Calls `target` with `payload` in the middle of a transfer and remembers how that went.
contract ReentrantToken is ERC20("Reentrant", "RE") {
    address private _target;
    bytes private _payload;
    bool public called;
    bool public succeeded;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(address target, bytes calldata payload) external {
        (_target, _payload, called, succeeded) = (target, payload, false, false);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_target == address(0) || called || from == address(0)) return;
        called = true;
        (succeeded,) = _target.call(_payload);
    }
}

/// @notice Claims to have moved money by anybody's authorization, to be granted that account's session key.
contract LyingToken is ERC20("Lie", "LIE") {
    bytes32 public DOMAIN_SEPARATOR;

    function setDomain(bytes32 domain) external {
        DOMAIN_SEPARATOR = domain;
    }

    function receiveWithAuthorization(
        address,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        uint8,
        bytes32,
        bytes32
    ) external {
        _mint(to, value);
    }
}

/// @notice Redeems two batches in one transaction.
contract TwiceRedeemer {
    function redeemTwice(
        IEscrow escrow,
        address payee,
        address asset,
        uint32 net,
        IEscrow.Voucher[] calldata first,
        IEscrow.Voucher[] calldata second
    ) external returns (uint128, uint128) {
        return (escrow.redeem(payee, asset, net, first), escrow.redeem(payee, asset, net, second));
    }
}
