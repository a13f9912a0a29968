// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Concordat's identity registry
/// @notice Who may act on this chain: organisations, the accounts that their certificate authorities vouch
///         for, revoked certificates, and the validators.
/// @dev Implemented natively at 0x000000000000000000000000000000000000C001. Views may be called from
///      anywhere. Functions that change the registry answer only to a transaction that calls them
///      directly, never to a contract: an identity acts for itself. Times are Unix seconds. Certificates
///      and CRLs are DER. A chain is the leaf certificate, then its intermediates; the root stays out.
interface IIdentityRegistry {
    /// @notice A member organisation.
    struct Organisation {
        /// Its identifier, as in the O of its certificates.
        string id;
        /// Its name for people.
        string name;
        /// Names of the roles that its certificate authority may grant.
        string[] roles;
        /// False while it is suspended.
        bool active;
        /// Height at which it was admitted; 0 for founding members.
        uint64 admittedHeight;
        /// The most voting power that its validators may have together.
        uint64 powerBudget;
        /// Its root CA certificates.
        bytes[] caCertificates;
    }

    /// @notice An enrolled account.
    struct Account {
        /// Identifier of its organisation.
        string organisation;
        /// Name of its role.
        string role;
        /// Common name of its certificate.
        string commonName;
        /// Serial number of its certificate.
        bytes serial;
        /// SHA-256 of its certificate.
        bytes32 fingerprint;
        /// Its certificate is valid from here.
        uint64 notBefore;
        /// Last second at which its whole certification path is valid.
        uint64 notAfter;
        /// Height at which it enrolled.
        uint64 enrolledHeight;
        /// False while it is barred.
        bool active;
        /// True once a certificate on its path is revoked.
        bool revoked;
    }

    /// @notice A validator, in force two blocks after the one that changed it.
    struct Validator {
        /// Identifier of the organisation that runs it.
        string organisation;
        /// Ed25519 key of its votes.
        bytes32 consensusKey;
        /// Its voting power.
        uint64 power;
        /// SHA-256 of its node certificate's SubjectPublicKeyInfo.
        bytes32 nodeKeyHash;
        /// Where nodes reach it, host:port.
        string nodeAddress;
        /// Height at which it was admitted.
        uint64 admittedHeight;
    }

    /// @notice A request to replace an account by that of another key.
    struct Recovery {
        /// Whether there is one that has not lapsed.
        bool pending;
        /// SHA-256 of the RLP list of the account and the certification path; a confirmation is for the same.
        bytes32 digest;
        /// The account of the new key.
        address newAccount;
        /// The registrar who requested it.
        address requester;
        /// The height of the request.
        uint64 requested;
        /// The last height at which it can be confirmed.
        uint64 expires;
        /// The first height at which it can be; until then it can be objected to.
        uint64 earliest;
    }

    /// @notice Why an identity or a node is shut out.
    struct Bar {
        /// Whether it is.
        bool barred;
        /// SHA-256 of the document that orders it.
        bytes32 document;
        /// Where the document is found.
        string documentReference;
        /// The height at which it was imposed.
        uint64 since;
        /// The proposal that imposed it.
        uint64 proposalId;
    }

    /// @notice An organisation at a glance.
    struct OrganisationSummary {
        /// Its identifier.
        string id;
        /// Its name for people.
        string name;
        /// 0 suspended, 1 active, 2 expelled.
        uint8 membership;
        /// Names of the roles that its certificate authority may grant.
        string[] roles;
        /// Height at which it was admitted; 0 for founding members.
        uint64 admittedHeight;
        /// How many validators it runs, as this block leaves them.
        uint64 validators;
        /// Their voting power together.
        uint64 power;
        /// How many seats on the committee it has.
        uint64 seats;
        /// Their weight together.
        uint64 weight;
    }

    /// @notice An account has presented its certificate.
    event AccountEnrolled(address indexed account, string organisation, string role, bytes32 fingerprint, uint64 notAfter);
    /// @notice An account has presented a later certificate for the same key.
    event CertificateRenewed(address indexed account, bytes32 fingerprint, uint64 notAfter);
    /// @notice A CRL has been taken in.
    event CrlAccepted(bytes32 indexed issuer, string organisation, uint64 number, uint64 newlyRevoked);
    /// @notice A certificate is revoked from the next transaction on.
    event CertificateRevoked(bytes32 indexed issuer, bytes serial, uint8 reason, uint64 revokedAt);
    /// @notice A validator will vote from two blocks on.
    event ValidatorAdmitted(bytes32 indexed consensusKey, string organisation, uint64 power, string nodeAddress);
    /// @notice A validator will no longer vote from two blocks on.
    event ValidatorRetired(bytes32 indexed consensusKey, string organisation);
    /// @notice A registrar asks to replace an account. Its owner may protest: cancelRecovery.
    event RecoveryRequested(address indexed oldAccount, address indexed newAccount, address requester, bytes32 digest, uint64 expires);
    /// @notice A request is taken back, by a registrar or by the account itself.
    event RecoveryCancelled(address indexed oldAccount, address by);
    /// @notice From the next transaction on another account acts for an identity; the certificate of the one before
    ///         counts as revoked. proposalId is 0 where the organisation decided. Where the committee did, governance
    ///         emits this event.
    event IdentityRebound(address indexed identity, address indexed oldAccount, address indexed newAccount, uint64 proposalId);

