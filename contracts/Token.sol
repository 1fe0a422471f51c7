// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title CAIRN: stakes, bonds and rewards; what credits are bought with.
/// @notice 18 decimals. The whole supply exists from genesis and no one can mint: the reward pots of this stage are
/// funded from it. Emissions will be the one minter of the token that follows.
/// @dev ERC-3009 is OpenZeppelin's base with random nonces, as wallets and payment clients make them, and not its
/// ERC20TransferAuthorization, whose nonces must be sequential.
contract Token is ERC20, ERC20Permit, ERC20Burnable, ERC3009 {
    /// @param recipient Receives the genesis supply.
    /// @param supply Genesis supply in wei of CAIRN.
    constructor(address recipient, uint256 supply) ERC20("Cairn", "CAIRN") ERC20Permit("Cairn") {
        _mint(recipient, supply);
    }
}
