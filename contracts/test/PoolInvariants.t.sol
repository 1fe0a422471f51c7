// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IStaking} from "../interfaces/IStaking.sol";
import {World} from "./World.sol";

/// @notice Two operators and three delegators, a slasher and people who add rewards, in any order and over any time.
/// Calls that must be refused are not made, so any revert is a finding.
contract PoolHandler is World {
    address[2] private _operators = [address(0xA1), address(0xA2)];
    address[3] private _delegators = [address(0xD1), address(0xD2), address(0xD3)];

    struct Place {
        address operator;
        uint32 nonce;
        uint32 week;
    }

    Place[] private _places;
    mapping(bytes32 key => bool) private _known;
    mapping(address operator => uint32[]) private _selfWeeks;

    uint256 public cameIn;
    uint256 public wentOut;
    mapping(address account => uint256) public brought;
    mapping(address account => uint256) public took;

    constructor() {
        deployWorld();
        token.approve(address(staking), type(uint256).max);
        for (uint256 i = 0; i < 3; ++i) {
            endow(_delegators[i], 1e7 ether);
            vm.prank(_delegators[i]);
            token.approve(address(staking), type(uint256).max);
        }
        for (uint256 i = 0; i < 2; ++i) {
            endow(_operators[i], 1e7 ether);
            vm.prank(_operators[i]);
            token.approve(address(staking), type(uint256).max);
            vm.prank(_operators[i]);
            staking.setCut(NET, 1_000);
        }
    }

    /// S2: whatever is done but a slash, no share of any pool is worth less after it.
    modifier priceHolds() {
        uint256[2] memory before;
        for (uint256 i = 0; i < 2; ++i) {
            before[i] = _price(_operators[i], _nonce(_operators[i]));
        }
        _;
        for (uint256 i = 0; i < 2; ++i) {
            assertGe(_price(_operators[i], _nonce(_operators[i])), before[i], "S2: a share lost value without a slash");
        }
    }

    // ------------------------------------------------------------------ acts

    function passTime(uint32 time) external priceHolds {
        vm.warp(block.timestamp + bound(time, 1 hours, 9 days));
    }

    function bond(uint8 who, uint128 amount) external priceHolds {
        amount = uint128(bound(amount, MIN_STAKE, 10 * MIN_STAKE));
        vm.prank(_operators[who % 2]);
        staking.bond(NET, amount);
        cameIn += amount;
    }

    function unbond(uint8 who, uint128 amount) external priceHolds {
        address operator = _operators[who % 2];
        (uint128 self,,) = staking.stakeOf(operator, NET);
        if (self == 0) return;
        amount = uint128(bound(amount, 1, self));
        if (self - amount < MIN_STAKE) amount = self;
        vm.prank(operator);
        _selfWeeks[operator].push(staking.unbond(NET, amount));
    }

    function withdrawSelf(uint8 who, uint8 which) external priceHolds {
        address operator = _operators[who % 2];
        uint256 count = _selfWeeks[operator].length;
        if (count == 0) return;
        uint32 week = _selfWeeks[operator][which % count];
        if (block.timestamp < uint256(week) * 1 weeks || staking.bucketOf(operator, NET, week) == 0) return;
        vm.prank(operator);
        wentOut += staking.withdrawSelf(NET, week);
    }

    function delegate(uint8 who, uint8 to, uint128 amount) external priceHolds {
        address operator = _operators[to % 2];
        (uint128 self, uint128 delegated,) = staking.stakeOf(operator, NET);
        if (uint256(self) * 10 < uint256(delegated) + 1e18) return;
        amount = uint128(bound(amount, 1e18, uint256(self) * 10 - delegated));
        address delegator = _delegators[who % 3];
        if (token.balanceOf(delegator) < amount) return;
        vm.prank(delegator);
        staking.delegateTo(operator, NET, amount, 0);
        cameIn += amount;
        brought[delegator] += amount;
    }

    function undelegate(uint8 who, uint8 from, uint8 back, uint128 shares) external priceHolds {
        (address delegator, address operator) = (_delegators[who % 3], _operators[from % 2]);
        uint32 nonce = uint32(back % (_nonce(operator) + 1));
        uint128 held = staking.positionOf(delegator, operator, NET, nonce).shares;
        uint256 worth = staking.valueOf(delegator, operator, NET, nonce);
        // Less than a wei cannot leave.
        if (worth < 1e9) return;
        shares = uint128(bound(shares, held / 1e6, held));
        vm.prank(delegator);
        (uint32 week,) = staking.undelegate(operator, NET, nonce, shares);
        bytes32 key = keccak256(abi.encode(operator, nonce, week));
        if (_known[key]) return;
        _known[key] = true;
        _places.push(Place(operator, nonce, week));
    }

    function withdrawDelegated(uint8 who, uint8 which) external priceHolds {
        if (_places.length == 0) return;
        Place memory place = _places[which % _places.length];
        address delegator = _delegators[who % 3];
        if (block.timestamp < uint256(place.week) * 1 weeks) return;
        uint128 shares = staking.thawingSharesOf(delegator, place.operator, NET, place.nonce, place.week);
        if (shares < 1e10) return;
        IStaking.Bucket memory bucket = staking.poolBucketOf(place.operator, NET, place.nonce, place.week);
        if (bucket.tokens < 1e9) return;
        vm.prank(delegator);
        uint128 amount = staking.withdrawDelegated(place.operator, NET, place.nonce, place.week);
        wentOut += amount;
        took[delegator] += amount;
    }

    /// What rewards bring to delegators is theirs to take out; S5 allows it.
    function reward(uint8 who, uint128 amount) external priceHolds {
        address operator = _operators[who % 2];
        amount = uint128(bound(amount, 1, 1e24));
        uint256 before = token.balanceOf(operator);
        staking.addRewards(operator, NET, amount);
        cameIn += amount;
        uint256 paid = token.balanceOf(operator) - before;
        wentOut += paid;
        for (uint256 i = 0; i < 3; ++i) {
            brought[_delegators[i]] += amount - paid;
        }
    }

    function sync(uint8 who, uint8 operator, uint8 back) external priceHolds {
        address o = _operators[operator % 2];
        staking.syncVotes(_delegators[who % 3], o, NET, uint32(back % (_nonce(o) + 1)));
        staking.syncVotes(o, o, NET, _nonce(o));
    }

    function slash(uint8 who, uint128 amount, bool selfOnly, bool collect) external {
        address operator = _operators[who % 2];
        uint32 nonce = _nonce(operator);
        uint256 before = _slashable(operator, nonce);
        uint256 burned = token.totalSupply();
        vm.startPrank(slasher);
        amount = uint128(bound(amount, 1, 20 * MIN_STAKE));
        if (selfOnly) staking.slashSelf(operator, NET, amount, address(0xEE), amount / 4);
        else staking.slash(operator, NET, amount, address(0xEE), 0);
        if (collect) try staking.collectOwed(operator, NET) {} catch {}
        if (collect) try staking.collectOwedBySelf(operator, NET) {} catch {}
        vm.stopPrank();
        wentOut += burned - token.totalSupply();
        uint256 reporter = token.balanceOf(address(0xEE));
        wentOut += reporter - took[address(0xEE)];
        took[address(0xEE)] = reporter;
        (uint128 self,, uint128 thawing) = staking.stakeOf(operator, NET);
        bool delegatorsLost = _slashable(operator, nonce) < before;
        if (selfOnly && !collect) assertFalse(delegatorsLost, "a slash of self reached delegators");
        if (delegatorsLost) assertEq(uint256(self) + thawing, 0, "self is zero before any delegator loses");
    }

    // ----------------------------------------------------------------- views

    function booked() external view returns (uint256 sum) {
        for (uint256 i = 0; i < 2; ++i) {
            address o = _operators[i];
            (uint128 self,,) = staking.stakeOf(o, NET);
            sum += self;
            uint256 weeks_ = _selfWeeks[o].length;
            for (uint256 j = 0; j < weeks_; ++j) {
                // A week that was used twice is counted once, at its first entry.
                if (_firstUse(o, j)) sum += staking.bucketOf(o, NET, _selfWeeks[o][j]);
            }
            for (uint32 nonce = 0; nonce <= _nonce(o); ++nonce) {
                IStaking.Pool memory pool = staking.poolOf(o, NET, nonce);
                sum += uint256(pool.tokens) + pool.locked;
            }
        }
        for (uint256 i = 0; i < _places.length; ++i) {
            sum += staking.poolBucketOf(_places[i].operator, NET, _places[i].nonce, _places[i].week).tokens;
        }
    }

    function balance() external view returns (uint256) {
        return token.balanceOf(address(staking));
    }

    function sharesAddUp() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            for (uint32 nonce = 0; nonce <= _nonce(_operators[i]); ++nonce) {
                uint256 sum = 0;
                for (uint256 j = 0; j < 3; ++j) {
                    sum += staking.positionOf(_delegators[j], _operators[i], NET, nonce).shares;
                }
                if (sum != staking.poolOf(_operators[i], NET, nonce).shares) return false;
            }
        }
        return true;
    }

    /// @notice Votes of everybody once all are synced, and what is bonded.
    function votesAndBonded() external returns (uint256 votes, uint256 bonded) {
        for (uint256 i = 0; i < 2; ++i) {
            address o = _operators[i];
            for (uint32 nonce = 0; nonce <= _nonce(o); ++nonce) {
                for (uint256 j = 0; j < 3; ++j) {
                    staking.syncVotes(_delegators[j], o, NET, nonce);
                }
                IStaking.Pool memory pool = staking.poolOf(o, NET, nonce);
                bonded += uint256(pool.tokens) + pool.locked;
            }
            staking.syncVotes(o, o, NET, 0);
            (uint128 self,,) = staking.stakeOf(o, NET);
            bonded += self;
            votes += staking.getVotes(o);
        }
        for (uint256 j = 0; j < 3; ++j) {
            votes += staking.getVotes(_delegators[j]);
        }
    }

    function delegatorAt(uint256 i) external view returns (address) {
        return _delegators[i];
    }

    function _firstUse(address o, uint256 j) private view returns (bool) {
        for (uint256 k = 0; k < j; ++k) {
            if (_selfWeeks[o][k] == _selfWeeks[o][j]) return false;
        }
        return true;
    }

    function _nonce(address operator) private view returns (uint32) {
        return staking.provisionOf(operator, NET).nonce;
    }

    /// @dev Of a share, in 1e-36 wei, with the rewards that have come free.
    function _price(address operator, uint32 nonce) private view returns (uint256) {
        (, uint128 delegated,) = staking.stakeOf(operator, NET);
        return (uint256(delegated) + 1) * 1e36 / (uint256(staking.poolOf(operator, NET, nonce).shares) + 1e6);
    }

    function _slashable(address operator, uint32 nonce) private view returns (uint256 sum) {
        IStaking.Pool memory pool = staking.poolOf(operator, NET, nonce);
        sum = uint256(pool.tokens) + pool.locked;
        for (uint256 i = 0; i < _places.length; ++i) {
            if (_places[i].operator != operator || _places[i].nonce != nonce) continue;
            sum += staking.poolBucketOf(operator, NET, nonce, _places[i].week).tokens;
        }
    }
}

