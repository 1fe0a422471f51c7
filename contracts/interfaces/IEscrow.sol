// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Escrow: customers' money, vouchers, and what payees earned.
/// @notice Amounts are in base units of the asset; for Credits that is µcredits. Nothing here has an owner or a pause.
interface IEscrow {
    /// @param available Free to earmark, lock, thaw; vouchers draw it after the channel's earmark.
    /// @param thawing On its way out; vouchers still draw it, last.
    /// @param earned Received as a payee; never drawn by vouchers and free to leave at once.
    /// @param thawEnd Unix seconds from which `thawing` may be withdrawn.
    struct Account {
        uint128 available;
        uint128 thawing;
        uint128 earned;
        uint40 thawEnd;
    }

    /// @param earmark Money only this channel can spend.
    /// @param redeemed What the payee has been paid over the channel's whole life, fees included. Never falls.
    /// @param closesAt Unix seconds from which the earmark may return to the payer; 0 while the channel is open.
    struct Channel {
        uint128 earmark;
        uint128 redeemed;
        uint40 closesAt;
    }

    /// @notice What identifies a channel.
    struct ChannelId {
        address payer;
        address payee;
        address asset;
        uint32 net;
        uint64 channelId;
    }

    /// @notice A cumulative promise; (r, vs) is the EIP-2098 signature of the payer or of its session key.
    struct Voucher {
        address payer;
        uint64 channelId;
        uint128 cumulative;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice Proved cumulative units of one kind, and their co-signed price numerator / denominator.
    /// @dev (r, vs) signs Rate(channel, unit, numerator, denominator), by the payer or its session key. A channel has one
    /// rate per unit for its life. A new price means a new channelId: the payee would choose the dearest of several.
    /// @param proof Path from the detail line (channel key, unit, units) to the payee's `detailRoot`.
    struct ProvedUnit {
        bytes32 unit;
        uint128 units;
        uint128 numerator;
        uint128 denominator;
        bytes32 r;
        bytes32 vs;
        bytes32[] proof;
    }

    /// @notice The payee's reward leaf under an active root of the channel's network.
    /// @param rewardAsset With the network, the pot in RewardsDistributor; `index` is the root's publication counter.
    /// @param cumulative The leaf's amount; with `detailRoot` the rest of the leaf.
    /// @param proof Path from the payee's leaf to `root`.
    struct UsageRoot {
        address rewardAsset;
        uint32 index;
        bytes32 root;
        uint128 cumulative;
        bytes32 detailRoot;
        bytes32[] proof;
    }

    /// @param spent Drawn by vouchers and rates of this key.
    /// @param limit Most that may be drawn, for assets other than Credits; for Credits the session's own limit counts.
    /// @param earmarked Moved into earmarks by this key, bounded by the same limit.
    struct KeyUsage {
        uint128 spent;
        uint128 limit;
        uint128 earmarked;
    }

    /// @param allowance What the collector may still lock; used up by locking and not given back by unlocking.
    /// @param maxLockSeconds Longest time for which it may lock.
    struct Approval {
        uint128 allowance;
        uint40 maxLockSeconds;
    }

    struct Lock {
        uint128 amount;
        uint40 expiry;
    }

    /// @notice A payment from the calling collector's lock `lockId` of the payer's money.
    struct Payment {
        address payer;
        bytes32 lockId;
        uint128 amount;
    }

    /// @notice A session key to register with a deposit; `key` = 0 registers nothing.
    struct SessionGrant {
        address key;
        uint32 scope;
        uint128 limit;
        uint40 until;
        bytes32 salt;
    }

    /// @notice An ERC-3009 authorization of `from` to this contract.
    struct Authorization {
        address from;
        uint128 amount;
        uint256 validAfter;
        uint256 validBefore;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    enum SkipReason {
        BadSignature,
        KeyNotRedeemable,
        NothingDue
    }

