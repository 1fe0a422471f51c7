// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EscrowChannels} from "./EscrowChannels.sol";
import {EscrowChecks} from "./EscrowChecks.sol";

/// @title Payment by proof, when the payer does not sign.
/// @notice The payee shows the cumulative units that an active epoch root credits to the channel, and the rates the
/// payer once signed for them. Value = Σ over units of ⌊units · numerator / denominator⌋, one floor per unit, of
/// cumulative numbers only. It raises the same `redeemed` that vouchers raise, so the payee gets the larger of the two
/// and never the sum. It draws the earmark alone: that is what the payer put at the disposal of the network's verifiers.
/// @dev Nothing is stored per unit. All units of a call come from one root and all rates from one signer, so that the
/// value is a pure function of one published root and counts against one key's limit.
abstract contract EscrowUsage is EscrowChannels {
    using SafeCast for uint256;

    /// @notice Pays the channel up to the value of its proved units. Anyone may submit it; only the payee is credited.
    /// @param id The channel. The root must be one of its network, and the reward leaf its payee's.
    /// The units come in ascending order of `unit`; leaving one out only lowers the value.
    /// @return paid Before fees.
    function redeemProved(ChannelId calldata id, UsageRoot calldata, ProvedUnit[] calldata)
        external
        returns (uint128 paid)
    {
        (uint256 value, uint256 signer) = _check(EscrowChecks.usage.selector);
        Claim memory claim;
        claim.key = _keyOf(id);
        claim.payer = id.payer;
        claim.signer = address(uint160(signer));
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
}
