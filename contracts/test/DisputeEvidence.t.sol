// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRootPublisher} from "../interfaces/IRootPublisher.sol";
import {DisputeManager} from "../DisputeManager.sol";
import {Judges} from "./Judges.sol";
import {ReceiptVectors} from "./vectors/ReceiptVectors.sol";

contract DisputeEvidenceTest is Judges {
    uint256 private constant DEVICE_KEY = 0xDE71CE;
    uint128 private constant PENALTY = 50e18;
    uint128 private constant ROOT_PENALTY = 100e18;
    address private immutable reporter = address(0x4E);
    bytes private signer;
    bytes32 private id;

    function setUp() public {
        deployJudges();
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY);
        signer = abi.encodePacked(x, y);
        id = _enrol(provider);
        bondAs(verifier, VERIFIERS, 10_000e18);
    }

    function _enrol(address owner) private returns (bytes32) {
        IDeviceRegistry.Registration memory r;
        r.net = NET;
        r.owner = owner;
        r.transportKey = "transport";
        r.deadline = uint40(block.timestamp) + 1 hours;
        r.signer = signer;
        r.signature = _p256(devices.registrationDigest(r, 0));
        return devices.register(r);
    }

    function _p256(bytes32 digest) private view returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(DEVICE_KEY, digest);
        uint256 n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
        if (uint256(s) > n / 2) s = bytes32(n - uint256(s));
        return abi.encodePacked(r, s);
    }

    function _receipt(bytes32 content) private view returns (IDisputeManager.Receipt memory r) {
        r.net = NET;
        r.deviceId = id;
        r.boot = "boot";
        r.sequence = 7;
        r.timestamp = uint40(block.timestamp);
        r.contentHash = content;
    }

    function _submit(IDisputeManager.Receipt memory a, IDisputeManager.Receipt memory b) private returns (uint128) {
        bytes memory sigA = _p256(manager.receiptDigest(a));
        bytes memory sigB = _p256(manager.receiptDigest(b));
        vm.prank(reporter);
        return manager.submitEquivocation(signer, a, sigA, b, sigB);
    }

    function _refuse(IDisputeManager.Receipt memory a, IDisputeManager.Receipt memory b, bytes memory why) private {
        bytes memory sigA = _p256(manager.receiptDigest(a));
        bytes memory sigB = _p256(manager.receiptDigest(b));
        vm.prank(reporter);
        vm.expectRevert(why);
        manager.submitEquivocation(signer, a, sigA, b, sigB);
    }

    function _self(address who, uint32 net) private view returns (uint128 self) {
        (self,,) = staking.stakeOf(who, net);
    }

    // -------------------------------------------------------------- devices

    /// Threat 16: reporting oneself loses three quarters, and evidence is good once. V4 bounds the reporter's part.
    function test_Threat16_V4_EquivocationSlashesOnceAndPaysAQuarterAtMost() public {
        uint256 supply = token.totalSupply();
        assertEq(_submit(_receipt("a"), _receipt("b")), PENALTY, "slashed");
        gate("DisputeEvidence", "device equivocation", lastGas(), 197_000);
        assertEq(_self(provider, NET), 10_000e18 - PENALTY, "self stake");
        assertEq(token.balanceOf(reporter), PENALTY / 4, "a quarter");
        assertEq(supply - token.totalSupply(), PENALTY - PENALTY / 4, "the rest burned");
        assertTrue(manager.isPunished(NET, id), "recorded");
        // V1: other evidence against the same device changes nothing.
        _refuse(_receipt("c"), _receipt("d"), abi.encodePacked(IDisputeManager.AlreadyPunished.selector));
    }

    /// Threat 24: a stolen key costs its owner a small fixed sum once, whatever is signed with it.
    function test_Threat24_AStolenDeviceKeyCostsATenthOfTheMinimumAtMost() public {
        _submit(_receipt("a"), _receipt("b"));
        for (uint256 i = 0; i < 5; ++i) {
            IDisputeManager.Receipt memory a = _receipt(bytes32(i));
            a.sequence = uint64(100 + i);
            IDisputeManager.Receipt memory b = a;
            b.contentHash = "other";
            _refuse(_receipt(bytes32(i + 1)), _receipt("x"), abi.encodePacked(IDisputeManager.AlreadyPunished.selector));
        }
        assertGe(_self(provider, NET), 10_000e18 - MIN_STAKE / 10, "a tenth of the minimum");
    }

    /// The proof revokes the device, by whoever cares to call; nothing less does, and nothing brings its key back.
    function test_AnEquivocatingDeviceIsRevokedByAnyone() public {
        vm.expectRevert(abi.encodeWithSelector(IDeviceRegistry.NotPunished.selector, id));
        devices.revokePunished(id);
        vm.prank(provider);
        devices.transfer(id, alice);
        _submit(_receipt("a"), _receipt("b"));
        assertTrue(devices.isActive(id), "punishing alone revokes nothing");
        vm.expectEmit(address(devices));
        emit IDeviceRegistry.DeviceRevoked(id);
        vm.prank(bob);
        devices.revokePunished(id);
        gate("DeviceRegistry", "revoke punished", lastGas(), 50_000);
        assertFalse(devices.isActive(id), "revoked");
        assertEq(uint8(devices.device(id).status), uint8(IDeviceRegistry.Status.Revoked), "for good");
        vm.warp(block.timestamp + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IDeviceRegistry.NoTransfer.selector, id));
        vm.prank(alice);
        devices.acceptTransfer(id);
        vm.expectRevert(abi.encodeWithSelector(IDeviceRegistry.NotActive.selector, id));
        devices.revokePunished(id);
        IDeviceRegistry.Registration memory r;
        r.net = NET;
        r.owner = alice;
        r.deadline = uint40(block.timestamp) + 1 hours;
        r.signer = signer;
        r.signature = _p256(devices.registrationDigest(r, 0));
        vm.expectRevert(abi.encodeWithSelector(IDeviceRegistry.AlreadyRegistered.selector, id));
        devices.register(r);
    }

    function test_OnlyAConflictIsEvidence() public {
        bytes memory none = abi.encodePacked(IDisputeManager.NotConflicting.selector);
        _refuse(_receipt("a"), _receipt("a"), none);
        IDisputeManager.Receipt memory b = _receipt("b");
        b.sequence = 8;
        _refuse(_receipt("a"), b, none);
        b = _receipt("b");
        b.boot = "later";
        _refuse(_receipt("a"), b, none);
        b = _receipt("b");
        b.net = VERIFIERS;
        _refuse(_receipt("a"), b, none);
        b = _receipt("b");
        b.deviceId = "other";
        _refuse(_receipt("a"), b, none);
        b = _receipt("a");
        b.timestamp -= 1;
        assertEq(_submit(_receipt("a"), b), PENALTY, "another time is another content");
    }

    /// What devices sign off chain is what is judged here. The digest names the judge, so it stands at a fixed place.
    function test_ReceiptsOfTheTypeScriptCodeHashTheSame() public {
        vm.etch(ReceiptVectors.JUDGE, address(manager).code);
        for (uint256 i = 0; i < ReceiptVectors.COUNT; ++i) {
            (IDisputeManager.Receipt memory r, bytes32 digest) =
                abi.decode(ReceiptVectors.at(i), (IDisputeManager.Receipt, bytes32));
            assertEq(DisputeManager(ReceiptVectors.JUDGE).receiptDigest(r), digest, "digest");
        }
    }

    function test_EvidenceMustBeTheDevicesOwn() public {
        IDisputeManager.Receipt memory a = _receipt("a");
        IDisputeManager.Receipt memory b = _receipt("b");
        bytes memory sigA = _p256(manager.receiptDigest(a));
        bytes memory sigB = _p256(manager.receiptDigest(b));
        bytes memory other = abi.encodePacked(vm.addr(5));
        vm.expectRevert(IDisputeManager.BadEvidence.selector);
        manager.submitEquivocation(signer, a, sigB, b, sigB);
        vm.expectRevert(IDisputeManager.BadEvidence.selector);
        manager.submitEquivocation(signer, a, sigA, b, sigA);
        vm.expectRevert(IDisputeManager.BadEvidence.selector);
        manager.submitEquivocation(other, a, sigA, b, sigB);
        (a.net, b.net) = (VERIFIERS, VERIFIERS);
        _refuse(a, b, abi.encodePacked(IDisputeManager.BadEvidence.selector));
        (a, b) = (_receipt("a"), _receipt("b"));
        b.timestamp = uint40(block.timestamp) + 1;
        _refuse(a, b, abi.encodePacked(IDisputeManager.BadEvidence.selector));
    }

    function test_ReceiptsFromBeforeTheDeviceWasBoundAreNotTheOwners() public {
        IDisputeManager.Receipt memory a = _receipt("a");
        IDisputeManager.Receipt memory b = _receipt("b");
        (a.timestamp, b.timestamp) = (a.timestamp - 2, b.timestamp - 1);
        _refuse(a, b, abi.encodePacked(IDisputeManager.BadEvidence.selector));
    }

    /// Older than a thaw is inadmissible: it could fall on stake that came after.
    function test_OldOffencesAreNotAdmissible() public {
        IDisputeManager.Receipt memory a = _receipt("a");
        IDisputeManager.Receipt memory b = _receipt("b");
        vm.warp(block.timestamp + 3 weeks + 1);
        _refuse(a, b, abi.encodeWithSelector(IDisputeManager.TooOld.selector, block.timestamp - 3 weeks));
        vm.warp(block.timestamp - 1);
        assertEq(_submit(a, b), PENALTY, "on the last second");
    }

    /// Whoever buys a device does not answer for what it did before.
    function test_TheOwnerOfThatTimePays() public {
        IDisputeManager.Receipt memory a = _receipt("a");
        IDisputeManager.Receipt memory b = _receipt("b");
        vm.prank(provider);
        devices.transfer(id, alice);
        bondAs(alice, NET, MIN_STAKE);
        vm.warp(block.timestamp + 3 weeks);
        vm.prank(alice);
        devices.acceptTransfer(id);
        _submit(a, b);
        assertEq(_self(provider, NET), 10_000e18 - PENALTY, "the seller");
        assertEq(_self(alice, NET), MIN_STAKE, "not the buyer");
    }

    function test_ANetworkWithoutAPenaltyRecordsTheFact() public {
        INetworkRegistry.Params memory p = params();
        p.equivocationPenalty = 0;
        uint32 net = createNetwork(p);
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY);
        signer = abi.encodePacked(x, y);
        IDisputeManager.Receipt memory a = _receipt("a");
        // Another key, enrolled in that network.
        bytes memory key = abi.encodePacked(vm.addr(77));
        IDeviceRegistry.Registration memory r;
        (r.net, r.owner, r.transportKey, r.deadline, r.signer) = (net, provider, "t", uint40(block.timestamp) + 1, key);
        r.signature = signatureOf(77, devices.registrationDigest(r, 0));
        (a.net, a.deviceId) = (net, devices.register(r));
        IDisputeManager.Receipt memory b = _receipt("b");
        (b.net, b.deviceId) = (net, a.deviceId);
        bytes memory sigA = signatureOf(77, manager.receiptDigest(a));
        bytes memory sigB = signatureOf(77, manager.receiptDigest(b));
        assertEq(manager.submitEquivocation(key, a, sigA, b, sigB), 0, "nothing slashed");
        assertTrue(manager.isPunished(net, a.deviceId), "recorded");
    }

    // ---------------------------------------------------------------- roots

    function _root(bytes32 root) private view returns (IRootPublisher.RootMessage memory m) {
        m.net = NET;
        m.asset = address(token);
        m.epoch = registry.currentEpoch(NET) - 1;
        m.attempt = 1;
        m.root = root;
        m.total = 5;
        m.dataHash = "data";
    }

    function test_TwoRootsForOneAttemptSlashTheirSignerInTheVerifiersNetwork() public {
        IRootPublisher.RootMessage memory a = _root("a");
        IRootPublisher.RootMessage memory b = _root("b");
        bytes memory sigA = signatureOf(VERIFIER_KEY, publisher.digestOf(a));
        bytes memory sigB = signatureOf(VERIFIER_KEY, publisher.digestOf(b));
        vm.prank(reporter);
        assertEq(manager.submitRootEquivocation(a, sigA, b, sigB), ROOT_PENALTY, "slashed");
        gate("DisputeEvidence", "root equivocation", lastGas(), 190_000);
        assertEq(_self(verifier, VERIFIERS), 10_000e18 - ROOT_PENALTY, "the signer");
        assertEq(token.balanceOf(reporter), ROOT_PENALTY / 4, "reporter");
        vm.expectRevert(IDisputeManager.AlreadyPunished.selector);
        manager.submitRootEquivocation(b, sigB, a, sigA);
    }

    function test_AQuorumsSetsHaveTheirOwnDigest() public {
        IRootPublisher.RootMessage memory a = _root("a");
        IRootPublisher.RootMessage memory b = _root("b");
        (a.setId, b.setId) = (5, 5);
        bytes memory sigA = signatureOf(VERIFIER_KEY, quorum.digestOf(a));
        bytes memory sigB = signatureOf(VERIFIER_KEY, quorum.digestOf(b));
        assertEq(manager.submitRootEquivocation(a, sigA, b, sigB), ROOT_PENALTY, "slashed");
    }

    function test_RootEvidenceRefusals() public {
        IRootPublisher.RootMessage memory a = _root("a");
        IRootPublisher.RootMessage memory b = _root("b");
        bytes memory sigA = signatureOf(VERIFIER_KEY, publisher.digestOf(a));
        bytes memory sigB = signatureOf(VERIFIER_KEY, publisher.digestOf(b));
        vm.expectRevert(IDisputeManager.NotConflicting.selector);
        manager.submitRootEquivocation(a, sigA, a, sigA);
        b.attempt = 2; // signed again after a veto: no offence
        sigB = signatureOf(VERIFIER_KEY, publisher.digestOf(b));
        vm.expectRevert(IDisputeManager.NotConflicting.selector);
        manager.submitRootEquivocation(a, sigA, b, sigB);
        b.attempt = 1;
        sigB = signatureOf(1234, publisher.digestOf(b));
        vm.expectRevert(IDisputeManager.BadEvidence.selector);
        manager.submitRootEquivocation(a, sigA, b, sigB);
        vm.expectRevert(IDisputeManager.BadEvidence.selector);
        manager.submitRootEquivocation(a, "", b, sigB);
        // Two that nobody made do not agree on nobody.
        vm.expectRevert(IDisputeManager.BadEvidence.selector);
        manager.submitRootEquivocation(a, "", b, "");
        sigB = signatureOf(VERIFIER_KEY, publisher.digestOf(b));
        uint256 end = (uint256(a.epoch) + 1) * EPOCH;
        vm.warp(end + 3 weeks + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.TooOld.selector, end + 1));
        manager.submitRootEquivocation(a, sigA, b, sigB);
        vm.warp(end + 3 weeks);
        manager.submitRootEquivocation(a, sigA, b, sigB);
    }
}
