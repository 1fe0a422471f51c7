// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAggregatorV3} from "../../interfaces/IAggregatorV3.sol";
import {IPyth} from "../../interfaces/IPyth.sol";

/// @notice A Chainlink feed, or an uptime feed, that says what the test says.
contract MockFeed is IAggregatorV3 {
    uint8 public decimals;
    int256 public answer;
    uint256 public startedAt;
    uint256 public updatedAt;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function set(int256 answer_) external {
        setAt(answer_, block.timestamp, block.timestamp);
    }

    function setAt(int256 answer_, uint256 startedAt_, uint256 updatedAt_) public {
        (answer, startedAt, updatedAt) = (answer_, startedAt_, updatedAt_);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, answer, startedAt, updatedAt, 1);
    }
}

/// @notice Pyth with one feed: an update is the ABI-encoded pair of prices, and costs a wei per message.
contract MockPyth is IPyth {
    Price private _price;
    Price private _ema;

    function getPriceUnsafe(bytes32) external view returns (Price memory) {
        return _price;
    }

    function getEmaPriceUnsafe(bytes32) external view returns (Price memory) {
        return _ema;
    }

    function getUpdateFee(bytes[] calldata data) public pure returns (uint256) {
        return data.length;
    }

    function updatePriceFeeds(bytes[] calldata data) external payable {
        require(msg.value == getUpdateFee(data), "fee");
        for (uint256 i = 0; i < data.length; ++i) {
            (Price memory price, Price memory ema) = abi.decode(data[i], (Price, Price));
            if (price.publishTime > _price.publishTime) (_price, _ema) = (price, ema);
        }
    }
}