    event Deposited(address indexed from, address indexed to, address indexed asset, uint256 amount);
    event Thawing(address indexed owner, address indexed asset, uint256 amount, uint40 thawEnd);
    event ThawCancelled(address indexed owner, address indexed asset, uint256 amount);
    event Withdrawn(address indexed owner, address indexed asset, address indexed to, uint256 amount);
    event EarnedWithdrawn(address indexed owner, address indexed asset, address indexed to, uint256 amount);
    event EarnedMadeAvailable(address indexed owner, address indexed asset, uint256 amount);
    event EarnedRedeemed(address indexed owner, address indexed to, uint256 credits, uint256 tokens);
    /// @notice An earmark grew by `added`; the channel is open (again).
    event ChannelFunded(
        bytes32 indexed key,
        address indexed payer,
        address indexed payee,
        address asset,
        uint32 net,
        uint64 channelId,
        uint256 added,
        uint256 earmark
    );
    event ChannelClosing(bytes32 indexed key, address indexed payer, uint40 closesAt);
    event ChannelClosed(bytes32 indexed key, address indexed payer, uint256 returned);
    /// @notice `redeemed` is the channel's new cumulative; `paid` is what this redemption added, before fees.
    event VoucherRedeemed(
        bytes32 indexed key, address indexed payer, address indexed payee, uint256 redeemed, uint256 paid
    );
    /// @notice `value` is what the proved units are worth in all; `paid` is what this redemption added, before fees.
    event UsageRedeemed(bytes32 indexed key, address indexed payer, address indexed payee, uint256 value, uint256 paid);
    /// @notice A promise was good but the money or the key's limit was not; the unpaid rest stays redeemable.
    event Shortfall(bytes32 indexed key, address indexed payer, address indexed payee, uint256 unpaid);
    event VoucherSkipped(uint256 indexed index, address indexed payer, bytes32 indexed key, SkipReason reason);
    event Settled(
        address indexed payee,
        address indexed asset,
        uint32 indexed net,
        uint256 total,
        uint256 networkFee,
        uint256 protocolFee
    );
    event FeesBurned(uint32 indexed net, uint32 indexed period, uint256 amount);
    event FeesCollected(uint32 indexed net, address indexed recipient, uint256 amount);
    event KeyLimitSet(address indexed account, address indexed key, address indexed asset, uint128 limit);
    event CollectorApproved(
        address indexed payer,
        address indexed collector,
        address indexed asset,
        uint128 allowance,
        uint40 maxLockSeconds
    );
    event Locked(
        bytes32 indexed lockKey,
        address indexed collector,
        address indexed payer,
        address asset,
        uint256 amount,
        uint40 expiry
    );
    event Unlocked(bytes32 indexed lockKey, address indexed payer, uint256 amount);
    event PaidFromLock(bytes32 indexed lockKey, address indexed payee, uint32 indexed net, uint256 amount);

    error ZeroAddress();
    error ZeroAmount();
    error NotPayer(address caller);
    error Insufficient(uint256 needed, uint256 held);
    error StillThawing(uint40 thawEnd);
    error NotClosing(bytes32 key);
    error StillClosing(uint40 closesAt);
    /// A batch names a channel twice, which would make its total depend on the order.
    error DuplicateChannel(uint256 index);
    error BadSignature();
    error KeyNotActive(address account, address key);
    error KeyNotRedeemable(address account, address key);
    error KeyLimitExceeded(uint256 needed, uint256 left);
    /// Payees rely on what a key may still spend; a smaller limit needs a new key.
    error LimitCannotShrink(uint128 current);
    error BadRate(bytes32 unit);
    /// Units of one call must be in ascending order, without repetition, and their rates signed by one key.
    error UnitsNotAscending(bytes32 unit);
    error MixedSigners();
    error RootNotActive(uint32 index, bytes32 root);
    error BadProof();
    error NothingDue();
    /// A grant registers a key of the depositor, so the deposit must be its own.
    error GrantNotForDepositor();
    error AllowanceExceeded(uint256 needed, uint256 left);
    error BadExpiry(uint40 expiry);
    error LockExists(bytes32 lockKey);
    error LockExpired(uint40 expiry);
    error LockNotExpired(uint40 expiry);

