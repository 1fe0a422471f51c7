// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {World} from "./World.sol";

contract StakingTest is World {
    uint40 private constant THAW = 3 weeks;

    function setUp() public {
        deployWorld();
        bondAs(alice, NET, 10_000e18);
    }

    function _unbond(uint128 amount) private returns (uint32) {
        vm.prank(alice);
        return staking.unbond(NET, amount);
    }

    function _slash(uint128 amount, address reporter, uint128 part) private returns (uint128) {
        vm.prank(slasher);
        return staking.slash(alice, NET, amount, reporter, part);
    }

    function _self() private view returns (uint128 self) {
        (self,,) = staking.stakeOf(alice, NET);
    }

    function _thawing() private view returns (uint128 thawing) {
        (,, thawing) = staking.stakeOf(alice, NET);
    }

    function test_BondMakesEligible() public {
        assertTrue(staking.isEligible(alice, NET), "alice");
        assertFalse(staking.isEligible(bob, NET), "bob");
        assertFalse(staking.isEligible(alice, VERIFIERS), "other network");
        vm.prank(founder);
        registry.close(NET);
        assertFalse(staking.isEligible(alice, NET), "closed");
    }

    function test_BondForIsTheOperatorsOwn() public {
        endow(address(this), MIN_STAKE);
        token.approve(address(staking), MIN_STAKE);
        staking.bondFor(bob, NET, MIN_STAKE);
        assertTrue(staking.isEligible(bob, NET), "eligible");
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, uint128(0), uint128(1)));
        staking.unbond(NET, 1);
    }

    function test_BondRefusals() public {
        vm.startPrank(bob);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.bond(NET, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.BelowMinimum.selector, MIN_STAKE - 1, MIN_STAKE));
        staking.bond(NET, MIN_STAKE - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NetworkNotActive.selector, uint32(9)));
        staking.bond(9, MIN_STAKE);
        vm.expectRevert();
        staking.bond(NET, MIN_STAKE); // no allowance
        vm.stopPrank();
    }

    function test_UnbondRefusals() public {
        vm.startPrank(alice);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.unbond(NET, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.InsufficientStake.selector, uint128(10_000e18), uint128(10_000e18 + 1))
        );
        staking.unbond(NET, 10_000e18 + 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.BelowMinimum.selector, MIN_STAKE - 1, MIN_STAKE));
        staking.unbond(NET, 10_000e18 - MIN_STAKE + 1);
        vm.stopPrank();
        _unbond(10_000e18);
        assertFalse(staking.isEligible(alice, NET), "all out");
    }

    function test_ExactlyTheMinimumMayStay() public {
        _unbond(10_000e18 - MIN_STAKE);
        assertTrue(staking.isEligible(alice, NET), "at the minimum");
    }

    function test_AReporterMayGetAll() public {
        _slash(100e18, bob, 100e18);
        assertEq(token.balanceOf(bob), 100e18, "all");
    }

    /// The longest thaw that begins just after a week's edge ends nine edges later: that bucket is slashable too.
    function test_TheNinthWeekIsSlashable() public {
        INetworkRegistry.Params memory p = params();
        p.thawWeeks = 8;
        uint32 net = createNetwork(p);
        bondAs(alice, net, 10_000e18);
        vm.warp((block.timestamp / 1 weeks + 1) * 1 weeks + 1);
        vm.prank(alice);
        uint32 week = staking.unbond(net, 10_000e18);
        assertEq(week, block.timestamp / 1 weeks + 9, "nine weeks ahead");
        vm.prank(slasher);
        assertEq(staking.slash(alice, net, 500e18, address(0), 0), 500e18, "slashed");
        assertEq(staking.bucketOf(alice, net, week), 9_500e18, "bucket");
    }

    function test_UnbondingWorksInAClosedNetwork() public {
        vm.prank(founder);
        registry.close(NET);
        uint32 week = _unbond(10_000e18);
        vm.warp(uint256(week) * 7 days);
        vm.prank(alice);
        staking.withdrawSelf(NET, week);
        assertEq(token.balanceOf(alice), 10_000e18, "out");
    }

    function testFuzz_ABucketMaturesOnAWeeksEdgeNeverBeforeTheThaw(uint256 start, uint128 amount) public {
        vm.warp(bound(start, block.timestamp, block.timestamp + 3650 days));
        uint32 week = _unbond(uint128(bound(amount, 1, 10_000e18 - MIN_STAKE)));
        uint256 maturesAt = uint256(week) * 7 days;
        assertGe(maturesAt, block.timestamp + THAW, "not before the thaw");
        assertLe(maturesAt, block.timestamp + THAW + 7 days - 1, "at most a week later");
        vm.warp(maturesAt - 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotMatured.selector, maturesAt));
        staking.withdrawSelf(NET, week);
        vm.warp(maturesAt);
        vm.prank(alice);
        uint128 out = staking.withdrawSelf(NET, week);
        assertEq(token.balanceOf(alice), out, "paid");
        vm.prank(alice);
        vm.expectRevert(IStaking.NothingToWithdraw.selector);
        staking.withdrawSelf(NET, week);
    }

    // ------------------------------------------------------------ slashing

    function test_OnlyTheSlasherSlashes() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotSlasher.selector, bob));
        staking.slash(alice, NET, 1, bob, 1);
        vm.prank(slasher);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.slash(alice, NET, 0, bob, 0);
        vm.prank(slasher);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ReporterTooHigh.selector, uint128(2), uint128(1)));
        staking.slash(alice, NET, 1, bob, 2);
    }

    function test_ASlashPaysTheReporterAndBurnsTheRest() public {
        uint256 supply = token.totalSupply();
        assertEq(_slash(1_000e18, bob, 250e18), 1_000e18, "slashed");
        assertEq(token.balanceOf(bob), 250e18, "reporter");
        assertEq(supply - token.totalSupply(), 750e18, "burned");
        assertEq(_self(), 9_000e18, "left");
    }

    function test_ActiveAndThawingPayProRata() public {
        uint32 first = _unbond(2_000e18);
        vm.warp(block.timestamp + 1 weeks);
        uint32 second = _unbond(3_000e18);
        assertEq(second, first + 1, "two buckets");
        _slash(1_000e18, address(0), 0);
        assertEq(_self(), 4_500e18, "active: half");
        assertEq(staking.bucketOf(alice, NET, first), 1_800e18, "first: a fifth");
        assertEq(staking.bucketOf(alice, NET, second), 2_700e18, "second: three tenths");
    }

    // S3
    function test_S3_AMaturedBucketIsNeverSlashed() public {
        uint32 week = _unbond(5_000e18);
        vm.warp(uint256(week) * 7 days);
        assertEq(_thawing(), 0, "nothing slashable thaws");
        _slash(1_000e18, address(0), 0);
        assertEq(staking.bucketOf(alice, NET, week), 5_000e18, "bucket");
        assertEq(_self(), 4_000e18, "active pays all");
    }

    function test_TheWindowLimitsTheSlashAndTheRestStaysOwed() public {
        assertEq(_slash(3_000e18, bob, 750e18), 2_000e18, "a fifth of 10 000");
        assertEq(token.balanceOf(bob), 500e18, "reporter gets his share of what was taken");
        assertEq(staking.provisionOf(alice, NET).owed, 1_000e18, "owed");
        vm.expectRevert(IStaking.WindowExhausted.selector);
        staking.collectOwed(alice, NET);
        vm.warp(block.timestamp + 1 weeks);
        assertEq(staking.collectOwed(alice, NET), 1_000e18, "collected");
        assertEq(_self(), 7_000e18, "left");
        vm.expectRevert(IStaking.NothingOwed.selector);
        staking.collectOwed(alice, NET);
    }

    function test_StakeAddedInsideAWindowDoesNotWidenIt() public {
        _slash(2_000e18, address(0), 0);
        bondAs(alice, NET, 100_000e18);
        assertEq(_slash(1e18, address(0), 0), 0, "nothing more this week");
    }

    // S7
    function test_S7_OneNetworksSlashLeavesTheOthersAlone() public {
        bondAs(alice, VERIFIERS, 5_000e18);
        bondAs(bob, NET, 5_000e18);
        _slash(2_000e18, address(0), 0);
        (uint128 other,,) = staking.stakeOf(alice, VERIFIERS);
        (uint128 bobs,,) = staking.stakeOf(bob, NET);
        assertEq(other, 5_000e18, "other network");
        assertEq(bobs, 5_000e18, "other operator");
    }

    /// Whatever is unbonded and slashed, the parts sum to the whole and nobody pays more than the limit.
    function testFuzz_ASlashIsExact(uint128 a, uint128 b, uint128 amount, uint8 gap) public {
        _unbond(uint128(bound(a, 1, 3_000e18)));
        vm.warp(block.timestamp + bound(gap, 0, 3) * 1 weeks);
        _unbond(uint128(bound(b, 1, 3_000e18)));
        amount = uint128(bound(amount, 1, 20_000e18));
        uint256 total = uint256(_self()) + _thawing();
        uint256 held = token.balanceOf(address(staking));
        uint128 slashed = _slash(amount, address(0), 0);
        uint256 limit = total / 5;
        assertEq(slashed, amount < limit ? amount : limit, "slashed");
        assertEq(uint256(_self()) + _thawing(), total - slashed, "books");
        assertEq(token.balanceOf(address(staking)), held - slashed, "tokens");
    }

    function test_TheSlasherChangesOnlyByTheAuthorityAfterTenWeeks() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthority.selector, bob));
        staking.proposeSlasher(bob);
        vm.expectRevert(IStaking.NothingProposed.selector);
        staking.applySlasher();
        vm.prank(authority);
        staking.proposeSlasher(bob);
        uint40 readyAt = uint40(block.timestamp) + 10 weeks;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.TooEarly.selector, readyAt));
        staking.applySlasher();
        vm.warp(readyAt);
        staking.applySlasher();
        assertEq(staking.slasher(), bob, "slasher");
        vm.expectRevert(IStaking.NothingProposed.selector);
        staking.applySlasher();
    }

    function test_GasOfASlashWithThreeBuckets() public {
        for (uint256 i = 0; i < 3; ++i) {
            _unbond(1_000e18);
            vm.warp(block.timestamp + 5 days);
        }
        _slash(100e18, bob, 25e18);
        gate("Staking", "slash", lastGas(), 160_000);
    }
}
