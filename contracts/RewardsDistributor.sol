// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "./interfaces/IRewardsDistributor.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {MerklePath} from "./libraries/MerklePath.sol";
import {RewardLeaf} from "./libraries/RewardLeaf.sol";

/// @title Pays rewards by cumulative Merkle roots.
/// @notice Publishing costs the same for one device and for a million. Pots are isolated: a bad root of one network
/// cannot reach another's money. Eight roots stay claimable, so that a newer root cannot erase what was not claimed.
contract RewardsDistributor is IRewardsDistributor, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    uint32 public constant RING = 8;
    /// @notice A root may come half an interval before it is due, so that one that came late does not delay all after it.
    /// With windows of at most six intervals the ring's ninth root still finds the first one's slot free.
    uint40 public constant EARLY_SHARE = 2;
    /// The guardian may stop two roots in a row; the third stands against it.
    uint32 public constant MAX_VETOES_IN_A_ROW = 2;
    /// The window of the root after two vetoes: it can only be disputed, so the dispute gets the longest time.
    uint40 public constant LONG_WINDOW = 21 days;
    /// A stolen key that redirects the payout is noticed before it pays.
    uint40 public constant PAYOUT_DELAY = 3 days;

    INetworkRegistry public immutable registry;
    /// May veto a pending root; cannot move money.
    address public immutable guardian;
    /// May freeze and judge a pending root; zero until the dispute contract exists.
    address public immutable disputes;
    /// Where CAIRN goes of accounts whose payout it is: there it is split with their delegators.
    IStaking public immutable staking;

    struct Payout {
        address next;
        uint40 effectiveAt;
        address current;
    }

    /// @dev A pot in two slots: a claim touches the first alone, a publication mostly the second. 104 bits are twenty
    /// trillion tokens of 18 decimals; `fund` refuses more, and nothing else here exceeds what was funded.
    /// @param opened Index and one of the newest root that was claimed from. An active root stays what it is until it is
    /// overwritten, and its total is in `allocated`; so further claims from it need not read its state.
    struct Books {
        uint104 claimed;
        uint104 allocated;
        uint40 opened;
        uint104 funded;
        uint32 published;
        uint32 lastEpoch;
        uint40 dueAt;
    }

    /// @param selfUntil Before this second the payout address is the account itself: no change was waiting PAYOUT_DELAY
    /// earlier, and one that came since does not count yet.
    struct Account {
        uint128 claimed;
        uint40 selfUntil;
    }

    mapping(bytes32 potKey => Books) private _pots;
    mapping(bytes32 potKey => mapping(uint256 slot => Root)) private _roots;
    mapping(bytes32 potKey => mapping(address account => Account)) private _accounts;
    mapping(address account => Payout) private _payouts;

    constructor(INetworkRegistry registry_, address guardian_, address disputes_, IStaking staking_) {
        registry = registry_;
        guardian = guardian_;
        disputes = disputes_;
        staking = staking_;
    }

    // ------------------------------------------------------------------ money in

    /// @notice Adds to a pot what really arrived, so that a token that keeps a fee cannot make the pot insolvent.
    function fund(uint32 net, address asset, uint128 amount) external nonReentrant {
        IERC20 token = IERC20(asset);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint128 received = (token.balanceOf(address(this)) - before).toUint128();
        if (received == 0) revert ZeroAmount();
        Books storage p = _pots[_potKey(net, asset)];
        p.funded = (uint256(p.funded) + received).toUint104();
        emit Funded(net, asset, msg.sender, received);
    }

    // --------------------------------------------------------------------- roots

    /// @notice Publishes the pot's next root; it becomes active after the network's challenge window.
    /// @param epoch Last epoch that the root covers; over, and newer than the last publication's.
    /// @param root Root over one `RewardLeaf.leaf` per owner.
    /// @param total Sum of the leaves: at least the last activated total, at most what the pot received.
    /// @param dataHash Where the leaves are published; their absence is ground for a challenge.
    /// @return index The publication's number.
    function publish(uint32 net, address asset, uint32 epoch, bytes32 root, uint128 total, bytes32 dataHash)
        external
        returns (uint32 index)
    {
        if (root == 0) revert ZeroRoot();
        Root memory r = Root(root, total, 0, epoch, 0, State.Pending);
        _place(net, asset, r);
        index = r.index;
        emit RootPublished(net, asset, epoch, index, root, total, dataHash, r.activeAt);
    }

    /// @notice Stops a pending root. Never more than two in a row, so that the guardian can delay but not stop pay.
    function veto(uint32 net, address asset, uint32 index) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        bytes32 key = _potKey(net, asset);
        Root storage r = _pending(key, index);
        uint32 before = _vetoesBefore(key, index);
        uint32 run = before + 1 + _vetoesAfter(key, index);
        if (run > MAX_VETOES_IN_A_ROW) revert VetoLimit();
        r.state = State.Vetoed;
        if (run == MAX_VETOES_IN_A_ROW) _extend(key, index + run - before);
        emit RootVetoed(net, asset, index);
    }

    /// @notice Freezes a pending root until the verdict; the dispute contract holds the bonds.
    function challenge(uint32 net, address asset, uint32 index) external {
        if (msg.sender != disputes) revert NotDisputes(msg.sender);
        _pending(_potKey(net, asset), index).state = State.Challenged;
        emit RootChallenged(net, asset, index);
    }

    /// @notice Ends a challenge: the root is rejected, or active at once.
    function onVerdict(uint32 net, address asset, uint32 index, bool fraudulent) external {
        if (msg.sender != disputes) revert NotDisputes(msg.sender);
        Root storage r = _roots[_potKey(net, asset)][index % RING];
        if (r.index != index || r.state != State.Challenged) revert NotChallenged(index);
        r.state = fraudulent ? State.Rejected : State.Pending;
        r.activeAt = uint40(block.timestamp);
        emit RootJudged(net, asset, index, fraudulent);
    }

    // -------------------------------------------------------------------- claims

    /// @notice Pays `account` what a leaf grants it beyond what it got before. Anyone may call; only its payout address
    /// is paid.
    /// @param index Publication whose root the proof leads to.
    function claim(
        uint32 net,
        address asset,
        uint32 index,
        address account,
        uint128 cumulative,
        bytes32 detailRoot,
        bytes32[] calldata proof
    ) external nonReentrant returns (uint128 paid) {
        bytes32 key = _potKey(net, asset);
        bytes32 root = _open(key, index);
        bytes32 leaf = RewardLeaf.leaf(net, asset, account, cumulative, detailRoot);
        if (MerklePath.rootOf(leaf, proof) != root) revert BadProof();
        paid = _grant(key, account, cumulative);
        if (paid == 0) revert NothingToClaim();
        _pay(net, asset, index, account, _payout(key, account), paid);
    }

    /// @notice The same for many accounts of one root. Accounts that have nothing to claim are passed over, so that a
    /// relayer's batch survives somebody claiming in front of it; a wrong proof still fails the batch.
    function claimMany(uint32 net, address asset, uint32 index, Claim[] calldata claims)
        external
        nonReentrant
        returns (uint128 paid)
    {
        bytes32 key = _potKey(net, asset);
        bytes32 root = _open(key, index);
        for (uint256 i = 0; i < claims.length; ++i) {
            Claim calldata c = claims[i];
            bytes32 leaf = RewardLeaf.leaf(net, asset, c.account, c.cumulative, c.detailRoot);
            if (MerklePath.rootOf(leaf, c.proof) != root) revert BadProof();
            uint128 amount = _grant(key, c.account, c.cumulative);
            if (amount == 0) continue;
            paid += amount;
            _pay(net, asset, index, c.account, _payout(key, c.account), amount);
        }
    }

    /// @notice Sends the caller's future rewards to `to`, from three days on; zero means to itself again. Naming Staking
    /// shares them with the caller's delegators: it can be taken back only with a delay that they see.
    function setPayout(address to) external {
        Payout storage p = _payouts[msg.sender];
        p.current = payoutOf(msg.sender);
        p.next = to == address(0) ? msg.sender : to;
        p.effectiveAt = uint40(block.timestamp) + PAYOUT_DELAY;
        emit PayoutSet(msg.sender, p.next, p.effectiveAt);
    }

    // --------------------------------------------------------------------- views

    /// @inheritdoc IRewardsDistributor
    function isActiveRoot(uint32 net, address asset, uint32 index, bytes32 root) external view returns (bool) {
        Root storage r = _roots[_potKey(net, asset)][index % RING];
        return r.index == index && _stateOf(r) == State.Active && r.root == root;
    }

    /// @inheritdoc IRewardsDistributor
    function pot(uint32 net, address asset) external view returns (Pot memory) {
        Books storage p = _pots[_potKey(net, asset)];
        return Pot(p.claimed, p.allocated, p.funded, p.published, p.lastEpoch, p.dueAt);
    }

    /// @inheritdoc IRewardsDistributor
    function rootAt(uint32 net, address asset, uint32 index) external view returns (Root memory r) {
        Root storage stored = _roots[_potKey(net, asset)][index % RING];
        r = stored;
        if (r.index != index || r.state == State.None) revert NotActive(index);
        r.state = _stateOf(stored);
    }

    /// @inheritdoc IRewardsDistributor
    function claimedOf(uint32 net, address asset, address account) external view returns (uint128) {
        return _accounts[_potKey(net, asset)][account].claimed;
    }

    /// @inheritdoc IRewardsDistributor
    function payoutOf(address account) public view returns (address) {
        Payout storage p = _payouts[account];
        uint40 effectiveAt = p.effectiveAt;
        if (effectiveAt == 0) return account;
        return block.timestamp >= effectiveAt ? p.next : p.current;
    }

    // ------------------------------------------------------------------- private

    function _potKey(uint32 net, address asset) private pure returns (bytes32) {
        return keccak256(abi.encode(net, asset));
    }

    function _stateOf(Root storage r) private view returns (State) {
        State state = r.state;
        return state == State.Pending && block.timestamp >= r.activeAt ? State.Active : state;
    }

    /// @dev Checks that it is this root's turn and writes it over the oldest of the ring; fills in index and activeAt.
    function _place(uint32 net, address asset, Root memory r) private {
        (address publisher, uint40 interval, uint40 window, uint32 nowEpoch) = registry.rootRules(net);
        if (msg.sender != publisher) revert NotPublisher(msg.sender);
        if (r.epoch >= nowEpoch) revert EpochNotOver(r.epoch);
        bytes32 key = _potKey(net, asset);
        Books storage p = _pots[key];
        r.index = p.published;
        if (r.index != 0) {
            if (r.epoch <= p.lastEpoch) revert StaleEpoch(r.epoch, p.lastEpoch);
            uint40 readyAt = p.dueAt - interval / EARLY_SHARE;
            if (block.timestamp < readyAt) revert TooSoon(readyAt);
        }
        if (r.total > p.funded) revert ExceedsFunding(r.total, p.funded);
        (uint128 floor, bool vetoLimit) = _history(key, p, r.index);
        if (r.total < floor) revert NonMonotonic(r.total, floor);
        _retire(key, p, r.index);
        if (vetoLimit && window < LONG_WINDOW) window = LONG_WINDOW;
        r.activeAt = uint40(block.timestamp) + window;
        _roots[key][r.index % RING] = r;
        p.published = r.index + 1;
        p.lastEpoch = r.epoch;
        p.dueAt = uint40(Math.max(p.dueAt, block.timestamp)) + interval;
    }

    /// @dev Walks back over at most the ring to the last activated total. Challenge windows span at most six intervals,
    /// so in quiet times the walk ends after one or two roots.
    function _history(bytes32 key, Books storage p, uint32 index) private view returns (uint128 floor, bool vetoLimit) {
        uint256 depth = index < RING ? index : RING;
        uint256 vetoes = 0;
        bool inARow = true;
        for (uint256 i = 1; i <= depth; ++i) {
            Root storage r = _roots[key][(index - i) % RING];
            State state = _stateOf(r);
            if (state == State.Active) return (r.total, vetoes >= MAX_VETOES_IN_A_ROW);
            inARow = inARow && state == State.Vetoed;
            if (inARow) ++vetoes;
        }
        return (p.allocated, vetoes >= MAX_VETOES_IN_A_ROW);
    }

    /// @dev Makes room in the ring. A pending occupant stays: otherwise publishing fast could push a root out before
    /// anyone was able to claim from it. An opened one is closed, or its claims would be paid by what overwrites it.
    function _retire(bytes32 key, Books storage p, uint32 index) private {
        if (index < RING) return;
        Root storage r = _roots[key][index % RING];
        State state = _stateOf(r);
        if (state == State.Pending) revert SlotBusy(r.index);
        if (state != State.Active) return;
        _allocate(p, r.total);
        if (p.opened == uint40(r.index) + 1) p.opened = 0;
    }

    function _pending(bytes32 key, uint32 index) private view returns (Root storage r) {
        r = _roots[key][index % RING];
        if (r.index != index || _stateOf(r) != State.Pending) revert NotPending(index);
    }

    function _isVetoed(bytes32 key, uint32 index) private view returns (bool) {
        Root storage r = _roots[key][index % RING];
        return r.index == index && r.state == State.Vetoed;
    }

    function _vetoesBefore(bytes32 key, uint32 index) private view returns (uint32 run) {
        while (run < MAX_VETOES_IN_A_ROW && run < index && _isVetoed(key, index - 1 - run)) ++run;
    }

    function _vetoesAfter(bytes32 key, uint32 index) private view returns (uint32 run) {
        while (run < MAX_VETOES_IN_A_ROW && _isVetoed(key, index + 1 + run)) ++run;
    }

    /// @dev The root behind two vetoed ones may have been published before the vetoes; it gets its long window now.
    function _extend(bytes32 key, uint32 index) private {
        Root storage r = _roots[key][index % RING];
        if (r.index != index || _stateOf(r) != State.Pending) return;
        uint40 activeAt = uint40(block.timestamp) + LONG_WINDOW;
        if (activeAt > r.activeAt) r.activeAt = activeAt;
    }

    /// @dev The root of an active publication, whose total is allocated from then on.
    function _open(bytes32 key, uint32 index) private returns (bytes32) {
        Books storage p = _pots[key];
        Root storage r = _roots[key][index % RING];
        uint40 opened = p.opened;
        if (opened != uint40(index) + 1) {
            if (r.index != index || _stateOf(r) != State.Active) revert NotActive(index);
            _allocate(p, r.total);
            if (index >= opened) p.opened = uint40(index) + 1;
        }
        return r.root;
    }

    /// @dev The pot's total over everybody bounds what a root with inflated leaves can take. A root's total was at most
    /// what was funded, so it fits.
    function _allocate(Books storage p, uint128 total) private {
        if (total > p.allocated) p.allocated = uint104(total);
    }

    /// @dev Books for an account what a leaf grants it beyond what it got before; 0 when that is nothing.
    function _grant(bytes32 key, address account, uint128 cumulative) private returns (uint128 amount) {
        Account storage a = _accounts[key][account];
        uint128 before = a.claimed;
        if (cumulative <= before) return 0;
        amount = cumulative - before;
        Books storage p = _pots[key];
        uint128 allocated = p.allocated;
        uint128 claimed = p.claimed + amount;
        if (claimed > allocated) revert ExceedsAllocation(claimed, allocated);
        p.claimed = uint104(claimed); // claimed ≤ allocated
        a.claimed = cumulative;
    }

    /// @dev payoutOf, which is looked up again only when a change could have come into force.
    function _payout(bytes32 key, address account) private returns (address payout) {
        Account storage a = _accounts[key][account];
        if (block.timestamp < a.selfUntil) return account;
        payout = payoutOf(account);
        if (payout != account || block.timestamp < _payouts[account].effectiveAt) return payout;
        a.selfUntil = uint40(block.timestamp) + PAYOUT_DELAY;
    }

    function _pay(uint32 net, address asset, uint32 index, address account, address payout, uint128 amount) private {
        emit Claimed(net, asset, account, payout, amount, index);
        if (payout != address(staking)) return IERC20(asset).safeTransfer(payout, amount);
        // Staking only knows CAIRN; what is paid in another asset has no delegators.
        if (asset != address(staking.token())) return IERC20(asset).safeTransfer(account, amount);
        IERC20(asset).forceApprove(payout, amount);
        staking.addRewards(account, net, amount);
    }
}