    // Deposits and exits
    function deposit(address to, address asset, uint128 amount) external returns (uint128 received);
    function depositWithPermit(address asset, uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint128 received);
    function depositWithAuthorization(
        address to,
        address asset,
        Authorization calldata authorization,
        SessionGrant calldata grant
    ) external returns (uint128 received);
    function thaw(address asset, uint128 amount) external returns (uint40 thawEnd);
    function cancelThaw(address asset) external returns (uint128 amount);
    function withdraw(address asset, address to) external returns (uint128 amount);
    function withdrawEarned(address asset, uint128 amount, address to) external;
    function earnedToAvailable(address asset, uint128 amount) external;
    function redeemEarned(uint128 credits, uint256 minTokens, address to) external returns (uint256 tokens);
    function redeemEarnedWithPrice(uint128 credits, uint256 minTokens, address to, bytes[] calldata priceUpdate)
        external
        payable
        returns (uint256 tokens);
    function redeemEarnedProRata(uint128 credits, uint256 minTokens, address to) external returns (uint256 tokens);

    // Channels and redemption
    function openChannel(ChannelId calldata id, uint128 earmark) external returns (bytes32 key);
    function closeChannel(ChannelId calldata id) external returns (uint40 closesAt);
    function finalizeClose(ChannelId calldata id) external returns (uint128 returned);
    function setKeyLimit(address key, address asset, uint128 limit) external;
    function redeem(address payee, address asset, uint32 net, Voucher[] calldata items) external returns (uint128 total);
    function redeemProved(ChannelId calldata id, UsageRoot calldata root, ProvedUnit[] calldata units)
        external
        returns (uint128 paid);
    function burnFees(uint32 net, uint32 period) external returns (uint128 amount);
    function collectFees(uint32 net, uint32[] calldata periods) external returns (uint128 amount);

    // Collectors
    function approveCollector(address collector, address asset, uint128 allowance, uint40 maxLockSeconds) external;
    function lock(address payer, address asset, bytes32 lockId, uint128 amount, uint40 expiry)
        external
        returns (bytes32 lockKey);
    function pay(address payer, address payee, address asset, uint32 net, bytes32 lockId, uint128 amount) external;
    function payMany(address payee, address asset, uint32 net, Payment[] calldata payments) external;
    function unlock(address payer, address asset, bytes32 lockId, uint128 amount) external;
    function returnExpired(address collector, address payer, address asset, bytes32 lockId)
        external
        returns (uint128 amount);

    // Views
    function account(address owner, address asset) external view returns (Account memory);
    function channel(bytes32 key) external view returns (Channel memory);
    function channelKey(address payer, address payee, address asset, uint32 net, uint64 channelId)
        external
        pure
        returns (bytes32);
    function keyUsage(address payer, address key, address asset) external view returns (KeyUsage memory);
    function approval(address payer, address collector, address asset) external view returns (Approval memory);
    function lockKeyOf(address collector, address payer, address asset, bytes32 lockId) external pure returns (bytes32);
    function lockOf(bytes32 lockKey) external view returns (Lock memory);
    /// @return counted Protocol fees of credits payments on `net` in `period`. Emissions reads this.
    /// @return burned What of them burnFees has burned.
    /// @return uncollected The network's own fees of that period that wait for collectFees.
    function fees(uint32 net, uint32 period)
        external
        view
        returns (uint128 counted, uint128 burned, uint128 uncollected);
    /// @return period (now − genesis) / 1 day.
    function currentPeriod() external view returns (uint32 period);
    function hashVoucher(address payer, address payee, address asset, uint32 net, uint64 channelId, uint128 cumulative)
        external
        view
        returns (bytes32 digest);
    function hashRate(bytes32 key, bytes32 unit, uint128 numerator, uint128 denominator)
        external
        view
        returns (bytes32 digest);
    /// @return nonce The ERC-3009 nonce that binds a deposit to its receiver and its grant.
    function authorizationNonce(address to, address asset, SessionGrant calldata grant)
        external
        view
        returns (bytes32 nonce);
}
