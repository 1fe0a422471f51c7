// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IPriceOracle} from "./IPriceOracle.sol";

/// @title Credits: stable-priced units of service, backed by a vault of CAIRN.
/// @notice Every amount of credits in this interface, in balances, in Escrow and in vouchers is in µcredits:
/// 1 credit = $0.00001 = 1e6 µcredits, so $1 = 1e11 µcredits. Every amount of tokens is in CAIRN wei.
interface ICredits {
    /// @notice Credits were bought. `price` is the Pm used, USD · 1e18 per CAIRN.
    event CreditsMinted(address indexed from, address indexed to, uint256 tokensIn, uint256 credits, uint256 price);
    /// @notice Earned credits were turned back into CAIRN. `price` is the Pr used, 0 for a pro rata redemption.
    event CreditsRedeemed(address indexed to, uint256 credits, uint256 fromVault, uint256 fromTopUp, uint256 price);
    event ToppedUp(address indexed from, uint256 tokens);
    /// @notice Minting stopped because the vault's cover fell under 90 %, or came back at 95 %.
    event MintHaltSet(bool halted);
    /// @notice The price went missing at `since`, or is back (`since` = 0).
    event PriceInvalidSince(uint40 since);
    event OracleProposed(address indexed oracle, uint40 readyAt);
    event OracleApplied(address indexed oracle);
    event OracleProposalCancelled(address indexed oracle);

    error ZeroAddress();
    error ZeroAmount();
    /// A wallet can only send its credits into Escrow, and only by an Escrow deposit that accounts for them.
    error NotTransferable(address from, address to);
    error NotEscrow(address caller);
    error NotAuthority(address caller);
    error PriceInvalid();
    error PriceIsValid();
    error MintHalted();
    error MintLimitExceeded(uint256 credits, uint256 available);
    /// `actual` is worse than the caller's `bound`: more tokens in, fewer credits or fewer tokens out.
    error Slippage(uint256 actual, uint256 bound);
    error NoProposal();
    error TooEarly(uint40 readyAt);
    error Lapsed(uint40 lapsedAt);
    /// The oracle's gas allowance cannot be met, so its silence would prove nothing.
    error NotEnoughGas();

    function mint(address to, uint256 creditsOut, uint256 maxTokensIn) external returns (uint256 tokensIn);
    function mintExactIn(address to, uint256 tokensIn, uint256 minCreditsOut) external returns (uint256 creditsOut);
    function mintWithPrice(address to, uint256 creditsOut, uint256 maxTokensIn, bytes[] calldata priceUpdate)
        external
        payable
        returns (uint256 tokensIn);
    function mintExactInWithPrice(address to, uint256 tokensIn, uint256 minCreditsOut, bytes[] calldata priceUpdate)
        external
        payable
        returns (uint256 creditsOut);
    function redeem(address to, uint256 credits, uint256 minTokens) external returns (uint256 tokens);
    function redeemProRata(address to, uint256 credits, uint256 minTokens) external returns (uint256 tokens);
    function burn(uint256 credits) external;
    function topUp(uint256 tokens) external;
    function poke() external;
    function proposeOracle(IPriceOracle next) external;
    function cancelOracle() external;
    function applyOracle() external;

    function token() external view returns (address);
    function escrow() external view returns (address);
    function authority() external view returns (address);
    function oracle() external view returns (IPriceOracle);
    function proposedOracle() external view returns (IPriceOracle next, uint40 readyAt);
    /// @return tokens R: CAIRN that backs the supply. Donations are not counted.
    function vault() external view returns (uint256 tokens);
    /// @return tokens CAIRN set aside to pay redeemers what the vault's share does not cover.
    function topUpReserve() external view returns (uint256 tokens);
    /// @return valid Whether the oracle gives a usable price now.
    /// @return mintPrice Pm = min(spot, ema) − 2σ.
    /// @return redeemPrice Pr = max(spot, ema) + 2σ.
    function prices() external view returns (bool valid, uint256 mintPrice, uint256 redeemPrice);
    /// @return ratio R · Pm / C with 18 decimals, 2^256 − 1 for an empty supply.
    function cover() external view returns (uint256 ratio);
    function mintHalted() external view returns (bool);
    /// @return credits What may still be minted today.
    function mintable() external view returns (uint256 credits);
    /// @return since When the price was first seen missing; 0 while it is there.
    function priceInvalidSince() external view returns (uint40 since);
    function quoteMint(uint256 creditsOut) external view returns (uint256 tokensIn);
    function quoteMintExactIn(uint256 tokensIn) external view returns (uint256 creditsOut);
    function quoteRedeem(uint256 credits) external view returns (uint256 tokens);
}
