// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INetworkRegistry} from "../../interfaces/INetworkRegistry.sol";
import {World} from "../World.sol";

/// @notice When the guardian's vetoes lengthen the window of the root behind them, and when they must not.
contract RewardsDistributorBoundsTest is World {
    uint40 private constant WINDOW = 4 days;
    uint40 private constant LONG = 21 days;
    uint32 private net;

    function setUp() public {
        deployWorld();
        INetworkRegistry.Params memory p = params();
        p.challengeWindow = WINDOW;
        INetworkRegistry.Roles memory r = roles();
        r.publisher = address(this);
        token.approve(address(registry), BOND);
        net = registry.create(p, r, "own publisher");
        token.approve(address(distributor), type(uint256).max);
        distributor.fund(net, address(token), 1_000e18);
    }

    /// A day later, the next root.
    function _publish() private returns (uint32 index) {
        vm.warp(block.timestamp + 1 days);
        index = distributor.publish(net, address(token), registry.currentEpoch(net) - 1, "root", 1e18, "data");
    }

    function _veto(uint32 index) private {
        vm.prank(guardian);
        distributor.veto(net, address(token), index);
    }

    function _activeAt(uint32 index) private view returns (uint40) {
        return distributor.rootAt(net, address(token), index).activeAt;
    }

    /// Otherwise the guardian's single veto would hold up pay for three weeks.
    function test_OneVetoLeavesTheNextRootItsWindowAndASecondLengthensIt() public {
        for (uint256 i = 0; i < 3; ++i) {
            _publish();
        }
        uint40 second = _activeAt(1);
        uint40 third = _activeAt(2);
        _veto(0);
        assertEq(_activeAt(1), second, "behind one veto");
        assertEq(_activeAt(2), third, "nor the one behind it");
        vm.warp(block.timestamp + 1 hours);
        _veto(1);
        assertEq(_activeAt(2), block.timestamp + LONG, "behind two vetoes");
    }

    function test_ARootBehindOneVetoIsPublishedWithTheNetworksWindow() public {
        _publish();
        vm.warp(block.timestamp + WINDOW);
        _veto(_publish());
        assertEq(_activeAt(_publish()), block.timestamp + WINDOW, "the usual one");
    }

    /// The walk back over the ring ends at an active root; the two vetoes before it must still count.
    function test_ARootBehindTwoVetoesAndAnActiveRootIsPublishedWithTheLongWindow() public {
        _publish();
        vm.warp(block.timestamp + WINDOW);
        _veto(_publish());
        _veto(_publish());
        assertEq(_activeAt(_publish()), block.timestamp + LONG, "the long one");
    }
}
