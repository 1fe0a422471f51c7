// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title CAIRN: stakes, bonds and rewards; what credits are bought with.
/// @notice 18 decimals. The genesis supply exists from the start; beyond it only the one minter that construction names
/// can mint. That is Emissions, which holds itself to its schedule, or nobody (zero), and it never changes.
/// Unstaked tokens have no vote: votes are counted by Staking.
/// @dev ERC-3009 is OpenZeppelin's base with random nonces, as wallets and payment clients make them, and not its
/// ERC20TransferAuthorization, whose nonces must be sequential.
contract Token is ERC20, ERC20Permit, ERC20Burnable, ERC3009 {
    /// The only account that can mint, for ever; zero when nobody can.
    address public immutable minter;

    error NotMinter(address caller);

    /// @param recipient Receives the genesis supply.
    /// @param supply Genesis supply in wei of CAIRN.
    /// @param minter_ Predicted address of Emissions; zero for a supply that only falls.
    constructor(address recipient, uint256 supply, address minter_) ERC20("Cairn", "CAIRN") ERC20Permit("Cairn") {
        minter = minter_;
        _mint(recipient, supply);
    }

    /// @notice Mints `amount` wei of CAIRN to `to`.
    function mint(address to, uint256 amount) external {
        if (msg.sender != minter) revert NotMinter(msg.sender);
        _mint(to, amount);
    }
}
