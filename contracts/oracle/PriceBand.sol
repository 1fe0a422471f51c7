// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IPriceOracle} from "../interfaces/IPriceOracle.sol";

/// @title The two conservative ends of an oracle's price.
/// @notice A price is valid when the oracle answers in full, it is not older than the adapter's maxAge nor from the
/// future, and σ is at most 2 % of the spot. Buyers get the lower end, redeemers the upper one.
library PriceBand {
    /// @dev Gas for each of the two calls: an EMA ring or a Pyth read needs well under half of it.
    uint256 internal constant ORACLE_GAS = 100_000;
    /// @dev σ ≤ 2 % of spot; beyond that the source itself does not know the price.
    uint256 internal constant MAX_SIGMA_BPS = 200;

    /// The call has too little gas to tell a broken oracle from a starved one.
    error NotEnoughGas();

    /// @return valid Whether both ends may be used.
    /// @return low min(spot, ema) − 2σ: what a mint is worth at least.
    /// @return high max(spot, ema) + 2σ: what a redemption costs at most.
    function read(IPriceOracle oracle) internal view returns (bool valid, uint256 low, uint256 high) {
        // A caller must not be able to make a good oracle look broken by calling with little gas. Both allowances, the
        // 1/64 that a call leaves behind, and this function's own work fit into this.
        if (gasleft() < 2 * ORACLE_GAS + 50_000) revert NotEnoughGas();
        (bool ok, uint256 spot, uint256 conf, uint256 ema, uint256 publishedAt) = _latest(oracle);
        if (!ok || spot == 0 || ema == 0 || publishedAt > block.timestamp) return (false, 0, 0);
        if (conf * 10_000 > spot * MAX_SIGMA_BPS) return (false, 0, 0);
        if (block.timestamp - publishedAt > _maxAge(oracle)) return (false, 0, 0);
        low = spot < ema ? spot : ema;
        if (low <= 2 * conf) return (false, 0, 0);
        return (true, low - 2 * conf, (spot > ema ? spot : ema) + 2 * conf);
    }

    /// @dev Low level, because `try` reverts when the answer is malformed and a broken oracle must read as no price.
    function _latest(IPriceOracle oracle)
        private
        view
        returns (bool ok, uint256 spot, uint256 conf, uint256 ema, uint256 publishedAt)
    {
        bytes4 selector = IPriceOracle.latest.selector;
        assembly ("memory-safe") {
            let p := mload(0x40) // scratch above the free pointer; not kept
            mstore(p, selector)
            ok := staticcall(ORACLE_GAS, oracle, p, 4, p, 128)
            ok := and(ok, gt(returndatasize(), 127))
            if ok {
                spot := mload(p)
                conf := mload(add(p, 32))
                ema := mload(add(p, 64))
                publishedAt := mload(add(p, 96))
            }
        }
        if ((spot | conf | ema) >> 128 != 0) ok = false;
    }

    /// @return age 0 when the adapter does not say, so that only this block's price would do.
    function _maxAge(IPriceOracle oracle) private view returns (uint256 age) {
        bytes4 selector = IPriceOracle.maxAge.selector;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, selector)
            if and(staticcall(ORACLE_GAS, oracle, p, 4, p, 32), gt(returndatasize(), 31)) { age := mload(p) }
        }
    }
}
