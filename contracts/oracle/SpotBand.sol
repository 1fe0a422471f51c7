// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The breaker of adapters with a market behind them.
/// @notice A spot price further than 20 % from its own average is a crash, a squeeze or a broken feed, and no contract
/// can tell which; so there is no price until the average has followed or the spot has come back. That stops buying and
/// redeeming credits, which wait well, and nothing else.
library SpotBand {
    uint256 internal constant BAND_BPS = 2_000;
    uint256 private constant BPS = 10_000;

    error OutOfBand(uint256 spot, uint256 ema);

    function check(uint256 spot, uint256 ema) internal pure {
        uint256 distance = spot > ema ? spot - ema : ema - spot;
        if (distance * BPS > ema * BAND_BPS) revert OutOfBand(spot, ema);
    }
}
