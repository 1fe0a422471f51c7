// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {SpotBand} from "./SpotBand.sol";

/// @title CAIRN's price from a Chainlink feed, with an average that the feed does not have.
/// @notice Anyone pokes; at most every two hours that writes the feed's price into a ring of twelve. The average over the
/// ring weighs each sample 2/13 of what is newer, so no block can move spot and average together, and a real move is
/// followed within one turn of the ring, a day. A ring with gaps (twelve samples in more than 36 hours) says nothing of
/// the last day and gives no price until it is refilled.
/// @dev Nobody owns it. A feed that Chainlink abandons goes stale, and Credits changes its oracle in 14 days.
contract ChainlinkOracle is IPriceOracle {
    using SafeCast for uint256;

    uint256 public constant RING = 12;
    /// @notice Least seconds between two samples.
    uint256 public constant SAMPLE_INTERVAL = 2 hours;
    /// @notice Most seconds that the ring may span: half as long again as without a missed poke.
    uint256 public constant MAX_SPAN = 36 hours;
    /// @notice After a sequencer's outage the feed may lag behind the market; its price waits this long.
    uint256 public constant SEQUENCER_GRACE = 1 hours;
    /// @dev The usual smoothing for a window of n samples: 2 / (n + 1).
    uint256 private constant WEIGHT = 2;
    uint256 private constant WEIGHT_OF = RING + 1;
    /// @dev Twice σ is what buyers and redeemers pay at most for the feed's own slack; Credits refuses more than 2 %.
    uint256 private constant MAX_CONF_BPS = 200;
    uint256 private constant BPS = 10_000;

    IAggregatorV3 public immutable FEED;
    /// @notice Chainlink's uptime feed of an L2's sequencer; zero on a chain without one.
    IAggregatorV3 public immutable SEQUENCER;
    /// @notice The feed has no σ of its own; its deviation threshold is one, as it may be off by that much unnoticed.
    uint256 public immutable CONF_BPS;
    uint40 private immutable _MAX_AGE;
    /// @dev Feed unit to USD · 1e18.
    uint256 private immutable _SCALE;

    /// @dev One slot.
    struct Sample {
        uint40 takenAt;
        uint128 price;
    }

    Sample[RING] private _ring;
    uint256 private _samples;

    event Poked(uint256 indexed sample, uint128 price);

    error BadFeed();
    error BadSettings();
    error BadAnswer(int256 answer, uint256 updatedAt);
    error TooSoon(uint256 readyAt);
    error RingNotFull(uint256 samples);
    error RingHasGaps(uint256 oldest);
    error SequencerDown();

    /// @param feed CAIRN / USD.
    /// @param sequencer Uptime feed, or zero.
    /// @param maxAge_ Seconds for which an answer holds: the feed's heartbeat and some slack.
    /// @param confBps The feed's deviation threshold, 1 … 200.
    constructor(IAggregatorV3 feed, IAggregatorV3 sequencer, uint40 maxAge_, uint256 confBps) {
        uint8 decimals = feed.decimals();
        if (decimals > 18) revert BadFeed();
        if (maxAge_ == 0 || confBps == 0 || confBps > MAX_CONF_BPS) revert BadSettings();
        FEED = feed;
        SEQUENCER = sequencer;
        _MAX_AGE = maxAge_;
        CONF_BPS = confBps;
        _SCALE = 10 ** (18 - decimals);
    }

    /// @notice Writes the feed's price into the ring. Anyone, every two hours.
    /// @dev No band here: an average that refused outliers could never follow a crash.
    function poke() external {
        uint256 number = _samples;
        if (number != 0) {
            uint256 readyAt = _ring[(number - 1) % RING].takenAt + SAMPLE_INTERVAL;
            if (block.timestamp < readyAt) revert TooSoon(readyAt);
        }
        (uint128 price,) = _read();
        _ring[number % RING] = Sample(uint40(block.timestamp), price);
        _samples = number + 1;
        emit Poked(number, price);
    }

    /// @inheritdoc IPriceOracle
    function latest() external view returns (uint128 spot, uint128 conf, uint128 ema, uint40 publishedAt) {
        (spot, publishedAt) = _read();
        ema = average();
        SpotBand.check(spot, ema);
        conf = uint128((uint256(spot) * CONF_BPS + BPS - 1) / BPS); // at most 2 % of a uint128
    }

    /// @inheritdoc IPriceOracle
    function maxAge() external view returns (uint40) {
        return _MAX_AGE;
    }

    /// @notice The ring's average, from the oldest sample to the newest. Reverts while the ring is not full or has gaps.
    function average() public view returns (uint128) {
        uint256 number = _samples;
        if (number < RING) revert RingNotFull(number);
        Sample memory sample = _ring[number % RING];
        if (block.timestamp - sample.takenAt > MAX_SPAN) revert RingHasGaps(sample.takenAt);
        uint256 ema = sample.price;
        for (uint256 i = 1; i < RING; ++i) {
            uint256 price = _ring[(number + i) % RING].price;
            ema = (ema * (WEIGHT_OF - WEIGHT) + price * WEIGHT) / WEIGHT_OF;
        }
        return ema.toUint128();
    }

    /// @notice How many samples were ever taken, and when the newest was.
    function samples() external view returns (uint256 number, uint40 newestAt) {
        number = _samples;
        if (number != 0) newestAt = _ring[(number - 1) % RING].takenAt;
    }

    function _read() private view returns (uint128 price, uint40 updatedAt) {
        _checkSequencer();
        (, int256 answer,, uint256 writtenAt,) = FEED.latestRoundData();
        // A stale price must not fill the ring either.
        bool usable = answer > 0 && writtenAt <= block.timestamp && block.timestamp - writtenAt <= _MAX_AGE;
        if (!usable) revert BadAnswer(answer, writtenAt);
        return ((uint256(answer) * _SCALE).toUint128(), uint40(writtenAt));
    }

    /// @dev Answer 0 is up, 1 is down; startedAt is when that began.
    function _checkSequencer() private view {
        if (address(SEQUENCER) == address(0)) return;
        (, int256 down, uint256 since,,) = SEQUENCER.latestRoundData();
        bool settled = since != 0 && since <= block.timestamp && block.timestamp - since > SEQUENCER_GRACE;
        if (down != 0 || !settled) revert SequencerDown();
    }
}
