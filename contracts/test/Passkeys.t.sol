// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {PasskeyAccount} from "../accounts/PasskeyAccount.sol";
import {PasskeyAccounts} from "../accounts/PasskeyAccounts.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {Passkeys} from "./Passkeys.sol";
import {World} from "./World.sol";

/// @notice Passkeys as devices, and as accounts that own devices, register session keys and claim.
contract PasskeysTest is World, Passkeys {
    PasskeyAccounts private factory;
    PasskeyAccount private account;

    function setUp() public {
        deployWorld();
        factory = new PasskeyAccounts();
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        account = PasskeyAccount(payable(factory.create(bytes32(x), bytes32(y), RP)));
    }

    // ------------------------------------------------------------------------------------------------------- devices

    function _registration(address owner) private view returns (IDeviceRegistry.Registration memory r) {
        r.net = NET;
        r.owner = owner;
        r.signer = passkeySigner(RP);
        r.transportKey = "peer";
        r.deadline = uint40(block.timestamp + 1 hours);
        r.signature = assertion(devices.registrationDigest(r, 0));
    }

    function test_APasskeyIsADevice() public {
        IDeviceRegistry.Registration memory r = _registration(alice);
        bytes32 id = devices.register(r);
        gate("Passkeys", "enrol a passkey", lastGas(), 110_000);
        assertEq(id, keccak256(r.signer), "id");
        assertEq(devices.ownerOf(id), alice, "owner");
        assertTrue(devices.verify(r.signer, "evidence", assertion("evidence")), "signs evidence");
        assertFalse(devices.verify(r.signer, "other", assertion("evidence")), "that and nothing else");
    }

    function test_AssertionsOfAnotherSiteKeyKindOrWithoutVerificationAreRefused() public view {
        bytes memory signer = passkeySigner(RP);
        bytes32 digest = "digest";
        assertTrue(devices.verify(signer, digest, assertion(digest)), "the good one");
        bytes memory bad = assertionOf(PASSKEY, digest, sha256("evil.example"), UP_UV, "webauthn.get");
        assertFalse(devices.verify(signer, digest, bad), "another site");
        assertFalse(devices.verify(signer, digest, assertionOf(0xBAD, digest, RP, UP_UV, "webauthn.get")), "key");
        assertFalse(devices.verify(signer, digest, assertionOf(PASSKEY, digest, RP, 0x01, "webauthn.get")), "no UV");
        assertFalse(devices.verify(signer, digest, assertionOf(PASSKEY, digest, RP, 0x04, "webauthn.get")), "no UP");
        assertFalse(devices.verify(signer, digest, assertionOf(PASSKEY, digest, RP, UP_UV, "webauthn.create")), "kind");
        assertFalse(devices.verify(signer, digest, ""), "empty");
        assertFalse(devices.verify(signer, digest, new bytes(0xe0)), "zeros");
        assertFalse(devices.verify(passkeySigner(sha256("evil.example")), digest, assertion(digest)), "other signer");
        assertFalse(devices.verify(bytes.concat(signer, hex"00"), digest, assertion(digest)), "97 bytes");
    }

    function testFuzz_NoOtherBytesAreAnAssertion(bytes calldata noise, uint256 where, bytes1 bit) public view {
        bytes memory signer = passkeySigner(RP);
        bytes memory good = assertion("digest");
        assertFalse(devices.verify(signer, "digest", noise), "noise");
        // Flipping a bit of what is signed or of the signature spoils it; indices and padding may have slack.
        where = bound(where, 0, 63);
        good[where] = good[where] ^ (bit == 0 ? bytes1(0x01) : bit);
        assertFalse(devices.verify(signer, "digest", good), "r or s");
    }

    // ------------------------------------------------------------------------------------------------------ accounts

    function _execute(PasskeyAccount.Call[] memory calls) private {
        uint40 deadline = uint40(block.timestamp + 1);
        uint256 nonce = account.nonce();
        bytes memory signature = assertion(account.executeDigest(calls, nonce, deadline));
        vm.prank(bob);
        account.execute(calls, nonce, deadline, signature);
    }

    function _call(address target, bytes memory data) private pure returns (PasskeyAccount.Call[] memory calls) {
        calls = new PasskeyAccount.Call[](1);
        calls[0] = PasskeyAccount.Call(target, 0, data);
    }

    function test_TheAddressFollowsFromTheKeyAndTheSite() public {
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        assertEq(factory.create(bytes32(x), bytes32(y), RP), address(account), "the same again");
        assertTrue(factory.addressOf(bytes32(x), bytes32(y), 0) != address(account), "another site");
        assertEq(keccak256(account.key()), keccak256(passkeySigner(RP)), "key");
        // Hashing the site's name is a call too, of a precompile, and must not be the one that is expected to fail.
        bytes32 site = RP;
        vm.expectRevert(PasskeyAccounts.BadKey.selector);
        factory.create(bytes32(x), bytes32(x), site);
    }

    function test_APasskeyAccountOwnsDevicesAndPassesThemOn() public {
        bytes32 id = devices.register(_registration(address(account)));
        _execute(_call(address(devices), abi.encodeCall(devices.transfer, (id, bob))));
        vm.warp(block.timestamp + 3 weeks);
        vm.prank(bob);
        devices.acceptTransfer(id);
        assertEq(devices.ownerOf(id), bob, "passed on");
    }

    function test_APasskeyAccountRegistersASessionKey() public {
        uint40 until = uint40(block.timestamp + 30 days);
        _execute(_call(address(delegations), abi.encodeCall(delegations.register, (bob, 1, 1e12, until))));
        assertTrue(delegations.isActive(address(account), bob, 1), "active");
    }

    function test_APasskeyAccountClaimsAndMovesWhatItClaimed() public {
        endow(founder, 100e18);
        vm.startPrank(founder);
        token.approve(address(distributor), 100e18);
        distributor.fund(NET, address(token), 100e18);
        vm.stopPrank();
        bytes32 leaf = RewardLeaf.leaf(NET, address(token), address(account), 40e18, 0);
        uint32 epoch = registry.currentEpoch(NET) - 1;
        vm.prank(address(publisher));
        uint32 index = distributor.publish(NET, address(token), epoch, leaf, 40e18, "data");
        vm.warp(block.timestamp + 1 days);
        PasskeyAccount.Call[] memory calls = new PasskeyAccount.Call[](2);
        bytes memory claim = abi.encodeCall(
            distributor.claim, (NET, address(token), index, address(account), 40e18, 0, new bytes32[](0))
        );
        calls[0] = PasskeyAccount.Call(address(distributor), 0, claim);
        calls[1] = PasskeyAccount.Call(address(token), 0, abi.encodeCall(token.transfer, (alice, 15e18)));
        _execute(calls);
        gate("Passkeys", "passkey account: claim and send", lastGas(), 230_000);
        assertEq(token.balanceOf(address(account)), 25e18, "kept");
        assertEq(token.balanceOf(alice), 15e18, "sent");
    }

    function test_ASignatureIsForOneNonceOneDeadlineOneAccountAndTheseCalls() public {
        PasskeyAccount.Call[] memory calls = _call(address(token), abi.encodeCall(token.transfer, (alice, 0)));
        uint40 deadline = uint40(block.timestamp);
        bytes memory signature = assertion(account.executeDigest(calls, 0, deadline));
        vm.expectRevert(PasskeyAccount.BadSignature.selector);
        account.execute(_call(address(token), abi.encodeCall(token.transfer, (bob, 0))), 0, deadline, signature);
        vm.expectRevert(PasskeyAccount.BadSignature.selector);
        account.execute(calls, 0, deadline + 1, signature);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(PasskeyAccount.Expired.selector, deadline));
        account.execute(calls, 0, deadline, signature);
        vm.warp(deadline);
        account.execute(calls, 0, deadline, signature);
        vm.expectRevert(abi.encodeWithSelector(PasskeyAccount.BadNonce.selector, 1));
        account.execute(calls, 0, deadline, signature);
        vm.expectRevert(PasskeyAccount.BadSignature.selector);
        account.execute(calls, 1, deadline, signature);
        vm.expectRevert(abi.encodeWithSelector(PasskeyAccount.TooManyCalls.selector, 17));
        account.execute(new PasskeyAccount.Call[](17), 1, deadline, signature);
        PasskeyAccount template = PasskeyAccount(payable(factory.IMPLEMENTATION()));
        bytes memory own = assertion(template.executeDigest(calls, 0, deadline));
        vm.expectRevert();
        template.execute(calls, 0, deadline, own);
    }

    function test_OneSignatureMayPerformSixteenCalls() public {
        PasskeyAccount.Call[] memory calls = new PasskeyAccount.Call[](16);
        for (uint256 i = 0; i < 16; ++i) {
            calls[i] = PasskeyAccount.Call(address(token), 0, abi.encodeCall(token.approve, (bob, i)));
        }
        _execute(calls);
        assertEq(token.allowance(address(account), bob), 15, "the last of them");
    }

    function test_AFailingCallUndoesAll() public {
        PasskeyAccount.Call[] memory calls = _call(address(token), abi.encodeCall(token.transfer, (alice, 1)));
        uint40 deadline = uint40(block.timestamp);
        bytes memory signature = assertion(account.executeDigest(calls, 0, deadline));
        vm.expectRevert();
        account.execute(calls, 0, deadline, signature);
        assertEq(account.nonce(), 0, "and the signature is still good");
    }

    function test_ItSignsMessagesForOthersInItsOwnDomain() public view {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Cairn PasskeyAccount"),
                keccak256("1"),
                block.chainid,
                address(account)
            )
        );
        bytes32 structHash = keccak256(abi.encode(keccak256("Message(bytes32 hash)"), bytes32("quote")));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", separator, structHash));
        assertTrue(account.isValidSignature("quote", assertion(digest)) == IERC1271.isValidSignature.selector, "good");
        assertTrue(account.isValidSignature("quote", assertion("quote")) == 0xffffffff, "not the bare hash");
    }
}
