// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EmissionsFixture} from "../EmissionsFixture.sol";

/// @notice One washer who is everybody: customer, operator and owner of both networks, with all the CAIRN and all the
/// credits there are. It starts under-covered, where washing pays most; from then on the price is constant.
contract EmissionsHandler is EmissionsFixture {
    /// @dev USD · 1e18; bought at 1.06, so that cover starts at 94 %.
    uint256 private constant PRICE = 1e18;
    uint32[] private _nets = [NET, OTHER];

    /// @notice What the washer had when the price became constant, in CAIRN at Pr.
    uint256 public startWealth;

    /// @notice Calls that did what they are named after.
    uint256 public washed;
    uint256 public matched;
    uint256 public filled;

    function start() external {
        if (address(token) != address(0)) return;
        _deploy();
        oracle.set(1.06e18, 0, 1.06e18, 0);
        _pay(NET, address(this), 1_000_000 * USD);
        oracle.set(uint128(PRICE), 0, uint128(PRICE), 0);
        // What that payment burned was burned at another price; it is not matched any more when the game begins.
        vm.warp(block.timestamp + 60 days);
        // Base would be income and not wash; it is off, as it never depends on what is paid.
        startWealth = wealth();
    }

    /// @notice Tokens in hand and in the pots, and credits at their face value.
    function wealth() public view returns (uint256 sum) {
        sum = token.balanceOf(address(this));
        for (uint256 i = 0; i < _nets.length; ++i) {
            sum += distributor.pot(_nets[i], address(token)).funded;
        }
        sum += credits.totalSupply() * 1e25 / PRICE;
        // Fees wait to be burned and are the washer's no more.
        uint256 owed = credits.totalSupply() - _mine();
        sum -= owed * 1e25 / PRICE;
    }

    function _mine() private view returns (uint256) {
        uint256 books = uint256(escrow.account(address(this), address(credits)).available)
            + escrow.account(address(this), address(credits)).earned;
        return books + credits.balanceOf(address(this));
    }

    function wash(uint8 which, uint64 amount) external {
        uint128 credits_ = uint128(bound(amount, 1, 1_000_000 * USD));
        if (credits.mintHalted() || credits_ > credits.mintable()) return;
        _pay(_nets[which % 2], address(this), credits_);
        ++washed;
    }

    function redeem(uint64 amount) external {
        uint128 earned = escrow.account(address(this), address(credits)).earned;
        if (earned == 0) return;
        escrow.redeemEarned(uint128(bound(amount, 1, earned)), 0, address(this));
    }

    function burnFees(uint8 which, uint8 back) external {
        escrow.burnFees(_nets[which % 2], _past(back));
    }

    function passTime(uint32 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 1 hours, 3 days));
    }

    function count(uint8 which, uint8 back) external {
        uint32 period = _past(back);
        if (period >= escrow.currentPeriod() || emissions.periodOf(period).price != 0) return;
        _count(period, _nets[which % 2]);
    }

    function close(uint8 back) external {
        uint32 period = _past(back);
        if (period + 1 >= escrow.currentPeriod() || emissions.periodOf(period).price != 0) return;
        emissions.closePeriod(period);
    }

    /// @dev The pot is the washer's: it allocates all to itself whenever it likes, here by what is left of its room.
    function claim(uint8 which, uint8 back) external {
        uint32 period = _past(back);
        if (period >= escrow.currentPeriod()) return;
        try emissions.claimEmission(_nets[which % 2], period) returns (uint128 amount) {
            matched += amount;
        } catch {}
    }

    function fill() external {
        try emissions.fillTopUp() {
            ++filled;
        } catch {}
    }

    function _past(uint8 back) private view returns (uint32) {
        uint32 current = escrow.currentPeriod();
        uint32 days_ = back % 8;
        return days_ > current ? 0 : current - days_;
    }

    function withinSchedule() external view returns (bool) {
        uint256 limit = emissions.scheduled(escrow.currentPeriod());
        return emissions.minted() <= limit && token.totalSupply() <= GENESIS_SUPPLY + limit;
    }

    /// @notice Of the last 60 periods, what was minted against what there was, and matched against burned value.
    function periodsHold() external view returns (bool) {
        uint32 current = escrow.currentPeriod();
        for (uint32 period = current > 60 ? current - 60 : 0; period < current; ++period) {
            (uint128 base, uint128 pool,) = emissions.split(period);
            if (emissions.periodOf(period).minted > uint256(base) + pool) return false;
            for (uint256 i = 0; i < 2; ++i) {
                (uint128 fees,,) = escrow.fees(_nets[i], period);
                if (emissions.claimedOf(_nets[i], period) > uint256(fees) * 1e25 / PRICE) return false;
            }
        }
        return true;
    }
}
