//! What can go wrong in an authority.
//!
//! Messages leave their causes to [`std::error::Error::source`]: print the whole chain.

use std::{io, path::PathBuf};

use concordat_pki_verify::{CertificateError, CrlError, PathError, RevocationReason, Serial, SubjectKey};
use concordat_types::identity::{OrgId, OrgIdError, Role, RoleError};
use openssl::error::ErrorStack;

use crate::{log::Tier, profile::SanError};

/// Why an authority refuses or fails. Times are Unix seconds.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum AuthorityError {
    /// OpenSSL failed.
    #[error("OpenSSL failed")]
    OpenSsl(#[from] ErrorStack),
    /// A file operation failed.
    #[error("{}: cannot {doing}", path.display())]
    File { path: PathBuf, doing: &'static str, source: io::Error },
    /// The file exists and must not be lost.
    #[error("{} exists already; choose another path, or overwrite it with --force", .0.display())]
    Exists(PathBuf),
    /// A private key that others can read.
    #[error("{} holds a private key, but has mode {mode:04o}; run: chmod 600 {}", path.display(), path.display())]
    KeyFileMode { path: PathBuf, mode: u32 },
    /// Another process works on the directory.
    #[error("{} is in use by another process; wait until it has finished", .0.display())]
    Busy(PathBuf),
    /// The passphrase does not open the key, or the key is damaged.
    #[error("the private key cannot be decrypted: wrong passphrase, or damaged file")]
    WrongPassphrase,
    /// A key in the clear.
    #[error("the private key is not encrypted; encrypt it with: openssl pkcs8 -topk8 -v2 aes-256-cbc")]
    KeyNotEncrypted,
    /// An unusable passphrase.
    #[error("a passphrase must have at least 8 bytes and no NUL byte")]
    Passphrase,
    /// A key of another kind.
    #[error("the private key is neither P-256, secp256k1 nor Ed25519")]
    UnsupportedKey,
    /// Not the PEM block that was expected.
    #[error("no PEM block {expected:?} found; is this the right file?")]
    Pem { expected: &'static str },
    /// A malformed request.
    #[error("the certificate request is malformed: {0}")]
    Request(String),
    /// The requester does not hold the key.
    #[error("the certificate request is not signed with the key that it asks to certify; create it anew")]
    ProofOfPossession,
    /// Another organisation's request.
    #[error(
        "the request names organisation {requested}, but this is the authority of {own}; send it to {requested}"
    )]
    WrongOrganization { requested: OrgId, own: OrgId },
    /// The key's kind does not suit the role.
    #[error("role {role} cannot use the key {key:?}; docs/pki.md lists the key types of each role")]
    KeyForRole { role: Role, key: SubjectKey },
    /// A server without a name.
    #[error(
        "role {0} needs at least one subject alternative name, such as dns:node.bank.example or ip:192.0.2.1"
    )]
    NoSan(Role),
    /// A subject alternative name on a holder that is no machine.
    #[error("role {0} is no machine's and takes no subject alternative names")]
    SanForRole(Role),
    /// A malformed alternative name.
    #[error(transparent)]
    San(#[from] SanError),
    /// A malformed organisation.
    #[error(transparent)]
    OrgId(#[from] OrgIdError),
    /// A malformed role.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// Longer valid than the authority itself.
    #[error(
        "the certificate would be valid until {requested}, but the {tier} authority only until {limit}; ask for fewer days, or renew the authority first"
    )]
    OutlivesAuthority { tier: Tier, requested: i64, limit: i64 },
    /// A validity of no time or beyond the calendar.
    #[error("a validity of {0} days is not possible")]
    Validity(u32),
    /// The root's key is elsewhere.
    #[error("the root key is not in this directory; bring root/ca.key from its safe to do this")]
    RootOffline,
    /// The certificate is another authority's.
    #[error("certificate {serial} is not in the log of this authority; ask the authority that issued it")]
    NotIssuedHere { serial: Serial },
    /// Signed by a key that is gone.
    #[error(
        "certificate {serial} was signed by the replaced issuing authority {issuer}, which can sign no more CRLs; renew its other holders, then revoke {issuer} itself"
    )]
    IssuerReplaced { serial: Serial, issuer: Serial },
    /// Already revoked.
    #[error("certificate {serial} is revoked already ({reason})")]
    AlreadyRevoked { serial: Serial, reason: RevocationReason },
    /// A key beside another key's certificate.
    #[error("the {0} authority's key does not belong to its certificate; restore both from one backup")]
    KeyMismatch(Tier),
    /// The log cannot be read.
    #[error("{}: line {line} is damaged: {detail}; as the last line it records an act that was never completed, so delete it, else restore the file from its backup", path.display())]
    Log { path: PathBuf, line: usize, detail: String },
    /// Our own verifier refuses what was made.
    #[error("refusing to hand out a certificate that the ledger would refuse")]
    Certificate(#[from] CertificateError),
    /// Our own verifier refuses the path of what was made.
    #[error("refusing to hand out a certificate that the ledger would refuse")]
    Path(#[from] PathError),
    /// Our own verifier refuses the CRL that was made.
    #[error("refusing to hand out a CRL that the ledger would refuse")]
    Crl(#[from] CrlError),
}
