//! Paths under Concordat's profile: RFC 5280, then organisation, role, key and usage.

use std::fmt;

use concordat_types::identity::{Holder, OrgId, Role};

use crate::{
    certificate::Certificate,
    crl::Crl,
    extension::ExtendedKeyUsage,
    key::{KeyType, SubjectKey},
    rfc5280::{self, CheckedPath, Path, PathError, StaleCrl},
    x509::X509,
};

/// What a certificate is presented for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To enrol an account or to act with one. The key is P-256 or secp256k1.
    Account,
    /// To connect to other nodes, as a TLS client and server.
    Node,
    /// To sign consensus votes. The key is Ed25519.
    ConsensusKey,
    /// To face applications as a TLS server.
    Server,
}

impl Purpose {
    /// The purpose that holders of this kind serve.
    pub const fn of(holder: Holder) -> Self {
        match holder {
            Holder::Account => Self::Account,
            Holder::Node => Self::Node,
            Holder::ConsensusKey => Self::ConsensusKey,
            Holder::Server => Self::Server,
        }
    }

    /// Whether a key of this kind can serve the purpose.
    pub const fn accepts_key(self, key: KeyType) -> bool {
        match self {
            Self::Account => matches!(key, KeyType::P256 | KeyType::Secp256k1),
            // TLS 1.3 has no secp256k1.
            Self::Node | Self::Server => matches!(key, KeyType::P256 | KeyType::Ed25519),
            Self::ConsensusKey => matches!(key, KeyType::Ed25519),
        }
    }

    const fn extended_usages(self) -> &'static [(ExtendedKeyUsage, &'static str)] {
        match self {
            Self::Node => &[
                (ExtendedKeyUsage::ClientAuth, "extKeyUsage clientAuth"),
                (ExtendedKeyUsage::ServerAuth, "extKeyUsage serverAuth"),
            ],
            Self::Server => &[(ExtendedKeyUsage::ServerAuth, "extKeyUsage serverAuth")],
            Self::Account | Self::ConsensusKey => &[],
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "an account",
            Self::Node => "a node",
            Self::ConsensusKey => "a consensus key",
            Self::Server => "a server",
        })
    }
}

/// A question about a holder's certificate.
#[derive(Clone, Copy, Debug)]
pub struct PathRequest<'a> {
    /// The holder's certificate, then its intermediates, without the root.
    pub chain: &'a [Certificate],
    /// The roots that may end the path, of one or of several organisations.
    pub anchors: &'a [Certificate],
    /// CRLs of any authorities. Each that speaks for an authority of the path counts.
    pub crls: &'a [Crl],
    /// The time to judge at, in Unix seconds: inside block execution, the block's time.
    pub at: i64,
    /// What the certificate is presented for.
    pub purpose: Purpose,
}

/// What a valid path established about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPath {
    /// The holder's organisation.
    pub org: OrgId,
    /// The holder's role.
    pub role: Role,
    /// The holder's key.
    pub subject_key: SubjectKey,
    /// The first instant at which a certificate of the path expires, in Unix seconds.
    pub not_after: i64,
    /// The CRLs that counted although their successors are overdue.
    pub stale_crls: Vec<StaleCrl>,
}

/// Judges a holder's certificate for a purpose.
///
/// All of [`rfc5280::check`], and: every certificate of the path belongs to the root's organisation; the
/// holder is no authority; its role, key and usages fit the purpose; authorities state their key usage.
/// If several roots have the issuer's name, as during key roll-over, one of them must end the path.
pub fn check_path(request: &PathRequest<'_>) -> Result<ValidPath, PathError> {
    let PathRequest { chain, anchors, crls, at, purpose } = *request;
    let leaf = chain.first().ok_or(PathError::Empty)?;
    let checked = check_chain(chain, anchors, crls, at)?;
    let role = check_holder(leaf, purpose)?;
    Ok(ValidPath {
        org: leaf.org().clone(),
        role,
        subject_key: *leaf.public_key(),
        not_after: checked.not_after,
        stale_crls: checked.stale_crls,
    })
}

/// A question about a CRL.
#[derive(Clone, Copy, Debug)]
pub struct CrlRequest<'a> {
    /// The CRL in question.
    pub crl: &'a Crl,
    /// The issuing authority's certificate, then its intermediates; empty if a root signed the CRL.
    pub issuer_chain: &'a [Certificate],
    /// The roots that may end the path.
    pub anchors: &'a [Certificate],
    /// CRLs that may revoke the issuing authority.
    pub crls: &'a [Crl],
    /// The time to judge at, in Unix seconds.
    pub at: i64,
}

