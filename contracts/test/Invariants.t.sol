// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @notice Everything that may happen to stake and to two pots, in any order: three operators, a slasher, a publisher
/// that is honest or lies about its total, a guardian and a dispute contract. Calls that would revert are not made.
contract Handler is World {
    address[3] private _operators = [address(0xA1), address(0xA2), address(0xA3)];
    uint32[2] private _nets;
    mapping(uint32 net => mapping(uint32 index => uint128[3])) private _leaves;

    struct Bucket {
        address operator;
        uint32 net;
        uint32 week;
    }

    Bucket[] private _buckets;
    mapping(bytes32 key => bool) private _known;

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public slashed;
    mapping(uint32 net => uint256) public fundedOf;
    mapping(uint32 net => uint256) public paidOf;
    mapping(uint32 net => mapping(address account => uint128)) public lastClaimed;
    bool public claimedBackwards;
    bool public paidFromInactive;

    constructor() {
        deployWorld();
        token.approve(address(distributor), type(uint256).max);
        _nets = [VERIFIERS, NET];
        for (uint256 i = 0; i < 3; ++i) {
            endow(_operators[i], 1e6 ether);
            vm.prank(_operators[i]);
            token.approve(address(staking), type(uint256).max);
        }
    }

    // ------------------------------------------------------------------ acts

    function warp(uint32 time) external {
        vm.warp(block.timestamp + bound(time, 1 hours, 6 days));
    }

    function bond(uint8 who, uint8 net, uint128 amount) external {
        amount = uint128(bound(amount, MIN_STAKE, 10 * MIN_STAKE));
        address operator = _operators[who % 3];
        if (token.balanceOf(operator) < amount) return;
        vm.prank(operator);
        staking.bond(_nets[net % 2], amount);
        deposited += amount;
    }

    function unbond(uint8 who, uint8 net, uint128 amount) external {
        address operator = _operators[who % 3];
        uint32 n = _nets[net % 2];
        (uint128 self,,) = staking.stakeOf(operator, n);
        if (self == 0) return;
        amount = uint128(bound(amount, 1, self));
        if (self - amount < MIN_STAKE) amount = self;
        vm.prank(operator);
        uint32 week = staking.unbond(n, amount);
        bytes32 key = keccak256(abi.encode(operator, n, week));
        if (_known[key]) return;
        _known[key] = true;
        _buckets.push(Bucket(operator, n, week));
    }

    function withdraw(uint8 who, uint8 net, uint8 back) external {
        address operator = _operators[who % 3];
        uint32 n = _nets[net % 2];
        uint32 week = uint32(block.timestamp / 1 weeks - back % 8);
        if (staking.bucketOf(operator, n, week) == 0) return;
        vm.prank(operator);
        withdrawn += staking.withdrawSelf(n, week);
    }

    function slash(uint8 who, uint8 net, uint128 amount) external {
        vm.prank(slasher);
        slashed += staking.slash(
            _operators[who % 3], _nets[net % 2], uint128(bound(amount, 1, 20 * MIN_STAKE)), address(0xEE), 0
        );
    }

    function fund(uint8 net, uint128 amount) external {
        uint32 n = _nets[net % 2];
        amount = uint128(bound(amount, 1, 1_000e18));
        distributor.fund(n, address(token), amount);
        fundedOf[n] += amount;
    }

    function publish(uint8 net, uint128[3] memory parts, bool lie) external {
        uint32 n = _nets[net % 2];
        IRewardsDistributor.Pot memory p = distributor.pot(n, address(token));
        vm.warp(block.timestamp + EPOCH);
        uint32 epoch = registry.currentEpoch(n) - 1;
        for (uint256 i = 0; i < 3; ++i) {
            parts[i] = uint128(bound(parts[i], 0, p.funded / 3));
        }
        uint128 total = lie ? (parts[0] + parts[1] + parts[2]) / 2 : parts[0] + parts[1] + parts[2];
        vm.prank(address(publisher));
        try distributor.publish(n, address(token), epoch, Trees.root(_lines(n, parts)), total, "data") returns (
            uint32 index
        ) {
            _leaves[n][index] = parts;
        } catch {} // the floor or a busy slot
    }

    function act(uint8 net, uint8 back, uint8 what) external {
        uint32 n = _nets[net % 2];
        uint32 published = distributor.pot(n, address(token)).published;
        if (published == 0) return;
        uint32 index = published - 1 - uint32(back % (published < 8 ? published : 8));
        if (what % 4 == 0) {
            vm.prank(guardian);
            try distributor.veto(n, address(token), index) {} catch {}
        } else if (what % 4 == 1) {
            vm.prank(disputes);
            try distributor.challenge(n, address(token), index) {} catch {}
        } else {
            vm.prank(disputes);
            try distributor.onVerdict(n, address(token), index, what % 4 == 2) {} catch {}
        }
    }

    function claim(uint8 net, uint8 back, uint8 who) external {
        uint32 n = _nets[net % 2];
        uint32 published = distributor.pot(n, address(token)).published;
        if (published == 0) return;
        uint32 index = published - 1 - uint32(back % (published < 8 ? published : 8));
        _claim(n, index, who % 3);
    }

    function _claim(uint32 n, uint32 index, uint256 i) private {
        bytes32[] memory lines = _lines(n, _leaves[n][index]);
        uint128 cumulative = _leaves[n][index][i];
        address account = _operators[i];
        bytes32[] memory proof = Trees.proof(lines, i);
        bool active = distributor.isActiveRoot(n, address(token), index, Trees.root(lines));
        try distributor.claim(n, address(token), index, account, cumulative, "detail", proof) returns (uint128 paid) {
            paidOf[n] += paid;
            if (!active) paidFromInactive = true;
            if (cumulative <= lastClaimed[n][account]) claimedBackwards = true;
            lastClaimed[n][account] = cumulative;
        } catch {}
    }

    // ----------------------------------------------------------------- views

    function _lines(uint32 net, uint128[3] memory parts) private view returns (bytes32[] memory lines) {
        lines = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            lines[i] = RewardLeaf.leaf(net, address(token), _operators[i], parts[i], "detail");
        }
    }

    /// @notice What the books of Staking say it holds: active, and every bucket that was ever used.
    function booked() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _buckets.length; ++i) {
            sum += staking.bucketOf(_buckets[i].operator, _buckets[i].net, _buckets[i].week);
        }
        for (uint256 i = 0; i < 6; ++i) {
            (uint128 self,,) = staking.stakeOf(_operators[i % 3], _nets[i / 3]);
            sum += self;
        }
    }

    function stakingBalance() external view returns (uint256) {
        return token.balanceOf(address(staking));
    }

    function distributorBalance() external view returns (uint256) {
        return token.balanceOf(address(distributor));
    }

    function potOf(uint256 i) external view returns (uint32 net, IRewardsDistributor.Pot memory) {
        return (_nets[i], distributor.pot(_nets[i], address(token)));
    }

    function burned() external view returns (uint256) {
        return SUPPLY - token.totalSupply();
    }
}