/// forge-config: default.invariant.runs = 12
contract PoolInvariantsTest is World {
    PoolHandler private handler;

    function setUp() public {
        handler = new PoolHandler();
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        bytes4[] memory acts = new bytes4[](11);
        acts[0] = handler.passTime.selector;
        acts[1] = handler.bond.selector;
        acts[2] = handler.unbond.selector;
        acts[3] = handler.withdrawSelf.selector;
        acts[4] = handler.delegate.selector;
        acts[5] = handler.undelegate.selector;
        acts[6] = handler.withdrawDelegated.selector;
        acts[7] = handler.reward.selector;
        acts[8] = handler.sync.selector;
        acts[9] = handler.slash.selector;
        acts[10] = handler.delegate.selector;
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(handler), acts);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// S2 and "self is zero before any delegator loses" are asserted by the handler where they would break.
    function invariant_S1_S4_S5_TheBooksOfPoolsAddUp() public view {
        uint256 booked = handler.booked();
        assertEq(handler.balance(), booked, "S1: balance");
        assertEq(handler.wentOut() + booked, handler.cameIn(), "S5: flows");
        assertTrue(handler.sharesAddUp(), "S4: shares");
        for (uint256 i = 0; i < 3; ++i) {
            address d = handler.delegatorAt(i);
            assertLe(handler.took(d), handler.brought(d), "S5: nobody takes more than came for him");
        }
    }

    function invariant_S6_VotesNeverExceedWhatIsBonded() public {
        (uint256 votes, uint256 bonded) = handler.votesAndBonded();
        assertLe(votes, bonded, "votes");
    }

    /// The campaign would prove nothing if its calls could not get through.
    function test_ThePoolHandlerReachesEveryAct() public {
        handler.bond(0, 0);
        handler.delegate(0, 0, type(uint128).max);
        handler.reward(0, 1e20);
        handler.undelegate(0, 0, 0, type(uint128).max / 3);
        handler.unbond(0, type(uint128).max);
        handler.slash(0, 1_500e18, false, false);
        handler.sync(0, 0, 0);
        for (uint256 i = 0; i < 5; ++i) {
            handler.passTime(9 days);
        }
        uint256 before = handler.wentOut();
        handler.withdrawDelegated(0, 0);
        assertTrue(handler.wentOut() > before, "delegated stake left");
        invariant_S1_S4_S5_TheBooksOfPoolsAddUp();
    }
}