/// What a valid CRL established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidCrl {
    /// The organisation whose certificates the CRL may revoke.
    pub org: OrgId,
    /// SHA-256 of the issuing authority's `SubjectPublicKeyInfo`, which with the serial numbers identifies
    /// the revoked certificates.
    pub issuer_spki_sha256: [u8; 32],
    /// Whether the next CRL is overdue. The CRL counts nevertheless.
    pub is_stale: bool,
}

/// Judges whether a CRL was issued by an authority of a trusted organisation.
pub fn check_crl(request: &CrlRequest<'_>) -> Result<ValidCrl, PathError> {
    let CrlRequest { crl, issuer_chain, anchors, crls, at } = *request;
    let issuer = match issuer_chain.first() {
        Some(issuer) => {
            check_chain(issuer_chain, anchors, crls, at)?;
            rfc5280::check_crl_signature(crl, issuer)?;
            issuer
        }
        None => root_of(crl, anchors, at)?,
    };
    if !issuer.is_ca() {
        return Err(PathError::NotAnAuthority { certificate: issuer.x509().into() });
    }
    require_key_usage(issuer)?;
    Ok(ValidCrl {
        org: issuer.org().clone(),
        issuer_spki_sha256: issuer.spki_sha256(),
        is_stale: crl.next_update() < at,
    })
}

/// The root that signed `crl` itself.
fn root_of<'a>(crl: &Crl, anchors: &'a [Certificate], at: i64) -> Result<&'a Certificate, PathError> {
    let mut refusal = PathError::NoAnchorForCrl { number: crl.number(), issuer: crl.issuer().to_string() };
    for root in anchors {
        let verdict = rfc5280::check_crl_signature(crl, root)
            .and_then(|()| rfc5280::check_root(root))
            .and_then(|()| rfc5280::check_validity(root, at));
        match verdict {
            Ok(()) => return Ok(root),
            // A root of another name has no say about this CRL.
            Err(PathError::CrlIssuerMismatch { .. }) => {}
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Checks the path to the first anchor that ends it, and that all of it is of one organisation.
fn check_chain(
    chain: &[Certificate],
    anchors: &[Certificate],
    crls: &[Crl],
    at: i64,
) -> Result<CheckedPath, PathError> {
    let last = chain.last().ok_or(PathError::Empty)?;
    let certificates: Vec<&X509> = chain.iter().map(Certificate::x509).collect();
    let mut refusal =
        PathError::NoAnchor { certificate: last.x509().into(), issuer: last.issuer().to_string() };
    for anchor in anchors.iter().filter(|anchor| anchor.subject() == last.issuer()) {
        match rfc5280::check(&Path { chain: &certificates, anchor, crls, at }) {
            Ok(checked) => {
                check_authorities(chain, anchor)?;
                return Ok(checked);
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// One organisation throughout, and key usages stated by every authority.
fn check_authorities(chain: &[Certificate], anchor: &Certificate) -> Result<(), PathError> {
    for certificate in chain {
        if certificate.org() != anchor.org() {
            return Err(PathError::WrongOrganization {
                certificate: certificate.x509().into(),
                org: certificate.org().clone(),
                anchor_org: anchor.org().clone(),
            });
        }
    }
    chain.iter().skip(1).chain([anchor]).try_for_each(require_key_usage)
}

/// RFC 5280 tolerates an authority without `keyUsage` (section 6.1.4 n); section 4.2.1.3 and we do not.
fn require_key_usage(authority: &Certificate) -> Result<(), PathError> {
    match authority.extensions().key_usage {
        Some(_) => Ok(()),
        None => Err(PathError::MayNotSignCertificates { certificate: authority.x509().into() }),
    }
}

fn check_holder(leaf: &Certificate, purpose: Purpose) -> Result<Role, PathError> {
    let certificate = || leaf.x509().into();
    let role = match leaf.role() {
        Some(role) if Purpose::of(role.holder()) == purpose => role,
        role => return Err(PathError::WrongRole { certificate: certificate(), role, purpose }),
    };
    let have = leaf.public_key().key_type();
    if !purpose.accepts_key(have) {
        return Err(PathError::WrongKeyType { certificate: certificate(), have, purpose });
    }
    let extensions = leaf.extensions();
    let missing = |usage| Err(PathError::MissingUsage { certificate: certificate(), usage, purpose });
    if !extensions.key_usage.is_some_and(|usage| usage.digital_signature()) {
        return missing("keyUsage digitalSignature");
    }
    for (usage, name) in purpose.extended_usages() {
        if !extensions.permits_explicitly(usage) {
            return missing(name);
        }
    }
    Ok(role)
}
