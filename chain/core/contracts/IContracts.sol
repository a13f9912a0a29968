// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Concordat's registry of contracts
/// @notice Who made a contract, who administers it, who may call it, and whether it answers at all.
/// @dev Implemented natively at 0x000000000000000000000000000000000000C004. Views may be called from anywhere. Functions
///      that change something answer only to a transaction that calls them directly, never to a contract. Who may
///      change a contract's lists is decided by the policies (action 9, administer; docs/permissions.md): by default
///      its administrator. Freezes, retirement and the list of who may deploy are the committee's (docs/committee.md).
interface IContracts {
    /// @notice What is known of a contract.
    struct ContractInfo {
        /// Whether there is a contract: code that is no part of the chain itself.
        bool exists;
        /// The account that signed the transaction which made it; zero if it was there from the start.
        address creator;
        /// The organisation that this account belonged to, which stands behind the contract; empty if there is none.
        string organisation;
        /// Who keeps its lists; zero: nobody.
        address administrator;
        /// The height at which it was made; 0: it was there from the start.
        uint64 created;
        /// 0 it answers, 1 it is frozen, 2 it is retired for good. A freeze that has lapsed is none.
        uint8 status;
        /// How its list of who may call it binds: 0 not at all, 1 only those on it may, 2 nobody on it may.
        uint8 list;
        /// How many of its methods have a list that binds.
        uint32 methodLists;
    }

    /// @notice What was last imposed on a contract by vote and not lifted. An emergency that was lifted stays, as lapsed.
    struct Halt {
        /// Whether its calls are refused now. False also for contracts on which nothing was ever imposed.
        bool binds;
        /// Whether that is for good.
        bool retired;
        /// SHA-256 of the document that orders it.
        bytes32 document;
        /// Where the document is found.
        string documentReference;
        /// The last height at which it binds; 0: until it is lifted.
        uint64 until;
        /// Whether it is an emergency's, which lapses unless it is confirmed.
        bool emergency;
        /// The height at which it was imposed.
        uint64 since;
        /// The proposal that imposed it.
        uint64 proposalId;
    }

    /// @notice A property of a contract that is proven.
    struct Property {
        /// What is proven.
        string text;
        /// SHA-256 of the report of the proof.
        bytes32 proof;
    }

    /// @notice What the committee has attested of a contract.
    struct Attributes {
        /// Whether it holds now: the contract has the code that it is about, and it has not expired. False also where
        /// nothing is attested.
        bool holds;
        /// Keccak-256 of the code that it is about; of a governed proxy that was upgraded, Keccak-256 of its own code's
        /// hash and that of its implementation's code.
        bytes32 codeHash;
        /// Who has audited the contract.
        string auditor;
        /// SHA-256 of the report of the audit.
        bytes32 report;
        /// What is proven of it.
        Property[] properties;
        /// How safe it is said to be, 0 to 100; whether or not that holds.
        uint8 rating;
        /// SHA-256 of the compiler's standard JSON input.
        bytes32 source;
        /// The compiler.
        string compiler;
        /// The last second at which it holds, Unix; 0: for good.
        uint64 validUntil;
        /// The height at which it was decided.
        uint64 since;
        /// The proposal that decided it.
        uint64 proposalId;
    }

    /// @notice A version of a governed proxy.
    struct Version {
        /// Its number: 1 is the one that the proxy was made with.
        uint64 number;
        /// What calls are handed on to.
        address implementation;
        /// Keccak-256 of that contract's code.
        bytes32 codeHash;
        /// The height from which on it was in force.
        uint64 since;
        /// The proposal that decided it; zero for the first.
        uint64 proposalId;
        /// SHA-256 of the call by which the proxy's storage was migrated with it; zero if there was none.
        bytes32 migration;
    }

    /// @notice A contract's list of who may call it binds like this from the next transaction on.
    event ContractListSet(address indexed contractAddress, uint8 kind, address indexed by);
    /// @notice A contract's list of who may call one of its methods binds like this from the next transaction on.
    event MethodListSet(address indexed contractAddress, bytes4 indexed method, uint8 kind, address indexed by);
    /// @notice These accounts, which were not there, are on a contract's list, or those that were are there no more.
    event ContractListChanged(address indexed contractAddress, bool listed, address[] accounts, address indexed by);
    /// @notice The same for the list of one of its methods.
    event MethodListChanged(address indexed contractAddress, bytes4 indexed method, bool listed, address[] accounts, address indexed by);
    /// @notice Somebody else keeps a contract's lists.
    event AdministratorSet(address indexed contractAddress, address indexed administrator, address indexed by);

    /// @notice A named reviewer approves of a proposal to deploy, or objects to it.
    event Reviewed(uint64 indexed id, address indexed reviewer, bool approves, bytes32 report);

    /// @notice Deployments need an approval by vote, and this one has none: the output of refused transactions, and the
    ///         revert data where a contract makes another one without having been approved itself.
    /// @param code SHA-256 of the init code; zero where a contract makes another one.
    /// @param account The identity that deploys, or the contract that makes another one.
    error ApprovalMissing(bytes32 code, address account);
    /// @notice There is no open proposal to deploy of this number.
    error NothingToReview(uint64 id);
    /// @notice The proposal does not name this account as a reviewer.
    error NotReviewer(uint64 id, address account);
    /// @notice A review is final.
    error ReviewedAlready(uint64 id, address account);

    /// @notice The call is refused, since the contract is frozen: the output of refused transactions and the revert
    ///         data of refused calls.
    /// @param until The last height at which it is; 0: until it is lifted.
    error ContractFrozen(address contractAddress, uint64 until);
    /// @notice The same where it is retired, and never answers again.
    error ContractRetired(address contractAddress);

