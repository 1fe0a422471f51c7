// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {EscrowKeys} from "./EscrowKeys.sol";

/// @title Channels and their vouchers.
/// @notice A channel exists as soon as somebody signs for it; opening one only earmarks money. Its `redeemed` counter
/// lives as long as this contract, so that no voucher is ever paid twice, closed and reopened or not.
abstract contract EscrowChannels is EscrowKeys {
    using SafeCast for uint256;

    bytes32 private constant _VOUCHER_TYPEHASH =
        keccak256("Voucher(address payer,address payee,address asset,uint32 net,uint64 channelId,uint128 cumulative)");

    /// @dev A voucher as EIP-712 hashes it. In memory every field takes a word, so this is its ABI encoding already, and
    /// the words from payer to channelId are that of the channel's key. A batch fills in the other fields once.
    struct Form {
        bytes32 typeHash;
        address payer;
        address payee;
        address asset;
        uint32 net;
        uint64 channelId;
        uint128 cumulative;
    }

    /// @dev What all items of a batch share. `id` tells batches of one transaction apart; 0 where there is one item, which
    /// cannot repeat another.
    struct Batch {
        Form form;
        bytes32 domain;
        uint256 id;
    }

    /// @dev One accepted item: its channel's books, what this batch paid it, and what it still wants.
    struct Claim {
        bytes32 key;
        address payer;
        address signer;
        uint128 earmark;
        uint128 redeemed;
        uint128 paid;
        uint128 unpaid;
    }

    mapping(bytes32 key => Channel) private _channels;
    uint256 private transient _batchCount;

    // ------------------------------------------------------------------------------------------- opening and closing

    /// @notice Moves `earmark` of the payer's available money to a channel, which opens or reopens it. The caller is the
    /// payer or its active session key (scope VOUCHER).
    /// @dev It cancels a closing: money added to a closing channel would leave before the payee had its week.
    /// @return key The channel's key.
    function openChannel(ChannelId calldata id, uint128 earmark) external returns (bytes32 key) {
        if (id.payee == address(0)) revert ZeroAddress();
        if (msg.sender != id.payer) _earmarkBy(id.payer, msg.sender, id.asset, earmark);
        _takeAvailable(id.payer, id.asset, earmark);
        key = _keyOf(id);
        Channel storage ch = _channels[key];
        ch.earmark += earmark;
        ch.closesAt = 0;
        emit ChannelFunded(key, id.payer, id.payee, id.asset, id.net, id.channelId, earmark, ch.earmark);
    }

    /// @notice Starts the 7 days after which the earmark returns to the calling payer. The payee may redeem meanwhile.
    function closeChannel(ChannelId calldata id) external returns (uint40 closesAt) {
        if (msg.sender != id.payer) revert NotPayer(msg.sender);
        bytes32 key = _keyOf(id);
        Channel storage ch = _channels[key];
        if (ch.closesAt != 0) revert StillClosing(ch.closesAt);
        closesAt = uint40(block.timestamp) + THAW;
        ch.closesAt = closesAt;
        emit ChannelClosing(key, msg.sender, closesAt);
    }

    /// @notice Returns a closed channel's earmark to its payer. Anyone may call it.
    function finalizeClose(ChannelId calldata id) external returns (uint128 returned) {
        bytes32 key = _keyOf(id);
        Channel storage ch = _channels[key];
        uint40 closesAt = ch.closesAt;
        if (closesAt == 0) revert NotClosing(key);
        if (block.timestamp < closesAt) revert StillClosing(closesAt);
        returned = ch.earmark;
        ch.earmark = 0;
        ch.closesAt = 0;
        _giveAvailable(id.payer, id.asset, returned);
        emit ChannelClosed(key, id.payer, returned);
    }

    // ---------------------------------------------------------------------------------------------------- redemption

    /// @notice Pays what the vouchers are worth above what their channels have been paid. Anyone may submit them; only
    /// `payee` is credited, once, less fees on the total.
    /// @dev An item that is bad or finds no money never stops the others. Earmarks are drawn for all items before any
    /// pool, and a channel may appear once; so the total is the same in every order: a key's limit and a payer's pool
    /// are each drawn to min(what is left, what is wanted), first over all earmarks, then over the rest.
    /// @param items One voucher per channel.
    /// @return total Paid over all items, before fees.
    function redeem(address payee, address asset, uint32 net, Voucher[] calldata items)
        external
        returns (uint128 total)
    {
        Claim[] memory claims = new Claim[](items.length);
        uint256 sum = _drawEarmarks(payee, asset, net, items, claims);
        for (uint256 i = 0; i < claims.length; ++i) {
            Claim memory claim = claims[i];
            if (claim.unpaid == 0) continue;
            sum += _drawPool(claim, asset);
            _report(claim, payee);
        }
        total = sum.toUint128();
        _settle(payee, asset, net, total);
    }

    /// @dev The first pass. Items that it pays in full are reported at once.
    function _drawEarmarks(address payee, address asset, uint32 net, Voucher[] calldata items, Claim[] memory claims)
        private
        returns (uint256 sum)
    {
        Form memory form = Form(_VOUCHER_TYPEHASH, address(0), payee, asset, net, 0, 0);
        Batch memory batch = Batch(form, _domainSeparator(), items.length > 1 ? ++_batchCount : 0);
        for (uint256 i = 0; i < items.length; ++i) {
            Claim memory claim = claims[i];
            if (!_accept(batch, items[i], i, claim)) continue;
            _drawEarmark(claim, asset);
            sum += claim.paid;
            if (claim.unpaid == 0) _report(claim, payee);
        }
    }

    /// @dev Fills `claim` from a voucher, or says why not.
    function _accept(Batch memory batch, Voucher calldata item, uint256 index, Claim memory claim)
        private
        returns (bool)
    {
        address payer = item.payer;
        uint128 cumulative = item.cumulative;
        (bytes32 key, bytes32 digest) = _hash(batch, payer, item.channelId, cumulative);
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecover(digest, item.r, item.vs);
        if (err != ECDSA.RecoverError.NoError) return _skip(index, payer, key, SkipReason.BadSignature);
        if (!_maySpend(payer, signer)) return _skip(index, payer, key, SkipReason.KeyNotRedeemable);
        if (batch.id != 0 && !_firstInBatch(key, batch.id)) revert DuplicateChannel(index);
        Channel storage ch = _channels[key];
        (claim.earmark, claim.redeemed) = (ch.earmark, ch.redeemed);
        if (cumulative <= claim.redeemed) return _skip(index, payer, key, SkipReason.NothingDue);
        claim.key = key;
        claim.payer = payer;
        claim.signer = signer;
        unchecked {
            claim.unpaid = cumulative - claim.redeemed; // cumulative > redeemed, above
        }
        return true;
    }

    /// @dev channelKey and the voucher digest of an item, from the batch's form.
    function _hash(Batch memory batch, address payer, uint64 channelId, uint128 cumulative)
        private
        pure
        returns (bytes32 key, bytes32 digest)
    {
        Form memory form = batch.form;
        (form.payer, form.channelId, form.cumulative) = (payer, channelId, cumulative);
        bytes32 structHash;
        assembly ("memory-safe") {
            key := keccak256(add(form, 0x20), 0xa0)
            structHash := keccak256(form, 0xe0)
        }
        digest = MessageHashUtils.toTypedDataHash(batch.domain, structHash);
    }

    function _skip(uint256 index, address payer, bytes32 key, SkipReason reason) private returns (bool) {
        emit VoucherSkipped(index, payer, key, reason);
        return false;
    }

    /// @dev Marks the channel in transient storage with the batch's id. Channel keys are hashes, so they cannot meet the
    /// guard's slot or the counter's.
    function _firstInBatch(bytes32 key, uint256 batchId) private returns (bool first) {
        assembly ("memory-safe") {
            first := iszero(eq(tload(key), batchId))
            tstore(key, batchId)
        }
    }

    /// @dev Moves from `unpaid` to `paid` what the channel's earmark and the key's limit allow.
    function _drawEarmark(Claim memory claim, address asset) internal {
        uint128 paid = _min(claim.unpaid, claim.earmark);
        if (paid == 0) return;
        paid = _min(paid, _spendable(claim.payer, claim.signer, asset));
        if (paid == 0) return;
        unchecked {
            claim.earmark -= paid; // paid ≤ earmark
        }
        _paid(claim, asset, paid);
    }

    /// @dev The same from the payer's pool: available first, then what is thawing. Never from what it has earned.
    function _drawPool(Claim memory claim, address asset) private returns (uint128 paid) {
        Account storage books = _books(claim.payer, asset);
        uint128 available = books.available;
        uint128 thawing = books.thawing;
        uint256 held = uint256(available) + thawing;
        if (held == 0) return 0;
        paid = _min(claim.unpaid, _spendable(claim.payer, claim.signer, asset));
        if (paid > held) paid = uint128(held);
        if (paid == 0) return 0;
        uint128 fromAvailable = _min(paid, available);
        books.available = available - fromAvailable;
        if (paid != fromAvailable) books.thawing = thawing - (paid - fromAvailable);
        _paid(claim, asset, paid);
    }

    /// @dev Earmark and counter share a slot; written side by side they are one write.
    function _paid(Claim memory claim, address asset, uint128 paid) private {
        unchecked {
            // paid ≤ unpaid, and redeemed + unpaid is the uint128 that was signed or proved.
            claim.redeemed += paid;
            claim.paid += paid;
            claim.unpaid -= paid;
        }
        Channel storage ch = _channels[claim.key];
        (uint128 earmark, uint128 redeemed) = (claim.earmark, claim.redeemed);
        ch.earmark = earmark;
        ch.redeemed = redeemed;
        _spend(claim.payer, claim.signer, asset, paid);
    }

    function _report(Claim memory claim, address payee) private {
        if (claim.paid != 0) {
            emit VoucherRedeemed(claim.key, claim.payer, payee, claim.redeemed, claim.paid);
        }
        if (claim.unpaid != 0) emit Shortfall(claim.key, claim.payer, payee, claim.unpaid);
    }

    function _min(uint128 a, uint128 b) private pure returns (uint128) {
        return a < b ? a : b;
    }

    // --------------------------------------------------------------------------------------------------------- views

    function _keyOf(ChannelId memory id) internal pure returns (bytes32) {
        return channelKey(id.payer, id.payee, id.asset, id.net, id.channelId);
    }

    /// @inheritdoc IEscrow
    function channel(bytes32 key) public view returns (Channel memory) {
        return _channels[key];
    }

    /// @notice keccak256(abi.encode(payer, payee, asset, net, channelId)).
    function channelKey(address payer, address payee, address asset, uint32 net, uint64 channelId)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(payer, payee, asset, net, channelId));
    }
}
