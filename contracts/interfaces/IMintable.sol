// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title CAIRN as its one minter sees it.
interface IMintable is IERC20 {
    function mint(address to, uint256 amount) external;
    function minter() external view returns (address);
}
