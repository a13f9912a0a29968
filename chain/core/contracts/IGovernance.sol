// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Concordat's governance
/// @notice How the committee decides: proposals, ballots, what they do, and the freezes that follow.
/// @dev Implemented natively at 0x000000000000000000000000000000000000C002 on chains that were started with a
///      committee. Views may be called from anywhere. Functions that change something answer only to a
///      transaction that calls them directly, never to a contract. Kinds, payloads and the canonical bytes of
///      effects are described in docs/committee.md; all periods are counted in blocks.
interface IGovernance {
    /// @notice A member's ballot.
    struct Ballot {
        /// Who voted.
        address member;
        /// 1 yes, 2 no, 3 abstain.
        uint8 choice;
        /// At which height.
        uint64 height;
    }

    /// @notice A proposal.
    struct Proposal {
        /// Its number, from 1.
        uint64 id;
        /// What it is about.
        uint8 kind;
        /// SHA-256 of its effect's canonical bytes: what ballots bind.
        bytes32 digest;
        /// Who made it.
        address proposer;
        /// At which height.
        uint64 created;
        /// The last height at which ballots are taken.
        uint64 closes;
        /// The first height at which it can be executed.
        uint64 earliest;
        /// The last one.
        uint64 latest;
        /// 0 open, 1 executed, 2 failed, 3 rejected, 4 expired, 5 revoked, 6 vetoed, 7 void.
        uint8 status;
        /// The height of its outcome; 0 while it is open, or if it expired by itself.
        uint64 decided;
        /// Code of the refusal that a failed one met.
        uint16 refusal;
        /// The same in words.
        string reason;
        /// A veto's basis, or the digest that the effect of a void one would have had.
        bytes32 note;
        /// The ballots, in the order in which they came.
        Ballot[] ballots;
    }

    /// @notice The weights of a vote, by the committee as it is now.
    struct Tally {
        /// The committee's whole weight.
        uint64 total;
        /// Weight that has voted, abstentions included.
        uint64 voted;
        /// Weight that approves; without the proposer's own where the rule says so.
        uint64 yes;
        /// Weight that does not approve, likewise.
        uint64 no;
        /// Weight whose ballots are not counted and could still become so.
        uint64 outstanding;
        /// How many organisations have voted yes.
        uint64 organisations;
        /// Whether the ballots suffice.
        bool met;
    }

    /// @notice A seat on the committee.
    struct Member {
        /// The account that votes.
        address member;
        /// The organisation that it votes for.
        string organisation;
        /// Its weight.
        uint64 weight;
    }

    /// @notice What a proposal of a kind needs.
    struct Rule {
        /// The least share of the committee's weight that votes at all, in basis points.
        uint64 participation;
        /// The least share of yes among the weight that voted yes or no, in basis points.
        uint64 approval;
        /// How many organisations at least must vote yes.
        uint64 organisations;
        /// How long ballots are taken.
        uint64 votingBlocks;
        /// How long execution waits after the vote is decided.
        uint64 timelockBlocks;
        /// How long after that it may take place.
        uint64 windowBlocks;
        /// Whether a regulator may veto.
        bool veto;
        /// Whether the proposer's own ballot counts towards approval.
        bool proposerCounts;
        /// How long an emergency freeze lasts unless it is confirmed; 0 for all other kinds.
        uint64 lapseBlocks;
    }

    /// @notice The freeze that was last imposed on an account and not lifted. An emergency that was lifted stays, as lapsed.
    struct Freeze {
        /// Whether it binds now. False also for accounts that were never frozen.
        bool binds;
        /// 1: whatever the account sends; 2: its business alone.
        uint8 scope;
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

    /// @notice A regulator's entry in the registry; all zero where there is none.
    struct Regulator {
        /// Whether it is registered.
        bool registered;
        /// Whether its mandate holds at this height.
        bool inForce;
        /// The address of its first key, for good.
        address identity;
        /// The account that acts for it now.
        address account;
        /// The organisation that vouches for it.
        string organisation;
        /// For which law it stands.
        string jurisdiction;
        /// Whether it supervises all organisations.
        bool allOrganisations;
        /// Those that it supervises otherwise, in order.
        string[] organisations;
        /// Whether it supervises all contracts.
        bool allContracts;
        /// Those that it supervises otherwise, in order.
        address[] contracts;
        /// 1 observe, 2 freeze accounts, 4 freeze contracts, 8 veto, 16 demand correction, added up.
        uint8 powers;
        /// The last height at which its mandate holds; 0: until it is retired.
        uint64 until;
        /// The height of the mandate.
        uint64 since;
        /// The proposal that gave it.
        uint64 proposalId;
    }

