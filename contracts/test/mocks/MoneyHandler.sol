// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Credits} from "../../Credits.sol";
import {Delegations} from "../../Delegations.sol";
import {Escrow} from "../../Escrow.sol";
import {Token} from "../../Token.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {Test} from "../Vm.sol";
import {MockOracle} from "./MockOracle.sol";

/// @notice Three customers, two payees, a network owner and a collector doing anything at any time; keeps the sums that
/// the invariants compare the books with.
contract MoneyHandler is Test {
    uint32 internal constant NET = 7;
    uint256 private constant STRANGER = 0xBAD;

    Token private immutable cairn;
    Credits private immutable credits;
    Escrow private immutable escrow;
    Delegations private immutable delegations;
    MockOracle private immutable oracle;

    address[] public accounts;
    uint256[3] private _keys = [uint256(0xA1), 0xA2, 0xA3];
    uint256[3] private _sessions = [uint256(0x51), 0x52, 0x53];
    bytes32[] public channels;
    bytes32[] public locks;
    uint32[] public periods;

    mapping(bytes32 => uint128) public signedMax;
    mapping(bytes32 => uint128) public lastRedeemed;
    mapping(bytes32 => bool) private _known;
    bool private _started;

    uint256 public tokensIn;
    uint256 public tokensOut;
    uint256 public minted;
    uint256 public burned;
    uint256 public lockedIn;
    uint256 public lockedOut;
    uint256 public settled;

    constructor(Token cairn_, Credits credits_, Escrow escrow_, Delegations delegations_, MockOracle oracle_) {
        (cairn, credits, escrow, delegations, oracle) = (cairn_, credits_, escrow_, delegations_, oracle_);
        for (uint256 i = 0; i < 3; ++i) {
            accounts.push(vm.addr(_keys[i]));
        }
        accounts.push(address(0xB1));
        accounts.push(address(0xB2));
        accounts.push(address(0x0117));
    }

    /// @dev Once, by the test, before the campaign.
    function start() external {
        if (_started) return;
        _started = true;
        cairn.approve(address(credits), type(uint256).max);
        credits.approve(address(escrow), type(uint256).max);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(accounts[i]);
            escrow.approveCollector(address(this), address(credits), type(uint128).max, 30 days);
            vm.prank(accounts[i]);
            delegations.register(vm.addr(_sessions[i]), 1, 1e14, uint40(block.timestamp + 20 days));
        }
    }

    /// @dev After everything: no channel's counter ever falls, or passes what was signed.
    modifier watched() {
        _;
        for (uint256 i = 0; i < channels.length; ++i) {
            uint128 redeemed = escrow.channel(channels[i]).redeemed;
            assertGe(redeemed, lastRedeemed[channels[i]], "E2: redeemed fell");
            assertLe(redeemed, signedMax[channels[i]], "E3: paid more than was signed");
            lastRedeemed[channels[i]] = redeemed;
        }
    }

    function counts() external view returns (uint256, uint256, uint256, uint256) {
        return (accounts.length, channels.length, locks.length, periods.length);
    }

    // ------------------------------------------------------------------------------------------------- the customers

    function buyAndDeposit(uint8 who, uint128 amount) external watched {
        if (credits.mintHalted()) return credits.poke();
        amount = uint128(bound(amount, 1, 1e14));
        if (amount > credits.mintable()) return;
        tokensIn += credits.mint(address(this), amount, type(uint256).max);
        minted += amount;
        escrow.deposit(accounts[who % 3], address(credits), amount);
    }

    function openChannel(uint8 who, uint8 to, uint8 id, uint128 amount) external watched {
        IEscrow.ChannelId memory channel = _channel(who, to, id);
        uint128 most = _books(channel.payer).available;
        if (most == 0) return;
        vm.prank(channel.payer);
        escrow.openChannel(channel, uint128(bound(amount, 1, most)));
    }

    function openBySession(uint8 who, uint8 to, uint8 id, uint128 amount) external watched {
        IEscrow.ChannelId memory channel = _channel(who, to, id);
        address key = vm.addr(_sessions[who % 3]);
        if (!delegations.isActive(channel.payer, key, 1)) return;
        uint256 left = 1e14 - escrow.keyUsage(channel.payer, key, address(credits)).earmarked;
        uint128 available = _books(channel.payer).available;
        if (left > available) left = available;
        if (left == 0) return;
        vm.prank(key);
        escrow.openChannel(channel, uint128(bound(amount, 1, left)));
    }

    function closeChannel(uint8 who, uint8 to, uint8 id) external watched {
        IEscrow.ChannelId memory channel = _channel(who, to, id);
        uint40 closesAt = escrow.channel(_keyOf(channel)).closesAt;
        if (closesAt == 0) {
            vm.prank(channel.payer);
            escrow.closeChannel(channel);
        } else if (closesAt <= block.timestamp) {
            escrow.finalizeClose(channel);
        }
    }

    function thaw(uint8 who, uint128 amount) external watched {
        address account = accounts[who % 3];
        uint128 most = _books(account).available;
        if (most == 0) return;
        vm.prank(account);
        escrow.thaw(address(credits), uint128(bound(amount, 1, most)));
    }

    function endThaw(uint8 who, bool cancel) external watched {
        address account = accounts[who % 3];
        IEscrow.Account memory books = _books(account);
        if (books.thawing == 0) return;
        if (!cancel && books.thawEnd > block.timestamp) return;
        vm.prank(account);
        if (cancel) escrow.cancelThaw(address(credits));
        else escrow.withdraw(address(credits), account);
    }

    // ---------------------------------------------------------------------------------------------------- the payees

    function redeem(uint8 who, uint8 to, uint128[3] calldata cumulative, uint8 signers) external watched {
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](3);
        for (uint8 i = 0; i < 3; ++i) {
            uint256 payer = (uint256(who) + i) % 3;
            uint256 key = (signers >> i) & 1 == 1 ? _sessions[payer] : _keys[payer];
            items[i] = _sign(key, uint8(payer), to, i, uint128(bound(cumulative[i], 0, 2e14)));
        }
        settled += escrow.redeem(accounts[3 + (to % 2)], address(credits), NET, items);
        _notePeriod();
    }

    /// E4: what nobody of the payer's signed moves nothing of the payer's.
    function redeemForged(uint8 who, uint8 to, uint8 id, uint128 cumulative) external watched {
        IEscrow.ChannelId memory channel = _channel(who, to, id);
        bytes32 before = keccak256(abi.encode(_books(channel.payer), escrow.channel(_keyOf(channel))));
        IEscrow.Voucher[] memory items = new IEscrow.Voucher[](1);
        uint128 most = signedMax[_keyOf(channel)];
        items[0] = _sign(STRANGER, who, to, id, cumulative);
        signedMax[_keyOf(channel)] = most;
        assertEq(escrow.redeem(channel.payee, address(credits), NET, items), 0, "E4: paid a forgery");
        bytes32 afterwards = keccak256(abi.encode(_books(channel.payer), escrow.channel(_keyOf(channel))));
        assertEq(before, afterwards, "E4: a forgery changed the books");
    }

    function useEarned(uint8 who, uint8 way, uint128 amount) external watched {
        address account = accounts[who % 6];
        uint128 most = _books(account).earned;
        if (most == 0) return;
        amount = uint128(bound(amount, 1, most));
        if (way % 3 == 0) {
            vm.prank(account);
            escrow.withdrawEarned(address(credits), amount, account);
        } else if (way % 3 == 1) {
            vm.prank(account);
            escrow.earnedToAvailable(address(credits), amount);
        } else {
            _redeemEarned(account, amount);
        }
    }

    /// C4: a redemption gives at most the value at the high end, and never lowers R/C for the others.
    function _redeemEarned(address account, uint128 amount) private {
        (bool valid,, uint256 high) = credits.prices();
        if (!valid) return;
        (uint256 vault, uint256 supply) = (credits.vault(), credits.totalSupply());
        vm.prank(account);
        uint256 tokens = escrow.redeemEarned(amount, 0, account);
        tokensOut += tokens;
        burned += amount;
        assertLe(tokens * high, uint256(amount) * 1e25, "C4: more than the value");
        assertGe(credits.vault() * supply, vault * credits.totalSupply(), "C4: R/C fell");
    }

    // ------------------------------------------------------------------------------------------ collectors and others

    function lock(uint8 who, uint8 id, uint128 amount, uint24 life) external watched {
        address payer = accounts[who % 3];
        bytes32 lockId = bytes32(uint256(id % 2));
        bytes32 key = escrow.lockKeyOf(address(this), payer, address(credits), lockId);
        uint128 most = _books(payer).available;
        if (most == 0 || escrow.lockOf(key).amount != 0) return;
        if (!_known[key]) locks.push(key);
        _known[key] = true;
        amount = uint128(bound(amount, 1, most));
        escrow.lock(payer, address(credits), lockId, amount, uint40(block.timestamp + bound(life, 1, 30 days)));
        lockedIn += amount;
    }

    function useLock(uint8 who, uint8 id, uint8 to, uint128 amount, bool pay) external watched {
        address payer = accounts[who % 3];
        bytes32 lockId = bytes32(uint256(id % 2));
        IEscrow.Lock memory held = escrow.lockOf(escrow.lockKeyOf(address(this), payer, address(credits), lockId));
        if (held.amount == 0) return;
        amount = uint128(bound(amount, 1, held.amount));
        if (held.expiry <= block.timestamp) {
            amount = escrow.returnExpired(address(this), payer, address(credits), lockId);
        } else if (pay) {
            escrow.pay(payer, accounts[3 + (to % 2)], address(credits), NET, lockId, amount);
            settled += amount;
            _notePeriod();
        } else {
            escrow.unlock(payer, address(credits), lockId, amount);
        }
        lockedOut += amount;
    }

    function burnFees(uint8 index) external watched {
        if (periods.length == 0) return;
        burned += escrow.burnFees(NET, periods[index % periods.length]);
    }

    function collectFees(uint8 index) external watched {
        if (periods.length == 0) return;
        uint32[] memory one = new uint32[](1);
        one[0] = periods[index % periods.length];
        escrow.collectFees(NET, one);
    }

    function topUp(uint64 tokens) external watched {
        credits.topUp(uint256(tokens) + 1);
        tokensIn += uint256(tokens) + 1;
    }

    function movePrice(uint128 spot, uint128 ema, uint8 sigma) external watched {
        spot = uint128(bound(spot, 0.2e18, 5e18));
        ema = uint128(bound(ema, spot / 2, uint256(spot) * 2));
        oracle.set(spot, uint128(uint256(spot) * (sigma % 200) / 10_000), ema, 0);
        credits.poke();
    }

    function passTime(uint24 time) external watched {
        vm.warp(block.timestamp + bound(time, 1, 4 days));
    }

    /// C3: credits in wallets stay there.
    function transferCredits(uint8 from, uint8 to) external {
        address holder = accounts[from % 6];
        if (credits.balanceOf(holder) == 0) return;
        vm.prank(holder);
        (bool ok,) = address(credits).call(abi.encodeCall(credits.transfer, (accounts[to % 6], 1)));
        assertFalse(ok, "C3: moved");
    }

    // ---------------------------------------------------------------- parts

    function _books(address account) private view returns (IEscrow.Account memory) {
        return escrow.account(account, address(credits));
    }

    function _channel(uint8 who, uint8 to, uint8 id) private returns (IEscrow.ChannelId memory channel) {
        channel = IEscrow.ChannelId(accounts[who % 3], accounts[3 + (to % 2)], address(credits), NET, id % 3);
        bytes32 key = _keyOf(channel);
        if (!_known[key]) channels.push(key);
        _known[key] = true;
    }

    function _keyOf(IEscrow.ChannelId memory c) private view returns (bytes32) {
        return escrow.channelKey(c.payer, c.payee, c.asset, c.net, c.channelId);
    }

    function _sign(uint256 key, uint8 who, uint8 to, uint8 id, uint128 cumulative)
        private
        returns (IEscrow.Voucher memory)
    {
        IEscrow.ChannelId memory c = _channel(who, to, id);
        if (cumulative > signedMax[_keyOf(c)]) signedMax[_keyOf(c)] = cumulative;
        bytes32 digest = escrow.hashVoucher(c.payer, c.payee, c.asset, c.net, c.channelId, cumulative);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        return IEscrow.Voucher(c.payer, c.channelId, cumulative, r, vs);
    }

    function _notePeriod() private {
        uint32 period = escrow.currentPeriod();
        if (periods.length == 0 || periods[periods.length - 1] != period) periods.push(period);
    }
}
