// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {Pause} from "./libraries/Pause.sol";

/// @title Market: leases by signed quotes.
/// @notice Providers compete off chain by signing quotes, each for one customer; the customer opens the one it likes.
/// There are no bids on chain, so nobody pays for losing one and nobody's wallet is drained by orders that are not meant.
/// The customer's money stays in Escrow, locked for this contract as its collector; a lease that nobody settles returns it
/// by Escrow's own expiry, whatever happens to this contract.
/// @dev The rate of a lease never changes, so settling is one multiplication. Immutable, without owner; the guardian's
/// pause stops openLease alone.
contract Market is IMarket, EIP712 {
    using BitMaps for BitMaps.BitMap;

    bytes32 private constant _QUOTE_TYPEHASH = keccak256(
        "Quote(address provider,address customer,uint32 net,address asset,uint96 rate,uint40 term,uint40 notice,bytes32 spec,uint40 expiry,uint256 nonce)"
    );
    /// @notice How long after a lease's end its provider can still settle it.
    uint40 public constant SETTLE_GRACE = 30 days;
    /// @notice Longest lease; with the grace it stays within what a uint40 and a customer's approval can bear.
    uint40 public constant MAX_TERM = 366 days;

    IEscrow public immutable ESCROW;
    IStaking public immutable STAKING;
    /// @notice May pause new leases, as the Timelock's guardian does; has no other power here.
    address public immutable AUTHORITY;

    /// @dev Payments of neighbours in a batch that have a provider, an asset and a network in common.
    struct Run {
        address provider;
        address asset;
        uint32 net;
        uint256 count;
        IEscrow.Payment[] payments;
    }

    uint256 private _count;
    mapping(uint256 id => Lease) private _leases;
    mapping(address provider => BitMaps.BitMap) private _used;

    constructor(IEscrow escrow, IStaking staking, address authority) EIP712("Cairn Market", "1") {
        if (address(escrow) == address(0) || address(staking) == address(0)) revert ZeroAddress();
        ESCROW = escrow;
        STAKING = staking;
        AUTHORITY = authority;
    }

    /// @notice Opens a lease by a quote for the caller. It runs until the quote's term, or until `prepay` is used up.
    /// @param signature The provider's, ECDSA or ERC-1271.
    /// @param prepay Most that may be locked, at least rate · notice. The caller has approved this contract in Escrow for
    /// as much, and for the lease's length and SETTLE_GRACE.
    function openLease(Quote calldata quote, bytes calldata signature, uint128 prepay) external returns (uint256 id) {
        Pause.check(AUTHORITY);
        if (msg.sender != quote.customer) revert NotCustomer(msg.sender);
        uint40 life = _checkQuote(quote, signature, prepay);
        _used[quote.provider].set(quote.nonce);
        id = ++_count;
        uint40 start = uint40(block.timestamp);
        uint40 end = start + life;
        _leases[id] = Lease({
            customer: quote.customer,
            rate: quote.rate,
            provider: quote.provider,
            settledAt: start,
            end: end,
            closed: false,
            asset: quote.asset,
            net: quote.net,
            notice: quote.notice
        });
        emit LeaseOpened(id, quote.customer, quote.provider, quote.net, quote.spec, quote.asset, quote.rate, end);
        ESCROW.lock(quote.customer, quote.asset, bytes32(id), _value(quote.rate, life), end + SETTLE_GRACE);
    }

    /// @dev The provider must be staked now; a lease outlives its provider's stake, and the customer closes it at will.
    function _checkQuote(Quote calldata quote, bytes calldata signature, uint128 prepay)
        private
        view
        returns (uint40 life)
    {
        if (block.timestamp > quote.expiry) revert QuoteExpired(quote.expiry);
        if (quote.rate == 0 || quote.term == 0 || quote.term > MAX_TERM || quote.notice > quote.term) {
            revert BadQuote();
        }
        if (_used[quote.provider].get(quote.nonce)) revert QuoteUsed(quote.provider, quote.nonce);
        uint256 least = uint256(quote.rate) * quote.notice;
        uint256 paidFor = prepay / quote.rate;
        if (prepay < least || paidFor == 0) revert PrepayTooLow(prepay, least);
        if (!STAKING.isEligible(quote.provider, quote.net)) revert NotEligible(quote.provider, quote.net);
        if (!_signed(quote.provider, hashQuote(quote), signature)) revert BadSignature();
        return paidFor < quote.term ? uint40(paidFor) : quote.term;
    }

    /// @dev The account's own key first: whoever has it decides about the account's code, so that need not be looked at.
    function _signed(address provider, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && signer == provider) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(provider, digest, signature);
    }

    /// @notice Pays the provider for the time until now, or until the lease's end, which closes it. Anyone.
    function settle(uint256 id) external returns (uint128 paid) {
        Lease storage l = _leases[id];
        if (l.rate == 0 || l.closed) revert LeaseNotOpen(id);
        return _settle(id, l);
    }

    /// @notice settle for several; those that are not open are passed over. Neighbours of one provider, asset and network
    /// are paid at once, so whoever settles many lists them in that order.
    function settleMany(uint256[] calldata ids) external returns (uint128 paid) {
        Run memory run;
        run.payments = new IEscrow.Payment[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            Lease storage l = _leases[ids[i]];
            if (l.rate == 0 || l.closed) continue;
            uint128 amount = _advance(ids[i], l);
            if (amount == 0) continue;
            paid += amount;
            _join(run, l);
            run.payments[run.count++] = IEscrow.Payment(l.customer, bytes32(ids[i]), amount);
        }
        _flush(run);
    }

    /// @dev Pays the run so far if the lease is not of it, and begins one for the lease.
    function _join(Run memory run, Lease storage l) private {
        (address provider, address asset, uint32 net) = (l.provider, l.asset, l.net);
        if (provider == run.provider && asset == run.asset && net == run.net) return;
        _flush(run);
        (run.provider, run.asset, run.net) = (provider, asset, net);
    }

    /// @dev Hands over the first `count` payments; the array gets its length back for the next run.
    function _flush(Run memory run) private {
        uint256 count = run.count;
        if (count == 0) return;
        IEscrow.Payment[] memory payments = run.payments;
        uint256 length = payments.length;
        assembly ("memory-safe") {
            mstore(payments, count)
        }
        ESCROW.payMany(run.provider, run.asset, run.net, payments);
        assembly ("memory-safe") {
            mstore(payments, length)
        }
        run.count = 0;
    }

    /// @notice Ends a lease. The customer pays to this second and gets the rest back at once. The provider gives the
    /// notice of its quote, is paid for it, and the customer gets back what lies beyond. Whoever else calls can only
    /// settle a lease that has ended.
    function close(uint256 id) external {
        Lease storage l = _leases[id];
        if (l.rate == 0 || l.closed) revert LeaseNotOpen(id);
        if (block.timestamp < l.end) {
            if (msg.sender == l.customer) _endAt(id, l, uint40(block.timestamp));
            else if (msg.sender == l.provider) _endAt(id, l, uint40(block.timestamp) + l.notice);
            else revert NotParty(msg.sender);
        }
        _settle(id, l);
    }

    /// @notice Makes one of the caller's nonces worthless, and with it every quote that names it.
    function cancelQuote(uint256 nonce) external {
        _used[msg.sender].set(nonce);
        emit QuoteCancelled(msg.sender, nonce);
    }

    /// @dev Brings the end forward and returns what was locked beyond it.
    function _endAt(uint256 id, Lease storage l, uint40 end) private {
        if (end >= l.end) return;
        uint128 returned = _value(l.rate, l.end - end);
        l.end = end;
        emit LeaseEnding(id, end, returned);
        ESCROW.unlock(l.customer, l.asset, bytes32(id), returned);
    }

    function _settle(uint256 id, Lease storage l) private returns (uint128 paid) {
        paid = _advance(id, l);
        if (paid != 0) ESCROW.pay(l.customer, l.provider, l.asset, l.net, bytes32(id), paid);
    }

    /// @dev Moves the lease on to now and says what is to be paid for it. Past the grace the provider is paid no more:
    /// Escrow's lock ends then, or ends later if the lease was cut short, and what it still holds goes back.
    function _advance(uint256 id, Lease storage l) private returns (uint128 paid) {
        uint40 end = l.end;
        if (block.timestamp >= end + SETTLE_GRACE) {
            _forfeit(id, l);
            return 0;
        }
        uint40 settledAt = l.settledAt;
        uint40 until = block.timestamp < end ? uint40(block.timestamp) : end;
        paid = _value(l.rate, until - settledAt);
        l.settledAt = until;
        if (paid != 0) emit LeaseSettled(id, paid, until);
        if (until == end) {
            l.closed = true;
            emit LeaseClosed(id);
        }
    }

    function _forfeit(uint256 id, Lease storage l) private {
        l.closed = true;
        emit LeaseClosed(id);
        (address customer, address asset) = (l.customer, l.asset);
        bytes32 lockKey = ESCROW.lockKeyOf(address(this), customer, asset, bytes32(id));
        uint128 held = ESCROW.lockOf(lockKey).amount;
        if (held != 0) ESCROW.unlock(customer, asset, bytes32(id), held);
    }

    /// @dev A uint96 times a uint40 fits into 136 bits; only what was locked as a uint128 is ever multiplied again.
    function _value(uint96 rate, uint40 time) private pure returns (uint128) {
        return uint128(uint256(rate) * time);
    }

    /// @inheritdoc IMarket
    function lease(uint256 id) external view returns (Lease memory) {
        return _leases[id];
    }

    /// @inheritdoc IMarket
    function lockedOf(uint256 id) external view returns (uint128 amount) {
        Lease storage l = _leases[id];
        return l.closed ? 0 : _value(l.rate, l.end - l.settledAt);
    }

    /// @inheritdoc IMarket
    function owedOf(uint256 id) external view returns (uint128 amount) {
        Lease storage l = _leases[id];
        if (l.closed || block.timestamp >= l.end + SETTLE_GRACE) return 0;
        uint40 until = block.timestamp < l.end ? uint40(block.timestamp) : l.end;
        return _value(l.rate, until - l.settledAt);
    }

    /// @inheritdoc IMarket
    function isUsed(address provider, uint256 nonce) external view returns (bool) {
        return _used[provider].get(nonce);
    }

    /// @inheritdoc IMarket
    function hashQuote(Quote calldata quote) public view returns (bytes32 digest) {
        return _hashTypedDataV4(keccak256(abi.encode(_QUOTE_TYPEHASH, quote)));
    }
}
