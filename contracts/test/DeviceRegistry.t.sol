// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {IDeviceRegistry as I} from "../interfaces/IDeviceRegistry.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

contract DeviceRegistryTest is World {
    uint256 private constant KEY = 0xD0;
    address private constant MAKER = address(0x3A6E);
    bytes32 private constant TRANSPORT = keccak256("transport");
    bytes32 private constant MODEL = "model";

    function setUp() public {
        deployWorld();
    }

    // ---------------------------------------------------------------- building blocks

    function _p256(uint256 key) private pure returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return abi.encodePacked(x, y);
    }

    function _registration(bytes memory signer) private view returns (I.Registration memory r) {
        r = I.Registration(NET, alice, signer, TRANSPORT, uint40(block.timestamp) + 1 hours, "");
    }

    /// Half of all P-256 signatures have a high s, which the contract refuses; signers flip it.
    function _signP256(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(key, digest);
        if (uint256(s) > P256.N / 2) s = bytes32(P256.N - uint256(s));
        return abi.encodePacked(r, s);
    }

    function _signedP256(uint256 key, bytes32 batchKey) private view returns (I.Registration memory r) {
        r = _registration(_p256(key));
        r.signature = _signP256(key, devices.registrationDigest(r, batchKey));
    }

    function _signedK1(uint256 key) private view returns (I.Registration memory r) {
        r = _registration(abi.encodePacked(vm.addr(key)));
        r.signature = signatureOf(key, devices.registrationDigest(r, 0));
    }

    function _enrol() private returns (bytes32) {
        return devices.register(_signedP256(KEY, 0));
    }

    function _leafOf(uint256 key) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(keccak256(_p256(key)), MODEL))));
    }

    /// A batch of a million devices of which one has `KEY`, admitted to the network.
    function _admitBatch() private returns (bytes32 root, bytes32[] memory proof) {
        (root, proof) = Trees.deep(_leafOf(KEY), 20);
        vm.prank(MAKER);
        devices.commitBatch(root, 1 << 20, "attestations");
        vm.prank(founder);
        devices.setMaker(NET, MAKER, true);
        vm.prank(MAKER);
        devices.admitBatch(NET, MAKER, root);
    }

    // ---------------------------------------------------------- registration

    function test_BothCurvesRegister() public {
        I.Registration memory r = _signedP256(KEY, 0);
        vm.expectEmit(address(devices));
        emit I.DeviceRegistered(keccak256(r.signer), alice, NET, r.signer, TRANSPORT, 0, 0);
        bytes32 id = devices.register(r);
        assertEq(devices.ownerOf(id), alice, "owner");
        assertEq(devices.networkOf(id), NET, "network");
        assertTrue(devices.isActive(id), "active");
        r = _signedK1(KEY);
        id = devices.register(r);
        assertEq(id, keccak256(abi.encodePacked(vm.addr(KEY))), "id");
        assertTrue(devices.isActive(id), "active");
    }

    // D2
    function test_Threat23_D2_EveryFieldIsSigned() public {
        I.Registration memory r = _signedP256(KEY, 0);
        r.owner = bob;
        _refused(r);
        r = _signedP256(KEY, 0);
        r.net = VERIFIERS;
        _refused(r);
        r = _signedP256(KEY, 0);
        r.transportKey = "other";
        _refused(r);
        r = _signedP256(KEY, 0);
        r.deadline += 1;
        _refused(r);
        r = _signedP256(KEY, "another batch");
        _refused(r);
        r = _signedP256(KEY, 0);
        r.signer = _p256(KEY + 1);
        _refused(r);
    }

    function _refused(I.Registration memory r) private {
        vm.expectRevert(I.BadDeviceSignature.selector);
        devices.register(r);
    }

    function test_Threat30_MalformedKeysAndSignaturesAreRefused() public {
        I.Registration memory r = _signedP256(KEY, 0);
        r.signature = abi.encodePacked(r.signature, uint8(0));
        _refused(r);
        r = _signedP256(KEY, 0);
        (bytes32 x, bytes32 s) = abi.decode(r.signature, (bytes32, bytes32));
        r.signature = abi.encodePacked(x, bytes32(P256.N - uint256(s))); // the other form of the same signature
        _refused(r);
        r = _signedK1(KEY);
        r.signer = abi.encodePacked(r.signer, uint8(0));
        _refused(r);
        r = _signedK1(KEY);
        r.signature = "";
        _refused(r);
        r = _signedK1(KEY);
        r.signer = abi.encodePacked(address(0));
        _refused(r);
    }

    function test_ARegistrationIsGoodToItsLastSecond() public {
        I.Registration memory r = _signedP256(KEY, 0);
        vm.warp(r.deadline);
        assertTrue(devices.isActive(devices.register(r)), "registered");
    }

    function test_RegistrationRefusals() public {
        I.Registration memory r = _signedP256(KEY, 0);
        vm.warp(r.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(I.Expired.selector, r.deadline));
        devices.register(r);
        r = _signedP256(KEY, 0);
        r.owner = address(0);
        vm.expectRevert(I.BadOwner.selector);
        devices.register(r);
        r = _signedP256(KEY, 0);
        r.net = 9;
        vm.expectRevert(abi.encodeWithSelector(I.NetworkNotActive.selector, uint32(9)));
        devices.register(r);
        bytes32 id = _enrol();
        r = _signedP256(KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyRegistered.selector, id));
        devices.register(r);
    }

    function test_ManyRegisterInOneTransactionOrNone() public {
        I.Registration[] memory list = new I.Registration[](2);
        list[0] = _signedP256(KEY, 0);
        list[1] = _signedK1(KEY);
        devices.registerMany(list);
        assertTrue(devices.isActive(keccak256(list[0].signer)) && devices.isActive(keccak256(list[1].signer)), "both");
        list[0] = _signedP256(KEY + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyRegistered.selector, keccak256(list[1].signer)));
        devices.registerMany(list);
        assertFalse(devices.isActive(keccak256(list[0].signer)), "none");
    }

    /// D1: the id is the key, and only the key that signed gets it.
    function testFuzz_D1_OneIdPerKey(uint256 key, uint256 other, bool p256) public {
        key = bound(key, 1, P256.N / 2);
        other = bound(other, 1, P256.N / 2);
        vm.assume(key != other);
        I.Registration memory r = p256 ? _signedP256(key, 0) : _signedK1(key);
        I.Registration memory o = p256 ? _signedP256(other, 0) : _signedK1(other);
        assertTrue(devices.verify(r.signer, devices.registrationDigest(r, 0), r.signature), "own");
        assertFalse(devices.verify(r.signer, devices.registrationDigest(r, 0), o.signature), "other's signature");
        assertFalse(devices.verify(o.signer, devices.registrationDigest(r, 0), r.signature), "other's key");
        assertEq(devices.register(r), keccak256(r.signer), "id");
    }

    // --------------------------------------------------------------- batches

    function test_ADeviceOfABatchRegistersWithItsProof() public {
        (bytes32 root, bytes32[] memory proof) = _admitBatch();
        I.Registration memory r = _signedP256(KEY, devices.batchKeyOf(MAKER, root));
        bytes32 id = devices.registerFromBatch(r, MAKER, root, MODEL, proof);
        assertEq(devices.device(id).batch, 1, "batch number");
        r = _signedP256(KEY + 1, devices.batchKeyOf(MAKER, root));
        vm.expectRevert(I.NotInBatch.selector);
        devices.registerFromBatch(r, MAKER, root, MODEL, proof);
    }

    function test_Threat22_BatchOnlyNetworksRefuseOthers() public {
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(I.NotNetworkOwner.selector, alice));
        devices.setBatchOnly(NET, true);
        vm.prank(founder);
        devices.setBatchOnly(NET, true);
        I.Registration memory r = _signedP256(KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(I.BatchRequired.selector, NET));
        devices.register(r);
        I.Registration[] memory list = new I.Registration[](1);
        list[0] = r;
        vm.expectRevert(abi.encodeWithSelector(I.BatchRequired.selector, NET));
        devices.registerMany(list);
    }

    function test_BatchRefusals() public {
        vm.startPrank(MAKER);
        vm.expectRevert(I.EmptyBatch.selector);
        devices.commitBatch(0, 1, 0);
        vm.expectRevert(I.EmptyBatch.selector);
        devices.commitBatch("root", 0, 0);
        vm.expectRevert(abi.encodeWithSelector(I.UnknownBatch.selector, MAKER, bytes32("root")));
        devices.revokeBatch("root");
        devices.commitBatch("root", 1, 0);
        vm.expectRevert(abi.encodeWithSelector(I.BatchExists.selector, MAKER, bytes32("root")));
        devices.commitBatch("root", 1, 0);
        vm.expectRevert(abi.encodeWithSelector(I.NotMaker.selector, MAKER));
        devices.admitBatch(NET, MAKER, "root");
        devices.revokeBatch("root");
        vm.expectRevert(abi.encodeWithSelector(I.BatchIsRevoked.selector, MAKER, bytes32("root")));
        devices.revokeBatch("root");
        vm.stopPrank();
        vm.prank(bob);
        devices.commitBatch("root", 1, 0); // the same root of another maker is another batch
        vm.startPrank(founder);
        vm.expectRevert(abi.encodeWithSelector(I.UnknownBatch.selector, MAKER, bytes32("none")));
        devices.admitBatch(NET, MAKER, "none");
        devices.admitBatch(NET, bob, "root");
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyAdmitted.selector, NET, bob, bytes32("root")));
        devices.admitBatch(NET, bob, "root");
        vm.stopPrank();
        I.Registration memory r = _signedP256(KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(I.NotAdmitted.selector, NET, MAKER, bytes32("root")));
        devices.registerFromBatch(r, MAKER, "root", MODEL, new bytes32[](0));
    }

    function test_ARevokedBatchTakesItsDevicesAndNoOthers() public {
        (bytes32 root, bytes32[] memory proof) = _admitBatch();
        bytes32 key = devices.batchKeyOf(MAKER, root);
        bytes32 id = devices.registerFromBatch(_signedP256(KEY, key), MAKER, root, MODEL, proof);
        bytes32 free = devices.register(_signedK1(KEY));
        vm.expectRevert(abi.encodeWithSelector(I.BatchNotRevoked.selector, MAKER, root));
        devices.revokeDevice(id, MAKER, root);
        vm.prank(MAKER);
        devices.revokeBatch(root);
        I.Registration memory late = _signedP256(KEY, key);
        vm.expectRevert(abi.encodeWithSelector(I.BatchIsRevoked.selector, MAKER, root));
        devices.registerFromBatch(late, MAKER, root, MODEL, proof);
        vm.expectRevert(I.NotInBatch.selector);
        devices.revokeDevice(free, MAKER, root);
        vm.prank(bob);
        devices.revokeDevice(id, MAKER, root);
        assertFalse(devices.isActive(id), "revoked");
        assertEq(devices.ownerOf(id), alice, "the owner stays responsible");
    }

    /// A maker cannot revoke a device by committing a batch around it.
    function test_ABatchThatTheDeviceDidNotSignCannotRevokeIt() public {
        bytes32 id = _enrol();
        (bytes32 root,) = _admitBatch();
        vm.prank(MAKER);
        devices.revokeBatch(root);
        vm.expectRevert(I.NotInBatch.selector);
        devices.revokeDevice(id, MAKER, root);
    }

    // ------------------------------------------------------------- transfers

    function test_ATransferTakesTheThawAndTheConsentOfBoth() public {
        bytes32 id = _enrol();
        uint40 bound_ = uint40(block.timestamp);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(I.NotOwner.selector, id, bob));
        devices.transfer(id, bob);
        vm.prank(alice);
        devices.transfer(id, bob);
        uint40 effectiveAt = uint40(block.timestamp) + 3 weeks;
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(I.NotRecipient.selector, alice));
        devices.acceptTransfer(id);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(I.TooEarly.selector, effectiveAt));
        devices.acceptTransfer(id);
        vm.warp(effectiveAt);
        vm.prank(bob);
        devices.acceptTransfer(id);
        assertEq(devices.ownerOf(id), bob, "owner");
        assertEq(devices.ownerAt(id, effectiveAt - 1), alice, "before");
        assertEq(devices.ownerAt(id, effectiveAt), bob, "from then on");
        assertEq(devices.ownerAt(id, bound_ - 1), address(0), "before it was bound");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(I.NoTransfer.selector, id));
        devices.acceptTransfer(id);
    }

    function test_ATransferCanBeCancelled() public {
        bytes32 id = _enrol();
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(I.NoTransfer.selector, id));
        devices.cancelTransfer(id);
        vm.expectRevert(I.BadOwner.selector);
        devices.transfer(id, address(0));
        vm.expectRevert(I.BadOwner.selector);
        devices.transfer(id, alice);
        devices.transfer(id, bob);
        devices.cancelTransfer(id);
        vm.stopPrank();
        vm.warp(block.timestamp + 8 weeks);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(I.NoTransfer.selector, id));
        devices.acceptTransfer(id);
    }

    // D3
    function test_Threat24_D3_ARetiredDeviceNeverComesBack() public {
        bytes32 id = _enrol();
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(I.NotOwner.selector, id, bob));
        devices.retire(id);
        vm.startPrank(alice);
        devices.transfer(id, bob);
        devices.retire(id);
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, id));
        devices.retire(id);
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, id));
        devices.transfer(id, bob);
        vm.stopPrank();
        vm.warp(block.timestamp + 8 weeks);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(I.NoTransfer.selector, id));
        devices.acceptTransfer(id);
        I.Registration memory r = _signedP256(KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyRegistered.selector, id));
        devices.register(r);
    }

    // -------------------------------------------------------------- endpoints

    function test_TheOwnerOrItsPointerKeyAnnouncesTheEndpoint() public {
        bytes32 id = _enrol();
        address key = address(0x5E55);
        vm.prank(alice);
        vm.expectEmit(address(devices));
        emit I.EndpointUpdated(id, "record");
        devices.updateEndpoint(id, "record");
        vm.prank(key);
        vm.expectRevert(abi.encodeWithSelector(I.NotOwner.selector, id, key));
        devices.updateEndpoint(id, "record");
        vm.prank(alice);
        delegations.register(key, 4, 0, uint40(block.timestamp) + 1 days);
        vm.prank(key);
        devices.updateEndpoint(id, new bytes(512));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(I.RecordTooLong.selector, uint256(513)));
        devices.updateEndpoint(id, new bytes(513));
        vm.prank(alice);
        devices.retire(id);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(I.NotActive.selector, id));
        devices.updateEndpoint(id, "record");
    }

    // -------------------------------------------------------------------- gas

    function test_GasOfEnrollingAP256Device() public {
        I.Registration memory r = _signedP256(KEY, 0);
        devices.register(r);
        gate("DeviceRegistry", "enrol", lastGas(), 73_000);
    }

    function test_GasOfABatchOfAMillionAndOfADeviceFromIt() public {
        (bytes32 root, bytes32[] memory proof) = Trees.deep(_leafOf(KEY), 20);
        vm.prank(MAKER);
        devices.commitBatch(root, 1 << 20, "attestations");
        gate("DeviceRegistry", "commit", lastGas(), 75_000);
        vm.prank(founder);
        devices.admitBatch(NET, MAKER, root);
        I.Registration memory r = _signedP256(KEY, devices.batchKeyOf(MAKER, root));
        devices.registerFromBatch(r, MAKER, root, MODEL, proof);
        gate("DeviceRegistry", "from batch", lastGas(), 93_000);
    }
}
