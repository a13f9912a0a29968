//! Path validation of RFC 5280 section 6, without any profile of ours.
//!
//! The path is given, not searched for. The anchor is held to the rules of every other authority on the
//! path, its validity included. Certificate policies are not processed (see the crate's documentation).

use std::fmt;

use concordat_types::identity::{OrgId, Role};

use crate::{
    MAX_PATH_CERTIFICATES,
    crl::{Crl, Revocation, RevocationReason},
    key::KeyType,
    name::{AttributeType, GeneralName, NameForm},
    path::Purpose,
    serial::Serial,
    x509::X509,
};

/// Names a certificate in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateLabel {
    /// The subject's common name, or the whole subject if it has none.
    pub subject: String,
    /// The serial number.
    pub serial: Serial,
}

impl From<&X509> for CertificateLabel {
    fn from(certificate: &X509) -> Self {
        let subject = certificate.subject();
        let name =
            subject.first(&AttributeType::CommonName).map_or_else(|| subject.to_string(), str::to_owned);
        Self { subject: name, serial: certificate.serial().clone() }
    }
}

impl fmt::Display for CertificateLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {:?} (serial {})", self.subject, self.serial)
    }
}

/// Why a path is refused. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum PathError {
    /// No certificate at all.
    #[error("the path is empty; present the holder's certificate first, then its intermediates")]
    Empty,
    /// Too many certificates.
    #[error("the path has {have} certificates; at most {max} are accepted, leave out unrelated ones")]
    TooLong { have: usize, max: usize },
    /// No anchor has the name that the path ends with.
    #[error(
        "no trusted root is named \"{issuer}\", which issued {certificate}; present the missing intermediates or have the organisation admitted"
    )]
    NoAnchor { certificate: CertificateLabel, issuer: String },
    /// No anchor has the name of a CRL's issuer, and no path leads to it.
    #[error(
        "no trusted root is named \"{issuer}\", which issued CRL {number}; present that authority's certificate, or have the organisation admitted"
    )]
    NoAnchorForCrl { number: u64, issuer: String },
    /// The validity has not begun.
    #[error("{certificate} is not valid before {not_before}, and it is {at}; wait, or reissue it")]
    NotYetValid { certificate: CertificateLabel, not_before: i64, at: i64 },
    /// The validity has ended.
    #[error("{certificate} expired at {not_after}, and it is {at}; renew it")]
    Expired { certificate: CertificateLabel, not_after: i64, at: i64 },
    /// The next certificate of the path has another name than the issuer.
    #[error(
        "{certificate} was issued by \"{issuer}\", but the path continues with \"{found}\"; order the path from the holder to the root"
    )]
    IssuerMismatch { certificate: CertificateLabel, issuer: String, found: String },
    /// The key identifiers contradict each other.
    #[error(
        "{certificate} states another issuer's key identifier than {issuer}'s; present the issuer's certificate with the right key"
    )]
    KeyIdMismatch { certificate: CertificateLabel, issuer: CertificateLabel },
    /// An authority without `subjectKeyIdentifier`.
    #[error("{certificate} is an authority's, but has no subjectKeyIdentifier; reissue it with one")]
    NoSubjectKeyId { certificate: CertificateLabel },
    /// A certificate that does not state its issuer's key.
    #[error("{certificate} has no authorityKeyIdentifier; reissue it with one")]
    NoAuthorityKeyId { certificate: CertificateLabel },
    /// The signature is not the issuer's.
    #[error("{certificate} is not signed by {issuer}; present the issuer that signed it")]
    BadSignature { certificate: CertificateLabel, issuer: CertificateLabel },
    /// An issuer that is no authority.
    #[error(
        "{certificate} issued another certificate without being an authority (basicConstraints CA, critical)"
    )]
    NotAnAuthority { certificate: CertificateLabel },
    /// An issuer that may not sign certificates.
    #[error("{certificate} issued another certificate, but its keyUsage lacks keyCertSign")]
    MayNotSignCertificates { certificate: CertificateLabel },
    /// A CRL issuer that may not sign CRLs.
    #[error("{certificate} issued a CRL, but its keyUsage lacks cRLSign")]
    MayNotSignCrls { certificate: CertificateLabel },
    /// More intermediates than an authority permits.
    #[error("{certificate} permits {max} intermediates below it, but the path has {have}")]
    PathLenExceeded { certificate: CertificateLabel, have: usize, max: u32 },
    /// A name outside the constraints of an authority above.
    #[error("{certificate} carries {name}, which the name constraints of {authority} do not permit")]
    NameNotPermitted { certificate: CertificateLabel, name: String, authority: CertificateLabel },
    /// An issuer or a required subject is empty.
    #[error("{certificate} has an empty issuer, or an empty subject without a critical subjectAltName")]
    EmptyName { certificate: CertificateLabel },
    /// A holder's certificate claims an authority's powers.
    #[error("{certificate} is no authority's, but has {extension}; reissue it without")]
    NotForHolders { certificate: CertificateLabel, extension: &'static str },
    /// A CRL lists the certificate.
    #[error("{certificate} was revoked at {revoked_at}: {reason}; request a new certificate with a new key")]
    Revoked { certificate: CertificateLabel, reason: RevocationReason, revoked_at: i64 },
    /// A CRL in the issuer's name is not signed by the issuer.
    #[error("CRL {number} in the name of {issuer} is not signed by it; fetch the CRL again")]
    BadCrlSignature { issuer: CertificateLabel, number: u64 },
    /// A CRL of another issuer than its path's.
    #[error(
        "CRL {number} was issued by \"{issuer}\", not by \"{found}\"; present the path of the CRL's issuer"
    )]
    CrlIssuerMismatch { number: u64, issuer: String, found: String },
    /// The path crosses organisations.
    #[error(
        "{certificate} belongs to {org}, but its root to {anchor_org}; an authority certifies its own organisation only"
    )]
    WrongOrganization { certificate: CertificateLabel, org: OrgId, anchor_org: OrgId },
    /// The role does not fit the purpose.
    #[error("{certificate} has {}, which is not that of {purpose}", role.map_or_else(|| "no role".to_owned(), |role| format!("role {role}")))]
    WrongRole { certificate: CertificateLabel, role: Option<Role>, purpose: Purpose },
    /// The key's kind does not fit the purpose.
    #[error(
        "{certificate} has a key of kind {have}, which cannot serve as {purpose}; reissue it with another key"
    )]
    WrongKeyType { certificate: CertificateLabel, have: KeyType, purpose: Purpose },
    /// A key usage or extended key usage is missing.
    #[error("{certificate} lacks {usage}, which {purpose} needs; reissue it with that usage")]
    MissingUsage { certificate: CertificateLabel, usage: &'static str, purpose: Purpose },
}

