// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {RewardLeaf} from "../../libraries/RewardLeaf.sol";
import {System} from "../System.sol";
import {Trees} from "../Trees.sol";
import {FeeToken} from "./HostileTokens.sol";

/// @notice Three payers, two payees, a verifier, a collector and the network's owner using the whole deployment in any
/// order, in Credits and in a token that keeps a part of every transfer. It keeps its own sums of what came and went.
/// Acts that the contracts must refuse are not made, so that any revert is a finding.
contract SystemHandler is System {
    uint256 internal constant PAYERS = 3;
    uint256 internal constant PAYEES = 2;
    bytes32 internal constant UNIT = "gib";

    FeeToken public feeToken;
    uint256[3] private _keys = [uint256(0xA1), 0xA2, 0xA3];
    uint256[3] private _sessions = [uint256(0x51), 0x52, 0x53];
    address[] private _accounts;

    /// What the verifier has proved so far, and what each publication said.
    struct Report {
        uint128[2] rewards;
        uint128[3][2] units;
    }

    Report private _now;
    mapping(uint32 index => Report) private _reports;

    /// Per asset: into Escrow, out of it alive, paid to payees before fees, and through locks.
    mapping(address asset => uint256) public cameIn;
    mapping(address asset => uint256) public wentOut;
    mapping(address asset => uint256) public paidByChannels;
    mapping(address asset => uint256) public lockedNow;
    mapping(bytes32 channel => uint256) private _promised;
    mapping(bytes32 channel => uint128) private _redeemed;
    uint256 public feesBurned;
    uint256 public claimed;
    uint32[] private _periods;

    constructor() {
        deploySystem();
        feeToken = new FeeToken();
        feeToken.mint(address(this), 1e30);
        for (uint256 i = 0; i < PAYERS; ++i) {
            _accounts.push(vm.addr(_keys[i]));
        }
        _accounts.push(address(0xB1));
        _accounts.push(address(0xB2));
        _accounts.push(feeRecipient);
        token.approve(address(credits), type(uint256).max);
        token.approve(address(distributor), type(uint256).max);
        credits.approve(address(escrow), type(uint256).max);
        feeToken.approve(address(escrow), type(uint256).max);
        for (uint256 i = 0; i < PAYERS; ++i) {
            _prepare(i);
        }
    }

    function _prepare(uint256 who) private {
        vm.startPrank(_accounts[who]);
        escrow.approveCollector(address(this), address(credits), type(uint128).max, 30 days);
        escrow.approveCollector(address(this), address(feeToken), type(uint128).max, 30 days);
        delegations.register(vm.addr(_sessions[who]), 1, 1e14, uint40(block.timestamp + 300 days));
        escrow.setKeyLimit(vm.addr(_sessions[who]), address(feeToken), 1e14);
        vm.stopPrank();
    }

    /// @dev Around every act: counters of channels never fall and never pass what was promised, by voucher or by proof,
    /// so the two never add up; and a redemption never lowers the vault's cover.
    modifier watched() {
        _;
        for (uint256 i = 0; i < PAYERS * PAYEES * 2; ++i) {
            bytes32 key = _keyOf(_channelAt(i));
            uint128 redeemed = escrow.channel(key).redeemed;
            assertGe(redeemed, _redeemed[key], "redeemed fell");
            assertLe(redeemed, _promised[key], "paid more than the larger of voucher and proof");
            _redeemed[key] = redeemed;
        }
    }

    // -------------------------------------------------------------------------------------------------------- payers

    function deposit(uint8 who, bool hostile, uint128 amount) external watched {
        address asset = _asset(hostile);
        amount = uint128(bound(amount, 100, 1e14));
        if (!hostile) credits.mint(address(this), amount, type(uint256).max);
        cameIn[asset] += escrow.deposit(_accounts[who % PAYERS], asset, amount);
    }

    function open(uint8 channel, uint128 amount, bool bySession) external watched {
        IEscrow.ChannelId memory id = _channelAt(channel);
        uint256 most = escrow.account(id.payer, id.asset).available;
        address session = vm.addr(_sessions[channel % PAYERS]);
        if (bySession) {
            uint256 left = 1e14 - escrow.keyUsage(id.payer, session, id.asset).earmarked;
            if (left < most) most = left;
        }
        if (most == 0) return;
        vm.prank(bySession ? session : id.payer);
        escrow.openChannel(id, uint128(bound(amount, 1, most)));
    }

    function close(uint8 channel) external watched {
        IEscrow.ChannelId memory id = _channelAt(channel);
        uint40 closesAt = escrow.channel(_keyOf(id)).closesAt;
        if (closesAt != 0 && closesAt <= block.timestamp) {
            escrow.finalizeClose(id);
        } else if (closesAt == 0) {
            vm.prank(id.payer);
            escrow.closeChannel(id);
        }
    }

    function exit(uint8 who, bool hostile, uint128 amount) external watched {
        address owner = _accounts[who % PAYERS];
        address asset = _asset(hostile);
        IEscrow.Account memory books = escrow.account(owner, asset);
        vm.startPrank(owner);
        if (books.thawing != 0 && books.thawEnd <= block.timestamp) {
            wentOut[asset] += escrow.withdraw(asset, owner);
        } else if (books.available != 0) {
            escrow.thaw(asset, uint128(bound(amount, 1, books.available)));
        }
        vm.stopPrank();
    }

    function useLock(uint8 who, bool hostile, uint128 amount, uint8 way) external watched {
        (address payer, address asset) = (_accounts[who % PAYERS], _asset(hostile));
        IEscrow.Lock memory held = escrow.lockOf(_lockKey(payer, asset));
        uint256 most = held.amount;
        if (most == 0) {
            most = escrow.account(payer, asset).available;
            if (most == 0) return;
            amount = uint128(bound(amount, 1, most));
            escrow.lock(payer, asset, "job", amount, uint40(block.timestamp + 2 days));
            lockedNow[asset] += amount;
            return;
        }
        amount = uint128(bound(amount, 1, most));
        if (held.expiry <= block.timestamp) amount = escrow.returnExpired(address(this), payer, asset, "job");
        else if (way % 2 == 0) escrow.unlock(payer, asset, "job", amount);
        else escrow.pay(payer, _accounts[PAYERS + (way % PAYEES)], asset, NET, "job", amount);
        lockedNow[asset] -= amount;
        _notePeriod();
    }

    // -------------------------------------------------------------------------------------------------------- payees

    /// @dev The vouchers of all payers to one payee, in both orders: the first is rolled back and must have paid the same.
    function redeem(uint8 to, bool hostile, uint128[3] calldata cumulative, uint8 signers) external watched {
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](PAYERS);
        IEscrow.Voucher[] memory reversed = new IEscrow.Voucher[](PAYERS);
        for (uint256 i = 0; i < PAYERS; ++i) {
            IEscrow.ChannelId memory id = _channelAt((hostile ? 6 : 0) + (to % PAYEES) * PAYERS + i);
            uint128 promised = uint128(bound(cumulative[i], 0, 1e14));
            uint256 key = (signers >> i) & 1 == 1 ? _sessions[i] : _keys[i];
            items[i] = _voucher(key, id, promised);
            reversed[PAYERS - 1 - i] = items[i];
            if (promised > _promised[_keyOf(id)]) _promised[_keyOf(id)] = promised;
        }
        (address payee, address asset) = (_accounts[PAYERS + (to % PAYEES)], _asset(hostile));
        uint256 before = vm.snapshotState();
        uint128 backwards = escrow.redeem(payee, asset, NET, reversed);
        assertTrue(vm.revertToState(before), "rolled back");
        uint128 total = escrow.redeem(payee, asset, NET, items);
        assertEq(total, backwards, "the total depends on the order");
        paidByChannels[asset] += total;
        _notePeriod();
    }

    function redeemProved(uint8 channel, uint8 back) external watched {
        IEscrow.ChannelId memory id = _channelAt(channel % (PAYERS * PAYEES));
        (bool active, uint32 index) = _publication(back);
        IEscrow.Channel memory ch = escrow.channel(_keyOf(id));
        (uint256 to, uint256 who) = ((channel % (PAYERS * PAYEES)) / PAYERS, channel % PAYERS);
        if (!active || ch.earmark == 0 || _reports[index].units[to][who] <= ch.redeemed) return;
        (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units) = _proof(index, to, who);
        paidByChannels[id.asset] += escrow.redeemProved(id, root, units);
        _notePeriod();
    }

    function claim(uint8 to, uint8 back) external watched {
        (bool active, uint32 index) = _publication(back);
        to = uint8(to % PAYEES);
        Report memory report = _reports[index];
        address payee = _accounts[PAYERS + to];
        if (!active || report.rewards[to] <= distributor.claimedOf(NET, address(token), payee)) return;
        bytes32[] memory path = Trees.proof(_leaves(report), to);
        uint128 cumulative = report.rewards[to];
        bytes32 detail = _detailRoot(report, to);
        claimed += distributor.claim(NET, address(token), index, payee, cumulative, detail, path);
    }

    function useEarned(uint8 who, bool hostile, uint128 amount, uint8 way) external watched {
        (address owner, address asset) = (_accounts[who % _accounts.length], _asset(hostile));
        uint128 earned = escrow.account(owner, asset).earned;
        if (earned == 0) return;
        amount = uint128(bound(amount, 1, earned));
        vm.startPrank(owner);
        if (way % 3 == 0) {
            escrow.withdrawEarned(asset, amount, owner);
            wentOut[asset] += amount;
        } else if (way % 3 == 1) {
            escrow.earnedToAvailable(asset, amount);
        } else if (!hostile) {
            (uint256 vault, uint256 supply) = (credits.vault(), credits.totalSupply());
            escrow.redeemEarned(amount, 0, owner);
            wentOut[asset] += amount;
            assertGe(credits.vault() * supply, vault * credits.totalSupply(), "R/C fell by a redeem");
        }
        vm.stopPrank();
    }

    /// @dev Somebody buys credits, pays himself and redeems: he never has more CAIRN than before.
    function washTrade(uint128 amount, uint64 channelId) external watched {
        address washer = vm.addr(0x3A54);
        amount = uint128(bound(amount, 1, 1e14));
        uint256 paid = credits.mint(address(this), amount, type(uint256).max);
        cameIn[address(credits)] += escrow.deposit(washer, address(credits), amount);
        IEscrow.ChannelId memory id = IEscrow.ChannelId(washer, washer, address(credits), NET, channelId);
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](1);
        uint128 cumulative = escrow.channel(_keyOf(id)).redeemed + amount;
        items[0] = _voucher(0x3A54, id, cumulative);
        assertEq(escrow.redeem(washer, address(credits), NET, items), amount, "paid");
        _notePeriod();
        uint128 earned = escrow.account(washer, address(credits)).earned;
        if (earned == 0) return;
        vm.prank(washer);
        uint256 got = escrow.redeemEarned(earned, 0, address(this));
        wentOut[address(credits)] += earned;
        assertLe(got, paid, "washing profits");
    }

    // ------------------------------------------------------------------------------------------- verifier and others

    function fund(uint128 amount) external watched {
        distributor.fund(NET, address(token), uint128(bound(amount, 1, 1e24)));
    }

    /// @dev Every hour that is over gets its root; a busy slot would revert here.
    function publish(uint128[2] calldata rewards, uint128[3] calldata units) external watched {
        IRewardsDistributor.Pot memory pot = distributor.pot(NET, address(token));
        if (pot.published != 0 && registry.currentEpoch(NET) - 1 <= pot.lastEpoch) vm.warp(block.timestamp + EPOCH);
        if (pot.published != 0 && block.timestamp < pot.dueAt) vm.warp(pot.dueAt);
        uint128 left = pot.funded - _now.rewards[0] - _now.rewards[1];
        for (uint256 to = 0; to < PAYEES; ++to) {
            _now.rewards[to] += uint128(bound(rewards[to], 0, left / 2));
            for (uint256 who = 0; who < PAYERS; ++who) {
                _now.units[to][who] += uint128(bound(units[who], 0, 1e13));
                bytes32 key = _keyOf(_channelAt(to * PAYERS + who));
                if (_now.units[to][who] > _promised[key]) _promised[key] = _now.units[to][who];
            }
        }
        bytes32 root = Trees.root(_leaves(_now));
        uint32 index = publishSigned(address(token), root, _now.rewards[0] + _now.rewards[1]);
        _reports[index] = _now;
    }

    function collectFees() external watched {
        escrow.collectFees(NET, _periods);
    }

    function burnFees() external watched {
        for (uint256 i = 0; i < _periods.length; ++i) {
            feesBurned += escrow.burnFees(NET, _periods[i]);
        }
    }

    function passTime(uint24 time) external watched {
        vm.warp(block.timestamp + bound(time, 1 minutes, 3 days));
    }

    // ------------------------------------------------------------------------------------------- what invariants read

    /// @notice What Escrow's books say it holds of an asset.
    function booked(address asset) external view returns (uint256 sum) {
        for (uint256 i = 0; i < _accounts.length; ++i) {
            sum += _bookedOf(_accounts[i], asset);
        }
        sum += _bookedOf(vm.addr(0x3A54), asset);
        for (uint256 i = 0; i < PAYERS * PAYEES * 2; ++i) {
            IEscrow.ChannelId memory id = _channelAt(i);
            if (id.asset == asset) sum += escrow.channel(_keyOf(id)).earmark;
        }
        for (uint256 i = 0; i < PAYERS; ++i) {
            sum += escrow.lockOf(_lockKey(_accounts[i], asset)).amount;
        }
        if (asset != address(credits)) return sum;
        for (uint256 i = 0; i < _periods.length; ++i) {
            (uint128 counted, uint128 burned, uint128 uncollected) = escrow.fees(NET, _periods[i]);
            sum += uint256(counted) - burned + uncollected;
        }
    }

    /// @notice Sum of the counters of all channels of an asset.
    function redeemedOf(address asset) external view returns (uint256 sum) {
        for (uint256 i = 0; i < PAYERS * PAYEES * 2; ++i) {
            IEscrow.ChannelId memory id = _channelAt(i);
            if (id.asset == asset) sum += escrow.channel(_keyOf(id)).redeemed;
        }
    }

    /// @notice CAIRN wherever it can be.
    function cairnHeld() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _accounts.length; ++i) {
            sum += token.balanceOf(_accounts[i]);
        }
        sum += token.balanceOf(address(this)) + 2 * uint256(BOND);
        IRewardsDistributor.Pot memory pot = distributor.pot(NET, address(token));
        sum += credits.vault() + credits.topUpReserve() + pot.funded - pot.claimed;
    }

    function contracts() external view returns (address, address, address, address) {
        return (address(token), address(credits), address(escrow), address(distributor));
    }

    /// @notice Whether each of the newest roots whose window is over is active.
    function maturedRootsAreActive() external view returns (bool) {
        uint32 published = distributor.pot(NET, address(token)).published;
        for (uint32 index = published < 8 ? 0 : published - 8; index < published; ++index) {
            IRewardsDistributor.Root memory r = distributor.rootAt(NET, address(token), index);
            bool due = block.timestamp >= r.activeAt;
            if (due != distributor.isActiveRoot(NET, address(token), index, r.root)) return false;
        }
        return true;
    }

    // --------------------------------------------------------------------------------------------------------- parts

    function _bookedOf(address owner, address asset) private view returns (uint256) {
        IEscrow.Account memory books = escrow.account(owner, asset);
        return uint256(books.available) + books.thawing + books.earned;
    }

    function _asset(bool hostile) private view returns (address) {
        return hostile ? address(feeToken) : address(credits);
    }

    function _lockKey(address payer, address asset) private view returns (bytes32) {
        return escrow.lockKeyOf(address(this), payer, asset, "job");
    }

    /// @dev 0–5: Credits, 6–11: the fee token; payees in threes, payers within.
    function _channelAt(uint256 i) private view returns (IEscrow.ChannelId memory) {
        i %= PAYERS * PAYEES * 2;
        address payee = _accounts[PAYERS + (i / PAYERS) % PAYEES];
        return IEscrow.ChannelId(_accounts[i % PAYERS], payee, _asset(i >= PAYERS * PAYEES), NET, 1);
    }

    function _keyOf(IEscrow.ChannelId memory c) private view returns (bytes32) {
        return escrow.channelKey(c.payer, c.payee, c.asset, c.net, c.channelId);
    }

    function _voucher(uint256 key, IEscrow.ChannelId memory c, uint128 cumulative)
        private
        view
        returns (IEscrow.Voucher memory)
    {
        bytes32 digest = escrow.hashVoucher(c.payer, c.payee, c.asset, c.net, c.channelId, cumulative);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        return IEscrow.Voucher(c.payer, c.channelId, cumulative, r, vs);
    }

    function _publication(uint8 back) private view returns (bool active, uint32 index) {
        uint32 published = distributor.pot(NET, address(token)).published;
        if (published == 0) return (false, 0);
        index = published - 1 - uint32(back % (published < 8 ? published : 8));
        active = distributor.isActiveRoot(NET, address(token), index, Trees.root(_leaves(_reports[index])));
    }

    function _lines(Report memory report, uint256 to) private view returns (bytes32[] memory lines) {
        lines = new bytes32[](PAYERS);
        for (uint256 who = 0; who < PAYERS; ++who) {
            lines[who] = RewardLeaf.detail(_keyOf(_channelAt(to * PAYERS + who)), UNIT, report.units[to][who]);
        }
    }

    function _detailRoot(Report memory report, uint256 to) private view returns (bytes32) {
        return Trees.root(_lines(report, to));
    }

    function _leaves(Report memory report) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](PAYEES);
        for (uint256 to = 0; to < PAYEES; ++to) {
            address payee = _accounts[PAYERS + to];
            leaves[to] = RewardLeaf.leaf(NET, address(token), payee, report.rewards[to], _detailRoot(report, to));
        }
    }

    /// @dev The payer signed a rate of one µcredit per unit.
    function _proof(uint32 index, uint256 to, uint256 who)
        private
        view
        returns (IEscrow.UsageRoot memory root, IEscrow.ProvedUnit[] memory units)
    {
        Report memory report = _reports[index];
        bytes32[] memory leaves = _leaves(report);
        root.rewardAsset = address(token);
        root.index = index;
        root.root = Trees.root(leaves);
        root.cumulative = report.rewards[to];
        root.detailRoot = _detailRoot(report, to);
        root.proof = Trees.proof(leaves, to);
        bytes32 key = _keyOf(_channelAt(to * PAYERS + who));
        (bytes32 r, bytes32 vs) = vm.signCompact(_keys[who], escrow.hashRate(key, UNIT, 1, 1));
        units = new IEscrow.ProvedUnit[](1);
        units[0] = IEscrow.ProvedUnit(UNIT, report.units[to][who], 1, 1, r, vs, Trees.proof(_lines(report, to), who));
    }

    function _notePeriod() private {
        uint32 period = escrow.currentPeriod();
        if (_periods.length == 0 || _periods[_periods.length - 1] != period) _periods.push(period);
    }
}
