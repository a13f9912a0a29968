// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Concordat's orders
/// @notice What regulators order: freezes, blacklistings, halts of contracts, demands for corrections; and the heads of
///         the logs of what they have read.
/// @dev Implemented natively at 0x000000000000000000000000000000000000C006. Views may be called from anywhere.
///      Functions that change something answer only to a transaction that calls them directly, never to a contract.
///      Orders are imposed by registered regulators whose mandate gives the power and covers the target; they bind from
///      the next transaction on, and lapse after the lapse blocks of the rule of confirm-order unless another regulator
///      or the committee confirms them. docs/regulator.md describes them; all periods are counted in blocks.
interface IOrders {
    /// @notice An order.
    struct Order {
        /// Its number, from 1.
        uint64 id;
        /// 1 freeze all, 2 freeze outgoing, 3 freeze one contract, 4 freeze one token, 5 blacklist, 6 halt, 7 demand.
        uint8 measure;
        /// 0 provisional, 1 confirmed, 2 released, 3 lapsed, 4 superseded, 5 answered, 6 over.
        uint8 status;
        /// The identity that it is about; zero if it is about no account.
        address account;
        /// The contract that it is about, or keeps the account from; zero if none.
        address contractAddress;
        /// The organisation that it is about; empty if it is about none.
        string organisation;
        /// SHA-256 of the document that orders it; of a demand, of its text.
        bytes32 document;
        /// Where that is found.
        string documentReference;
        /// The last height at which it binds, zero: until it is released; of a demand, the height by which it is due.
        uint64 until;
        /// The identity of the regulator that imposed it.
        address issuer;
        /// The organisation that vouched for that regulator then.
        string issuerOrganisation;
        /// The height at which it was imposed.
        uint64 issued;
        /// The last height at which it binds, and can be confirmed, unless it is.
        uint64 lapses;
        /// SHA-256 of what was imposed: what a confirmation binds.
        bytes32 digest;
        /// The height at which it was confirmed; zero if it was not.
        uint64 confirmed;
        /// The identity of the regulator that confirmed it; zero if none did.
        address confirmedBy;
        /// The proposal that confirmed it; zero if none did.
        uint64 confirmedByProposal;
        /// The height at which it was released, superseded or answered; zero if it was not.
        uint64 ended;
        /// The identity of who did that; zero if nobody did.
        address endedBy;
        /// The proposal that lifted it; zero if none did.
        uint64 endedByProposal;
        /// The order that its issuer put in its place; zero if none.
        uint64 supersededBy;
        /// SHA-256 of the document that ended it.
        bytes32 endDocument;
        /// Where that is found.
        string endReference;
        /// The order before it on the same target; zero if it is the first.
        uint64 before;
    }

    /// @notice The newest anchor of an organisation's log of reads; all zero if there is none.
    struct ReadAnchor {
        /// The head of the log's hash chain.
        bytes32 head;
        /// How many reads it counts.
        uint64 count;
        /// The height at which it was anchored.
        uint64 height;
        /// The account that anchored it.
        address account;
    }

    /// @notice An order binds.
    /// @param target The identity or the contract that it is about; zero for an organisation.
    event OrderImposed(
        uint64 indexed id,
        address indexed target,
        address indexed issuer,
        uint8 measure,
        address contractAddress,
        string organisation,
        bytes32 document,
        string documentReference,
        uint64 until,
        uint64 lapses,
        bytes32 digest
    );
    /// @notice Another regulator has confirmed an order. What the committee confirms and lifts is told by IGovernance.
    event OrderConfirmed(uint64 indexed id, address indexed target, address indexed issuer, address by);
    /// @notice An order binds no longer.
    event OrderReleased(
        uint64 indexed id,
        address indexed target,
        address indexed issuer,
        address by,
        bytes32 document,
        string documentReference
    );
    /// @notice An order binds no longer, for its issuer has put another in its place.
    event OrderSuperseded(uint64 indexed id, address indexed target, address indexed issuer, uint64 by);
    /// @notice A demand is answered.
    event DemandAnswered(
        uint64 indexed id,
        address indexed target,
        address indexed issuer,
        address by,
        bytes32 document,
        string documentReference
    );
    /// @notice The head of an organisation's log of reads is anchored.
    /// @param id Keccak-256 of the organisation's identifier.
    event ReadsAnchored(
        string indexed id,
        address indexed account,
        string organisation,
        bytes32 head,
        uint64 count
    );