    /// @notice An account's certificate is about to end: renew it. Raised at most once within 30, 7 and 1 days before.
    ///         daysLeft counts a part of a day as one.
    event RenewalDue(address indexed account, uint64 notAfter, uint64 daysLeft);

    /// @notice The call data are not those of a function here.
    error MalformedCall();
    /// @notice A contract asked for what only a transaction may ask for directly.
    error OnlyDirectTransaction();
    /// @notice No such member.
    error UnknownOrganisation(string organisation);
    /// @notice The member is suspended.
    error OrganisationSuspended(string organisation);
    /// @notice The member's certificate authority may not grant this role.
    error RoleNotGrantable(string organisation, string role);
    /// @notice The certificate's role does not fit here.
    error RoleNotFit(string expected, string presented);
    /// @notice The certificate is for another key than the sender's.
    error KeyMismatch(address certified, address sender);
    /// @notice The certificate's key is not of the kind needed here.
    error KeyTypeNotFit(string expected, string presented);
    /// @notice The certification path does not hold at this block's time.
    error CertificateInvalid(string reason);
    /// @notice A certificate of the path is revoked.
    error PathRevoked(bytes32 issuer, bytes serial);
    /// @notice The account is enrolled; renew instead.
    error AlreadyEnrolled(address account);
    /// @notice The account is not enrolled.
    error NotEnrolled(address account);
    /// @notice A renewal changes neither organisation nor role.
    error RenewalChanges(string what, string enrolled, string presented);
    /// @notice A renewal must be valid for longer.
    error RenewalNotLater(uint64 current, uint64 presented);
    /// @notice The CRL does not hold.
    error CrlInvalid(string reason);
    /// @notice The CRL is not newer than the last one.
    error CrlNotNewer(bytes32 issuer, uint64 current, uint64 presented);
    /// @notice The CRL is too long.
    error CrlTooLong(uint256 entries, uint256 limit);
    /// @notice Only a registrar of the organisation may do this.
    error NotRegistrar(address sender, string organisation);
    /// @notice The certificates belong to different organisations.
    error OrganisationMismatch(string expected, string presented);
    /// @notice The organisation's validators would outweigh its budget.
    error PowerBudgetExceeded(string organisation, uint64 budget, uint64 wanted);
    /// @notice The key votes already.
    error ValidatorExists(bytes32 consensusKey);
    /// @notice The key does not vote.
    error ValidatorUnknown(bytes32 consensusKey);
    /// @notice The set that would result is none.
    error ValidatorSetInvalid(string reason);
    /// @notice Without the validator the chain might stop: the reason names who did not sign lately.
    error QuorumUnsafe(string reason);
    /// @notice Where there is a committee, it decides on new validators.
    error DecidedByCommittee();
    /// @notice Another account acts for its identity.
    error AccountReplaced(address account, address by);
    /// @notice The account is barred.
    error Barred(address account);
    /// @notice The subject of the certificate is barred.
    error SubjectBarred(string organisation, string commonName);
    /// @notice The node's key is barred.
    error NodeBarred(bytes32 nodeKeyHash);
    /// @notice Only a vote recovers keys of this role.
    error RecoveryByVote(address account, string role);
    /// @notice Another registrar must do this, by another person.
    error NotAnotherRegistrar(address account);
    /// @notice A request is pending already.
    error RecoveryPending(address account, uint64 expires);
    /// @notice No request is pending.
    error NoRecovery(address account);
    /// @notice The confirmation is for another account or path than the request.
    error OtherRecovery(bytes32 requested, bytes32 confirmed);
    /// @notice The registrar who requested it may not act any more.
    error RequesterFell(address account);
    /// @notice The account of the new key is enrolled, or has a seat.
    error KeyInUse(address account);
    /// @notice A recovery keeps the role.
    error RecoveryChangesRole(string held, string presented);
    /// @notice Two registrars keep the common name: they replace a key, not a person.
    error RecoveryChangesName(string held, string presented);
    /// @notice It can still be objected to, and confirmed from this height on.
    error RecoveryTooEarly(address account, uint64 earliest);
    /// @notice A policy or run-time rule names the account of the new key, and would bind nobody by that.
    error KeyNamed(address account, string by);
    /// @notice None of these accounts is to be reminded now.
    error NothingDue();
    /// @notice More accounts than one call takes.
    error TooManyAccounts(uint256 accounts, uint256 limit);

    /// @notice Enrols the sender: the first act of every account.
    /// @param chain The sender's certificate, role in OU, for the sender's own key; then its intermediates.
    function enrol(bytes[] calldata chain) external;

    /// @notice Presents a later certificate for the same key, organisation and role; also after expiry.
    function renew(bytes[] calldata chain) external;