    /// @notice A regulator's consent to what a proposal does to its entry.
    struct Consent {
        /// Whether there is one.
        bool given;
        /// The account that gave it. It counts while that account acts for its identity and is in good standing.
        address account;
        /// The effect to which it agrees.
        bytes32 digest;
        /// At which height.
        uint64 height;
    }

    /// @notice The chain's parameters, as the next block has them.
    struct Parameters {
        /// Largest encoded block, in bytes.
        uint64 blockMaxBytes;
        /// Gas of all transactions of a block together.
        uint64 blockGasLimit;
        /// With nothing to do, a block is made this often.
        uint64 emptyBlockIntervalMs;
        /// How far the clocks of two correct nodes may differ.
        uint64 clockPrecisionMs;
        /// How long a proposal may travel.
        uint64 messageDelayMs;
    }

    /// @notice Which protocol version runs, and which is to come.
    struct Protocol {
        /// The one that runs.
        uint64 running;
        /// The one that is to come; 0 if none is.
        uint64 next;
        /// The first height of the next one; 0 if none is to come.
        uint64 height;
    }

    /// @notice A rollback that was executed; all zero where there was none.
    struct Rollback {
        /// The height at which it was executed: the header of this height carries the state root before it, the next
        /// header the one after it.
        uint64 executed;
        /// The height after whose block the slots held what they hold since.
        uint64 height;
        /// The root of the state after that block.
        bytes32 root;
        /// How many storage slots it changed.
        uint64 slots;
        /// SHA-256 of the RLP of these slots, as they stand in the proposal's payload.
        bytes32 slotsDigest;
        /// The transactions that are reversed.
        bytes32[] transactions;
        /// The heights of their blocks, in the same order.
        uint64[] heights;
    }

    /// @notice A proposal was made. The digest is that of its effect as it would be now.
    event ProposalOpened(uint64 indexed id, uint8 indexed kind, address indexed proposer, bytes32 digest, uint64 closes);
    /// @notice A member has voted for, against, or neither, of this effect.
    event BallotCast(uint64 indexed id, address indexed member, uint8 choice, bytes32 digest);
    /// @notice Voting is over before its time: no ballot could change the outcome any more.
    event VotingClosedEarly(uint64 indexed id, uint64 earliest, uint64 latest);
    /// @notice The outcome of a proposal, for good.
    event ProposalDecided(uint64 indexed id, uint8 status, uint16 refusal, string reason, bytes32 note);
    /// @notice An organisation was admitted, suspended (0), reinstated (1), expelled (2), or has other roots.
    event OrganisationChanged(string organisation, uint8 membership, uint64 indexed proposalId);
    /// @notice A validator has this power two blocks from now on; 0: it no longer votes.
    event ValidatorChanged(bytes32 indexed consensusKey, string organisation, uint64 power, uint64 indexed proposalId);
    /// @notice A seat has this weight; 0: it is gone.
    event SeatChanged(address indexed member, string organisation, uint64 weight, uint64 indexed proposalId);
    /// @notice A rule has changed.
    event RuleChanged(uint8 indexed kind, uint64 indexed proposalId);
    /// @notice A regulator agrees to what a proposal does to its entry.
    event ConsentGiven(uint64 indexed id, address indexed account, bytes32 digest);
    /// @notice From the next transaction on, a regulator has this mandate; registered is false and all else zero where it
    ///         has none any more. regulator(identity) tells what it covers.
    event RegulatorChanged(address indexed identity, bool registered, string jurisdiction, uint8 powers, uint64 until, uint64 indexed proposalId);
    /// @notice The committee has confirmed a regulator's order, or lifted it.
    /// @param target The identity or the contract that it is about; zero for an organisation.
    /// @param issuer The identity of the regulator that imposed it.
    /// @param confirmed Whether it was confirmed; if not, it was lifted.
    event OrderDecided(
        uint64 indexed orderId,
        address indexed target,
        address indexed issuer,
        bool confirmed,
        bytes32 document,
        string documentReference,
        uint64 proposalId
    );
    /// @notice From the next transaction on, a policy binds, or no longer does.
    event PolicyChanged(string id, bool enacted, uint64 indexed proposalId);
    /// @notice From the next transaction on, a run-time rule binds, or no longer does.
    event LimitChanged(string id, bool inForce, uint64 indexed proposalId);
    /// @notice From the next transaction on, an account's transactions are refused.
    event AccountFrozen(address indexed account, uint8 scope, bytes32 document, string documentReference, uint64 until, uint64 indexed proposalId);
    /// @notice An account acts again.
    event AccountUnfrozen(address indexed account, uint64 indexed proposalId);
    /// @notice From the next transaction on another account acts for an identity; the certificate of the one before
    ///         counts as revoked.
    event IdentityRebound(address indexed identity, address indexed oldAccount, address indexed newAccount, uint64 proposalId);
    /// @notice From the next transaction on an identity is shut out, or no longer.
    event AccountBarred(address indexed identity, bool barred, bytes32 document, string documentReference, uint64 indexed proposalId);
    /// @notice A node is shut out, or no longer.
    event NodeBarred(bytes32 indexed nodeKeyHash, bool barred, bytes32 document, string documentReference, uint64 indexed proposalId);
    /// @notice From the next transaction on, the ledger's list of who may deploy binds like this (0 not at all, 1 only
    ///         those on it may, 2 nobody on it may), with these accounts and without those.
    event DeployListChanged(uint8 kind, address[] added, address[] removed, uint64 indexed proposalId);
    /// @notice From the next transaction on, calls of a contract are refused.
    event ContractFrozen(address indexed contractAddress, bytes32 document, string documentReference, uint64 until, uint64 indexed proposalId);
    /// @notice A contract answers again.
    event ContractUnfrozen(address indexed contractAddress, uint64 indexed proposalId);
    /// @notice From the next transaction on, calls of a contract are refused for good.
    event ContractRetired(address indexed contractAddress, bytes32 document, string documentReference, uint64 indexed proposalId);
    /// @notice Somebody else keeps a contract's lists; zero: nobody.
    event ContractAdministratorChanged(address indexed contractAddress, address indexed administrator, uint64 indexed proposalId);
    /// @notice Something is attested of a contract's code, or no longer is; `rating` is zero then.
    event AttributesChanged(address indexed contractAddress, bool attested, bytes32 codeHash, uint8 rating, uint64 indexed proposalId);
    /// @notice An identity may deploy init code of this SHA-256 through a height.
    event DeploymentApproved(bytes32 indexed code, address indexed deployer, uint64 until, uint64 indexed proposalId);
    /// @notice From the next transaction on, deployments need such an approval, or no longer do.
    event ApprovalRuleChanged(bool required, uint64 indexed proposalId);
    /// @notice So many storage slots hold again what they held after the block of this height, whose state has this root.
    event StateRolledBack(uint64 indexed proposalId, uint64 height, bytes32 root, uint64 slots);
    /// @notice What a transaction wrote is undone. Its receipt stays: it tells what was.
    event TransactionReversed(bytes32 indexed hash, uint64 height, uint64 indexed proposalId);

