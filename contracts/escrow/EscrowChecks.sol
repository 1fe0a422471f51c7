// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ICredits} from "../interfaces/ICredits.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {IUpdatableOracle} from "../interfaces/IUpdatableOracle.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";

/// @title What Escrow checks but does not book.
/// @notice Proofs, deposit signatures and digests. Escrow makes this contract in its constructor and passes it the
/// calldata of the calls below, so that its own code holds books and nothing else. It has no state and no money.
/// @dev Escrow calls it and never the reverse; it is no library, because a library at an address of its own would have to
/// be linked, and what is linked can be linked wrongly.
contract EscrowChecks {
    bytes32 private constant _DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant _VOUCHER_TYPEHASH =
        keccak256("Voucher(address payer,address payee,address asset,uint32 net,uint64 channelId,uint128 cumulative)");
    bytes32 private constant _RATE_TYPEHASH =
        keccak256("Rate(bytes32 channel,bytes32 unit,uint128 numerator,uint128 denominator)");
    bytes32 private constant _RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    string private constant _NAME = "Cairn Escrow";
    string private constant _VERSION = "1";

    /// @notice The Escrow that made this contract: the verifying contract of everything that is signed for it.
    address public immutable ESCROW;
    ICredits private immutable _CREDITS;
    IRewardsDistributor private immutable _DISTRIBUTOR;

    constructor(ICredits credits, IRewardsDistributor distributor) {
        ESCROW = msg.sender;
        _CREDITS = credits;
        _DISTRIBUTOR = distributor;
    }

    // ------------------------------------------------------------------------------------------------- proved usage

    /// @notice What proved units of a channel are worth, and who signed their rates. Reverts when anything is wrong.
    /// @dev The parameters are those of Escrow.redeemProved.
    function usage(IEscrow.ChannelId calldata id, IEscrow.UsageRoot calldata root, IEscrow.ProvedUnit[] calldata units)
        external
        view
        returns (uint256 value, address signer)
    {
        _checkRoot(id, root);
        bytes32 key = keccak256(abi.encode(id.payer, id.payee, id.asset, id.net, id.channelId));
        return _valueOf(key, root.detailRoot, units);
    }

    function _checkRoot(IEscrow.ChannelId calldata id, IEscrow.UsageRoot calldata root) private view {
        if (!_DISTRIBUTOR.isActiveRoot(id.net, root.rewardAsset, root.index, root.root)) {
            revert IEscrow.RootNotActive(root.index, root.root);
        }
        bytes32 leaf = RewardLeaf.leaf(id.net, root.rewardAsset, id.payee, root.cumulative, root.detailRoot);
        if (!MerkleProof.verifyCalldata(root.proof, root.root, leaf)) revert IEscrow.BadProof();
    }

    function _valueOf(bytes32 key, bytes32 detailRoot, IEscrow.ProvedUnit[] calldata units)
        private
        view
        returns (uint256 value, address signer)
    {
        bytes32 last;
        bytes32 separator = domainSeparator();
        for (uint256 i = 0; i < units.length; ++i) {
            IEscrow.ProvedUnit calldata item = units[i];
            if (item.unit <= last) revert IEscrow.UnitsNotAscending(item.unit);
            last = item.unit;
            address rateSigner = _rateSigner(separator, key, item);
            if (i != 0 && rateSigner != signer) revert IEscrow.MixedSigners();
            signer = rateSigner;
            bytes32 line = RewardLeaf.detail(key, item.unit, item.units);
            if (!MerkleProof.verifyCalldata(item.proof, detailRoot, line)) revert IEscrow.BadProof();
            value += (uint256(item.units) * item.numerator) / item.denominator;
        }
    }

    function _rateSigner(bytes32 separator, bytes32 key, IEscrow.ProvedUnit calldata item)
        private
        pure
        returns (address signer)
    {
        if (item.denominator == 0) revert IEscrow.BadRate(item.unit);
        bytes32 structHash = keccak256(abi.encode(_RATE_TYPEHASH, key, item.unit, item.numerator, item.denominator));
        ECDSA.RecoverError err;
        (signer, err,) = ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(separator, structHash), item.r, item.vs);
        if (err != ECDSA.RecoverError.NoError) revert IEscrow.BadSignature();
    }

    // ------------------------------------------------------------------------------------------------------ deposits

    /// @notice The nonce of a deposit by signature. With a grant, reverts unless the depositor itself signed both.
    /// @dev The parameters are those of Escrow.depositWithAuthorization. A grant must not rest on the token's word: a
    /// made-up token would "verify" anything and hand out keys of other people's accounts. The asset is part of the
    /// nonce, so a made-up token cannot borrow another one's domain either.
    function authorization(
        address to,
        address asset,
        IEscrow.Authorization calldata a,
        IEscrow.SessionGrant calldata grant
    ) external view returns (bytes32 nonce) {
        nonce = authorizationNonce(to, asset, grant);
        if (grant.key == address(0)) return nonce;
        if (to != a.from) revert IEscrow.GrantNotForDepositor();
        bytes32 structHash =
            keccak256(abi.encode(_RECEIVE_TYPEHASH, a.from, ESCROW, a.amount, a.validAfter, a.validBefore, nonce));
        bytes32 digest = MessageHashUtils.toTypedDataHash(IERC20Permit(asset).DOMAIN_SEPARATOR(), structHash);
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecover(digest, a.v, a.r, a.s);
        if (err != ECDSA.RecoverError.NoError || signer != a.from) revert IEscrow.BadSignature();
    }

    /// @notice The ERC-3009 nonce that binds a deposit to its receiver, its asset and its grant.
    /// @dev The low 64 bits are zero so that tokens with keyed sequential nonces (192-bit key, 64-bit sequence) take it
    /// too.
    function authorizationNonce(address to, address asset, IEscrow.SessionGrant calldata grant)
        public
        pure
        returns (bytes32 nonce)
    {
        return (keccak256(abi.encode(to, asset, grant.key, grant.scope, grant.limit, grant.until, grant.salt)) >> 64)
            << 64;
    }

    // -------------------------------------------------------------------------------------------------------- prices

    /// @notice Hands a redeemer's price to the oracle. The parameters are those of Escrow.redeemEarnedWithPrice; Escrow
    /// appends its caller, who gets back what the price's source does not charge.
    function updatePrice(uint128, uint256, address, bytes[] calldata priceUpdate) external payable {
        // Somebody else's appended bytes would only choose where his own wei go.
        address caller = address(bytes20(msg.data[msg.data.length - 20:]));
        IUpdatableOracle(address(_CREDITS.oracle())).update{value: msg.value}(priceUpdate, caller);
    }

    // ------------------------------------------------------------------------------------------------------- digests

    /// @notice Escrow's EIP-712 domain on this chain.
    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(_DOMAIN_TYPEHASH, keccak256(bytes(_NAME)), keccak256(bytes(_VERSION)), block.chainid, ESCROW)
        );
    }

    /// @notice ERC-5267, for Escrow.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", _NAME, _VERSION, block.chainid, ESCROW, bytes32(0), new uint256[](0));
    }

    function hashVoucher(address payer, address payee, address asset, uint32 net, uint64 channelId, uint128 cumulative)
        external
        view
        returns (bytes32 digest)
    {
        bytes32 structHash = keccak256(abi.encode(_VOUCHER_TYPEHASH, payer, payee, asset, net, channelId, cumulative));
        return MessageHashUtils.toTypedDataHash(domainSeparator(), structHash);
    }

    function hashRate(bytes32 key, bytes32 unit, uint128 numerator, uint128 denominator)
        external
        view
        returns (bytes32 digest)
    {
        bytes32 structHash = keccak256(abi.encode(_RATE_TYPEHASH, key, unit, numerator, denominator));
        return MessageHashUtils.toTypedDataHash(domainSeparator(), structHash);
    }
}
