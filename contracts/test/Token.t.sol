// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Token} from "../Token.sol";
import {Test} from "./Vm.sol";

contract TokenTest is Test {
    Token private cairn;
    uint256 private constant KEY = 0xA11CE;
    address private constant MINTER = address(0x3147);

    function setUp() public {
        vm.warp(1_800_000_000);
        cairn = new Token(vm.addr(KEY), 1e27, MINTER);
    }

    function test_OnlyTheMinterMints() public {
        vm.prank(MINTER);
        cairn.mint(address(this), 5);
        assertEq(cairn.balanceOf(address(this)), 5, "minted");
        assertEq(cairn.totalSupply(), 1e27 + 5, "supply");
        vm.expectRevert(abi.encodeWithSelector(Token.NotMinter.selector, address(this)));
        cairn.mint(address(this), 1);
    }

    function test_WithoutAMinterNobodyMints() public {
        Token fixedSupply = new Token(address(this), 1, address(0));
        vm.expectRevert(abi.encodeWithSelector(Token.NotMinter.selector, address(this)));
        fixedSupply.mint(address(this), 1);
    }

    function test_GenesisSupplyGoesToTheNamedRecipient() public view {
        assertEq(cairn.totalSupply(), 1e27, "supply");
        assertEq(cairn.balanceOf(vm.addr(KEY)), 1e27, "recipient");
        assertEq(cairn.decimals(), 18, "decimals");
        assertEq(keccak256(bytes(cairn.symbol())), keccak256("CAIRN"), "symbol");
        assertEq(keccak256(bytes(cairn.name())), keccak256("Cairn"), "name");
    }

    function test_BurningLowersTheSupply() public {
        vm.prank(vm.addr(KEY));
        cairn.burn(1e26);
        assertEq(cairn.totalSupply(), 9e26, "supply");
    }

    function test_PermitSetsAnAllowanceOnce() public {
        address holder = vm.addr(KEY);
        bytes32 digest = _digest(
            keccak256(
                abi.encode(
                    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                    holder,
                    address(this),
                    uint256(5),
                    uint256(0),
                    block.timestamp
                )
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest);
        cairn.permit(holder, address(this), 5, block.timestamp, v, r, s);
        assertEq(cairn.allowance(holder, address(this)), 5, "allowance");
        vm.expectRevert();
        cairn.permit(holder, address(this), 5, block.timestamp, v, r, s);
    }

    function test_AuthorizationWithARandomNonceMovesMoneyOnce() public {
        address holder = vm.addr(KEY);
        bytes32 nonce = keccak256("random");
        bytes32 digest = _digest(
            keccak256(
                abi.encode(
                    keccak256(
                        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                    ),
                    holder,
                    address(9),
                    uint256(7),
                    uint256(0),
                    block.timestamp + 1,
                    nonce
                )
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest);
        cairn.transferWithAuthorization(holder, address(9), 7, 0, block.timestamp + 1, nonce, v, r, s);
        assertEq(cairn.balanceOf(address(9)), 7, "received");
        vm.expectRevert();
        cairn.transferWithAuthorization(holder, address(9), 7, 0, block.timestamp + 1, nonce, v, r, s);
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", cairn.DOMAIN_SEPARATOR(), structHash));
    }
}