/// forge-config: default.invariant.runs = 12
contract InvariantsTest is World {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    /// forge calls only these.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    function invariant_S1_StakingHoldsWhatItsBooksSay() public view {
        assertEq(handler.stakingBalance(), handler.booked(), "balance");
    }

    function invariant_S5_NothingIsWithdrawnOrSlashedThatWasNotDeposited() public view {
        assertEq(handler.withdrawn() + handler.slashed() + handler.booked(), handler.deposited(), "flows");
        assertEq(handler.burned(), handler.slashed(), "what is slashed is burned");
    }

    function invariant_R1_ClaimedAtMostAllocatedAtMostFunded() public view {
        for (uint256 i = 0; i < 2; ++i) {
            (, IRewardsDistributor.Pot memory p) = handler.potOf(i);
            assertLe(p.claimed, p.allocated, "claimed");
            assertLe(p.allocated, p.funded, "allocated");
        }
    }

    function invariant_R2_ClaimsOnlyGrow() public view {
        assertFalse(handler.claimedBackwards(), "backwards");
    }

    function invariant_R3_EachPotPaysFromItsOwnMoney() public view {
        uint256 sum = 0;
        for (uint256 i = 0; i < 2; ++i) {
            (uint32 net, IRewardsDistributor.Pot memory p) = handler.potOf(i);
            assertEq(p.claimed, handler.paidOf(net), "claimed");
            assertEq(p.funded, handler.fundedOf(net), "funded");
            sum += p.funded - p.claimed;
        }
        assertEq(handler.distributorBalance(), sum, "balance");
    }

    function invariant_R4_OnlyActiveRootsPay() public view {
        assertFalse(handler.paidFromInactive(), "inactive");
    }

    /// The campaign would prove nothing if its calls could not get through.
    function test_TheHandlerReachesEveryAct() public {
        handler.bond(0, 1, 0);
        handler.slash(0, 1, 1e18);
        handler.unbond(0, 1, type(uint128).max);
        for (uint256 i = 0; i < 5; ++i) {
            handler.warp(6 days);
        }
        for (uint8 back = 0; back < 8; ++back) {
            handler.withdraw(0, 1, back);
        }
        assertTrue(handler.slashed() > 0 && handler.withdrawn() > 0, "stake moved");
        handler.fund(1, 900e18);
        handler.publish(1, [uint128(1e18), 2e18, 3e18], false);
        handler.warp(2 days);
        handler.claim(1, 0, 2);
        assertEq(handler.paidOf(NET), 3e18, "paid");
    }
}
