// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Rewards: cumulative Merkle roots over isolated pots.
/// @notice A pot is one (network, asset). Its roots live in a ring of 8, indexed by a publication counter from 0.
interface IRewardsDistributor {
    enum State {
        None,
        Pending,
        Active,
        Vetoed,
        Challenged,
        Rejected
    }

    /// @param claimed Paid out so far; never above `allocated`.
    /// @param allocated Highest total of an activated root that was touched; never above `funded`.
    /// @param funded Received so far, below 2^104.
    /// @param published Publications so far, which is the index of the next one.
    /// @param lastEpoch Epoch of the last publication.
    /// @param dueAt Unix seconds at which the next root is due: an interval after the last one was due, or came if that was later.
    struct Pot {
        uint128 claimed;
        uint128 allocated;
        uint128 funded;
        uint32 published;
        uint32 lastEpoch;
        uint40 dueAt;
    }

    /// @dev Active is never stored: it is Pending from `activeAt` on.
    struct Root {
        bytes32 root;
        uint128 total;
        uint40 activeAt;
        uint32 epoch;
        uint32 index;
        State state;
    }

    struct Claim {
        address account;
        uint128 cumulative;
        bytes32 detailRoot;
        bytes32[] proof;
    }

    event Funded(uint32 indexed net, address indexed asset, address indexed from, uint128 amount);
    event RootPublished(
        uint32 indexed net,
        address indexed asset,
        uint32 indexed epoch,
        uint32 index,
        bytes32 root,
        uint128 total,
        bytes32 dataHash,
        uint40 activeAt
    );
    event RootVetoed(uint32 indexed net, address indexed asset, uint32 index);
    event RootChallenged(uint32 indexed net, address indexed asset, uint32 index);
    event RootJudged(uint32 indexed net, address indexed asset, uint32 index, bool fraudulent);
    event Claimed(
        uint32 indexed net, address indexed asset, address indexed account, address payout, uint128 amount, uint32 index
    );
    event PayoutSet(address indexed account, address indexed to, uint40 effectiveAt);

    error NotPublisher(address caller);
    error NotGuardian(address caller);
    error NotDisputes(address caller);
    error ZeroRoot();
    error ZeroAmount();
    error EpochNotOver(uint32 epoch);
    error StaleEpoch(uint32 epoch, uint32 last);
    error TooSoon(uint40 readyAt);
    error SlotBusy(uint32 index);
    error NonMonotonic(uint128 total, uint128 floor);
    error ExceedsFunding(uint128 total, uint128 funded);
    error ExceedsAllocation(uint128 claimed, uint128 allocated);
    error NotPending(uint32 index);
    error NotChallenged(uint32 index);
    error VetoLimit();
    error NotActive(uint32 index);
    error BadProof();
    error NothingToClaim();

    function fund(uint32 net, address asset, uint128 amount) external;
    function publish(uint32 net, address asset, uint32 epoch, bytes32 root, uint128 total, bytes32 dataHash)
        external
        returns (uint32 index);
    function veto(uint32 net, address asset, uint32 index) external;
    function challenge(uint32 net, address asset, uint32 index) external;
    function onVerdict(uint32 net, address asset, uint32 index, bool fraudulent) external;
    function claim(
        uint32 net,
        address asset,
        uint32 index,
        address account,
        uint128 cumulative,
        bytes32 detailRoot,
        bytes32[] calldata proof
    ) external returns (uint128 paid);
    function claimMany(uint32 net, address asset, uint32 index, Claim[] calldata claims) external returns (uint128 paid);
    function setPayout(address to) external;

    /// @return Whether `root` is publication `index` of the pot, still in its ring, and active now.
    function isActiveRoot(uint32 net, address asset, uint32 index, bytes32 root) external view returns (bool);
    function pot(uint32 net, address asset) external view returns (Pot memory);
    /// @return The ring's occupant with its state as of now; reverts when publication `index` has left the ring.
    function rootAt(uint32 net, address asset, uint32 index) external view returns (Root memory);
    function claimedOf(uint32 net, address asset, address account) external view returns (uint128);
    function payoutOf(address account) external view returns (address);
}
