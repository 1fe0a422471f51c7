// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Shares} from "../libraries/Shares.sol";

/// @title What the parts of Staking share: books, keys and votes.
/// @notice Everything of a pool is kept under (operator, network, nonce). When a slash wipes a pool out, the nonce moves
/// on and new delegations begin with a clean price, while what is left of the old pool still belongs to its delegators.
abstract contract StakingBase is IStaking, Votes {
    using SafeCast for uint256;

    uint256 internal constant BPS = 10_000;

    /// @inheritdoc IStaking
    IERC20 public immutable token;
    INetworkRegistry public immutable registry;
    /// May propose another slasher, and pause new stake for days if it is the Timelock; nothing else.
    address public immutable authority;

    mapping(address operator => mapping(uint32 net => Provision)) internal _provisions;
    mapping(address operator => mapping(uint32 net => mapping(uint256 week => Bucket))) internal _buckets;
    mapping(bytes32 poolKey => Pool) internal _pools;
    mapping(bytes32 poolKey => mapping(address delegator => Position)) internal _positions;
    mapping(bytes32 poolKey => mapping(uint256 week => Bucket)) internal _poolBuckets;
    mapping(bytes32 poolKey => mapping(uint256 week => mapping(address delegator => uint128))) internal _thawing;
    mapping(address account => uint256) private _units;

    constructor(IERC20 token_, INetworkRegistry registry_, address authority_) EIP712("Cairn Staking", "1") {
        token = token_;
        registry = registry_;
        authority = authority_;
    }

    // ------------------------------------------------------------------ votes

    /// @notice Time is unix seconds, which all chains agree on.
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @inheritdoc IStaking
    function syncVotes(address account, address operator, uint32 net, uint32 nonce) external {
        bytes32 key = _poolKey(operator, net, nonce);
        Position storage position = _positions[key][account];
        position.votes = _book(account, position.votes, _valueOf(key, position.shares)).toUint128();
        if (account != operator) return;
        Provision storage p = _provisions[operator][net];
        p.votes = _book(operator, p.votes, p.active).toUint96();
    }

    /// @dev Replaces what was booked for one position. Whoever stakes for the first time votes for himself, so that
    /// stake counts without a further transaction.
    function _book(address account, uint256 before, uint256 next) internal returns (uint256) {
        if (next > before) {
            uint256 units = _units[account];
            if (units == 0 && delegates(account) == address(0)) _delegate(account, account);
            _units[account] = units + (next - before);
            _transferVotingUnits(address(0), account, next - before);
        } else if (next < before) {
            _units[account] -= before - next;
            _transferVotingUnits(account, address(0), before - next);
        }
        return next;
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return _units[account];
    }

    // ------------------------------------------------------------------ pools

    function _poolKey(address operator, uint32 net, uint32 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(operator, net, nonce));
    }

    function _valueOf(bytes32 key, uint128 shares) internal view returns (uint128) {
        Pool storage pool = _pools[key];
        return Shares.toTokens(shares, pool.tokens + _unlocked(pool), pool.shares);
    }

    /// @dev What has come free since the last time somebody looked.
    function _unlocked(Pool storage pool) internal view returns (uint128) {
        (uint128 locked, uint40 from, uint40 to) = (pool.locked, pool.unlockedAt, pool.unlockEnd);
        if (locked == 0) return 0;
        if (block.timestamp >= to) return locked;
        return Math.mulDiv(locked, block.timestamp - from, to - from).toUint128();
    }

    function _unlock(Pool storage pool) internal {
        uint128 unlocked = _unlocked(pool);
        if (unlocked == 0) return;
        pool.tokens += unlocked;
        pool.locked -= unlocked;
        pool.unlockedAt = uint40(block.timestamp);
    }
}