/// A CRL whose successor is overdue. It counted nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleCrl {
    /// Who should have issued the next one.
    pub issuer: CertificateLabel,
    /// The CRL's number.
    pub number: u64,
    /// When the next one was due, in Unix seconds.
    pub next_update: i64,
}

/// What a valid path established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPath {
    /// The first instant at which a certificate of the path expires, in Unix seconds.
    pub not_after: i64,
    /// The CRLs that counted although their successors are overdue.
    pub stale_crls: Vec<StaleCrl>,
}

/// A path to judge.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The certificates, leaf first, without the anchor.
    pub chain: &'a [&'a X509],
    /// The trusted root.
    pub anchor: &'a X509,
    /// CRLs of any issuers; those of the path's authorities count.
    pub crls: &'a [Crl],
    /// The time to judge at, in Unix seconds.
    pub at: i64,
}

/// Judges a path by RFC 5280 section 6.1, and its CRLs by section 6.3.
///
/// A CRL counts from its first use on, whatever its dates: a listed certificate stays revoked when the CRL
/// has become stale, which is reported in [`CheckedPath::stale_crls`].
pub fn check(path: &Path<'_>) -> Result<CheckedPath, PathError> {
    let Path { chain, anchor, crls, at } = *path;
    if chain.is_empty() {
        return Err(PathError::Empty);
    }
    if chain.len() > MAX_PATH_CERTIFICATES {
        return Err(PathError::TooLong { have: chain.len(), max: MAX_PATH_CERTIFICATES });
    }
    let issuers = || chain.iter().copied().skip(1).chain([anchor]);
    for certificate in chain.iter().copied().chain([anchor]) {
        check_validity(certificate, at)?;
        check_consistency(certificate)?;
    }
    for (subject, issuer) in chain.iter().copied().zip(issuers()) {
        check_authority(issuer)?;
        check_link(subject, issuer)?;
    }
    check_path_lengths(chain, anchor)?;
    check_names(chain, anchor)?;
    let mut stale_crls = Vec::new();
    for (subject, issuer) in chain.iter().copied().zip(issuers()) {
        stale_crls.extend(check_revocation(subject, issuer, crls, at)?);
    }
    let not_after =
        chain.iter().map(|certificate| certificate.not_after()).fold(anchor.not_after(), i64::min);
    Ok(CheckedPath { not_after, stale_crls })
}

