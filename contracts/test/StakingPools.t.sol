// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Staking} from "../Staking.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Pause} from "../libraries/Pause.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {World} from "./World.sol";
import {MockAuthority} from "./mocks/MockGovernance.sol";

/// @notice A token of which everybody has everything.
contract EveryToken {
    function transferFrom(address, address, uint256) external pure returns (bool) {
        return true;
    }

    function burn(uint256) external {}
}

contract StakingPoolsTest is World {
    uint40 private constant THAW = 3 weeks;
    uint128 private constant SELF = 10_000e18;
    address private immutable carol = address(0xCA01);

    function setUp() public {
        deployWorld();
        bondAs(alice, NET, SELF);
    }

    function _delegate(address who, uint128 amount) private returns (uint128 shares) {
        endow(who, amount);
        vm.startPrank(who);
        token.approve(address(staking), amount);
        shares = staking.delegateTo(alice, NET, amount, 0);
        vm.stopPrank();
    }

    function _undelegate(address who, uint128 shares) private returns (uint32 week, uint128 amount) {
        vm.prank(who);
        return staking.undelegate(alice, NET, 0, shares);
    }

    function _slash(uint128 amount) private returns (uint128) {
        vm.prank(slasher);
        return staking.slash(alice, NET, amount, address(0), 0);
    }

    function _delegated() private view returns (uint128 delegated) {
        (, delegated,) = staking.stakeOf(alice, NET);
    }

    function _self() private view returns (uint128 self) {
        (self,,) = staking.stakeOf(alice, NET);
    }

    function _value(address who) private view returns (uint128) {
        return staking.valueOf(who, alice, NET, 0);
    }

    /// A share's rounding is the virtual wei's: less than one wei, and never in the holder's favour.
    function _assertNear(uint256 actual, uint256 expected, string memory what) private pure {
        assertLe(actual, expected, what);
        assertGe(actual + 1, expected, what);
    }

    function test_ThePauseStopsNewStakeAndNoExit() public {
        uint128 shares = _delegate(bob, 500e18);
        uint256 until = block.timestamp + 7 days;
        vm.etch(authority, address(new MockAuthority()).code);
        MockAuthority(authority).setPausedUntil(until);
        endow(bob, 1_000e18);
        vm.startPrank(bob);
        token.approve(address(staking), 2_000e18);
        bytes memory paused = abi.encodeWithSelector(Pause.Paused.selector, until);
        vm.expectRevert(paused);
        staking.delegateTo(alice, NET, 100e18, 0);
        vm.expectRevert(paused);
        staking.bond(NET, MIN_STAKE);
        vm.expectRevert(paused);
        staking.bondFor(alice, NET, 1e18);
        staking.addRewards(alice, NET, 1e18);
        (uint32 week,) = staking.undelegate(alice, NET, 0, shares);
        vm.stopPrank();
        vm.prank(alice);
        uint32 own = staking.unbond(NET, SELF);
        vm.prank(slasher);
        assertEq(staking.slash(alice, NET, 10e18, address(0), 0), 10e18, "slashed");
        vm.warp(uint256(week) * 1 weeks);
        MockAuthority(authority).setPausedUntil(block.timestamp + 1);
        vm.prank(bob);
        assertEq(staking.withdrawDelegated(alice, NET, 0, week), 500e18, "delegated");
        vm.prank(alice);
        assertEq(staking.withdrawSelf(NET, own), SELF - 10e18, "self");
        vm.warp(block.timestamp + 1);
        vm.prank(bob);
        staking.bond(NET, MIN_STAKE);
    }

    // ------------------------------------------------------------ in and out

    function test_DelegatingAndLeavingReturnsTheSame() public {
        uint128 shares = _delegate(bob, 500e18);
        assertEq(_delegated(), 500e18, "delegated");
        assertEq(_value(bob), 500e18, "value");
        (uint32 week, uint128 amount) = _undelegate(bob, shares);
        assertEq(amount, 500e18, "thawing");
        assertEq(_delegated(), 0, "counts no more");
        uint256 maturesAt = uint256(week) * 1 weeks;
        assertGe(maturesAt, block.timestamp + THAW, "at least the thaw");
        vm.warp(maturesAt - 1);
        vm.startPrank(bob);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotMatured.selector, maturesAt));
        staking.withdrawDelegated(alice, NET, 0, week);
        vm.warp(maturesAt);
        assertEq(staking.withdrawDelegated(alice, NET, 0, week), 500e18, "paid");
        assertEq(token.balanceOf(bob), 500e18, "balance");
        vm.expectRevert(IStaking.NothingToWithdraw.selector);
        staking.withdrawDelegated(alice, NET, 0, week);
        vm.stopPrank();
    }

    function test_DelegationRefusals() public {
        endow(bob, 1e6 ether);
        vm.startPrank(bob);
        token.approve(address(staking), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IStaking.BelowMinimum.selector, uint128(1e18 - 1), uint128(1e18)));
        staking.delegateTo(alice, NET, 1e18 - 1, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.OverDelegated.selector, uint256(10 * SELF + 1), uint256(10 * SELF))
        );
        staking.delegateTo(alice, NET, 10 * SELF + 1, 0);
        uint128 shares = staking.delegateTo(alice, NET, 10 * SELF - 1e18, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.SlippageExceeded.selector, uint128(1e24), uint128(1e24 + 1)));
        staking.delegateTo(alice, NET, 1e18, 1e24 + 1);
        assertEq(staking.delegateTo(alice, NET, 1e18, 1e24), 1e24, "exactly the bound, exactly the ratio");
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.undelegate(alice, NET, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientShares.selector, shares + 1e24, shares + 1e24 + 1));
        staking.undelegate(alice, NET, 0, shares + 1e24 + 1);
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.undelegate(alice, NET, 0, 1); // a share is a millionth of a wei
        vm.stopPrank();
        vm.prank(founder);
        registry.close(NET);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NetworkNotActive.selector, NET));
        staking.delegateTo(alice, NET, 1e18, 0);
        _undelegate(bob, shares);
    }

    /// Threat 14: share inflation. The attacker is first and gives the pool a thousand times what the next one brings.
    function test_Threat14_InflatingThePriceCostsTheAttackerAndNotTheNext() public {
        address mallory = address(0x3A);
        _delegate(mallory, 1e18);
        vm.prank(mallory);
        staking.undelegate(alice, NET, 0, 1e24 - 1e6); // keeps one wei
        endow(mallory, 1_000e18);
        vm.startPrank(mallory);
        token.approve(address(staking), 1_000e18);
        staking.addRewards(alice, NET, 1_000e18);
        vm.stopPrank();
        vm.warp(block.timestamp + 7 days);
        _delegate(bob, 1e18);
        assertGe(_value(bob), 1e18 - 1e6, "bob keeps what he brought, but for dust");
    }

    /// S2: only a slash lowers what a share is worth.
    function testFuzz_S2_SharePriceOnlyFallsBySlash(uint128[4] calldata amounts, uint128 out, uint128 reward) public {
        _delegate(carol, 777e18);
        uint128 before = _value(carol);
        uint128 shares;
        for (uint256 i = 0; i < 4; ++i) {
            shares = _delegate(bob, uint128(bound(amounts[i], 1e18, 10_000e18)));
            assertGe(_value(carol), before, "a delegation");
            before = _value(carol);
        }
        _undelegate(bob, uint128(bound(out, 1e7, shares)));
        assertGe(_value(carol), before, "a withdrawal");
        before = _value(carol);
        reward = uint128(bound(reward, 1, 1e24));
        token.approve(address(staking), reward);
        staking.addRewards(alice, NET, reward);
        vm.warp(block.timestamp + 3 days);
        assertGe(_value(carol), before, "a reward");
        before = _value(carol);
        _slash(2 * SELF);
        assertLe(_value(carol), before, "a slash");
    }

    function testFuzz_NobodyTakesOutMoreThanHeBrought(uint128 a, uint128 b, uint128 part) public {
        a = uint128(bound(a, 1e18, 40_000e18));
        b = uint128(bound(b, 1e18, 40_000e18));
        uint128 sharesOfBob = _delegate(bob, a);
        uint128 sharesOfCarol = _delegate(carol, b);
        part = uint128(bound(part, 1e6, sharesOfBob - 1e7));
        (uint32 week, uint128 first) = _undelegate(bob, part);
        (, uint128 second) = _undelegate(bob, sharesOfBob - part);
        (, uint128 carols) = _undelegate(carol, sharesOfCarol);
        assertLe(uint256(first) + second, a, "bob");
        assertLe(carols, b, "carol");
        vm.warp(uint256(week) * 1 weeks);
        vm.prank(carol);
        assertLe(staking.withdrawDelegated(alice, NET, 0, week), carols, "carol out");
        vm.prank(bob);
        assertLe(staking.withdrawDelegated(alice, NET, 0, week), uint256(first) + second, "bob out");
        assertGe(token.balanceOf(bob) + 10, a, "but for dust");
    }

    // ------------------------------------------------------------ slashing

    /// The invariant of CONTRACTS.md by name; the campaign holds it too.
    function test_SelfIsZeroBeforeAnyDelegatorLoses() public {
        bondAs(bob, VERIFIERS, SELF);
        _delegate(carol, 90_000e18);
        assertEq(_slash(5_000e18), 5_000e18, "half of self");
        assertEq(_delegated(), 90_000e18, "delegators untouched");
        vm.warp(block.timestamp + 1 weeks);
        assertEq(_slash(8_000e18), 8_000e18, "more than self");
        assertEq(_self(), 0, "self to zero");
        assertEq(_delegated(), 87_000e18, "then the delegators pay the rest");
    }

    function test_DelegatedActiveAndThawingPayProRata() public {
        uint128 shares = _delegate(bob, 60_000e18);
        _delegate(carol, 30_000e18);
        (uint32 week,) = _undelegate(bob, shares / 2);
        vm.prank(alice);
        staking.unbond(NET, SELF);
        assertEq(_slash(19_000e18), 19_000e18, "10 000 of alice's thawing stake, 9 000 of 90 000 delegated");
        assertEq(_delegated(), 54_000e18, "active");
        assertEq(staking.poolBucketOf(alice, NET, 0, week).tokens, 27_000e18, "thawing");
        vm.warp(uint256(week) * 1 weeks);
        vm.prank(bob);
        assertEq(staking.withdrawDelegated(alice, NET, 0, week), 27_000e18, "what is left of it");
    }

    // S3 for delegators
    function test_S3_AMaturedBucketOfDelegatorsIsNeverSlashed() public {
        uint128 shares = _delegate(bob, 90_000e18);
        (uint32 week,) = _undelegate(bob, shares / 2);
        vm.warp(uint256(week) * 1 weeks);
        _slash(100_000e18);
        assertEq(staking.poolBucketOf(alice, NET, 0, week).tokens, 45_000e18, "matured");
        vm.prank(bob);
        assertEq(staking.withdrawDelegated(alice, NET, 0, week), 45_000e18, "paid in full");
    }

    /// Threat 15: leaving the moment before a slash leaves nobody out.
    function test_Threat15_LeavingBeforeASlashDoesNotEscapeIt() public {
        uint128 shares = _delegate(bob, 10_000e18);
        vm.prank(alice);
        uint32 own = staking.unbond(NET, SELF);
        (uint32 week,) = _undelegate(bob, shares);
        vm.warp(block.timestamp + THAW - 1);
        assertEq(_slash(4_000e18), 4_000e18, "a fifth of all");
        assertEq(staking.bucketOf(alice, NET, own), SELF - 4_000e18, "the operator's first");
        vm.warp(block.timestamp + 1);
        assertTrue(block.timestamp <= uint256(week) * 1 weeks, "nothing matured before the thaw");
    }

    /// Threat 31: what others do adds nothing to what a slash walks or a delegator pays.
    function test_Threat31_ManyDelegatorsMakeNothingDearer() public {
        _delegate(bob, 1_000e18);
        uint256 before = vm.snapshotState();
        vm.prank(slasher);
        staking.slash(alice, NET, 12_000e18, address(0), 0);
        uint256 alone = lastGas();
        vm.revertToState(before);
        for (uint160 i = 1; i <= 50; ++i) {
            _delegate(address(0xDD00 + i), 1e18);
        }
        vm.prank(slasher);
        staking.slash(alice, NET, 12_000e18, address(0), 0);
        assertLe(lastGas(), alone + 100, "the same for fifty more");
    }

    function test_ASlashOfSelfSparesDelegatorsAndStaysOwed() public {
        _delegate(bob, 90_000e18);
        vm.prank(slasher);
        assertEq(staking.slashSelf(alice, NET, 15_000e18, carol, 3_000e18), SELF, "all of self");
        assertEq(token.balanceOf(carol), 2_000e18, "the reporter's share of what was taken");
        assertEq(_delegated(), 90_000e18, "delegators untouched");
        assertEq(staking.provisionOf(alice, NET).owedBySelf, 5_000e18, "owed by self");
        assertEq(staking.provisionOf(alice, NET).owed, 0, "not by all");
        vm.expectRevert(IStaking.WindowExhausted.selector);
        staking.collectOwedBySelf(alice, NET);
        vm.expectRevert(IStaking.NothingOwed.selector);
        staking.collectOwed(alice, NET);
        bondAs(alice, NET, SELF);
        assertEq(staking.collectOwedBySelf(alice, NET), 5_000e18, "from new self stake");
        assertEq(_delegated(), 90_000e18, "still untouched");
        vm.expectRevert(IStaking.NothingOwed.selector);
        staking.collectOwedBySelf(alice, NET);
    }

    /// @dev A network's penalty may be any number; the slash takes what it can and must not fail.
    function test_MoreOwedThanThereCanBeDoesNotStopASlash() public {
        for (uint256 i = 0; i < 2; ++i) {
            _slash(type(uint128).max);
            vm.prank(slasher);
            staking.slashSelf(alice, NET, type(uint128).max, address(0), 0);
            vm.warp(block.timestamp + 1 weeks);
        }
        assertEq(staking.provisionOf(alice, NET).owed, type(uint96).max, "by all");
        assertEq(staking.provisionOf(alice, NET).owedBySelf, type(uint96).max, "by self");
        assertEq(_self(), SELF * 16 / 25, "a fifth in each week");
        assertEq(staking.collectOwed(alice, NET), SELF * 16 / 125, "and on");
    }

    function test_StakeIsCountedIn96Bits() public {
        EveryToken every = new EveryToken();
        Staking other = new Staking(IERC20(address(every)), registry, authority, slasher);
        other.bond(NET, type(uint96).max - 1e18);
        other.bond(NET, 1e18);
        assertEq(other.provisionOf(address(this), NET).active, type(uint96).max, "the most");
        vm.expectRevert(abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 96, uint256(1) << 96));
        other.bond(NET, 1);
        vm.prank(slasher);
        assertEq(other.slash(address(this), NET, 100, address(0), 0), 100, "slashed");
    }

    function test_TheWindowCountsDelegatedStake() public {
        _delegate(bob, 90_000e18);
        assertEq(_slash(100_000e18), 20_000e18, "a fifth of all that stands behind");
        assertEq(staking.provisionOf(alice, NET).owed, 80_000e18, "owed");
        vm.warp(block.timestamp + 1 weeks);
        assertEq(staking.collectOwed(alice, NET), 16_000e18, "a fifth of the rest");
        assertEq(_delegated(), 64_000e18, "delegators pay it");
    }

    /// A pool that is wiped out is left behind: those who come later do not share its price, and are not slashed for it.
    function test_AWipedOutPoolIsLeftBehind() public {
        uint128 shares = _delegate(bob, 1_000e18);
        vm.prank(alice);
        uint32 week = staking.unbond(NET, SELF);
        vm.warp(uint256(week) * 1 weeks - 1);
        _slash(1); // opens a window while alice's stake still counts
        vm.warp(block.timestamp + 1);
        assertEq(_slash(1_000e18), 1_000e18, "within a fifth of the window's base: all that is left");
        assertEq(staking.provisionOf(alice, NET).nonce, 1, "a new pool");
        assertEq(_value(bob), 0, "bob lost all");
        bondAs(alice, NET, SELF);
        endow(carol, 500e18);
        vm.startPrank(carol);
        token.approve(address(staking), 500e18);
        staking.delegateTo(alice, NET, 500e18, 5e26);
        vm.stopPrank();
        assertEq(staking.valueOf(carol, alice, NET, 1), 500e18, "carol begins at the first price");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientShares.selector, uint128(0), shares));
        staking.undelegate(alice, NET, 1, shares);
    }

    function test_APoolWorthLessThanATenThousandthIsWipedOutAndItsRestStaysWithdrawable() public {
        uint128 shares = _delegate(bob, 1_000e18);
        vm.prank(alice);
        uint32 week = staking.unbond(NET, SELF);
        vm.warp(uint256(week) * 1 weeks - 1);
        _slash(1);
        vm.warp(block.timestamp + 1);
        _slash(1_000e18 - 0.05e18);
        assertEq(staking.provisionOf(alice, NET).nonce, 1, "below a ten thousandth");
        (week,) = _undelegate(bob, shares);
        vm.warp(uint256(week) * 1 weeks);
        vm.prank(bob);
        assertEq(staking.withdrawDelegated(alice, NET, 0, week), 0.05e18, "the rest");
    }

    // ------------------------------------------------------------- rewards

    function _reward(uint128 amount) private {
        token.approve(address(staking), amount);
        staking.addRewards(alice, NET, amount);
    }

    function test_RewardsAreSplitByStakeAndCutAndUnlockInAWeek() public {
        vm.prank(alice);
        staking.setCut(NET, 2_000);
        vm.warp(block.timestamp + THAW);
        _delegate(bob, 30_000e18);
        _reward(400e18);
        // Three quarters are the delegators', of which alice keeps a fifth.
        assertEq(token.balanceOf(alice), 160e18, "alice at once");
        assertEq(_value(bob), 30_000e18, "nothing yet");
        vm.warp(block.timestamp + 3.5 days);
        _assertNear(_value(bob), 30_120e18, "half");
        vm.warp(block.timestamp + 3.5 days);
        _assertNear(_value(bob), 30_240e18, "all");
        assertEq(_delegated(), 30_240e18, "books");
        vm.expectRevert(IStaking.ZeroAmount.selector);
        staking.addRewards(alice, NET, 0);
    }

    function test_WithoutDelegatorsAllRewardsAreTheOperators() public {
        _reward(7e18);
        assertEq(token.balanceOf(alice), 7e18, "all");
        assertEq(staking.poolOf(alice, NET, 0).locked, 0, "nothing locked");
    }

    /// A reward of dust must not hold up what has almost come free.
    function test_ALaterRewardMovesTheEndOnlyInProportion() public {
        _delegate(bob, 90_000e18);
        _reward(1_000e18);
        uint256 start = block.timestamp;
        vm.warp(start + 6 days);
        _reward(1e6);
        assertLe(staking.poolOf(alice, NET, 0).unlockEnd, start + 7 days + 1, "still about the seventh day");
        vm.warp(start + 7 days + 1);
        assertGe(_value(bob), 90_900e18, "all of it");
    }

    /// A delegation an hour before a payment gets an hour's part of it.
    function test_WhoComesForTheRewardFindsItLocked() public {
        _delegate(bob, 45_000e18);
        _reward(1_000e18);
        uint128 shares = _delegate(carol, 45_000e18);
        vm.warp(block.timestamp + 1 hours);
        (, uint128 amount) = _undelegate(carol, shares);
        assertLe(amount, 45_003e18, "a 336th of the reward");
    }

    function test_TheCutRisesOnlyAfterTheThawAndFallsAtOnce() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IStaking.CutTooHigh.selector, uint16(5_001), uint16(5_000)));
        staking.setCut(NET, 5_001);
        staking.setCut(NET, 5_000);
        assertEq(staking.cutOf(alice, NET), 0, "not yet");
        vm.warp(block.timestamp + THAW - 1);
        assertEq(staking.cutOf(alice, NET), 0, "a second before");
        vm.warp(block.timestamp + 1);
        assertEq(staking.cutOf(alice, NET), 5_000, "after the thaw");
        staking.setCut(NET, 100);
        assertEq(staking.cutOf(alice, NET), 100, "down at once");
        staking.setCut(NET, 200);
        staking.setCut(NET, 150);
        assertEq(staking.cutOf(alice, NET), 100, "a proposal replaced by another still waits");
        vm.stopPrank();
    }

    /// Distributor → Staking: an operator whose payout is Staking shares its rewards by the claim itself.
    function test_AClaimWithStakingAsPayoutReachesTheDelegators() public {
        _delegate(bob, 30_000e18);
        vm.prank(alice);
        distributor.setPayout(address(staking));
        token.approve(address(distributor), 100e18);
        distributor.fund(NET, address(token), 100e18);
        vm.warp(block.timestamp + 3 days);
        uint32 epoch = registry.currentEpoch(NET) - 1;
        bytes32 root = RewardLeaf.leaf(NET, address(token), alice, 100e18, 0);
        vm.prank(address(publisher));
        distributor.publish(NET, address(token), epoch, root, 100e18, "data");
        vm.warp(block.timestamp + 1 days);
        distributor.claim(NET, address(token), 0, alice, 100e18, 0, new bytes32[](0));
        assertEq(token.balanceOf(alice), 25e18, "alice's quarter");
        assertEq(staking.poolOf(alice, NET, 0).locked, 75e18, "the delegators' part");
        assertEq(token.balanceOf(address(distributor)), 0, "nothing stays");
    }

    // --------------------------------------------------------------- votes

    function test_TheFirstStakeVotesForItself() public {
        assertEq(staking.delegates(alice), alice, "self-delegated");
        assertEq(staking.getVotes(alice), SELF, "votes");
        _delegate(bob, 500e18);
        assertEq(staking.getVotes(bob), 500e18, "a delegator votes with his own");
        vm.prank(bob);
        staking.delegate(carol);
        assertEq(staking.getVotes(carol), 500e18, "he may hand them on");
        _delegate(bob, 100e18);
        assertEq(staking.getVotes(carol), 600e18, "and what follows follows");
        assertEq(staking.delegates(bob), carol, "his choice stays");
    }

    function test_ThawingStakeHasNoVotes() public {
        vm.prank(alice);
        staking.unbond(NET, 4_000e18);
        assertEq(staking.getVotes(alice), 6_000e18, "self");
        uint128 shares = _delegate(bob, 500e18);
        _undelegate(bob, shares / 5);
        assertEq(staking.getVotes(bob), 400e18, "delegated");
    }

    function test_AnyoneSyncsVotesAfterASlashOrAReward() public {
        _delegate(bob, 40_000e18);
        _slash(6_000e18);
        assertEq(staking.getVotes(alice), SELF, "lags");
        staking.syncVotes(alice, alice, NET, 0);
        assertEq(staking.getVotes(alice), 4_000e18, "synced");
        _reward(4_400e18);
        vm.warp(block.timestamp + 7 days);
        staking.syncVotes(bob, alice, NET, 0);
        _assertNear(staking.getVotes(bob), 44_000e18, "with the reward");
        _slash(8_000e18);
        staking.syncVotes(bob, alice, NET, 0);
        _assertNear(staking.getVotes(bob), 40_000e18, "less what self did not cover");
        staking.syncVotes(bob, bob, NET, 0);
        _assertNear(staking.getVotes(bob), 40_000e18, "a position he does not have adds nothing");
    }

    function test_SyncingWhoHasNothingChangesNothing() public {
        staking.syncVotes(carol, alice, NET, 0);
        assertEq(staking.delegates(carol), address(0), "votes for nobody");
        assertEq(staking.getVotes(carol), 0, "with nothing");
    }

    function test_PastVotesAreByTimestamp() public {
        assertEq(uint256(staking.clock()), block.timestamp, "clock");
        assertEq(keccak256(bytes(staking.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        uint256 then = block.timestamp;
        vm.warp(then + 1 days);
        bondAs(alice, VERIFIERS, MIN_STAKE);
        vm.warp(then + 2 days);
        assertEq(staking.getPastVotes(alice, then), SELF, "then");
        assertEq(staking.getPastVotes(alice, then + 1 days), SELF + MIN_STAKE, "later, of both networks");
        assertEq(staking.getPastTotalSupply(then + 1 days), SELF + MIN_STAKE, "all");
    }

    // ----------------------------------------------------------------- gas

    function test_GasOfDelegatingAndUndelegating() public {
        endow(bob, 10e18);
        vm.prank(bob);
        token.approve(address(staking), 10e18);
        vm.prank(bob);
        uint128 shares = staking.delegateTo(alice, NET, 4e18, 0);
        gate("StakingPools", "delegate, first", lastGas(), 235_000);
        vm.warp(block.timestamp + 1 days);
        vm.prank(bob);
        staking.delegateTo(alice, NET, 4e18, 0);
        // The target of 150 000 is missed by what reading the ratio out of all parameters costs (docs/gas.md).
        gate("StakingPools", "delegate, again", lastGas(), 155_000);
        vm.warp(block.timestamp + 1 days);
        vm.prank(bob);
        staking.undelegate(alice, NET, 0, shares / 2);
        gate("StakingPools", "undelegate, first of a pool", lastGas(), 195_000);
        vm.warp(block.timestamp + 7 days);
        vm.prank(bob);
        staking.undelegate(alice, NET, 0, shares / 2);
        gate("StakingPools", "undelegate", lastGas(), 180_000);
    }

    /// Three weeks of the operator's and of the pool's, and the slash reaches both.
    function test_GasOfASlashThatReachesDelegators() public {
        uint128 shares = _delegate(bob, 90_000e18);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(alice);
            staking.unbond(NET, 1_000e18);
            _undelegate(bob, shares / 10);
            vm.warp(block.timestamp + 5 days);
        }
        vm.prank(slasher);
        staking.slash(alice, NET, 15_000e18, carol, 1e18);
        gate("StakingPools", "slash that reaches delegators", lastGas(), 160_000);
    }

    function test_GasOfAddingRewards() public {
        _delegate(bob, 90_000e18);
        _reward(100e18);
        vm.warp(block.timestamp + 1 days);
        token.approve(address(staking), 100e18);
        staking.addRewards(alice, NET, 100e18);
        gate("StakingPools", "add rewards", lastGas(), 110_000);
    }
}
