// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICredits} from "./interfaces/ICredits.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IUpdatableOracle} from "./interfaces/IUpdatableOracle.sol";
import {MintLimit} from "./libraries/MintLimit.sol";
import {Pause} from "./libraries/Pause.sol";
import {PriceBand} from "./oracle/PriceBand.sol";

/// @title Credits: bought with CAIRN, spent through Escrow, turned back into CAIRN by those who earned them.
/// @notice **Units.** The ERC-20 unit is the µcredit, the unit of vouchers, rates and Escrow, so no amount is ever
/// converted on the way to a payment. decimals() is 6: a wallet shows whole credits, and "1" there is the one credit
/// ($0.00001) that every document and price list means. (5 decimals would make a wallet show dollars only if the unit
/// were the credit; 11 would show dollars and call a dollar one credit.) $1 = 100 000 credits = 1e11 µcredits.
///
/// **Backing.** What buyers pay goes to the vault (R tokens for a supply of C). Operators' dollars hold while
/// R · price / C ≥ 1, plus top-ups; below that a redeemer gets the pro rata share R · c / C and may instead wait. Since
/// nobody ever takes more than the pro rata share, nobody gains by running first.
///
/// **Prices.** Buying uses the low end of the oracle's band and redeeming the high end, and everything rounds against
/// whoever acts, so that no round trip gains. A missing price stops mint and redeem and nothing else; the guardian's
/// pause stops mint alone.
/// @dev Only Escrow redeems, because only it can tell earned credits from bought ones.
contract Credits is ICredits, ERC20, ERC20Permit, ERC3009, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using PriceBand for IPriceOracle;
    using MintLimit for MintLimit.Window;

    /// @dev value(µcredits) = tokens(wei) · price(USD · 1e18) / SCALE: 1e18 wei · 1e18 = $1 = 1e11 µcredits.
    uint256 private constant SCALE = 1e25;
    /// @dev Minting stops below HALT_AT of cover and resumes at RESUME_AT; the gap keeps it from flickering.
    uint256 private constant HALT_AT = 0.9e18;
    uint256 private constant RESUME_AT = 0.95e18;
    /// @notice Without a price for this long, earned credits may be redeemed pro rata.
    uint40 public constant NO_PRICE_DELAY = 14 days;
    /// @notice Delay of an oracle change, and the time after it within which it must be applied.
    uint40 public constant ORACLE_DELAY = 14 days;

    IERC20 private immutable _TOKEN;
    address private immutable _ESCROW;
    address private immutable _AUTHORITY;
    /// @notice µcredits that may be minted in a day however small the supply is.
    uint256 public immutable DAILY_FLOOR;

    uint128 private _vault;
    uint128 private _topUp;
    IPriceOracle private _oracle;
    uint40 private _priceInvalidSince;
    bool private _mintHalted;
    MintLimit.Window private _window;
    IPriceOracle private _proposedOracle;
    uint40 private _proposalReadyAt;

    /// @param token_ CAIRN.
    /// @param escrow_ The Escrow; it may not exist yet, as it is constructed with this contract's address.
    /// @param oracle_ The first oracle.
    /// @param authority_ May propose another oracle, and pause minting for days if it is the Timelock; nothing else.
    /// @param dailyFloor µcredits that may be minted a day while a tenth of the supply is less.
    constructor(IERC20 token_, address escrow_, IPriceOracle oracle_, address authority_, uint256 dailyFloor)
        ERC20("Cairn Credits", "CREDIT")
        ERC20Permit("Cairn Credits")
    {
        if (address(token_) == address(0) || escrow_ == address(0)) revert ZeroAddress();
        if (address(oracle_) == address(0) || authority_ == address(0)) revert ZeroAddress();
        _TOKEN = token_;
        _ESCROW = escrow_;
        _AUTHORITY = authority_;
        DAILY_FLOOR = dailyFloor;
        _oracle = oracle_;
        emit OracleApplied(address(oracle_));
    }

    modifier onlyEscrow() {
        if (msg.sender != _ESCROW) revert NotEscrow(msg.sender);
        _;
    }

    modifier onlyAuthority() {
        if (msg.sender != _AUTHORITY) revert NotAuthority(msg.sender);
        _;
    }

    // ------------------------------------------------------------------------------------------------------- buying

    /// @notice Buys exactly `creditsOut` µcredits for `to`.
    /// @param maxTokensIn Most CAIRN wei the caller will pay.
    /// @return tokensIn CAIRN wei taken, rounded up.
    function mint(address to, uint256 creditsOut, uint256 maxTokensIn)
        external
        nonReentrant
        returns (uint256 tokensIn)
    {
        return _mintExactOut(to, creditsOut, maxTokensIn);
    }

    /// @notice mint with a price that the caller brings: `priceUpdate` goes to the oracle first, which charges its
    /// source's fee to msg.value and returns the rest. Only for oracles that take updates.
    function mintWithPrice(address to, uint256 creditsOut, uint256 maxTokensIn, bytes[] calldata priceUpdate)
        external
        payable
        nonReentrant
        returns (uint256 tokensIn)
    {
        _updatePrice(priceUpdate);
        return _mintExactOut(to, creditsOut, maxTokensIn);
    }

    function _mintExactOut(address to, uint256 creditsOut, uint256 maxTokensIn) private returns (uint256 tokensIn) {
        uint256 price = _mintPrice();
        tokensIn = Math.mulDiv(creditsOut, SCALE, price, Math.Rounding.Ceil);
        if (tokensIn > maxTokensIn) revert Slippage(tokensIn, maxTokensIn);
        _buy(to, tokensIn, creditsOut, price);
    }

    /// @notice Buys as many µcredits for `to` as `tokensIn` CAIRN wei give.
    /// @return creditsOut µcredits, rounded down.
    function mintExactIn(address to, uint256 tokensIn, uint256 minCreditsOut)
        external
        nonReentrant
        returns (uint256 creditsOut)
    {
        return _mintExactIn(to, tokensIn, minCreditsOut);
    }

    /// @notice mintExactIn with a price that the caller brings, as in mintWithPrice.
    function mintExactInWithPrice(address to, uint256 tokensIn, uint256 minCreditsOut, bytes[] calldata priceUpdate)
        external
        payable
        nonReentrant
        returns (uint256 creditsOut)
    {
        _updatePrice(priceUpdate);
        return _mintExactIn(to, tokensIn, minCreditsOut);
    }

    function _mintExactIn(address to, uint256 tokensIn, uint256 minCreditsOut) private returns (uint256 creditsOut) {
        uint256 price = _mintPrice();
        creditsOut = Math.mulDiv(tokensIn, price, SCALE);
        if (creditsOut < minCreditsOut) revert Slippage(creditsOut, minCreditsOut);
        _buy(to, tokensIn, creditsOut, price);
    }

    function _updatePrice(bytes[] calldata priceUpdate) private {
        IUpdatableOracle(address(_oracle)).update{value: msg.value}(priceUpdate, msg.sender);
    }

    /// @dev Records the price and the halt. Below 90 % of cover a mint reverts, which also undoes the record; poke()
    /// and redeem() keep it.
    function _mintPrice() private returns (uint256 price) {
        (bool valid, uint256 low,) = _touch();
        if (!valid) revert PriceInvalid();
        if (_mintHalted) revert MintHalted();
        return low;
    }

    function _buy(address to, uint256 tokensIn, uint256 creditsOut, uint256 price) private {
        Pause.check(_AUTHORITY);
        if (creditsOut == 0) revert ZeroAmount();
        // Escrow keeps books: credits that it holds without a deposit would belong to nobody.
        if (to == _ESCROW) revert NotTransferable(address(0), to);
        _window.consume(creditsOut, totalSupply(), DAILY_FLOOR);
        _vault += tokensIn.toUint128();
        _mint(to, creditsOut);
        emit CreditsMinted(msg.sender, to, tokensIn, creditsOut, price);
        _TOKEN.safeTransferFrom(msg.sender, address(this), tokensIn);
    }

    // ---------------------------------------------------------------------------------------------------- redeeming

    /// @notice Burns the Escrow's `credits` and pays their value, or the pro rata share of the vault if that is less,
    /// then what the top-up reserve can add up to the value.
    /// @param to Receives the CAIRN.
    /// @param minTokens Least CAIRN wei; below it the call reverts and the holder keeps the credits and may wait.
    /// @return tokens CAIRN wei paid.
    function redeem(address to, uint256 credits, uint256 minTokens)
        external
        onlyEscrow
        nonReentrant
        returns (uint256 tokens)
    {
        (bool valid,, uint256 price) = _touch();
        if (!valid) revert PriceInvalid();
        (uint256 fromVault, uint256 fromTopUp) = _split(credits, price);
        return _payOut(to, credits, minTokens, fromVault, fromTopUp, price);
    }

    /// @notice Without a price for 14 days: burns the Escrow's `credits` and pays their share of the vault.
    /// @dev The reserve stays, as it pays differences in value and no value is known.
    function redeemProRata(address to, uint256 credits, uint256 minTokens)
        external
        onlyEscrow
        nonReentrant
        returns (uint256 tokens)
    {
        (bool valid,,) = _touch();
        if (valid) revert PriceIsValid();
        uint40 readyAt = _priceInvalidSince + NO_PRICE_DELAY;
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        return _payOut(to, credits, minTokens, _share(credits), 0, 0);
    }

    function _payOut(
        address to,
        uint256 credits,
        uint256 minTokens,
        uint256 fromVault,
        uint256 fromTopUp,
        uint256 price
    ) private returns (uint256 tokens) {
        if (credits == 0) revert ZeroAmount();
        tokens = fromVault + fromTopUp;
        if (tokens < minTokens) revert Slippage(tokens, minTokens);
        // Both fit: they are at most the uint128 they are taken from.
        _vault -= uint128(fromVault);
        _topUp -= uint128(fromTopUp);
        _burn(msg.sender, credits);
        emit CreditsRedeemed(to, credits, fromVault, fromTopUp, price);
        _TOKEN.safeTransfer(to, tokens);
    }

    /// @dev v = value at Pr, s = ⌊R · c / C⌋; the vault gives min(v, s) and the reserve as much of v − that as it has.
    function _split(uint256 credits, uint256 price) private view returns (uint256 fromVault, uint256 fromTopUp) {
        uint256 value = Math.mulDiv(credits, SCALE, price);
        fromVault = Math.min(value, _share(credits));
        fromTopUp = Math.min(value - fromVault, _topUp);
    }

    function _share(uint256 credits) private view returns (uint256) {
        uint256 supply = totalSupply();
        return supply == 0 ? 0 : Math.mulDiv(_vault, credits, supply);
    }

    /// @notice Burns the caller's own credits. The vault keeps their tokens, for the credits that remain. Escrow burns
    /// the protocol fee so.
    function burn(uint256 credits) external {
        _burn(msg.sender, credits);
    }

    /// @notice Adds CAIRN to the reserve that pays redeemers what the vault's share does not cover. Not returned.
    function topUp(uint256 tokens) external nonReentrant {
        if (tokens == 0) revert ZeroAmount();
        _topUp += tokens.toUint128();
        emit ToppedUp(msg.sender, tokens);
        _TOKEN.safeTransferFrom(msg.sender, address(this), tokens);
    }

    // -------------------------------------------------------------------------------------------- price and oracle

    /// @notice Records whether there is a price and whether minting is halted. Anyone, any time: it starts and stops
    /// the clock of redeemProRata, and keeps a halt that only failing mints would have seen.
    function poke() external nonReentrant {
        _touch();
    }

    function _touch() private returns (bool valid, uint256 low, uint256 high) {
        (valid, low, high) = _oracle.read();
        if (valid != (_priceInvalidSince == 0)) {
            _priceInvalidSince = valid ? 0 : uint40(block.timestamp);
            emit PriceInvalidSince(_priceInvalidSince);
        }
        if (!valid) return (valid, low, high);
        bool halted = _isHalted(_coverAt(low));
        if (halted != _mintHalted) {
            _mintHalted = halted;
            emit MintHaltSet(halted);
        }
    }

    function _isHalted(uint256 ratio) private view returns (bool) {
        return ratio < (_mintHalted ? RESUME_AT : HALT_AT);
    }

    function _coverAt(uint256 price) private view returns (uint256) {
        uint256 supply = totalSupply();
        if (supply == 0) return type(uint256).max;
        return Math.mulDiv(uint256(_vault) * price, 1e18, supply * SCALE);
    }

    /// @notice Proposes another oracle. It takes effect by applyOracle after 14 days, or not at all 14 days later.
    function proposeOracle(IPriceOracle next) external onlyAuthority {
        if (address(next) == address(0)) revert ZeroAddress();
        _proposedOracle = next;
        _proposalReadyAt = uint40(block.timestamp) + ORACLE_DELAY;
        emit OracleProposed(address(next), _proposalReadyAt);
    }

    /// @notice Withdraws the proposal.
    function cancelOracle() external onlyAuthority {
        IPriceOracle next = _proposedOracle;
        if (address(next) == address(0)) revert NoProposal();
        delete _proposedOracle;
        delete _proposalReadyAt;
        emit OracleProposalCancelled(address(next));
    }

    /// @notice Makes the proposed oracle the oracle; by anyone, in the 14 days after its delay.
    function applyOracle() external {
        IPriceOracle next = _proposedOracle;
        uint40 readyAt = _proposalReadyAt;
        if (address(next) == address(0)) revert NoProposal();
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        if (block.timestamp >= readyAt + ORACLE_DELAY) revert Lapsed(readyAt + ORACLE_DELAY);
        delete _proposedOracle;
        delete _proposalReadyAt;
        _oracle = next;
        emit OracleApplied(address(next));
    }

    // ------------------------------------------------------------------------------------------------------- ERC-20

    /// @notice 6: balances are in µcredits and wallets show credits.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @dev Credits move only when minted, burned, or by Escrow's own call: into it by a deposit, which it books, or
    /// out of it. A plain transfer to Escrow is refused, since it would be lost.
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0) && msg.sender != _ESCROW) revert NotTransferable(from, to);
        super._update(from, to, value);
    }

    // -------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ICredits
    function token() external view returns (address) {
        return address(_TOKEN);
    }

    /// @inheritdoc ICredits
    function escrow() external view returns (address) {
        return _ESCROW;
    }

    /// @inheritdoc ICredits
    function authority() external view returns (address) {
        return _AUTHORITY;
    }

    /// @inheritdoc ICredits
    function oracle() external view returns (IPriceOracle) {
        return _oracle;
    }

    /// @inheritdoc ICredits
    function proposedOracle() external view returns (IPriceOracle next, uint40 readyAt) {
        return (_proposedOracle, _proposalReadyAt);
    }

    /// @inheritdoc ICredits
    function vault() external view returns (uint256 tokens) {
        return _vault;
    }

    /// @inheritdoc ICredits
    function topUpReserve() external view returns (uint256 tokens) {
        return _topUp;
    }

    /// @inheritdoc ICredits
    function prices() external view returns (bool valid, uint256 mintPrice, uint256 redeemPrice) {
        return _oracle.read();
    }

    /// @inheritdoc ICredits
    function cover() external view returns (uint256 ratio) {
        (bool valid, uint256 low,) = _oracle.read();
        if (!valid) revert PriceInvalid();
        return _coverAt(low);
    }

    /// @notice Whether a mint would be refused for lack of cover, by the current price if there is one.
    function mintHalted() external view returns (bool) {
        (bool valid, uint256 low,) = _oracle.read();
        return valid ? _isHalted(_coverAt(low)) : _mintHalted;
    }

    /// @inheritdoc ICredits
    function mintable() external view returns (uint256 credits) {
        return _window.available(totalSupply(), DAILY_FLOOR);
    }

    /// @inheritdoc ICredits
    function priceInvalidSince() external view returns (uint40 since) {
        return _priceInvalidSince;
    }

    /// @notice CAIRN wei that mint(creditsOut) takes now. Ignores the halt and the daily limit.
    function quoteMint(uint256 creditsOut) external view returns (uint256 tokensIn) {
        (bool valid, uint256 low,) = _oracle.read();
        if (!valid) revert PriceInvalid();
        return Math.mulDiv(creditsOut, SCALE, low, Math.Rounding.Ceil);
    }

    /// @notice µcredits that mintExactIn(tokensIn) gives now. Ignores the halt and the daily limit.
    function quoteMintExactIn(uint256 tokensIn) external view returns (uint256 creditsOut) {
        (bool valid, uint256 low,) = _oracle.read();
        if (!valid) revert PriceInvalid();
        return Math.mulDiv(tokensIn, low, SCALE);
    }

    /// @notice CAIRN wei that redeeming `credits` pays now.
    function quoteRedeem(uint256 credits) external view returns (uint256 tokens) {
        (bool valid,, uint256 high) = _oracle.read();
        if (!valid) revert PriceInvalid();
        (uint256 fromVault, uint256 fromTopUp) = _split(credits, high);
        return fromVault + fromTopUp;
    }
}