/// Whether a certificate can be an anchor: an authority that signed itself.
pub(crate) fn check_root(root: &X509) -> Result<(), PathError> {
    check_consistency(root)?;
    check_authority(root)?;
    check_link(root, root)
}

pub(crate) fn check_validity(certificate: &X509, at: i64) -> Result<(), PathError> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if at < not_before {
        return Err(PathError::NotYetValid { certificate: certificate.into(), not_before, at });
    }
    if at > not_after {
        return Err(PathError::Expired { certificate: certificate.into(), not_after, at });
    }
    Ok(())
}

/// What RFC 5280 section 4 demands of any certificate that takes part in a path.
fn check_consistency(certificate: &X509) -> Result<(), PathError> {
    let extensions = certificate.extensions();
    let names_itself = !certificate.subject().is_empty() || extensions.subject_alt_names_critical;
    if certificate.issuer().is_empty() || !names_itself {
        return Err(PathError::EmptyName { certificate: certificate.into() });
    }
    if certificate.is_ca() {
        return Ok(());
    }
    let not_for_holders =
        |extension| Err(PathError::NotForHolders { certificate: certificate.into(), extension });
    if extensions.key_usage.is_some_and(|usage| usage.key_cert_sign()) {
        return not_for_holders("keyCertSign");
    }
    if extensions.name_constraints.is_some() {
        return not_for_holders("nameConstraints");
    }
    Ok(())
}

/// Whether a certificate may issue others (section 6.1.4 k to n, 4.2.1.2, 4.2.1.9).
fn check_authority(issuer: &X509) -> Result<(), PathError> {
    let extensions = issuer.extensions();
    if !issuer.is_ca() || !extensions.basic_constraints_critical {
        return Err(PathError::NotAnAuthority { certificate: issuer.into() });
    }
    if issuer.subject().is_empty() {
        return Err(PathError::EmptyName { certificate: issuer.into() });
    }
    if extensions.key_usage.is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(PathError::MayNotSignCertificates { certificate: issuer.into() });
    }
    if extensions.subject_key_id.is_none() {
        return Err(PathError::NoSubjectKeyId { certificate: issuer.into() });
    }
    Ok(())
}

/// Whether `issuer` issued `subject`: names, key identifiers, signature (section 6.1.3 a).
fn check_link(subject: &X509, issuer: &X509) -> Result<(), PathError> {
    if subject.issuer() != issuer.subject() {
        return Err(PathError::IssuerMismatch {
            certificate: subject.into(),
            issuer: subject.issuer().to_string(),
            found: issuer.subject().to_string(),
        });
    }
    // Only a self-signed certificate may leave its issuer's key unsaid (section 4.2.1.1).
    let is_self_signed = subject.is_self_issued() && subject.spki_der() == issuer.spki_der();
    match &subject.extensions().authority_key_id {
        None if is_self_signed => {}
        None => return Err(PathError::NoAuthorityKeyId { certificate: subject.into() }),
        stated if *stated == issuer.extensions().subject_key_id => {}
        Some(_) => {
            return Err(PathError::KeyIdMismatch { certificate: subject.into(), issuer: issuer.into() });
        }
    }
    if !subject.is_signed_by(issuer.public_key()) {
        return Err(PathError::BadSignature { certificate: subject.into(), issuer: issuer.into() });
    }
    Ok(())
}

