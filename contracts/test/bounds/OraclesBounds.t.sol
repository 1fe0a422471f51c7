// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAggregatorV3} from "../../interfaces/IAggregatorV3.sol";
import {IPyth} from "../../interfaces/IPyth.sol";
import {ChainlinkOracle} from "../../oracle/ChainlinkOracle.sol";
import {PythOracle} from "../../oracle/PythOracle.sol";
import {Test} from "../Vm.sol";
import {MockFeed, MockPyth} from "../mocks/MockFeeds.sol";

/// @notice The last values that the adapters take, and what they make of them.
contract OraclesBoundsTest is Test {
    uint256 private constant T0 = 1_800_000_000;
    bytes32 private constant ID = "CAIRN/USD";

    MockPyth private pyth;
    PythOracle private pythOracle;

    function setUp() public {
        vm.warp(T0);
        pyth = new MockPyth();
        pythOracle = new PythOracle(pyth, ID, 10 minutes);
        vm.deal(address(this), 1 ether);
    }

    function test_AFeedMayHaveEighteenDecimalsAndAThresholdOfTwoPercent() public {
        MockFeed feed = new MockFeed(18);
        ChainlinkOracle oracle = new ChainlinkOracle(feed, IAggregatorV3(address(0)), 1 hours, 200);
        for (uint256 i = 0; i < 12; ++i) {
            vm.warp(block.timestamp + 2 hours);
            feed.set(1.5e18);
            oracle.poke();
        }
        (uint128 spot, uint128 conf,,) = oracle.latest();
        assertEq(spot, 1.5e18, "unscaled");
        assertEq(conf, 0.03e18, "sigma");
    }

    function test_AnAnswerIsGoodToTheLastSecondOfItsAge() public {
        MockFeed feed = new MockFeed(8);
        ChainlinkOracle oracle = new ChainlinkOracle(feed, IAggregatorV3(address(0)), 1 hours, 50);
        feed.setAt(1e8, T0 - 1 hours, T0 - 1 hours);
        oracle.poke();
        (uint256 number,) = oracle.samples();
        assertEq(number, 1, "in the ring");
    }

    function test_PythsPriceMayBeTenMinutesOld() public view {
        assertEq(pythOracle.maxAge(), 600, "the longest age");
    }

    function _update(int64 mantissa, uint64 conf, int32 expo) private {
        vm.warp(block.timestamp + 1);
        IPyth.Price memory price = IPyth.Price(mantissa, conf, expo, block.timestamp);
        bytes[] memory data = new bytes[](1);
        data[0] = abi.encode(price, price);
        pythOracle.update{value: 1}(data, address(this));
    }

    function test_ExponentsFromMinusEighteenToZeroAreScaledWithoutRounding() public {
        _update(3, 1, 0);
        (uint128 spot, uint128 conf, uint128 ema,) = pythOracle.latest();
        assertEq(spot, 3e18, "whole dollars");
        assertEq(conf, 1e18, "sigma");
        assertEq(ema, 3e18, "average");
        _update(5e17 + 1, 7, -18);
        (spot, conf, ema,) = pythOracle.latest();
        assertEq(spot, 5e17 + 1, "as it is");
        assertEq(conf, 7, "sigma");
        assertEq(ema, 5e17 + 1, "average");
    }

    /// Whoever pays the exact fee need not be able to take money back: many wallets and contracts cannot. This test
    /// contract has no receive function either.
    function test_TheExactFeeReturnsNothingSoNobodyIsCalled() public {
        uint256 before = address(this).balance;
        _update(1e8, 0, -8);
        assertEq(before - address(this).balance, 1, "the fee");
    }
}
