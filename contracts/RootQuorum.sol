// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "./interfaces/IRewardsDistributor.sol";
import {IRootPublisher} from "./interfaces/IRootPublisher.sol";
import {IRootQuorum} from "./interfaces/IRootQuorum.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Publishes roots that more than two thirds of a weekly set of verifiers signed.
/// @notice A network uses it by naming this contract as its publisher. Its set is of the network that verifies it, never
/// of itself. Next week's set is made this week: anyone nominates anyone with stake, the 32 largest stay. Immutable,
/// without owner.
contract RootQuorum is IRootQuorum, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant ROOT_TYPEHASH = keccak256(
        "Root(uint32 net,address asset,uint32 epoch,uint32 attempt,uint32 setId,bytes32 root,uint128 total,bytes32 dataHash)"
    );
    uint256 public constant MAX_MEMBERS = 32;
    /// No weight above a quarter needs four members at least.
    uint256 private constant CAPS = 4;
    uint256 private constant SIGNATURE_BYTES = 65;
    /// A set serves its own week and, when nobody nominated another, the one after. Who was nominated in the week before
    /// and left at once is slashable for two weeks of thaw and the windows, so the bond outlasts the signature.
    uint32 private constant MAX_AGE_WEEKS = 1;

    INetworkRegistry public immutable registry;
    IRewardsDistributor public immutable distributor;
    IStaking public immutable staking;

    /// @dev The newest set, and the newest one before it that has members enough to sign: it serves until the newest one's
    /// week begins, and on when too few are nominated for that.
    struct Weeks {
        uint32 newest;
        uint32 before;
    }

    mapping(uint32 verifierNet => Weeks) private _weeks;
    mapping(uint32 verifierNet => mapping(uint32 week => Set)) private _sets;
    /// @dev A member's address and, above it, its weight: a nomination looks at all of them, one slot each.
    mapping(uint32 verifierNet => mapping(uint32 week => uint256[])) private _members;
    /// @dev The same weights, for a root's signatures, which name no places.
    mapping(uint32 verifierNet => mapping(uint32 week => mapping(address member => uint96))) private _weights;

    /// @dev The domain's name is RootPublisher's: signers sign the same type for either, told apart by the address.
    constructor(INetworkRegistry registry_, IRewardsDistributor distributor_, IStaking staking_)
        EIP712("Cairn RootPublisher", "1")
    {
        registry = registry_;
        distributor = distributor_;
        staking = staking_;
    }

    // ------------------------------------------------------------------- sets

    /// @notice Puts an operator into next week's set with the self stake that it has now, or brings its weight up to date.
    /// A full set gives up its smallest member for a larger one. Anyone may call. A set of fewer than four members cannot
    /// sign and does not come into force, so that nobody takes the set before it away by nominating too few.
    function nominate(uint32 verifierNet, address operator) external {
        if (!staking.isEligible(operator, verifierNet)) revert NotEligible(operator, verifierNet);
        (uint128 self,,) = staking.stakeOf(operator, verifierNet);
        uint96 weight = uint256(self).toUint96();
        uint32 week = uint32(block.timestamp / 1 weeks) + 1;
        Weeks storage w = _weeks[verifierNet];
        if (w.newest != week) {
            if (_canSign(verifierNet, w.newest)) w.before = w.newest;
            w.newest = week;
        }
        uint256[] storage members = _members[verifierNet][week];
        uint256[] memory list = members;
        uint256 member = uint256(weight) << 160 | uint160(operator);
        bool isNew = _weights[verifierNet][week][operator] == 0;
        if (isNew && list.length < MAX_MEMBERS) {
            members.push(member);
            list = members;
        } else {
            uint256 at = isNew ? _displace(verifierNet, week, list, weight) : _placeOf(list, operator);
            members[at] = member;
            list[at] = member;
        }
        _weights[verifierNet][week][operator] = weight;
        emit Nominated(verifierNet, week, operator, weight);
        _weigh(verifierNet, week, list);
    }

    // ------------------------------------------------------------- publishing

    /// @notice Publishes a root that more than two thirds of the set's weight signed. Anyone may submit it.
    /// @param signatures 65 bytes (r, s, v) per signer over the EIP-712 digest, by ascending address, so that nobody
    /// counts twice.
    function publish(RootMessage calldata m, bytes calldata signatures) external returns (uint32 index) {
        uint32 verifierNet = registry.verifierNetOf(m.net);
        if (verifierNet == 0) revert NotVerified(m.net);
        if (m.setId == 0 || m.setId != setInForce(verifierNet)) revert UnknownSet(m.setId);
        Set memory set = _sets[verifierNet][m.setId];
        uint256 weight = _signedWeight(verifierNet, m.setId, set.cap, digestOf(m), signatures);
        if (3 * weight <= 2 * uint256(set.total)) revert NoQuorum(weight, set.total);
        index = distributor.publish(m.net, m.asset, m.epoch, m.root, m.total, m.dataHash);
        emit RootSigned(m.net, m.asset, m.epoch, index, m.attempt, m.setId, signatures);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IRootPublisher
    function digestOf(RootMessage calldata m) public view returns (bytes32) {
        // All members are static, so the ABI encoding of the struct is the encoding of EIP-712.
        return _hashTypedDataV4(keccak256(bytes.concat(ROOT_TYPEHASH, abi.encode(m))));
    }

    /// @inheritdoc IRootQuorum
    function setInForce(uint32 verifierNet) public view returns (uint32) {
        uint32 week = uint32(block.timestamp / 1 weeks);
        Weeks memory w = _weeks[verifierNet];
        uint32 serving = w.newest <= week && _canSign(verifierNet, w.newest) ? w.newest : w.before;
        return serving + MAX_AGE_WEEKS >= week ? serving : 0;
    }

    /// @inheritdoc IRootQuorum
    function setOf(uint32 verifierNet, uint32 week) external view returns (Set memory) {
        return _sets[verifierNet][week];
    }

    function membersOf(uint32 verifierNet, uint32 week) external view returns (address[] memory members) {
        uint256[] memory list = _members[verifierNet][week];
        members = new address[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            members[i] = address(uint160(list[i]));
        }
    }

    /// @inheritdoc IRootQuorum
    function weightOf(uint32 verifierNet, uint32 week, address member) external view returns (uint96) {
        return _weights[verifierNet][week][member];
    }

    // ---------------------------------------------------------------- private

    function _canSign(uint32 verifierNet, uint32 week) private view returns (bool) {
        return _sets[verifierNet][week].total != 0;
    }

    function _signedWeight(uint32 verifierNet, uint32 week, uint96 cap, bytes32 digest, bytes calldata signatures)
        private
        view
        returns (uint256 sum)
    {
        if (signatures.length % SIGNATURE_BYTES != 0) revert BadSignature();
        mapping(address => uint96) storage weights = _weights[verifierNet][week];
        address last = address(0);
        for (uint256 at = 0; at < signatures.length; at += SIGNATURE_BYTES) {
            (address signer, ECDSA.RecoverError problem,) =
                ECDSA.tryRecoverCalldata(digest, signatures[at:at + SIGNATURE_BYTES]);
            if (problem != ECDSA.RecoverError.NoError) revert BadSignature();
            if (signer <= last) revert NotAscending(signer);
            last = signer;
            uint96 weight = weights[signer];
            if (weight == 0) revert NotMember(signer);
            sum += weight < cap ? weight : cap;
        }
    }

    /// @dev The place of the smallest member, which leaves for `weight` if that is more.
    function _displace(uint32 verifierNet, uint32 week, uint256[] memory list, uint96 weight)
        private
        returns (uint256 smallest)
    {
        uint256 least = type(uint256).max;
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 w = list[i] >> 160;
            if (w < least) (smallest, least) = (i, w);
        }
        if (weight <= least) revert SetIsFull(uint96(least));
        address leaves = address(uint160(list[smallest]));
        _weights[verifierNet][week][leaves] = 0;
        emit Displaced(verifierNet, week, leaves);
    }

    /// @dev Of an address that is a member.
    function _placeOf(uint256[] memory list, address member) private pure returns (uint256 at) {
        while (address(uint160(list[at])) != member) ++at;
    }

    /// @dev Finds the cap c with c = ¼ · Σ min(wᵢ, c). With the k largest capped and R the sum of the rest,
    /// c = (k · c + R) / 4, so c = R / (4 − k); the right k is the first for which the next largest is within c. Only the
    /// four largest weights and the sum are needed. The total is four caps, or the sum when no weight needs one.
    function _weigh(uint32 verifierNet, uint32 week, uint256[] memory list) private {
        Set storage set = _sets[verifierNet][week];
        set.count = uint32(list.length);
        if (list.length < CAPS) return;
        (uint256[CAPS] memory top, uint256 rest) = _largest(list);
        uint256 capped = 0;
        while (top[capped] > rest / (CAPS - capped)) rest -= top[capped++];
        uint256 cap = rest / (CAPS - capped);
        set.cap = cap.toUint96();
        set.total = (capped * cap + rest).toUint128();
    }

    /// @return top The four largest weights, the largest first.
    /// @return sum Of all weights.
    function _largest(uint256[] memory list) private pure returns (uint256[CAPS] memory top, uint256 sum) {
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 w = list[i] >> 160;
            sum += w;
            for (uint256 j = 0; j < CAPS; ++j) {
                if (w > top[j]) (top[j], w) = (w, top[j]);
            }
        }
    }
}