    /// @notice Takes in a CRL. Any enrolled account may bring one: its signature speaks for itself.
    /// @param crl The list. Its number must exceed that of its issuer's last one.
    /// @param issuerChain The issuing CA's certificate and its intermediates; empty if a root CA signed.
    function submitCrl(bytes calldata crl, bytes[] calldata issuerChain) external;

    /// @notice Admits a validator within the organisation's power budget. Only its registrar may, and only on a
    ///         chain without a committee.
    /// @param nodeChain Certification path of the node's TLS key, role validator.
    /// @param consensusChain Certification path of the Ed25519 key of its votes, role consensus.
    /// @param nodeAddress Where nodes reach it, host:port.
    /// @param power Its voting power.
    function admitValidator(
        bytes[] calldata nodeChain,
        bytes[] calldata consensusChain,
        string calldata nodeAddress,
        uint64 power
    ) external;

    /// @notice Retires a validator. Only its organisation's registrar may; never the last one, and never one
    ///         without which those that signed lately could not decide.
    function retireValidator(bytes32 consensusKey) external;

    /// @notice Asks to replace an account whose key is lost or stolen. Only a registrar of its organisation may, and
    ///         not for members of the committee and regulators, whose keys the committee recovers. It can be confirmed
    ///         once it could be objected to for 100 blocks, or the timelock of recover-key where that is longer, and
    ///         lapses 10,000 blocks later.
    /// @param oldAccount The account that acts for its identity now.
    /// @param chain Certification path of the new key: same organisation, role and common name, never enrolled, and named
    ///        by no policy and no run-time rule.
    function requestRecovery(address oldAccount, bytes[] calldata chain) external;

    /// @notice Confirms the pending request with the same account and path, and replaces the account. Only another
    ///         registrar of the organisation may, of another subject than the first one.
    function confirmRecovery(address oldAccount, bytes[] calldata chain) external;

    /// @notice Objects to the pending request, or takes it back. Any registrar of the organisation may, and the account
    ///         itself.
    function cancelRecovery(address oldAccount) external;

    /// @notice Raises the reminders that are due, for at most 100 accounts: 30, 7 and 1 days before the end of their
    ///         certificates, each once. Any enrolled account may bring them. Accounts for which none is due, and those
    ///         that could not renew now, are passed over. Reverts with NothingDue where none is left.
    function remind(address[] calldata accounts) external;

    /// @notice How an account's certificate stands towards its end. Reverts with NotEnrolled.
    /// @return notAfter The last second at which it is valid.
    /// @return reminded The reminder raised last for this end: 30, 7 or 1 days before; 0 for none.
    /// @return due Whether remind would raise one now.
    function renewal(address account) external view returns (uint64 notAfter, uint64 reminded, bool due);

    /// @notice The identity that an account acts for, or ever acted for: the address of its first key. An account
    ///         without recoveries is its own. Keep balances and rights by identity, and they outlive keys.
    function identityOf(address account) external view returns (address);

    /// @notice The account that acts for an identity now. Answers by any account that ever did.
    function accountOf(address identity) external view returns (address);

    /// @notice The request to replace an account.
    function recovery(address account) external view returns (Recovery memory);

    /// @notice Whether and why the identity of an account is barred.
    function bar(address account) external view returns (Bar memory);

    /// @notice Whether and why a node is barred.
    /// @param nodeKeyHash SHA-256 of its certificate's SubjectPublicKeyInfo.
    function nodeBar(bytes32 nodeKeyHash) external view returns (Bar memory);

    /// @notice An account's entry. Reverts with NotEnrolled.
    function account(address account) external view returns (Account memory);

    /// @notice Whether an account has ever enrolled.
    function isEnrolled(address account) external view returns (bool);

    /// @notice An organisation's entry. Reverts with UnknownOrganisation.
    function organisation(string calldata id) external view returns (Organisation memory);

    /// @notice Organisations at a glance, in the order of their identifiers: at most `limit` (at most 50) from the place
    ///         `from` (0 is the first) on, expelled ones included.
    /// @return total How many there are.
    /// @return page Those asked for.
    function organisationPage(uint64 from, uint64 limit)
        external
        view
        returns (uint64 total, OrganisationSummary[] memory page);

    /// @notice An organisation at a glance. Reverts with UnknownOrganisation.
    function organisationSummary(string calldata id) external view returns (OrganisationSummary memory);

    /// @notice Identifiers of all organisations, in order.
    function organisations() external view returns (string[] memory);

    /// @notice The account that a certificate enrolled or renewed; zero if none.
    /// @param fingerprint SHA-256 of the certificate.
    function certificate(bytes32 fingerprint) external view returns (address);

    /// @notice Whether and why a certificate is revoked.
    /// @param issuer SHA-256 of the issuer's SubjectPublicKeyInfo.
    /// @param serial The serial number, big-endian without leading zeros.
    function revocation(bytes32 issuer, bytes calldata serial)
        external
        view
        returns (bool revoked, uint8 reason, uint64 revokedAt, uint64 height);

    /// @notice All validators as this block leaves them.
    function validators() external view returns (Validator[] memory);

    /// @notice The version of this interface.
    function version() external view returns (uint64);
}
