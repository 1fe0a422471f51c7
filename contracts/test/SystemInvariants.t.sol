// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Credits} from "../Credits.sol";
import {Escrow} from "../Escrow.sol";
import {RewardsDistributor} from "../RewardsDistributor.sol";
import {Token} from "../Token.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {System} from "./System.sol";
import {Test} from "./Vm.sol";
import {FeeToken, ReentrantToken} from "./mocks/HostileTokens.sol";
import {SystemHandler} from "./mocks/SystemHandler.sol";

/// @notice What holds over the whole deployment whatever its users do. That counters never fall, that voucher and proof
/// never add up, that a batch pays the same in every order, that washing never profits and that no redemption lowers
/// R / C is asserted by the handler where it would break.
/// forge-config: default.invariant.runs = 8
contract SystemInvariantsTest is Test {
    SystemHandler private handler;
    Token private token;
    Credits private credits;
    Escrow private escrow;
    RewardsDistributor private distributor;

    function setUp() public {
        handler = new SystemHandler();
        (address a, address b, address c, address d) = handler.contracts();
        (token, credits, escrow, distributor) = (Token(a), Credits(b), Escrow(c), RewardsDistributor(d));
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// forge stops a campaign at the first invariant that breaks, and one campaign is dear: so they share it.
    function invariant_TheBooksAddUp() public view {
        _conserves(address(credits), handler.feesBurned());
        _conserves(address(handler.feeToken()), 0);
        assertEq(handler.cairnHeld(), token.totalSupply(), "CAIRN appeared or vanished");
        assertEq(token.balanceOf(address(credits)), credits.vault() + credits.topUpReserve(), "vault");
        IRewardsDistributor.Pot memory pot = distributor.pot(2, address(token));
        assertEq(pot.claimed, handler.claimed(), "claimed");
        assertLe(pot.claimed, pot.allocated, "claimed more than allocated");
        assertLe(pot.allocated, pot.funded, "allocated more than funded");
        assertEq(token.balanceOf(address(distributor)), pot.funded - pot.claimed, "pot");
        assertTrue(handler.maturedRootsAreActive(), "a root stayed behind its window");
    }

    /// Came in == went out + burned + held; and what is held is what the books say, to the unit.
    function _conserves(address asset, uint256 burned) private view {
        uint256 held = handler.booked(asset);
        assertEq(handler.cameIn(asset), handler.wentOut(asset) + burned + held, "conservation");
        uint256 balance = FeeToken(asset).balanceOf(address(escrow));
        assertEq(balance, held, "balance");
        assertEq(handler.redeemedOf(asset), handler.paidByChannels(asset), "counters are what was paid");
    }

    /// The campaign would prove nothing if its acts could not get through.
    function test_TheHandlerReachesEveryAct() public {
        handler.deposit(0, false, 1e14);
        handler.deposit(1, true, 1e14);
        handler.open(0, 5e13, false);
        handler.open(6 + 1, 1e13, true);
        handler.redeem(0, false, [uint128(1e13), 0, 0], 0);
        handler.redeem(0, true, [uint128(0), 1e13, 0], 2);
        handler.useLock(0, false, 1e12, 1);
        handler.useLock(0, false, 1e12, 1);
        assertEq(handler.paidByChannels(address(credits)), 1e13, "by voucher");
        assertEq(handler.paidByChannels(address(handler.feeToken())), 1e13, "in the fee token");
        handler.fund(1e24);
        handler.publish([uint128(1e20), 1e20], [uint128(1e13), 0, 0]);
        handler.publish([uint128(1e20), 1e20], [uint128(1e13), 0, 0]);
        handler.passTime(1 days);
        handler.redeemProved(0, 0);
        assertEq(handler.paidByChannels(address(credits)), 2e13, "by proof, above the voucher");
        handler.claim(1, 0);
        assertEq(handler.claimed(), 2e20, "claimed");
        handler.washTrade(1e12, 0);
        handler.useEarned(3, false, 1e12, 2);
        handler.collectFees();
        handler.burnFees();
        assertTrue(handler.feesBurned() != 0, "burned");
        handler.exit(0, false, 1e12);
        handler.close(0);
        handler.passTime(3 days);
        handler.passTime(3 days);
        handler.passTime(3 days);
        handler.close(0);
        handler.exit(0, false, 1e12);
        assertTrue(handler.wentOut(address(credits)) > 1e12, "left");
        invariant_TheBooksAddUp();
    }
}

contract SystemTest is System {
    address private immutable alice = address(0xA11CE);

    function setUp() public {
        deploySystem();
        vm.warp(block.timestamp + 1 days);
    }

    function test_UnderHourlyEpochsEveryRootBecomesActive() public {
        token.approve(address(distributor), type(uint256).max);
        distributor.fund(NET, address(token), 1e24);
        for (uint128 i = 1; i <= 48; ++i) {
            uint32 index = publishSigned(address(token), keccak256(abi.encode(i)), i * 1e20);
            uint40 activeAt = uint40(block.timestamp) + WINDOW;
            assertEq(distributor.rootAt(NET, address(token), index).activeAt, activeAt, "after one window");
            vm.warp(block.timestamp + EPOCH);
            if (i < 7) continue;
            bytes32 old = keccak256(abi.encode(i - 6));
            assertTrue(distributor.isActiveRoot(NET, address(token), index - 6, old), "active and not pushed out");
        }
    }

    function _activate(address asset, uint128 total) private returns (bytes32[] memory proof) {
        publishSigned(asset, RewardLeaf.leaf(NET, asset, alice, total, 0), total);
        vm.warp(block.timestamp + WINDOW);
        return new bytes32[](0);
    }

    function test_APotInAFeeTokenOwesWhatArrived() public {
        FeeToken fee = new FeeToken();
        fee.mint(address(this), 1e6);
        fee.approve(address(distributor), 1e6);
        distributor.fund(NET, address(fee), 1e6);
        assertEq(distributor.pot(NET, address(fee)).funded, 990_000, "funded");
        bytes32[] memory proof = _activate(address(fee), 990_000);
        distributor.claim(NET, address(fee), 0, alice, 990_000, 0, proof);
        assertEq(fee.balanceOf(address(distributor)), 0, "all paid, and not more than was there");
    }

    /// A token that calls back in the middle of a claim finds the claim booked and the door shut.
    function test_AReentrantTokenClaimsOnce() public {
        ReentrantToken evil = new ReentrantToken();
        evil.mint(address(this), 1e6);
        evil.approve(address(distributor), 1e6);
        distributor.fund(NET, address(evil), 1e6);
        bytes32[] memory proof = _activate(address(evil), 500_000);
        bytes memory again =
            abi.encodeCall(distributor.claim, (NET, address(evil), uint32(0), alice, uint128(500_000), 0, proof));
        evil.arm(address(distributor), again);
        distributor.claim(NET, address(evil), 0, alice, 500_000, 0, proof);
        assertTrue(evil.called() && !evil.succeeded(), "called back in vain");
        assertEq(evil.balanceOf(alice), 500_000, "once");
    }

    /// Funding inside funding would count the same tokens twice.
    function test_AReentrantTokenFundsOnce() public {
        ReentrantToken evil = new ReentrantToken();
        evil.mint(address(this), 1e6);
        evil.mint(address(evil), 1e6);
        evil.approve(address(distributor), 1e6);
        evil.arm(address(distributor), abi.encodeCall(distributor.fund, (NET, address(evil), uint128(1e6))));
        distributor.fund(NET, address(evil), 1e6);
        assertTrue(evil.called() && !evil.succeeded(), "called back in vain");
        assertEq(distributor.pot(NET, address(evil)).funded, 1e6, "funded");
    }

    /// The same door is shut in Escrow between its different exits.
    function test_AReentrantTokenLeavesEscrowOnce() public {
        ReentrantToken evil = new ReentrantToken();
        evil.mint(address(this), 1e6);
        evil.approve(address(escrow), 1e6);
        escrow.deposit(address(this), address(evil), 1e6);
        escrow.thaw(address(evil), 1e6);
        vm.warp(block.timestamp + 7 days);
        evil.arm(address(escrow), abi.encodeCall(IEscrow.withdrawEarned, (address(evil), uint128(1), alice)));
        escrow.withdraw(address(evil), alice);
        assertTrue(evil.called() && !evil.succeeded(), "called back in vain");
        assertEq(evil.balanceOf(alice), 1e6, "once");
    }
}
