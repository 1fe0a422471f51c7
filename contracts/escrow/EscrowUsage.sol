// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {EscrowChannels} from "./EscrowChannels.sol";

/// @title Payment by proof, when the payer does not sign.
/// @notice The payee shows the cumulative units that an active epoch root credits to the channel, and the rates the
/// payer once signed for them. Value = Σ over units of ⌊units · numerator / denominator⌋, one floor per unit, of
/// cumulative numbers only. It raises the same `redeemed` that vouchers raise, so the payee gets the larger of the two
/// and never the sum. It draws the earmark alone: that is what the payer put at the disposal of the network's verifiers.
/// @dev Nothing is stored per unit. All units of a call come from one root and all rates from one signer, so that the
/// value is a pure function of one published root and counts against one key's limit.
abstract contract EscrowUsage is EscrowChannels {
    using SafeCast for uint256;

    bytes32 private constant _RATE_TYPEHASH =
        keccak256("Rate(bytes32 channel,bytes32 unit,uint128 numerator,uint128 denominator)");

    /// @notice Pays the channel up to the value of its proved units. Anyone may submit it; only the payee is credited.
    /// @param id The channel. The root must be one of its network, and the reward leaf its payee's.
    /// @param units In ascending order of `unit`. Leaving one out only lowers the value.
    /// @return paid Before fees.
    function redeemProved(ChannelId calldata id, UsageRoot calldata root, ProvedUnit[] calldata units)
        external
        returns (uint128 paid)
    {
        _checkRoot(id, root);
        Claim memory claim;
        claim.key = _keyOf(id);
        claim.payer = id.payer;
        uint256 value;
        (value, claim.signer) = _valueOf(claim.key, root.detailRoot, units);
        if (!_maySpend(id.payer, claim.signer)) revert KeyNotRedeemable(id.payer, claim.signer);
        Channel memory ch = channel(claim.key);
        if (value <= ch.redeemed) revert NothingDue();
        (claim.earmark, claim.redeemed) = (ch.earmark, ch.redeemed);
        claim.unpaid = value.toUint128() - ch.redeemed;
        _drawEarmark(claim, id.asset);
        paid = claim.paid;
        if (paid == 0) revert Insufficient(claim.unpaid, 0);
        emit UsageRedeemed(claim.key, id.payer, id.payee, value, paid);
        if (claim.unpaid != 0) emit Shortfall(claim.key, id.payer, id.payee, claim.unpaid);
        _settle(id.payee, id.asset, id.net, paid);
    }

    function _checkRoot(ChannelId calldata id, UsageRoot calldata root) private view {
        if (!DISTRIBUTOR.isActiveRoot(id.net, root.rewardAsset, root.index, root.root)) {
            revert RootNotActive(root.index, root.root);
        }
        bytes32 leaf = RewardLeaf.leaf(id.net, root.rewardAsset, id.payee, root.cumulative, root.detailRoot);
        if (!MerkleProof.verifyCalldata(root.proof, root.root, leaf)) revert BadProof();
    }

    function _valueOf(bytes32 key, bytes32 detailRoot, ProvedUnit[] calldata units)
        private
        view
        returns (uint256 value, address signer)
    {
        bytes32 last;
        for (uint256 i = 0; i < units.length; ++i) {
            ProvedUnit calldata item = units[i];
            if (item.unit <= last) revert UnitsNotAscending(item.unit);
            last = item.unit;
            address rateSigner = _rateSigner(key, item);
            if (i != 0 && rateSigner != signer) revert MixedSigners();
            signer = rateSigner;
            bytes32 line = RewardLeaf.detail(key, item.unit, item.units);
            if (!MerkleProof.verifyCalldata(item.proof, detailRoot, line)) revert BadProof();
            value += (uint256(item.units) * item.numerator) / item.denominator;
        }
    }

    function _rateSigner(bytes32 key, ProvedUnit calldata item) private view returns (address signer) {
        if (item.denominator == 0) revert BadRate(item.unit);
        ECDSA.RecoverError err;
        (signer, err,) = ECDSA.tryRecover(hashRate(key, item.unit, item.numerator, item.denominator), item.r, item.vs);
        if (err != ECDSA.RecoverError.NoError) revert BadSignature();
    }

    /// @notice The EIP-712 digest that a rate signs: `numerator` / `denominator` units of the asset per unit of usage.
    function hashRate(bytes32 key, bytes32 unit, uint128 numerator, uint128 denominator)
        public
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(keccak256(abi.encode(_RATE_TYPEHASH, key, unit, numerator, denominator)));
    }
}