    /// @notice From the next block on, the chain has these parameters.
    event ParametersChanged(uint64 blockMaxBytes, uint64 blockGasLimit, uint64 emptyBlockIntervalMs, uint64 clockPrecisionMs, uint64 messageDelayMs, uint64 indexed proposalId);
    /// @notice A protocol version holds from this height on. Height 0: what was scheduled does not come, and this one stays.
    event ProtocolVersionScheduled(uint64 version, uint64 height, uint64 indexed proposalId);
    /// @notice The validators of an organisation run a program that knows protocol versions up to this one.
    event VersionAnnounced(string organisation, uint64 version);
    /// @notice From the next transaction on, a governed proxy hands its calls on to this implementation, which may be an
    ///         earlier one.
    event ContractUpgraded(address indexed proxy, address indexed implementation, bytes32 codeHash, uint64 indexed proposalId);
    /// @notice The committee has called a governed proxy that it gave another implementation, in its own name, to migrate what
    ///         the proxy holds. What came of it, the implementation tells itself.
    event ContractMigrated(address indexed proxy, bytes call, uint64 indexed proposalId);
    /// @notice The committee has called a token in its own name, as decided. What the token has made of it, it tells itself.
    event Corrected(address indexed contractAddress, bytes call, bytes32 document, string documentReference, uint64 indexed proposalId);

    /// @notice The call data are not those of a function here.
    error MalformedCall();
    /// @notice A contract asked for what only a transaction may ask for directly.
    error OnlyDirectTransaction();
    /// @notice Refused, with a stable code and the facts in words (docs/committee.md lists the codes).
    error Refused(uint16 code, string reason);
    /// @notice A token has answered a correction with false. The proposal stays open, as where the token reverts.
    error AnsweredFalse();

    /// @notice Makes a proposal. Only members of the committee may; nobody votes by proposing.
    /// @param kind What it is about.
    /// @param payload The canonical payload of that kind.
    /// @return id Its number.
    function propose(uint8 kind, bytes calldata payload) external returns (uint64 id);