/// The anchor and the intermediates, each with the certificates below it, nearest last.
fn authorities<'a>(
    chain: &'a [&'a X509],
    anchor: &'a X509,
) -> impl Iterator<Item = (&'a X509, &'a [&'a X509])> {
    let above = chain.iter().copied().enumerate().skip(1);
    let intermediates = above.filter_map(|(index, authority)| Some((authority, chain.get(..index)?)));
    intermediates.chain([(anchor, chain)])
}

/// Section 6.1.4 l and m: self-issued intermediates and the last certificate are not counted.
fn check_path_lengths(chain: &[&X509], anchor: &X509) -> Result<(), PathError> {
    for (authority, below) in authorities(chain, anchor) {
        let Some(max) = authority.extensions().basic_constraints.and_then(|basic| basic.path_len) else {
            continue;
        };
        let have = below.iter().skip(1).filter(|certificate| !certificate.is_self_issued()).count();
        if u32::try_from(have).is_ok_and(|have| have > max) {
            return Err(PathError::PathLenExceeded { certificate: authority.into(), have, max });
        }
    }
    Ok(())
}

/// Section 6.1.3 b and c: names are constrained by every authority above, except that self-issued
/// intermediates, which only roll keys over, go free.
fn check_names(chain: &[&X509], anchor: &X509) -> Result<(), PathError> {
    for (authority, below) in authorities(chain, anchor) {
        let Some(constraints) = &authority.extensions().name_constraints else { continue };
        for (index, certificate) in below.iter().enumerate() {
            let is_leaf = index == 0;
            if certificate.is_self_issued() && !is_leaf {
                continue;
            }
            if let Some(name) = names(certificate).into_iter().find(|name| !constraints.allow(name)) {
                return Err(PathError::NameNotPermitted {
                    certificate: (*certificate).into(),
                    name: name.to_string(),
                    authority: authority.into(),
                });
            }
        }
    }
    Ok(())
}

/// All names that constraints apply to: the subject, e-mail addresses inside it, the alternative names.
fn names(certificate: &X509) -> Vec<GeneralName> {
    let subject = certificate.subject();
    let has_email =
        subject.attributes().iter().any(|attribute| attribute.kind == AttributeType::EmailAddress);
    let directory = (!subject.is_empty()).then(|| GeneralName::Directory(subject.clone()));
    let email = has_email.then_some(GeneralName::Uninterpreted(NameForm::Rfc822));
    let alternatives = certificate.extensions().subject_alt_names.iter().cloned();
    directory.into_iter().chain(email).chain(alternatives).collect()
}

/// Whether `crl` speaks for `issuer`: an issuer's key roll-over leaves two of one name.
fn concerns(crl: &Crl, issuer: &X509) -> bool {
    let key_id = issuer.extensions().subject_key_id.as_deref();
    crl.issuer() == issuer.subject() && crl.authority_key_id().is_none_or(|stated| Some(stated) == key_id)
}

/// Whether `issuer` signed `crl` and may (section 6.3.3 f and g).
pub(crate) fn check_crl_signature(crl: &Crl, issuer: &X509) -> Result<(), PathError> {
    let number = crl.number();
    if !concerns(crl, issuer) {
        return Err(PathError::CrlIssuerMismatch {
            number,
            issuer: crl.issuer().to_string(),
            found: issuer.subject().to_string(),
        });
    }
    if issuer.extensions().key_usage.is_some_and(|usage| !usage.crl_sign()) {
        return Err(PathError::MayNotSignCrls { certificate: issuer.into() });
    }
    if !crl.is_signed_by(issuer.public_key()) {
        return Err(PathError::BadCrlSignature { issuer: issuer.into(), number });
    }
    Ok(())
}

/// Refuses a certificate that a CRL of its issuer lists; returns the CRLs that are stale.
fn check_revocation(
    subject: &X509,
    issuer: &X509,
    crls: &[Crl],
    at: i64,
) -> Result<Vec<StaleCrl>, PathError> {
    let mut stale = Vec::new();
    for crl in crls.iter().filter(|crl| concerns(crl, issuer)) {
        check_crl_signature(crl, issuer)?;
        if let Some(Revocation { reason, revoked_at }) = crl.revocation(subject.serial()) {
            return Err(PathError::Revoked { certificate: subject.into(), reason, revoked_at });
        }
        if crl.next_update() < at {
            stale.push(StaleCrl {
                issuer: issuer.into(),
                number: crl.number(),
                next_update: crl.next_update(),
            });
        }
    }
    Ok(stale)
}
