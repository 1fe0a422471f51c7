// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MoneyFixture} from "./mocks/MoneyFixture.sol";

/// @notice Threats to money that no single function's test shows. The others of the table carry their number beside the
/// function that counters them: `grep -rn Threat contracts/test`.
contract ThreatsTest is MoneyFixture {
    uint128 private constant M = 1_000_000;

    function setUp() public {
        _deploy();
    }

    /// Threat 6: who promises more than he has pays what is there; the promise stays good, once, for the rest.
    function test_Threat6_AnOvercommittedPayerLeavesHisVouchersGood() public {
        _fund(payer, 10 * M);
        assertEq(_redeem(PAYER_KEY, 1, 8 * M), 8 * M, "the first is paid");
        assertEq(_redeem(PAYER_KEY, 2, 8 * M), 2 * M, "the second as far as it goes");
        assertEq(_redeem(PAYER_KEY, 2, 8 * M), 0, "and no further");
        _fund(payer, 10 * M);
        assertEq(_redeem(PAYER_KEY, 2, 8 * M), 6 * M, "the same voucher pays its rest");
        assertEq(_redeem(PAYER_KEY, 2, 8 * M), 0, "once");
        assertEq(_available(payer), 4 * M, "and nothing more");
    }

    /// Threat 6: an earmark is out of reach of every other promise.
    function test_Threat6_AnEarmarkIsThePayeesWhateverElseIsPromised() public {
        _fund(payer, 10 * M);
        _open(1, 6 * M);
        assertEq(_redeem(PAYER_KEY, 2, 100 * M), 4 * M, "the pool only");
        assertEq(_redeem(PAYER_KEY, 1, 6 * M), 6 * M, "the earmark is whole");
    }

    function _exitGas() private returns (uint256) {
        vm.prank(payer);
        escrow.thaw(address(credits), M);
        vm.warp(block.timestamp + 7 days);
        vm.prank(payer);
        escrow.withdraw(address(credits), payer);
        return lastGas();
    }

    /// Threat 31: what strangers send, open and lock for or against an account makes none of its calls dearer.
    function test_Threat31_StrangersDustMakesNoExitDearer() public {
        _fund(payer, 1000 * M);
        _exitGas();
        uint256 before = _exitGas();
        for (uint64 i = 0; i < 50; ++i) {
            _fund(payer, 1);
            _redeem(OTHER_KEY, i, 1);
        }
        assertEq(_exitGas(), before, "the same gas");
    }
}
