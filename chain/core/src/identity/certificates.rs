//! Certification paths and CRLs in the registry's terms.
//!
//! The only place that calls the verifier. The verifier judges form, names, times, usages and signatures;
//! revocation is judged against the registry's own table, which outlives any CRL.

use concordat_pki_verify::{
    Certificate, Crl, CrlRequest, PathRequest, Purpose, SubjectKey, TrustAnchors, check_crl, check_path,
    name::AttributeType,
};
use concordat_types::{Address, B256, Bytes, OrgId, Role};

use super::{RegistryError, records::CertificateId};

/// A certification path that holds.
#[derive(Clone, Debug)]
pub(crate) struct CheckedPath {
    pub(crate) org: OrgId,
    pub(crate) role: Role,
    pub(crate) common_name: String,
    pub(crate) key: SubjectKey,
    pub(crate) spki: B256,
    pub(crate) fingerprint: B256,
    pub(crate) ids: Vec<CertificateId>,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl CheckedPath {
    /// The account that the leaf's key controls.
    pub(crate) fn address(&self) -> Option<Address> {
        self.key.account_address().map(Address::from)
    }
}

/// A CRL that its organisation's authority has signed.
#[derive(Clone, Debug)]
pub(crate) struct CheckedCrl {
    pub(crate) issuer: B256,
    pub(crate) issuer_path: Vec<CertificateId>,
    pub(crate) number: u64,
    pub(crate) this_update: u64,
    pub(crate) entries: Vec<CrlEntry>,
}

/// One revoked certificate.
#[derive(Clone, Debug)]
pub(crate) struct CrlEntry {
    pub(crate) serial: Bytes,
    pub(crate) reason: u8,
    pub(crate) revoked_at: u64,
}

fn invalid(error: impl ToString) -> RegistryError {
    RegistryError::CertificateInvalid { reason: error.to_string() }
}

fn crl_invalid(error: impl ToString) -> RegistryError {
    RegistryError::CrlInvalid { reason: error.to_string() }
}

/// Unix seconds as the state keeps them; whatever lies before 1970 is long over.
fn unsigned(secs: i64) -> u64 {
    u64::try_from(secs).unwrap_or(0)
}

fn signed(secs: u64) -> i64 {
    i64::try_from(secs).unwrap_or(i64::MAX)
}

/// Parses a chain of DER certificates, leaf first. The caller has bounded its length.
pub(crate) fn parse_chain(chain: &[impl AsRef<[u8]>]) -> Result<Vec<Certificate>, RegistryError> {
    if chain.len() > concordat_pki_verify::MAX_PATH_CERTIFICATES {
        let (have, most) = (chain.len(), concordat_pki_verify::MAX_PATH_CERTIFICATES);
        return Err(invalid(format!("{have} certificates; at most {most} make a path")));
    }
    chain.iter().map(|der| Certificate::parse(der.as_ref()).map_err(invalid)).collect()
}

/// The organisation that the first certificate claims.
pub(crate) fn claimed_org(chain: &[Certificate]) -> Result<&OrgId, RegistryError> {
    chain.first().map(Certificate::org).ok_or_else(|| invalid("no certificate"))
}

/// An organisation's roots, which the registry checked when it admitted them.
pub(crate) fn anchors(roots: &[Bytes]) -> Result<Vec<Certificate>, RegistryError> {
    roots.iter().map(|der| Certificate::parse(der).map_err(invalid)).collect()
}

/// A root certificate as it may enter the registry.
pub(crate) fn check_root(der: &[u8], org: &OrgId, at: u64) -> Result<Certificate, RegistryError> {
    let root = Certificate::parse(der).map_err(invalid)?;
    if root.org() != org {
        let (expected, presented) = (org.to_string(), root.org().to_string());
        return Err(RegistryError::OrganisationMismatch { expected, presented });
    }
    if !(unsigned(root.not_before())..=unsigned(root.not_after())).contains(&at) {
        return Err(invalid("the root certificate is not valid at that time"));
    }
    TrustAnchors::new().add(root.clone()).map_err(invalid)?;
    Ok(root)
}

/// Checks a path at a time.
pub(crate) fn check(
    chain: &[Certificate],
    anchors: &[Certificate],
    at: u64,
    purpose: Purpose,
) -> Result<CheckedPath, RegistryError> {
    let request = PathRequest { chain, anchors, crls: &[], at: signed(at), purpose };
    let valid = check_path(&request).map_err(invalid)?;
    let leaf = chain.first().ok_or_else(|| invalid("no certificate"))?;
    Ok(CheckedPath {
        org: valid.org,
        role: valid.role,
        common_name: leaf.common_name().to_owned(),
        key: valid.subject_key,
        spki: leaf.spki_sha256().into(),
        fingerprint: leaf.sha256().into(),
        ids: path_ids(chain, anchors),
        not_before: unsigned(leaf.not_before()),
        not_after: unsigned(valid.not_after),
    })
}

/// The ids of a path's certificates, leaf first.
fn path_ids(chain: &[Certificate], anchors: &[Certificate]) -> Vec<CertificateId> {
    let issuers =
        chain.iter().skip(1).map(Some).chain([chain.last().and_then(|last| root_of(last, anchors))]);
    chain
        .iter()
        .zip(issuers)
        .filter_map(|(certificate, issuer)| {
            let serial = Bytes::copy_from_slice(certificate.serial().as_bytes());
            Some(CertificateId { issuer: issuer?.spki_sha256().into(), serial })
        })
        .collect()
}

/// The root that signed a certificate. Signatures are looked at only where roots share a name.
fn root_of<'a>(certificate: &Certificate, anchors: &'a [Certificate]) -> Option<&'a Certificate> {
    let named = || anchors.iter().filter(|root| root.subject() == certificate.issuer());
    match named().count() {
        0 | 1 => named().next(),
        _ => named().find(|root| certificate.is_signed_by(root.public_key())),
    }
}

/// A CRL that is well-formed, with the organisation that its issuer's name claims.
pub(crate) fn parse_crl(der: &[u8]) -> Result<(Crl, OrgId), RegistryError> {
    let crl = Crl::parse(der).map_err(crl_invalid)?;
    let org = crl.issuer().first(&AttributeType::Organization).unwrap_or_default();
    let org = org.parse().map_err(crl_invalid)?;
    Ok((crl, org))
}

/// Checks that a CRL was signed by an authority under these roots.
pub(crate) fn check_list(
    crl: &Crl,
    issuer_chain: &[Certificate],
    anchors: &[Certificate],
    at: u64,
) -> Result<CheckedCrl, RegistryError> {
    let request = CrlRequest { crl, issuer_chain, anchors, crls: &[], at: signed(at) };
    let valid = check_crl(&request).map_err(crl_invalid)?;
    let entries = crl.revoked().iter().map(|(serial, revocation)| CrlEntry {
        serial: Bytes::copy_from_slice(serial.as_bytes()),
        reason: revocation.reason.code(),
        revoked_at: unsigned(revocation.revoked_at),
    });
    Ok(CheckedCrl {
        issuer: valid.issuer_spki_sha256.into(),
        issuer_path: path_ids(issuer_chain, anchors),
        number: crl.number(),
        this_update: unsigned(crl.this_update()),
        entries: entries.collect(),
    })
}
