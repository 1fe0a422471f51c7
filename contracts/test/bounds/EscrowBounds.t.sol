// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Escrow} from "../../Escrow.sol";
import {ICredits} from "../../interfaces/ICredits.sol";
import {IDelegations} from "../../interfaces/IDelegations.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {INetworkRegistry} from "../../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {Vm} from "../Vm.sol";
import {LyingToken} from "../mocks/HostileTokens.sol";
import {MoneyFixture} from "../mocks/MoneyFixture.sol";

/// @notice Escrow at the edges of what it takes, and what it tells those who only read its events.
contract EscrowBoundsTest is MoneyFixture {
    uint128 private constant M = 1_000_000;

    function setUp() public {
        _deploy();
        _fund(payer, 100 * M);
    }

    // ------------------------------------------------------------------------------------------------- what is nothing

    function test_EscrowIsNotMadeWithoutAnyOfItsPeers() public {
        for (uint256 missing = 0; missing < 4; ++missing) {
            address[4] memory peers =
                [address(credits), address(registry), address(delegations), address(distributor)];
            peers[missing] = address(0);
            vm.expectRevert(IEscrow.ZeroAddress.selector);
            new Escrow(
                ICredits(peers[0]),
                INetworkRegistry(peers[1]),
                IDelegations(peers[2]),
                IRewardsDistributor(peers[3]),
                uint40(T0)
            );
        }
    }

    function test_ADepositOfNothingIsRefusedBeforeAnyTokenIsAsked() public {
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.deposit(payer, address(0xC0DE), 0);
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.depositWithPermit(address(credits), 0, T0, 0, 0, 0);
    }

    function test_ADepositOfWhichNothingArrivesIsRefused() public {
        LyingToken liar = new LyingToken();
        IEscrow.Authorization memory nothing = IEscrow.Authorization(payer, 0, 0, T0 + 1, 0, 0, 0);
        IEscrow.SessionGrant memory none;
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.depositWithAuthorization(payer, address(liar), nothing, none);
    }

    function test_NothingCannotBeThawedEarmarkedOrLocked() public {
        IEscrow.ChannelId memory id = _id(1);
        vm.startPrank(payer);
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.thaw(address(credits), 0);
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.openChannel(id, 0);
        escrow.approveCollector(address(this), address(credits), M, 1 days);
        vm.stopPrank();
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.lock(payer, address(credits), "a", 0, uint40(T0 + 1));
    }

    function test_NothingEarnedCannotBeWithdrawnSpentOrRedeemed() public {
        _redeem(PAYER_KEY, 1, M);
        vm.startPrank(payee);
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.withdrawEarned(address(credits), 0, payee);
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.earnedToAvailable(address(credits), 0);
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.redeemEarned(0, 0, payee);
        vm.stopPrank();
    }

    /// Money for the zero address would be nobody's: no key could ever take it out.
    function test_NoMoneyIsSetAsideForNobody() public {
        IEscrow.ChannelId memory id = _id(1);
        id.payee = address(0);
        vm.startPrank(payer);
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.openChannel(id, M);
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.approveCollector(address(0), address(credits), M, 1 days);
        escrow.approveCollector(address(this), address(credits), M, 1 days);
        vm.stopPrank();
        escrow.lock(payer, address(credits), "a", M, uint40(T0 + 1 days));
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.pay(payer, address(0), address(credits), NET, "a", M);
    }

    // ------------------------------------------------------------------------------------------------ keys and limits

    function test_ARateWithoutAGoodSignatureIsNobodysWhateverElseIsProved() public {
        _open(1, 50 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) = _usage(1, 10 * M, 10 * M, 3, 3, PAYER_KEY);
        (bytes32 first, bytes32 second) = (units[0].vs, units[1].vs);
        units[0].vs = bytes32(type(uint256).max); // an s that no valid signature has
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.redeemProved(_id(1), root, units);
        units[1].vs = units[0].vs;
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.redeemProved(_id(1), root, units);
        (units[0].vs, units[1].vs) = (first, second);
        assertEq(escrow.redeemProved(_id(1), root, units), 20 * M, "as it was signed");
    }

    function test_AKeysLimitMaySetAgainWhatItIs() public {
        vm.startPrank(payer);
        escrow.setKeyLimit(sessionKey, address(cairn), 5 * M);
        escrow.setKeyLimit(sessionKey, address(cairn), 5 * M);
        vm.stopPrank();
        assertEq(escrow.keyUsage(payer, sessionKey, address(cairn)).limit, 5 * M, "kept");
    }

    function test_ASessionKeyMayEarmarkItsWholeLimit() public {
        _register(10 * M);
        vm.startPrank(sessionKey);
        escrow.openChannel(_id(1), 6 * M);
        escrow.openChannel(_id(2), 4 * M);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.KeyLimitExceeded.selector, 1, 0));
        escrow.openChannel(_id(3), 1);
        vm.stopPrank();
        assertEq(escrow.keyUsage(payer, sessionKey, address(credits)).earmarked, 10 * M, "all of it");
    }

    // --------------------------------------------------------------------------------------------------------- events

    /// @dev Of Escrow alone: what a test says it expects is recorded too.
    function _count(Vm.Log[] memory logs, bytes32 topic) private view returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow) && logs[i].topics[0] == topic) ++count;
        }
    }

    function _assertTold(uint256 redeemed, uint256 shortfalls, string memory what) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(_count(logs, IEscrow.VoucherRedeemed.selector), redeemed, what);
        assertEq(_count(logs, IEscrow.Shortfall.selector), shortfalls, what);
    }

    function test_EveryPaidVoucherIsToldOnceAndAShortfallOnlyWhereThereIsOne() public {
        _open(1, 10 * M);
        vm.recordLogs();
        _redeem(PAYER_KEY, 1, 10 * M);
        _assertTold(1, 0, "all of it from the earmark");
        _redeem(PAYER_KEY, 1, 30 * M);
        _assertTold(1, 0, "all of it from the pool");
        vm.expectEmit(address(escrow));
        emit IEscrow.VoucherRedeemed(_key(1), payer, payee, 100 * M, 70 * M);
        vm.expectEmit(address(escrow));
        emit IEscrow.Shortfall(_key(1), payer, payee, 5 * M);
        _redeem(PAYER_KEY, 1, 105 * M);
        _assertTold(1, 1, "a part");
        _redeem(PAYER_KEY, 1, 105 * M);
        _assertTold(0, 1, "nothing");
    }

    function test_ProvedUsageTellsWhatTheEarmarkLackedAndOnlyThen() public {
        _open(1, 5 * M);
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) = _usage(1, 10 * M, 10 * M, 3, 3, PAYER_KEY);
        vm.expectEmit(address(escrow));
        emit IEscrow.UsageRedeemed(_key(1), payer, payee, 20 * M, 5 * M);
        vm.expectEmit(address(escrow));
        emit IEscrow.Shortfall(_key(1), payer, payee, 15 * M);
        escrow.redeemProved(_id(1), root, units);
        _open(1, 15 * M);
        vm.recordLogs();
        assertEq(escrow.redeemProved(_id(1), root, units), 15 * M, "the rest");
        assertEq(_count(vm.getRecordedLogs(), IEscrow.Shortfall.selector), 0, "nothing lacks");
    }
}