    /// @notice The policies refuse this to the sender; the same error as that of IPermissions.
    error NotPermitted(uint8 action, uint8 code, string policy, uint64 proposal);
    /// @notice There is no contract at this address, or it is a part of the chain itself.
    error UnknownContract(address contractAddress);
    /// @notice The sender's business is frozen, and with it what it administers.
    error SenderFrozen(address account);
    /// @notice An administrator is an enrolled operator or developer in good standing; this account is not.
    error NotAdministrator(address account);
    /// @notice 0 is none, 1 allows, 2 denies; this is no kind of list.
    error UnknownListKind(uint8 kind);
    /// @notice A call names 1 to `most` accounts.
    error TooManyAccounts(uint256 have, uint256 most);
    /// @notice Lists take accounts that have enrolled.
    error NotEnrolled(address account);
    /// @notice All is as it should become.
    error NothingChanges();
    /// @notice The call is not one of this interface, or not canonical ABI.
    error MalformedCall();
    /// @notice A contract asked for what only a transaction may ask for directly.
    error OnlyDirectTransaction();

    /// @notice Says how a contract's list of who may call it binds. Who is on it stays.
    /// @param kind 0 not at all, 1 only those on it may call, 2 nobody on it may.
    function setContractList(address contractAddress, uint8 kind) external;

    /// @notice The same for the list of one of its methods.
    function setMethodList(address contractAddress, bytes4 method, uint8 kind) external;

    /// @notice Puts at most 100 accounts on a contract's list. Those on it already stay.
    function addToContractList(address contractAddress, address[] calldata accounts) external;

    /// @notice Takes at most 100 accounts off it.
    function removeFromContractList(address contractAddress, address[] calldata accounts) external;

    /// @notice Puts at most 100 accounts on the list of one of its methods.
    function addToMethodList(address contractAddress, bytes4 method, address[] calldata accounts) external;

    /// @notice Takes at most 100 accounts off it.
    function removeFromMethodList(address contractAddress, bytes4 method, address[] calldata accounts) external;

    /// @notice Hands the contract's lists over to another account, which takes them from the next transaction on.
    function setAdministrator(address contractAddress, address administrator) external;

    /// @notice Says as a named reviewer what the sender thinks of a proposal to deploy, once. The proposal is executed if
    ///         all its reviewers approve, and fails if one objects.
    /// @param report SHA-256 of the reviewer's report; zero: there is none.
    function review(uint64 id, bool approves, bytes32 report) external;

    /// @notice Whether deployments need an approval by vote.
    function approvalRequired() external view returns (bool);

    /// @notice The proposal that approves of a deployment, and the last height at which it does; zero: none.
    /// @param code SHA-256 of the init code, the constructor's arguments included.
    function approval(bytes32 code, address deployer) external view returns (uint64 proposalId, uint64 until);

    /// @notice What a reviewer says of a proposal. At height 0 it has said nothing.
    function reviewOf(uint64 id, address reviewer) external view returns (bool approves, bytes32 report, uint64 height);

    /// @notice The proposal that approved of a contract's deployment; zero: none did.
    function approvedBy(address contractAddress) external view returns (uint64 proposalId);

    /// @notice What is known of a contract.
    function contractInfo(address contractAddress) external view returns (ContractInfo memory);

    /// @notice What was last imposed on a contract and not lifted.
    function halt(address contractAddress) external view returns (Halt memory);

    /// @notice How a contract's list of who may call it binds.
    function contractList(address contractAddress) external view returns (uint8 kind);

    /// @notice How the list of one of its methods binds.
    function methodList(address contractAddress, bytes4 method) external view returns (uint8 kind);

    /// @notice Whether an account is on a contract's list, however that binds.
    function isOnContractList(address contractAddress, address account) external view returns (bool);

    /// @notice Whether an account is on the list of one of its methods, however that binds.
    function isOnMethodList(address contractAddress, bytes4 method, address account) external view returns (bool);

    /// @notice How the ledger's list of who may deploy binds.
    function deployList() external view returns (uint8 kind);

    /// @notice Whether an account is on the ledger's list of who may deploy, however that binds.
    function isOnDeployList(address account) external view returns (bool);

    /// @notice What is attested of a contract, whether it holds or not.
    function attributes(address contractAddress) external view returns (Attributes memory);

    /// @notice The rating of a contract, 0 to 100, if it holds: zero where nothing is attested, where that has expired by
    ///         the block's time, or where the contract has other code. A frozen contract keeps its rating: see `halt`.
    ///         A governed proxy has other code as soon as it is given another implementation.
    /// @dev Costs 4,100 gas where nothing is attested, 8,300 where something is, 10,400 where that is of a proxy that was
    ///      upgraded, beside the call itself.
    function rating(address contractAddress) external view returns (uint8);

    /// @notice The implementation that a governed proxy was given last by vote; zero: none was, and it still has the one
    ///         that it was made with; or the contract is no such proxy. `versions` tells apart.
    /// @dev Costs 4,100 gas beside the call itself: proxies ask it with each call.
    function implementation(address contractAddress) external view returns (address);

    /// @notice At most `limit` (at most 64) versions of a governed proxy from number `from` on; the last of all is in
    ///         force. Empty for any other contract.
    function versions(address contractAddress, uint64 from, uint64 limit) external view returns (Version[] memory);

    /// @notice The version of this interface.
    function version() external view returns (uint64);
}
