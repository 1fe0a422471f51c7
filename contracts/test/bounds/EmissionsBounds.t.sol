// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Emissions} from "../../emissions/Emissions.sol";
import {IEmissions} from "../../interfaces/IEmissions.sol";
import {EmissionsFixture} from "../EmissionsFixture.sol";

/// @notice What Emissions cannot be made without, and the one limit that stands even when its books are wrong.
contract EmissionsBoundsTest is EmissionsFixture {
    function setUp() public {
        _deploy();
    }

    function test_EmissionsAreNotMadeWithoutAnyOfTheirPeers() public {
        // All fields are addresses, so each is a word of the struct in memory.
        for (uint256 missing = 0; missing < 7; ++missing) {
            Emissions.Peers memory peers = _peers();
            assembly ("memory-safe") {
                mstore(add(peers, mul(missing, 0x20)), 0)
            }
            vm.expectRevert(IEmissions.ZeroAddress.selector);
            new Emissions(peers, TOTAL, HALF_LIFE);
        }
    }

    /// The last line of defence: whatever the books above it came to say, no wei is minted beyond the schedule.
    function test_BooksThatAreWrongMintUpToTheScheduleAndNotAWeiMore() public {
        _setShares(4000, 0);
        _nextPeriod();
        uint32 period = _nextPeriod();
        uint128 amount = emissions.baseOf(NET, period);
        uint256 limit = emissions.scheduled(escrow.currentPeriod());
        _pretendMinted(limit - amount + 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissions.ScheduleExceeded.selector, limit + 1, limit));
        emissions.claimEmission(NET, period);
        _pretendMinted(limit - amount);
        assertEq(emissions.claimEmission(NET, period), amount, "to the last wei");
        assertEq(emissions.minted(), limit, "all that is scheduled");
    }

    /// @dev The first slot's lower half; its upper half, what was taken of the reserve, is zero.
    function _pretendMinted(uint256 amount) private {
        vm.store(address(emissions), 0, bytes32(amount));
        assertEq(emissions.minted(), amount, "slot");
    }
}
