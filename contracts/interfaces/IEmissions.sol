// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IWeights} from "./IWeights.sol";

/// @title The schedule of new CAIRN, and who may have it minted.
/// @notice Periods are days since Escrow's genesis. Amounts of tokens are CAIRN wei, of fees µcredits.
interface IEmissions {
    /// @param fees Protocol fees of the networks counted so far.
    /// @param price Redeem price (USD · 1e18 per CAIRN) fixed by closePeriod; 0 while the period is open.
    /// @param minted Base and matched parts minted so far, over all networks.
    struct Period {
        uint128 fees;
        uint128 price;
        uint128 minted;
    }

    event FeesCounted(uint32 indexed net, uint32 indexed period, uint128 fees);
    event PeriodClosed(uint32 indexed period, uint128 fees, uint128 price);
    event EmissionClaimed(uint32 indexed net, uint32 indexed period, uint128 amount, uint128 budget);
    event ReserveReleased(uint128 amount, uint128 left);
    event WeightsProposed(IWeights indexed next, uint40 readyAt);
    event WeightsProposalCancelled(IWeights indexed next);
    event WeightsApplied(IWeights indexed weights, uint32 fromPeriod);

    error ZeroAddress();
    error BadSchedule();
    error NotAuthority(address caller);
    error NetworkNotActive(uint32 net);
    /// The period is not over.
    error PeriodOpen(uint32 period);
    /// Networks' fees are still being counted.
    error StillCounting(uint32 period);
    error PeriodIsClosed(uint32 period);
    /// More than 56 periods ago.
    error PeriodLapsed(uint32 period);
    error PriceInvalid();
    error NothingToMint();
    error ScheduleExceeded(uint256 minted, uint256 scheduled);
    error NoProposal();
    error TooEarly(uint40 readyAt);
    error Lapsed(uint40 lapsedAt);

    function countFees(uint32 period, uint32[] calldata nets) external;
    function closePeriod(uint32 period) external;
    function claimEmission(uint32 net, uint32 period) external returns (uint128 minted);
    function fillTopUp() external returns (uint128 minted);
    function proposeWeights(IWeights next) external;
    function cancelWeights() external;
    function applyWeights() external;

    function weights() external view returns (IWeights);
    function weightsAt(uint32 period) external view returns (IWeights);
    /// @return total S: what the schedule allows to have been minted before `period` begins.
    function scheduled(uint32 period) external view returns (uint256 total);
    /// @return base For listed networks; matched for burned fees; topUp for the reserve of Credits. Their sum is the
    /// period's whole emission.
    function split(uint32 period) external view returns (uint128 base, uint128 matched, uint128 topUp);
    function baseOf(uint32 net, uint32 period) external view returns (uint128);
    /// @return 0 until the network's fees are counted and the period is closed.
    function matchedOf(uint32 net, uint32 period) external view returns (uint128);
    function periodOf(uint32 period) external view returns (Period memory);
    function isCounted(uint32 net, uint32 period) external view returns (bool);
    function claimedOf(uint32 net, uint32 period) external view returns (uint128);
    /// @return tokens What fillTopUp may still mint today.
    function reserve() external view returns (uint128 tokens);
    function minted() external view returns (uint128);
    function proposedWeights() external view returns (IWeights next, uint40 readyAt);
}
