// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
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

    /// @dev `burned` catches up with `counted` by burnFees, so that a redemption writes one slot and calls no token.
    struct FeeBook {
        uint128 counted;
        uint128 burned;
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
        (uint16 feeBps, address recipient) = REGISTRY.feeOf(net);
        uint128 networkFee;
        if (recipient != address(0)) networkFee = _feeOn(total, Math.min(feeBps, MAX_NETWORK_FEE_BPS));
        uint128 protocolFee;
        if (asset == address(CREDITS)) {
            protocolFee = uint128(Math.min(_feeOn(total, PROTOCOL_FEE_BPS), total - networkFee));
            _fees[net][currentPeriod()].counted += protocolFee;
        }
        _books(payee, asset).earned += total - networkFee - protocolFee;
        if (networkFee != 0) _books(recipient, asset).earned += networkFee;
        emit Settled(payee, asset, net, total, networkFee, protocolFee);
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
        amount = book.counted - book.burned;
        if (amount == 0) return 0;
        book.burned = book.counted;
        emit FeesBurned(net, period, amount);
        CREDITS.burn(amount);
    }

    /// @inheritdoc IEscrow
    function account(address owner, address asset) external view returns (Account memory) {
        return _books(owner, asset);
    }

    /// @inheritdoc IEscrow
    function fees(uint32 net, uint32 period) external view returns (uint128 counted, uint128 burned) {
        FeeBook storage book = _fees[net][period];
        return (book.counted, book.burned);
    }

    /// @inheritdoc IEscrow
    function currentPeriod() public view returns (uint32 period) {
        return uint32((block.timestamp - GENESIS) / 1 days);
    }
}
