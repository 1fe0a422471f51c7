// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {ICredits} from "../interfaces/ICredits.sol";
import {IEmissions} from "../interfaces/IEmissions.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IMintable} from "../interfaces/IMintable.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {IWeights} from "../interfaces/IWeights.sol";
import {Schedule} from "../libraries/Schedule.sol";

/// @title Emissions: the one minter of CAIRN.
/// @notice A day's emission is split three ways, and what is not claimed in time is never minted:
/// - 45 % base, for networks that governance listed, never by what they sold;
/// - 45 % matched, against protocol fees that customers burned, worth at most those fees at the redeem price, so that
///   paying oneself never gains;
/// - 10 % for the reserve that pays redeemers of credits what the vault lacks; 30 days of it at most.
/// All of it stays inside the schedule: totalSupply ≤ genesis supply + S(t), always.
///
/// **Life of a period.** It ends at midnight (of genesis). For a day anybody counts networks' fees; then anybody closes
/// it, which fixes the rate of matching. A network's budget can be minted into its pot for 56 periods.
/// @dev One call serves one network, whatever the number of networks; the only loop is over the caller's list.
contract Emissions is IEmissions {
    using SafeCast for uint256;
    using Checkpoints for Checkpoints.Trace160;

    /// @notice Periods within which a network's budget must be claimed.
    uint32 public constant CLAIM_PERIODS = 56;
    /// @notice Periods for which unused reserve is kept.
    uint32 public constant RESERVE_PERIODS = 30;
    uint256 public constant TOP_UP_BPS = 1_000;
    uint256 public constant BASE_BPS = 4_500;
    /// @notice Most that one network may get of a period's base, and of its matched part.
    uint256 public constant CAP_BPS = 4_000;
    /// @notice Delay of another weights contract, and the time within which it must then be applied.
    uint40 public constant WEIGHTS_DELAY = 14 days;
    uint256 private constant _PERIOD = 1 days;
    uint256 private constant _BPS = 10_000;
    /// @dev As in Credits: value(µcredits) = tokens(wei) · price / _SCALE.
    uint256 private constant _SCALE = 1e25;

    IMintable public immutable TOKEN;
    ICredits public immutable CREDITS;
    IEscrow public immutable ESCROW;
    INetworkRegistry public immutable REGISTRY;
    IRewardsDistributor public immutable DISTRIBUTOR;
    /// @notice May propose other weights, and nothing else.
    address public immutable AUTHORITY;
    /// @notice M: all that will ever be minted, in wei.
    uint128 public immutable TOTAL;
    /// @notice Periods in which half of what is left is emitted.
    uint32 public immutable HALF_LIFE;

    struct Peers {
        IMintable token;
        ICredits credits;
        IEscrow escrow;
        INetworkRegistry registry;
        IRewardsDistributor distributor;
        IWeights weights;
        address authority;
    }

    /// @dev One slot, so that a claim finds it written by the count.
    struct Share {
        uint128 claimed;
        bool counted;
    }

    uint128 private _minted;
    /// @dev How far into the cumulative reserve was released or has lapsed.
    uint128 private _reserveTaken;
    mapping(uint32 period => Period) private _periods;
    mapping(uint32 period => mapping(uint32 net => Share)) private _shares;
    /// @dev Key: first period of the weights; so another contract never speaks for a period that it did not see.
    Checkpoints.Trace160 private _weights;
    IWeights private _proposed;
    uint40 private _proposalReadyAt;

    /// @param total M in wei.
    /// @param halfLife In periods (days).
    constructor(Peers memory peers, uint128 total, uint32 halfLife) {
        if (address(peers.token) == address(0) || address(peers.credits) == address(0)) revert ZeroAddress();
        if (address(peers.escrow) == address(0) || address(peers.registry) == address(0)) revert ZeroAddress();
        if (address(peers.distributor) == address(0) || address(peers.weights) == address(0)) revert ZeroAddress();
        if (peers.authority == address(0)) revert ZeroAddress();
        if (halfLife == 0) revert BadSchedule();
        TOKEN = peers.token;
        CREDITS = peers.credits;
        ESCROW = peers.escrow;
        REGISTRY = peers.registry;
        DISTRIBUTOR = peers.distributor;
        AUTHORITY = peers.authority;
        TOTAL = total;
        HALF_LIFE = halfLife;
        _weights.push(0, uint160(address(peers.weights)));
        emit WeightsApplied(peers.weights, 0);
    }

    modifier onlyAuthority() {
        if (msg.sender != AUTHORITY) revert NotAuthority(msg.sender);
        _;
    }

    // ------------------------------------------------------------------------------------------- fees and their rate

    /// @notice Adds networks' protocol fees of a period to what its matched part is shared by. Anybody, from the
    /// period's end until it is closed; a network that nobody counts in that day is matched nothing.
    /// @dev Escrow keeps fees by network alone: a sum over all would cost every payment a slot.
    function countFees(uint32 period, uint32[] calldata nets) external {
        if (period >= ESCROW.currentPeriod()) revert PeriodOpen(period);
        Period storage p = _periods[period];
        if (p.price != 0) revert PeriodIsClosed(period);
        uint128 sum = p.fees;
        for (uint256 i = 0; i < nets.length; ++i) {
            uint32 net = nets[i];
            Share storage share = _shares[period][net];
            if (share.counted || !REGISTRY.isActive(net)) continue;
            share.counted = true;
            (uint128 fees,,) = ESCROW.fees(net, period);
            sum += fees;
            emit FeesCounted(net, period, fees);
        }
        p.fees = sum;
    }

    /// @notice Fixes the rate of matching for a period: the redeem price of this moment. Anybody, from a day after the
    /// period's end. Without a valid price it must wait, and after 56 periods the matched part is gone.
    function closePeriod(uint32 period) external {
        uint32 current = ESCROW.currentPeriod();
        _requireClaimable(period, current);
        if (current == period + 1) revert StillCounting(period);
        Period storage p = _periods[period];
        if (p.price != 0) revert PeriodIsClosed(period);
        p.price = _redeemPrice().toUint128();
        emit PeriodClosed(period, p.fees, p.price);
    }

    // ------------------------------------------------------------------------------------------------------- minting

    /// @notice Mints into a network's pot what its budget of a period allows: the pot may hold no more unallocated CAIRN
    /// than that budget, times the days between a report and its payment where those are several. The rest of the
    /// budget stays claimable until period + 56. Anybody.
    /// @return amount CAIRN wei minted.
    function claimEmission(uint32 net, uint32 period) external returns (uint128 amount) {
        uint32 current = ESCROW.currentPeriod();
        _requireClaimable(period, current);
        if (!REGISTRY.isActive(net)) revert NetworkNotActive(net);
        (uint128 base, uint128 matched,) = split(period);
        uint128 budget = _baseOf(net, period, base) + _matchedOf(net, period, matched);
        Share storage share = _shares[period][net];
        uint128 claimed = share.claimed;
        amount = Math.min(budget > claimed ? budget - claimed : 0, _room(net, budget)).toUint128();
        // What of both is not minted: a weights contract that promises more than there is serves who comes first, and the
        // schedule holds.
        amount = Math.min(amount, uint256(base) + matched - _periods[period].minted).toUint128();
        if (amount == 0) revert NothingToMint();
        share.claimed = claimed + amount;
        _periods[period].minted += amount;
        emit EmissionClaimed(net, period, amount, budget);
        _mint(amount, current);
        _allow(address(DISTRIBUTOR), amount);
        DISTRIBUTOR.fund(net, address(TOKEN), amount);
    }

    /// @notice Mints from the reserve what Credits lacks to pay every holder in full, as far as it goes. Anybody; who
    /// redeems while cover is short calls it first.
    /// @return amount CAIRN wei given to Credits' top-up reserve.
    function fillTopUp() external returns (uint128 amount) {
        uint256 owed = Math.mulDiv(IERC20(address(CREDITS)).totalSupply(), _SCALE, _redeemPrice(), Math.Rounding.Ceil);
        uint256 held = CREDITS.vault() + CREDITS.topUpReserve();
        uint32 current = ESCROW.currentPeriod();
        (uint256 taken, uint256 available) = _reserve(current);
        amount = Math.min(owed > held ? owed - held : 0, available).toUint128();
        if (amount == 0) revert NothingToMint();
        _reserveTaken = (taken + amount).toUint128();
        emit ReserveReleased(amount, uint128(available - amount));
        _mint(amount, current);
        _allow(address(CREDITS), amount);
        CREDITS.topUp(amount);
    }

    /// @dev The one place that mints. The check can only fail if the code above is wrong, and then it must.
    function _mint(uint128 amount, uint32 current) private {
        uint256 total = uint256(_minted) + amount;
        uint256 limit = scheduled(current);
        if (total > limit) revert ScheduleExceeded(total, limit);
        _minted = uint128(total);
        TOKEN.mint(address(this), amount);
    }

    /// @dev Once and for all: this contract holds no tokens between calls, and both peers are what was deployed with it.
    function _allow(address spender, uint256 amount) private {
        if (TOKEN.allowance(address(this), spender) < amount) TOKEN.approve(spender, type(uint256).max);
    }

    /// @dev What the pot may still take. A pot turns its money over once per report and payment: within a day for the
    /// usual network, and later for one that reports weekly or waits long for challenges.
    function _room(uint32 net, uint128 budget) private view returns (uint256) {
        (, uint40 interval, uint40 window,) = REGISTRY.rootRules(net);
        uint256 turns = Math.min(Math.ceilDiv(uint256(interval) + window, _PERIOD), CLAIM_PERIODS);
        IRewardsDistributor.Pot memory pot = DISTRIBUTOR.pot(net, address(TOKEN));
        uint256 most = uint256(budget) * turns;
        uint256 unallocated = uint256(pot.funded) - pot.allocated;
        return most > unallocated ? most - unallocated : 0;
    }

    function _requireClaimable(uint32 period, uint32 current) private pure {
        if (period >= current) revert PeriodOpen(period);
        if (current > uint256(period) + CLAIM_PERIODS) revert PeriodLapsed(period);
    }

    function _redeemPrice() private view returns (uint256 price) {
        bool valid;
        (valid,, price) = CREDITS.prices();
        if (!valid) revert PriceInvalid();
    }

    // ------------------------------------------------------------------------------------------------------- weights

    /// @notice Proposes another weights contract, in force 14 days later by applyWeights or not at all after 28.
    function proposeWeights(IWeights next) external onlyAuthority {
        if (address(next) == address(0)) revert ZeroAddress();
        _proposed = next;
        _proposalReadyAt = uint40(block.timestamp) + WEIGHTS_DELAY;
        emit WeightsProposed(next, _proposalReadyAt);
    }

    function cancelWeights() external onlyAuthority {
        IWeights next = _proposed;
        if (address(next) == address(0)) revert NoProposal();
        delete _proposed;
        delete _proposalReadyAt;
        emit WeightsProposalCancelled(next);
    }

    /// @notice Puts the proposed weights in force from the next period on. Anybody.
    function applyWeights() external {
        IWeights next = _proposed;
        uint40 readyAt = _proposalReadyAt;
        if (address(next) == address(0)) revert NoProposal();
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        if (block.timestamp >= readyAt + WEIGHTS_DELAY) revert Lapsed(readyAt + WEIGHTS_DELAY);
        delete _proposed;
        delete _proposalReadyAt;
        uint32 from = ESCROW.currentPeriod() + 1;
        _weights.push(from, uint160(address(next)));
        emit WeightsApplied(next, from);
    }

    // --------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IEmissions
    function weights() external view returns (IWeights) {
        return weightsAt(ESCROW.currentPeriod());
    }

    /// @inheritdoc IEmissions
    function weightsAt(uint32 period) public view returns (IWeights) {
        return IWeights(address(_weights.upperLookupRecent(period)));
    }

    /// @inheritdoc IEmissions
    function scheduled(uint32 period) public view returns (uint256 total) {
        return Schedule.cumulative(TOTAL, HALF_LIFE, period);
    }

    /// @inheritdoc IEmissions
    /// @dev Differences of floored cumulative parts, so that the parts of all periods sum to the whole without dust.
    function split(uint32 period) public view returns (uint128 base, uint128 matched, uint128 topUp) {
        uint256 from = scheduled(period);
        uint256 to = scheduled(period + 1);
        topUp = uint128(_part(to, TOP_UP_BPS) - _part(from, TOP_UP_BPS));
        base = uint128(_part(to, BASE_BPS) - _part(from, BASE_BPS));
        matched = uint128(to - from) - base - topUp;
    }

    /// @inheritdoc IEmissions
    function baseOf(uint32 net, uint32 period) external view returns (uint128) {
        (uint128 base,,) = split(period);
        return _baseOf(net, period, base);
    }

    /// @dev A weights contract that fails gives nobody anything while it fails, and cannot stop the matched part.
    function _baseOf(uint32 net, uint32 period, uint128 base) private view returns (uint128) {
        try weightsAt(period).shareOf(net, period) returns (uint16 bps) {
            return uint128(uint256(base) * Math.min(bps, CAP_BPS) / _BPS);
        } catch {
            return 0;
        }
    }

    /// @inheritdoc IEmissions
    function matchedOf(uint32 net, uint32 period) external view returns (uint128) {
        (, uint128 pool,) = split(period);
        return _matchedOf(net, period, pool);
    }

    /// @dev min(fees · r, cap) with r = min(1 / Pr, pool / Σ fees), each rounded down.
    function _matchedOf(uint32 net, uint32 period, uint128 pool) private view returns (uint128) {
        Period storage p = _periods[period];
        uint128 price = p.price;
        if (price == 0 || !_shares[period][net].counted) return 0;
        (uint128 fees,,) = ESCROW.fees(net, period);
        if (fees == 0) return 0;
        uint256 value = Math.mulDiv(fees, _SCALE, price);
        uint256 share = Math.mulDiv(pool, fees, p.fees);
        return Math.min(Math.min(value, share), uint256(pool) * CAP_BPS / _BPS).toUint128();
    }

    /// @inheritdoc IEmissions
    function periodOf(uint32 period) external view returns (Period memory) {
        return _periods[period];
    }

    /// @inheritdoc IEmissions
    function isCounted(uint32 net, uint32 period) external view returns (bool) {
        return _shares[period][net].counted;
    }

    /// @inheritdoc IEmissions
    function claimedOf(uint32 net, uint32 period) external view returns (uint128) {
        return _shares[period][net].claimed;
    }

    /// @inheritdoc IEmissions
    function reserve() external view returns (uint128 tokens) {
        (, uint256 available) = _reserve(ESCROW.currentPeriod());
        return uint128(available);
    }

    /// @inheritdoc IEmissions
    function minted() external view returns (uint128) {
        return _minted;
    }

    /// @inheritdoc IEmissions
    function proposedWeights() external view returns (IWeights next, uint40 readyAt) {
        return (_proposed, _proposalReadyAt);
    }

    /// @dev The reserve is a stretch of the cumulative schedule: it ends with the last whole period, and begins where
    /// the last release ended or 30 periods ago, whichever is later. Moving one number makes the oldest lapse.
    function _reserve(uint32 current) private view returns (uint256 taken, uint256 available) {
        uint256 end = _part(scheduled(current), TOP_UP_BPS);
        uint256 start = current > RESERVE_PERIODS ? _part(scheduled(current - RESERVE_PERIODS), TOP_UP_BPS) : 0;
        taken = Math.max(_reserveTaken, start);
        available = end - taken;
    }

    function _part(uint256 amount, uint256 bps) private pure returns (uint256) {
        return amount * bps / _BPS;
    }
}
