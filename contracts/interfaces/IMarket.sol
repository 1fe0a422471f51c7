// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Leases: capacity for a time at a rate, by a provider's signed quote.
interface IMarket {
    /// @notice What a provider offers one customer.
    /// @param asset Of Escrow; rate in its base units per second.
    /// @param term Longest life in seconds; notice what the provider gives before ending early, and the customer prepays.
    /// @param spec Digest of what is leased, in the terms of its resource.
    /// @param expiry Unix seconds after which the quote opens nothing.
    /// @param nonce The provider's own; a used or cancelled one opens nothing.
    struct Quote {
        address provider;
        address customer;
        uint32 net;
        address asset;
        uint96 rate;
        uint40 term;
        uint40 notice;
        bytes32 spec;
        uint40 expiry;
        uint256 nonce;
    }

    /// @dev Three slots. What is locked is always rate · (end − settledAt).
    /// @param end When it ends, closed or not. A closed lease has settledAt = end.
    struct Lease {
        address customer;
        uint96 rate;
        address provider;
        uint40 settledAt;
        uint40 end;
        bool closed;
        address asset;
        uint32 net;
        uint40 notice;
    }

    event LeaseOpened(
        uint256 indexed id,
        address indexed customer,
        address indexed provider,
        uint32 net,
        bytes32 spec,
        address asset,
        uint96 rate,
        uint40 end
    );
    event LeaseSettled(uint256 indexed id, uint128 amount, uint40 until);
    /// @notice One side ends it early; the customer got back what lies beyond `end`.
    event LeaseEnding(uint256 indexed id, uint40 end, uint128 returned);
    event LeaseClosed(uint256 indexed id);
    event QuoteCancelled(address indexed provider, uint256 indexed nonce);

    error ZeroAddress();
    error NotCustomer(address caller);
    error NotParty(address caller);
    error QuoteExpired(uint40 expiry);
    error QuoteUsed(address provider, uint256 nonce);
    error BadQuote();
    error BadSignature();
    error NotEligible(address provider, uint32 net);
    error PrepayTooLow(uint128 prepay, uint256 least);
    error LeaseNotOpen(uint256 id);

    function openLease(Quote calldata quote, bytes calldata signature, uint128 prepay) external returns (uint256 id);
    function settle(uint256 id) external returns (uint128 paid);
    function settleMany(uint256[] calldata ids) external returns (uint128 paid);
    function close(uint256 id) external;
    function cancelQuote(uint256 nonce) external;

    function lease(uint256 id) external view returns (Lease memory);
    /// @return amount What the lease still holds of the customer's money.
    function lockedOf(uint256 id) external view returns (uint128 amount);
    /// @return amount What settle would pay now.
    function owedOf(uint256 id) external view returns (uint128 amount);
    function isUsed(address provider, uint256 nonce) external view returns (bool);
    function hashQuote(Quote calldata quote) external view returns (bytes32 digest);
}
