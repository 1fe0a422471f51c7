// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EscrowAccounts} from "./escrow/EscrowAccounts.sol";
import {EscrowBase} from "./escrow/EscrowBase.sol";
import {EscrowCollectors} from "./escrow/EscrowCollectors.sol";
import {EscrowDigests} from "./escrow/EscrowDigests.sol";
import {EscrowUsage} from "./escrow/EscrowUsage.sol";
import {ICredits} from "./interfaces/ICredits.sol";
import {IDelegations} from "./interfaces/IDelegations.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "./interfaces/IRewardsDistributor.sol";

/// @title Escrow: customers' money, and how operators are paid from it.
/// @notice One pooled balance per owner and asset, earmarks per channel, cumulative vouchers, payment by proof, and locks
/// for approved collectors. Immutable: no owner, no pause, no upgrade. A successor is another address that users move to.
/// @dev The parts are one concept per file: books and fees (EscrowBase), session keys' limits (EscrowKeys), deposits and
/// exits (EscrowAccounts), channels and vouchers (EscrowChannels), proofs (EscrowUsage), locks (EscrowCollectors),
/// digests (EscrowDigests). What needs no books is a contract of its own, without state, made here: EscrowChecks.
contract Escrow is EscrowAccounts, EscrowUsage, EscrowCollectors, EscrowDigests {
    /// @dev Calls none of its peers, which may not exist yet.
    /// @param genesis Start of period 0 of the fee books, shared with Emissions; not in the future.
    constructor(
        ICredits credits,
        INetworkRegistry registry,
        IDelegations delegations,
        IRewardsDistributor distributor,
        uint40 genesis
    ) EscrowBase(credits, registry, delegations, distributor, genesis) {}
}
