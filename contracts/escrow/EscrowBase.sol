// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICredits} from "../interfaces/ICredits.sol";
import {IDelegations} from "../interfaces/IDelegations.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {EscrowChecks} from "./EscrowChecks.sol";

/// @title Escrow's books: accounts, fees, and how a payment is split.
/// @notice Balances are book entries; no token contract is called to make a payment.
/// @dev The guard is on everything that calls a token, because a deposit is booked by the balance's difference and one
/// inside another would count twice. What only moves book entries calls no one but the registries and needs none.
abstract contract EscrowBase is IEscrow, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @notice How long money takes to leave, and an earmark to return: the payee's time to redeem.
    uint40 public constant THAW = 7 days;
    /// @notice 1 % of every credits payment is burned. It is nobody's and cannot be changed.
    uint256 public constant PROTOCOL_FEE_BPS = 100;
    /// @notice Most that a network may take, whatever the registry says.
    uint256 public constant MAX_NETWORK_FEE_BPS = 1000;
    uint256 internal constant BPS = 10_000;
    /// @dev Scope bit of IDelegations for vouchers, rates and earmarks.
    uint32 internal constant SCOPE_VOUCHER = 1;

    ICredits public immutable CREDITS;
    INetworkRegistry public immutable REGISTRY;
    IDelegations public immutable DELEGATIONS;
    IRewardsDistributor public immutable DISTRIBUTOR;
    /// @notice Start of period 0 of the fee books; Emissions counts from the same second.
    uint40 public immutable GENESIS;
    /// @notice Checks proofs and signatures for this contract; made by its constructor.
    EscrowChecks public immutable CHECKS;
    /// @dev The EIP-712 domain on the chain of deployment; after a fork the other chain computes its own.
    bytes32 private immutable _DOMAIN;
    uint256 private immutable _CHAIN_ID;

    /// @dev What payments in credits on one network left in one period, all in one slot, so that a payment writes one and
    /// calls nobody: `burned` catches up with `counted` by burnFees, and the recipient's account with `network` by
    /// collectFees. 80 bits of µcredits are twelve trillion dollars of fees in a day.
    /// @param rate The network's fee in bps and one, as it was at the period's first payment; 0 before that.
    struct FeeBook {
        uint80 counted;
        uint80 burned;
        uint80 network;
        uint16 rate;
    }

    mapping(address owner => mapping(address asset => Account)) private _accounts;
    mapping(uint32 net => mapping(uint32 period => FeeBook)) private _fees;

    constructor(
        ICredits credits,
        INetworkRegistry registry,
        IDelegations delegations,
        IRewardsDistributor distributor,
        uint40 genesis
    ) {
        if (address(credits) == address(0) || address(registry) == address(0)) {
            revert ZeroAddress();
        }
        if (address(delegations) == address(0) || address(distributor) == address(0)) revert ZeroAddress();
        CREDITS = credits;
        REGISTRY = registry;
        DELEGATIONS = delegations;
        DISTRIBUTOR = distributor;
        GENESIS = genesis;
        CHECKS = new EscrowChecks(credits, distributor);
        _DOMAIN = CHECKS.domainSeparator();
        _CHAIN_ID = block.chainid;
    }

    function _domainSeparator() internal view returns (bytes32) {
        return block.chainid == _CHAIN_ID ? _DOMAIN : CHECKS.domainSeparator();
    }

    /// @dev Calls `check` of CHECKS with the parameters, the value and the caller of the call being served, and returns
    /// its first two words. Its revert is ours.
    function _check(bytes4 check) internal returns (uint256 first, uint256 second) {
        address checks = address(CHECKS);
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, check)
            calldatacopy(add(p, 4), 4, sub(calldatasize(), 4))
            mstore(add(p, calldatasize()), shl(96, caller()))
            mstore(0x20, 0)
            if iszero(call(gas(), checks, callvalue(), p, add(calldatasize(), 20), 0, 0x40)) {
                returndatacopy(p, 0, returndatasize())
                revert(p, returndatasize())
            }
            first := mload(0)
            second := mload(0x20)
        }
    }

    /// @dev Ends the call with CHECKS' answer to the same calldata; a word, as the type says, but nothing follows it.
    function _answer() internal view returns (bytes32 answer) {
        address checks = address(CHECKS);
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, 0, calldatasize())
            let ok := staticcall(gas(), checks, p, calldatasize(), 0, 0)
            returndatacopy(p, 0, returndatasize())
            if iszero(ok) { revert(p, returndatasize()) }
            answer := mload(p)
            return(p, returndatasize())
        }
    }

    /// @dev Splits `total`, already taken from payers' books: network fee and protocol fee, both of the total and rounded
    /// up, then the payee. Where rounding makes the fees of a tiny total exceed it, the protocol fee is cut first and
    /// the network's is at most the total.
    function _settle(address payee, address asset, uint32 net, uint128 total) internal {
        if (total == 0) return;
        (uint128 networkFee, uint128 protocolFee) =
            asset == address(CREDITS) ? _creditFees(net, total) : (_foreignFee(asset, net, total), 0);
        _books(payee, asset).earned += total - networkFee - protocolFee;
        emit Settled(payee, asset, net, total, networkFee, protocolFee);
    }

    /// @dev The registry is asked once a period: its fees change weeks after they are proposed, and so at midnight here.
    function _creditFees(uint32 net, uint128 total) private returns (uint128 networkFee, uint128 protocolFee) {
        FeeBook storage book = _fees[net][currentPeriod()];
        (uint80 burned, uint16 rate) = (book.burned, book.rate);
        if (rate == 0) {
            (uint16 bps,) = _feeOf(net);
            rate = bps + 1;
        }
        networkFee = _feeOn(total, rate - 1);
        protocolFee = uint128(Math.min(_feeOn(total, PROTOCOL_FEE_BPS), total - networkFee));
        uint80 counted = (uint256(book.counted) + protocolFee).toUint80();
        uint80 network = (uint256(book.network) + networkFee).toUint80();
        // Side by side they are one write.
        book.counted = counted;
        book.burned = burned;
        book.network = network;
        book.rate = rate;
    }

    /// @dev Other assets pay the network alone, and at once: their books have no day.
    function _foreignFee(address asset, uint32 net, uint128 total) private returns (uint128 fee) {
        (uint16 bps, address recipient) = _feeOf(net);
        fee = _feeOn(total, bps);
        if (fee != 0) _books(recipient, asset).earned += fee;
    }

    function _feeOf(uint32 net) private view returns (uint16 bps, address recipient) {
        (bps, recipient) = REGISTRY.feeOf(net);
        bps = recipient == address(0) ? 0 : uint16(Math.min(bps, MAX_NETWORK_FEE_BPS));
    }

    /// @dev Rounded up; at most `total` for any bps ≤ BPS, so it fits.
    function _feeOn(uint128 total, uint256 bps) private pure returns (uint128) {
        return uint128(Math.ceilDiv(uint256(total) * bps, BPS));
    }

    function _books(address owner, address asset) internal view returns (Account storage) {
        return _accounts[owner][asset];
    }

    function _giveAvailable(address owner, address asset, uint128 amount) internal {
        _books(owner, asset).available += amount;
    }

    /// @dev Takes from `available` alone, which is what the owner may still commit.
    function _takeAvailable(address owner, address asset, uint128 amount) internal {
        if (amount == 0) revert ZeroAmount();
        Account storage books = _books(owner, asset);
        uint128 available = books.available;
        if (available < amount) revert Insufficient(amount, available);
        books.available = available - amount;
    }

    /// @notice Burns the protocol fees of a network's period that are not burned yet. Anyone may call it.
    /// @dev The vault keeps the CAIRN behind them, so every other credit gains cover.
    /// @return amount µcredits burned; 0 when there is nothing to burn.
    function burnFees(uint32 net, uint32 period) external nonReentrant returns (uint128 amount) {
        FeeBook storage book = _fees[net][period];
        uint80 counted = book.counted;
        amount = counted - book.burned;
        if (amount == 0) return 0;
        book.burned = counted;
        emit FeesBurned(net, period, amount);
        CREDITS.burn(amount);
    }

    /// @notice Credits a network's own fees of some periods to the account of its fee recipient of now. Anyone may call it.
    /// @dev Without a recipient they stay where they are until there is one.
    /// @return amount µcredits that its account earned; 0 when there was nothing to collect.
    function collectFees(uint32 net, uint32[] calldata periods) external returns (uint128 amount) {
        (, address recipient) = REGISTRY.feeOf(net);
        if (recipient == address(0)) return 0;
        for (uint256 i = 0; i < periods.length; ++i) {
            FeeBook storage book = _fees[net][periods[i]];
            amount += book.network;
            book.network = 0;
        }
        if (amount == 0) return 0;
        _books(recipient, address(CREDITS)).earned += amount;
        emit FeesCollected(net, recipient, amount);
    }

    /// @inheritdoc IEscrow
    function account(address owner, address asset) external view returns (Account memory) {
        return _books(owner, asset);
    }

    /// @inheritdoc IEscrow
    function fees(uint32 net, uint32 period)
        external
        view
        returns (uint128 counted, uint128 burned, uint128 uncollected)
    {
        FeeBook storage book = _fees[net][period];
        return (book.counted, book.burned, book.network);
    }

    /// @inheritdoc IEscrow
    function currentPeriod() public view returns (uint32 period) {
        return uint32((block.timestamp - GENESIS) / 1 days);
    }
}
