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
        /// False while it is suspended.
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

    /// @notice An account's entry. Reverts with NotEnrolled.
    function account(address account) external view returns (Account memory);

    /// @notice Whether an account has ever enrolled.
    function isEnrolled(address account) external view returns (bool);

    /// @notice An organisation's entry. Reverts with UnknownOrganisation.
    function organisation(string calldata id) external view returns (Organisation memory);

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
