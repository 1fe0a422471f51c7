// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {IPyth} from "../interfaces/IPyth.sol";
import {IUpdatableOracle} from "../interfaces/IUpdatableOracle.sol";
import {SpotBand} from "./SpotBand.sol";

/// @title CAIRN's price from Pyth, which the buyer or redeemer brings along.
/// @notice Pyth publishes off chain; whoever needs the price posts the newest one and pays Pyth's fee, in the same
/// transaction by Credits.mintWithPrice and Escrow.redeemEarnedWithPrice. A user chooses among the prices of the last
/// maxAge seconds, which is why that must be short and why both ends of the band take the average's side too.
contract PythOracle is IUpdatableOracle {
    using SafeCast for uint256;

    /// @dev 10 minutes, as Helium's; a longer one is a longer menu of prices.
    uint40 private constant _LONGEST_AGE = 10 minutes;
    /// @dev Pyth's mantissa is an int64, so an exponent outside of this cannot hold a price that matters.
    int32 private constant _MIN_EXPO = -18;
    int32 private constant _MAX_EXPO = 0;

    IPyth public immutable PYTH;
    bytes32 public immutable FEED_ID;
    uint40 private immutable _MAX_AGE;

    error BadSettings();
    error BadPrice(int64 price, int32 expo);
    error NotRefundable();

    /// @param pyth Pyth's contract on this chain.
    /// @param feedId CAIRN / USD.
    /// @param maxAge_ Seconds for which a published price may be used, 1 … 600.
    constructor(IPyth pyth, bytes32 feedId, uint40 maxAge_) {
        if (address(pyth) == address(0) || feedId == 0 || maxAge_ == 0 || maxAge_ > _LONGEST_AGE) revert BadSettings();
        PYTH = pyth;
        FEED_ID = feedId;
        _MAX_AGE = maxAge_;
    }

    /// @inheritdoc IUpdatableOracle
    function update(bytes[] calldata data, address refundTo) external payable {
        uint256 fee = PYTH.getUpdateFee(data);
        if (msg.value < fee) revert FeeTooLow(msg.value, fee);
        if (refundTo == address(0)) revert NotRefundable();
        PYTH.updatePriceFeeds{value: fee}(data);
        if (msg.value > fee) Address.sendValue(payable(refundTo), msg.value - fee);
    }

    /// @inheritdoc IUpdatableOracle
    function updateFee(bytes[] calldata data) external view returns (uint256 fee) {
        return PYTH.getUpdateFee(data);
    }

    /// @inheritdoc IPriceOracle
    /// @dev σ is the larger of the two; the time is the older of the two.
    function latest() external view returns (uint128 spot, uint128 conf, uint128 ema, uint40 publishedAt) {
        IPyth.Price memory now_ = PYTH.getPriceUnsafe(FEED_ID);
        IPyth.Price memory slow = PYTH.getEmaPriceUnsafe(FEED_ID);
        uint128 slowConf;
        (spot, conf) = _scaled(now_);
        (ema, slowConf) = _scaled(slow);
        if (slowConf > conf) conf = slowConf;
        SpotBand.check(spot, ema);
        publishedAt = (now_.publishTime < slow.publishTime ? now_.publishTime : slow.publishTime).toUint40();
    }

    /// @inheritdoc IPriceOracle
    function maxAge() external view returns (uint40) {
        return _MAX_AGE;
    }

    /// @dev To 18 decimals; with an exponent of −18 … 0 that only multiplies, so nothing is rounded.
    function _scaled(IPyth.Price memory p) private pure returns (uint128 price, uint128 conf) {
        if (p.price <= 0 || p.expo < _MIN_EXPO || p.expo > _MAX_EXPO) revert BadPrice(p.price, p.expo);
        uint256 scale = 10 ** uint256(int256(18 + p.expo));
        return ((uint256(uint64(p.price)) * scale).toUint128(), (uint256(p.conf) * scale).toUint128());
    }
}