    /// @notice Casts the sender's one and final ballot.
    /// @param choice 1 yes, 2 no, 3 abstain.
    /// @param digest That of the effect which the member has seen.
    function vote(uint64 id, uint8 choice, bytes32 digest) external;

    /// @notice Takes a proposal back. Only its proposer may, until the outcome is known.
    function revoke(uint64 id) external;

    /// @notice Agrees to what a proposal does to the sender's entry among the regulators. Only the account of the
    ///         regulator that the proposal names may, until the outcome is known. A mandate takes effect only with this
    ///         consent, and the last regulator whose mandate holds is retired only with it.
    /// @param digest That of the effect which the regulator has seen.
    function consent(uint64 id, bytes32 digest) external;

    /// @notice Forbids a proposal. Only regulators may, where the rule of its kind allows it; once any is registered,
    ///         only those with the power veto.
    /// @param basis SHA-256 of the document that says why.
    function veto(uint64 id, bytes32 basis) external;

    /// @notice Gives a proposal its outcome once its time has come. Any account in good standing may ask for it.
    ///         Refused while a regulator's consent is missing.
    /// @return status What became of it. A failed execution is a failed proposal, not a reverted transaction. But where a
    ///         token refuses a correction, or a proxy a migration, the transaction reverts with what it says, and the
    ///         proposal stays open. Such a call has the same gas whoever executes: bring the gas for it (126), and no access
    ///         list (127). If anything in it runs out of gas, none of it stands (128).
    function execute(uint64 id) external returns (uint8 status);

    /// @notice A proposal, as it stands at this height.
    function proposal(uint64 id) external view returns (Proposal memory);

    /// @notice At most `limit` (at most 50) proposals from number `from` on.
    function proposals(uint64 from, uint64 limit) external view returns (Proposal[] memory);

    /// @notice How many proposals there have been.
    function proposalCount() external view returns (uint64);

    /// @notice A proposal's payload.
    function payload(uint64 id) external view returns (bytes memory);

    /// @notice How the ballots of a proposal would be judged now.
    function tally(uint64 id) external view returns (Tally memory);

    /// @notice What a proposal would do now. Reverts with the refusal that it would meet.
    /// @return digest SHA-256 of the canonical bytes. Another one than the proposal's: its ballots are for nothing.
    /// @return effect The canonical bytes.
    function preview(uint64 id) external view returns (bytes32 digest, bytes memory effect);

    /// @notice What an action would do now, without proposing it.
    function previewAction(uint8 kind, bytes calldata payload_)
        external
        view
        returns (bytes32 digest, bytes memory effect);

    /// @notice All seats, in the order of their addresses.
    function committee() external view returns (Member[] memory);

    /// @notice The entry of a regulator, by any account of its identity.
    function regulator(address account) external view returns (Regulator memory);

    /// @notice All regulators, in the order of their identities; those whose mandate is over included.
    function regulators() external view returns (Regulator[] memory);

    /// @notice The consent that was given last to a proposal.
    function consentOf(uint64 id) external view returns (Consent memory);

    /// @notice The rule of a kind.
    function rule(uint8 kind) external view returns (Rule memory);

    /// @notice The freeze of an account's identity. Tokens may ask for it before they credit one.
    function freeze(address account) external view returns (Freeze memory);

    /// @notice The rollback that a proposal was executed as.
    function rollback(uint64 id) external view returns (Rollback memory);

    /// @notice The version of this interface.
    function version() external view returns (uint64);

    /// @notice Says that all validators of the sender's organisation run a program that knows protocol versions up to
    ///         this one. Only a registrar of an organisation with validators may. An upgrade is executed only once
    ///         organisations with more than two thirds of the voting power have said so.
    function announceVersion(uint64 version_) external;

    /// @notice The chain's parameters, as the next block has them.
    function parameters() external view returns (Parameters memory);

    /// @notice Which protocol version runs, and which is to come.
    function protocol() external view returns (Protocol memory);

    /// @notice The highest protocol version that an organisation has announced; 0 if none.
    function announcedVersion(string calldata organisation) external view returns (uint64);
}

/// @title What the committee calls at governed proxies
/// @dev GovernedProxy.sol answers it to governance alone, and hands it on for everybody else.
interface IGovernedProxy {
    /// @notice Another implementation is in force. For the storage slot and the event that tools look at; it changes
    ///         nothing, since the proxy asks the registry of contracts.
    function governedUpgrade(address implementation) external;
}