    /// @notice The output of a transaction that an order refuses, or that was undone because it moved frozen tokens.
    /// @param id The order's number.
    /// @param measure As in Order.
    /// @param account The identity that the order is about; zero if it is about a contract.
    /// @param contractAddress The contract that it is about, or keeps the account from.
    /// @param documentReference Where the document is found that orders it.
    /// @param until The last height at which it binds; zero: until it is released.
    error OrderInForce(
        uint64 id,
        uint8 measure,
        address account,
        address contractAddress,
        string documentReference,
        uint64 until
    );
    /// @notice A step is refused. Codes are listed in docs/committee.md and never change meaning.
    error Refused(uint16 code, string reason);
    /// @notice The call data are not those of a function here.
    error MalformedCall();
    /// @notice The function changes something and must be called by a transaction itself.
    error OnlyDirectTransaction();

    /// @notice Freezes an account.
    /// @param scope 1 all that it sends, 2 its business, 3 its calls of one contract, 4 its tokens of one contract,
    ///        whoever moves them.
    /// @param contractAddress The contract of scopes 3 and 4; zero otherwise.
    /// @param document SHA-256 of the document that orders it.
    /// @param documentReference Where that is found.
    /// @param until The last height at which it binds; zero: until it is released.
    /// @return id The order's number.
    function freeze(
        address account,
        uint8 scope,
        address contractAddress,
        bytes32 document,
        string calldata documentReference,
        uint64 until
    ) external returns (uint64 id);

    /// @notice Shuts an identity out, with the subject of its certificate.
    function blacklist(address account, bytes32 document, string calldata documentReference, uint64 until)
        external
        returns (uint64 id);

    /// @notice Refuses all calls of a contract.
    function halt(address contractAddress, bytes32 document, string calldata documentReference, uint64 until)
        external
        returns (uint64 id);

    /// @notice Demands that an organisation, or whoever administers a contract, corrects something. Give one of both.
    /// @param document SHA-256 of the demand's text.
    /// @param due The height by which it is to be answered.
    function demand(
        string calldata organisation,
        address contractAddress,
        bytes32 document,
        string calldata documentReference,
        uint64 due
    ) external returns (uint64 id);

    /// @notice Confirms another regulator's order, so that it does not lapse.
    /// @param digest The order's digest.
    function confirm(uint64 id, bytes32 digest) external;

    /// @notice Releases an order: by its issuer; once the issuer's mandate is over, by another whose mandate covers it.
    function release(uint64 id, bytes32 document, string calldata documentReference) external;

    /// @notice Answers a demand: by a registrar of the organisation that it is addressed to.
    function answer(uint64 id, bytes32 document, string calldata documentReference) external;

    /// @notice Anchors the head of the hash chain of an organisation's log of reads: by a registered regulator of it, or
    ///         an auditor of it.
    /// @param count How many reads it counts, more than the anchor before.
    function anchorReads(bytes32 head, uint64 count) external;

    /// @notice An order.
    function order(uint64 id) external view returns (Order memory);

    /// @notice Orders by number, at most 100.
    /// @param afterId The number before the first one.
    function orders(uint64 afterId, uint64 limit) external view returns (Order[] memory);

    /// @notice Orders on an account or a contract, the newest first, at most 100.
    function ordersOf(address target, uint64 limit) external view returns (Order[] memory);

    /// @notice Demands of an organisation, the newest first, at most 100.
    function ordersOfOrganisation(string calldata organisation, uint64 limit)
        external
        view
        returns (Order[] memory);

    /// @notice The orders that bind an account now.
    function inForce(address account) external view returns (Order[] memory);

    /// @notice How many orders there have been.
    function orderCount() external view returns (uint64);

    /// @notice The newest anchor of an organisation's log of reads.
    function readAnchor(string calldata organisation) external view returns (ReadAnchor memory);

    /// @notice The version of this interface.
    function version() external view returns (uint64);
}
