// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {IStorageProofs} from "../interfaces/IStorageProofs.sol";
import {StorageTree} from "../libraries/StorageTree.sol";
import {Judges} from "./Judges.sol";
import {Test} from "./Vm.sol";

/// @notice Two challengers, two operators, an arbiter, demanders and publishers of roots, in any order and over any time.
/// Acts that must be refused are not made, so any revert is a finding.
contract JudgesHandler is Judges {
    address[2] private _challengers = [address(0xC1), address(0xC2)];
    uint256[2] private _keys = [uint256(0xB0B1), 0xB0B2];
    uint256[] private _open;
    uint256 private _disputes;
    uint256 private _evidence;
    uint256[] private _demands;
    mapping(uint256 id => IStorageProofs.Head) private _heads;
    uint64 private _version;
    bytes32 private constant LEAF = "data";
    uint256 public closed;
    uint256 public answered;
    uint256 public faulted;

    constructor() {
        deployJudges();
        bondAs(vm.addr(_keys[1]), NET, 10_000e18);
        bondAs(verifier, VERIFIERS, 10_000e18);
        token.approve(address(distributor), type(uint256).max);
        address[5] memory all = [_challengers[0], _challengers[1], vm.addr(_keys[0]), vm.addr(_keys[1]), verifier];
        for (uint256 i = 0; i < 5; ++i) {
            endow(all[i], 1e6 ether);
            vm.startPrank(all[i]);
            token.approve(address(manager), type(uint256).max);
            token.approve(address(proofs), type(uint256).max);
            vm.stopPrank();
        }
    }

    // ------------------------------------------------------------------ acts

    function passTime(uint32 time, uint16 blocks) external {
        vm.warp(block.timestamp + bound(time, 1 hours, 5 days));
        vm.roll(block.number + bound(blocks, 1, 400));
    }

    function open(uint8 who, uint8 against) external {
        address accused = vm.addr(_keys[against % 2]);
        (uint128 self,, uint128 thawing) = staking.stakeOf(accused, NET);
        if (self + thawing == 0 || manager.openAgainst(NET, accused) == 4) return;
        vm.prank(_challengers[who % 2]);
        _note(manager.open(NET, accused, bytes32(++_evidence)));
    }

    function openRoot(uint8 who) external {
        if (manager.rootBondOf(NET, address(token)) == 20e18 << 4) return;
        vm.warp(block.timestamp + EPOCH);
        distributor.fund(NET, address(token), 1e18);
        uint128 total = distributor.pot(NET, address(token)).funded;
        uint32 epoch = registry.currentEpoch(NET) - 1;
        vm.prank(address(publisher));
        uint32 index = distributor.publish(NET, address(token), epoch, "root", total, "data");
        vm.prank(_challengers[who % 2]);
        _note(manager.openRoot(NET, address(token), index, "reason"));
    }

    function respond(uint8 which) external {
        (uint256 id, IDisputeManager.Dispute memory d) = _pick(which);
        if (d.state != IDisputeManager.State.Open) return;
        if (block.timestamp >= d.deadline && block.number >= d.openedBlock + 600) return;
        vm.prank(d.accused);
        manager.respond(id, "answer");
    }

    function rule(uint8 which, uint8 verdict, uint128 amount) external {
        (uint256 id, IDisputeManager.Dispute memory d) = _pick(which);
        if (d.state != IDisputeManager.State.Answered || block.timestamp >= d.deadline) return;
        IDisputeManager.Verdict v = IDisputeManager.Verdict(verdict % 3);
        amount = v == IDisputeManager.Verdict.Accept ? uint128(bound(amount, 0, d.maxSlash)) : 0;
        (uint256 stake, uint256 gain) = (_stake(d), _wealth(d.challenger));
        vm.prank(arbiter);
        manager.rule(id, v, amount);
        _check(d, stake, gain);
    }

    function finalize(uint8 which) external {
        (uint256 id, IDisputeManager.Dispute memory d) = _pick(which);
        if (id == 0 || block.timestamp < d.deadline) return;
        if (d.state == IDisputeManager.State.Open && block.number < d.openedBlock + 600) return;
        (uint256 stake, uint256 gain) = (_stake(d), _wealth(d.challenger));
        manager.finalize(id);
        _check(d, stake, gain);
    }

    function withdraw(uint8 who) external {
        address[5] memory all = [_challengers[0], _challengers[1], vm.addr(_keys[0]), vm.addr(_keys[1]), verifier];
        address account = all[who % 5];
        if (manager.withdrawable(account) == 0) return;
        vm.prank(account);
        manager.withdrawBond();
    }

    function demand(uint8 who, uint8 to) external {
        IStorageProofs.Head memory h = _head(to % 2);
        if (proofs.openDemand(h) != 0) return;
        bytes memory a = signatureOf(_keys[to % 2], proofs.digestOf(h));
        bytes memory b = signatureOf(CUSTOMER_KEY, proofs.digestOf(h));
        vm.prank(_challengers[who % 2]);
        uint256 id = proofs.demand(h, a, b);
        _heads[id] = h;
        _demands.push(id);
    }

    function answer(uint8 which) external {
        if (_demands.length == 0) return;
        uint256 id = _demands[which % _demands.length];
        if (proofs.demandOf(id).demander == address(0)) return;
        StorageTree.Proof memory p;
        (p.size, p.pieceId, p.pieceRoot, p.leaf) = (4, "piece", sha256("data"), "data");
        uint256 before = token.balanceOf(_heads[id].provider);
        proofs.answer(id, _heads[id], p);
        assertEq(token.balanceOf(_heads[id].provider) - before, 10e18, "the bond is the provider's");
        ++answered;
    }

    function fault(uint8 which) external {
        if (_demands.length == 0) return;
        uint256 id = _demands[which % _demands.length];
        IStorageProofs.Demand memory d = proofs.demandOf(id);
        if (d.demander == address(0)) return;
        if (block.timestamp < d.openedAt + 3 days || block.number < d.openedBlock + 600) return;
        address accused = _heads[id].provider;
        (uint128 self,, uint128 thawing) = staking.stakeOf(accused, NET);
        uint256 before = token.balanceOf(d.demander);
        proofs.fault(id, _heads[id]);
        (uint128 selfAfter,, uint128 thawingAfter) = staking.stakeOf(accused, NET);
        uint256 lost = uint256(self) + thawing - selfAfter - thawingAfter;
        assertLe(lost, 100e18, "the penalty at most");
        assertLe(token.balanceOf(d.demander) - before - 10e18, lost / 4, "V4: a quarter of what was taken at most");
        ++faulted;
    }

    // ----------------------------------------------------------------- views

    /// @notice What the manager must hold: bonds of open disputes and what was not withdrawn.
    function owedByManager() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _open.length; ++i) {
            IDisputeManager.Dispute memory d = manager.dispute(_open[i]);
            if (d.state == IDisputeManager.State.Closed) continue;
            bool both = d.state == IDisputeManager.State.Answered && d.asset == address(0);
            sum += both ? 2 * uint256(d.bond) : d.bond;
        }
        sum += uint256(manager.withdrawable(_challengers[0])) + manager.withdrawable(_challengers[1]);
        sum += uint256(manager.withdrawable(vm.addr(_keys[0]))) + manager.withdrawable(vm.addr(_keys[1]));
        sum += manager.withdrawable(verifier);
    }

    function owedByProofs() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _demands.length; ++i) {
            sum += proofs.demandOf(_demands[i]).bond;
        }
    }

    function balances() external view returns (uint256 ofManager, uint256 ofProofs) {
        return (token.balanceOf(address(manager)), token.balanceOf(address(proofs)));
    }

    function openCountsAreBounded() external view returns (bool) {
        return manager.openAgainst(NET, vm.addr(_keys[0])) <= 4 && manager.openAgainst(NET, vm.addr(_keys[1])) <= 4;
    }

    // ----------------------------------------------------------------- parts

    function _note(uint256 id) private {
        _open.push(id);
    }

    function _pick(uint8 which) private view returns (uint256 id, IDisputeManager.Dispute memory d) {
        if (_open.length == 0) return (0, d);
        // The newest eight: older ones are mostly closed.
        uint256 back = which % (_open.length < 8 ? _open.length : 8);
        id = _open[_open.length - 1 - back];
        d = manager.dispute(id);
        if (d.state == IDisputeManager.State.Closed) return (0, d);
    }

    function _head(uint8 to) private returns (IStorageProofs.Head memory h) {
        (h.net, h.setId, h.provider, h.customer) = (NET, "set", vm.addr(_keys[to]), customer);
        h.root = sha256(abi.encodePacked(uint64(0), uint64(4), bytes32("piece"), sha256("data")));
        (h.count, h.totalBytes, h.version) = (1, 4, ++_version);
        h.expiresAt = uint40(block.timestamp) + 30 days;
    }

    function _stake(IDisputeManager.Dispute memory d) private view returns (uint256) {
        (uint128 self,, uint128 thawing) = staking.stakeOf(d.accused, d.stakeNet);
        return uint256(self) + thawing;
    }

    function _wealth(address who) private view returns (uint256) {
        return token.balanceOf(who) + manager.withdrawable(who);
    }

    function _check(IDisputeManager.Dispute memory d, uint256 stake, uint256 wealth) private {
        assertLe(stake - _stake(d), d.maxSlash, "V5: more than stood there at the opening");
        assertLe(_wealth(d.challenger) - wealth, 2 * uint256(d.bond), "its bond, and as much again at most");
        ++closed;
    }
}

