// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IPriceOracle} from "./IPriceOracle.sol";

/// @title A price source whose newest price the user brings along and pays for.
interface IUpdatableOracle is IPriceOracle {
    /// The source charges `fee` wei for this update and got less.
    error FeeTooLow(uint256 paid, uint256 fee);

    /// @notice Publishes signed prices on chain. Anyone may; the source checks the signatures.
    /// @param data The source's own update messages.
    /// @param refundTo Receives what of msg.value the source does not charge.
    function update(bytes[] calldata data, address refundTo) external payable;

    /// @return fee Native wei that `update(data)` costs.
    function updateFee(bytes[] calldata data) external view returns (uint256 fee);
}
