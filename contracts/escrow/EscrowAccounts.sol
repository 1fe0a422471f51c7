// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {EscrowChecks} from "./EscrowChecks.sol";
import {EscrowKeys} from "./EscrowKeys.sol";

/// @title How money enters and leaves Escrow.
/// @notice Deposits are booked by the balance's difference, so that a token that keeps a part of every transfer is
/// booked at what arrived. Rebasing tokens are not supported; the damage stays within that token.
abstract contract EscrowAccounts is EscrowKeys {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice Moves `amount` of `asset` from the caller into the account of `to`.
    /// @return received What arrived.
    function deposit(address to, address asset, uint128 amount) external nonReentrant returns (uint128 received) {
        return _pull(to, asset, amount);
    }

    /// @notice Like deposit to oneself, with the allowance given by an ERC-2612 signature of the caller.
    /// @dev It credits nobody but the caller: for a third party the allowance alone would prove nothing about the owner's
    /// will. A permit that somebody submitted first fails here and has done its work, so its failure is ignored.
    function depositWithPermit(address asset, uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        returns (uint128 received)
    {
        try IERC20Permit(asset).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        return _pull(msg.sender, asset, amount);
    }

    function _pull(address to, address asset, uint128 amount) private returns (uint128) {
        if (amount == 0) revert ZeroAmount();
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), amount);
        return _book(msg.sender, to, asset, before);
    }

    /// @dev After the transfer, because only then is it known what arrived; every entry point is behind the guard.
    function _book(address from, address to, address asset, uint256 before) private returns (uint128 received) {
        if (to == address(0)) revert ZeroAddress();
        received = (IERC20(asset).balanceOf(address(this)) - before).toUint128();
        if (received == 0) revert ZeroAmount();
        _giveAvailable(to, asset, received);
        emit Deposited(from, to, asset, received);
    }

    /// @notice Deposits by an ERC-3009 signature of `authorization.from`, and with the same signature registers its
    /// session key. Anyone may submit it and nobody can change it: the nonce commits to receiver, asset and grant.
    /// @param to Account to credit; must be the signer's own if a key is granted.
    /// @param grant The session key; `grant.key` = 0 for none. `grant.limit` is in units of `asset`.
    function depositWithAuthorization(
        address to,
        address asset,
        Authorization calldata authorization,
        SessionGrant calldata grant
    ) external nonReentrant returns (uint128 received) {
        (uint256 nonce,) = _check(EscrowChecks.authorization.selector);
        uint256 before = IERC20(asset).balanceOf(address(this));
        _receive(asset, authorization, bytes32(nonce));
        received = _book(authorization.from, to, asset, before);
        if (grant.key != address(0)) _grant(authorization.from, asset, grant);
    }

    function _receive(address asset, Authorization calldata a, bytes32 nonce) private {
        IERC3009(asset)
            .receiveWithAuthorization(
                a.from, address(this), a.amount, a.validAfter, a.validBefore, nonce, a.v, a.r, a.s
            );
    }

    /// @notice Starts to move `amount` from available out. Adds to what is thawing and restarts its clock: vouchers may
    /// draw all of it until then.
    /// @return thawEnd When withdraw works.
    function thaw(address asset, uint128 amount) external returns (uint40 thawEnd) {
        _takeAvailable(msg.sender, asset, amount);
        Account storage books = _books(msg.sender, asset);
        thawEnd = uint40(block.timestamp) + THAW;
        books.thawing += amount;
        books.thawEnd = thawEnd;
        emit Thawing(msg.sender, asset, amount, thawEnd);
    }

    /// @notice Makes everything that thaws available again.
    function cancelThaw(address asset) external returns (uint128 amount) {
        amount = _endThaw(asset);
        _giveAvailable(msg.sender, asset, amount);
        emit ThawCancelled(msg.sender, asset, amount);
    }

    /// @notice Sends what has thawed, less what vouchers drew meanwhile, to `to`.
    function withdraw(address asset, address to) external nonReentrant returns (uint128 amount) {
        uint40 thawEnd = _books(msg.sender, asset).thawEnd;
        if (block.timestamp < thawEnd) revert StillThawing(thawEnd);
        amount = _endThaw(asset);
        emit Withdrawn(msg.sender, asset, to, amount);
        IERC20(asset).safeTransfer(to, amount);
    }

    function _endThaw(address asset) private returns (uint128 amount) {
        Account storage books = _books(msg.sender, asset);
        amount = books.thawing;
        if (amount == 0) revert ZeroAmount();
        books.thawing = 0;
        books.thawEnd = 0;
    }

    /// @notice Sends earned money to `to` at once. Credits that leave this way are no longer earned: they can be spent
    /// again after a deposit, but not redeemed; use redeemEarned for CAIRN.
    function withdrawEarned(address asset, uint128 amount, address to) external nonReentrant {
        _takeEarned(asset, amount);
        emit EarnedWithdrawn(msg.sender, asset, to, amount);
        IERC20(asset).safeTransfer(to, amount);
    }

    /// @notice Makes earned money spendable. One way: for Credits it gives up the right to redeem them.
    function earnedToAvailable(address asset, uint128 amount) external {
        _takeEarned(asset, amount);
        _giveAvailable(msg.sender, asset, amount);
        emit EarnedMadeAvailable(msg.sender, asset, amount);
    }

    /// @notice Turns earned credits into CAIRN at Credits' redeem price, or less than that value while the vault lacks
    /// cover; reverts below `minTokens` and leaves the credits as they were.
    /// @return tokens CAIRN wei sent to `to`.
    function redeemEarned(uint128 credits, uint256 minTokens, address to)
        external
        nonReentrant
        returns (uint256 tokens)
    {
        return _redeemEarned(credits, minTokens, to);
    }

    /// @notice The same with a price that the caller brings, as in Credits.mintWithPrice. What of msg.value the price's
    /// source does not charge returns to the caller.
    function redeemEarnedWithPrice(uint128 credits, uint256 minTokens, address to, bytes[] calldata)
        external
        payable
        nonReentrant
        returns (uint256 tokens)
    {
        _check(EscrowChecks.updatePrice.selector);
        return _redeemEarned(credits, minTokens, to);
    }

    function _redeemEarned(uint128 credits, uint256 minTokens, address to) private returns (uint256 tokens) {
        _takeEarned(address(CREDITS), credits);
        tokens = CREDITS.redeem(to, credits, minTokens);
        emit EarnedRedeemed(msg.sender, to, credits, tokens);
    }

    /// @notice The same for when Credits has had no price for 14 days: the plain share of the vault.
    function redeemEarnedProRata(uint128 credits, uint256 minTokens, address to)
        external
        nonReentrant
        returns (uint256 tokens)
    {
        _takeEarned(address(CREDITS), credits);
        tokens = CREDITS.redeemProRata(to, credits, minTokens);
        emit EarnedRedeemed(msg.sender, to, credits, tokens);
    }

    function _takeEarned(address asset, uint128 amount) private {
        if (amount == 0) revert ZeroAmount();
        Account storage books = _books(msg.sender, asset);
        uint128 earned = books.earned;
        if (earned < amount) revert Insufficient(amount, earned);
        books.earned = earned - amount;
    }
}