/// forge-config: default.invariant.runs = 12
contract JudgesInvariantsTest is Test {
    JudgesHandler private handler;

    function setUp() public {
        handler = new JudgesHandler();
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// V4 and V5 are asserted by the handler where they would break.
    function invariant_V2_BondsHeldAreBondsOwed() public view {
        (uint256 ofManager, uint256 ofProofs) = handler.balances();
        assertEq(ofManager, handler.owedByManager(), "V2: disputes");
        assertEq(ofProofs, handler.owedByProofs(), "V2: demands");
        assertTrue(handler.openCountsAreBounded(), "more than four open");
    }

    /// The campaign would prove nothing if its acts could not get through.
    function test_TheHandlerOfTheJudgesReachesEveryAct() public {
        handler.open(0, 0);
        handler.open(1, 1);
        handler.respond(0);
        handler.rule(0, 0, 1e20);
        handler.openRoot(0);
        handler.rule(0, 1, 0);
        handler.demand(0, 0);
        handler.demand(0, 1);
        handler.answer(0);
        for (uint256 i = 0; i < 3; ++i) {
            handler.passTime(5 days, 400);
        }
        handler.fault(1);
        handler.finalize(2);
        handler.withdraw(0);
        handler.withdraw(1);
        assertEq(handler.closed(), 3, "disputes closed");
        assertEq(handler.answered(), 1, "answered");
        assertEq(handler.faulted(), 1, "faulted");
        invariant_V2_BondsHeldAreBondsOwed();
    }
}
