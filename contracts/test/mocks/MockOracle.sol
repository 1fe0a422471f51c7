// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IPriceOracle} from "../../interfaces/IPriceOracle.sol";

/// @notice An oracle whose answers, age and manners the test chooses.
contract MockOracle is IPriceOracle {
    enum Manner {
        Answer,
        Revert,
        Short,
        Wide,
        Burn
    }

    uint128 public spot;
    uint128 public conf;
    uint128 public ema;
    uint40 public publishedAt;
    uint40 public maxAge = 10 minutes;
    Manner public manner;

    function set(uint128 spot_, uint128 conf_, uint128 ema_, uint40 publishedAt_) external {
        (spot, conf, ema, publishedAt) = (spot_, conf_, ema_, publishedAt_);
    }

    function setManner(Manner manner_) external {
        manner = manner_;
    }

    function latest() external view returns (uint128, uint128, uint128, uint40) {
        if (manner == Manner.Revert) revert();
        if (manner == Manner.Burn) while (true) {}
        if (manner == Manner.Short) assembly { return(0, 96) }
        if (manner == Manner.Wide) {
            assembly {
                mstore(0, not(0))
                mstore(32, 0)
                mstore(64, not(0))
                mstore(96, timestamp())
                return(0, 128)
            }
        }
        // 0 means "now", so that a test may warp without repeating the price.
        return (spot, conf, ema, publishedAt == 0 ? uint40(block.timestamp) : publishedAt);
    }
}
