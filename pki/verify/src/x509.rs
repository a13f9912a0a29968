//! Well-formed RFC 5280 certificates, before any profile and any path.

use concordat_types::identity::{OrgIdError, RoleError};
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, x509::X509Version};

use crate::{
    MAX_CERTIFICATE_BYTES,
    der::{self, DerError},
    extension::Extensions,
    key::{SignatureAlgorithm, SubjectKey},
    name::Name,
    serial::{Serial, SerialError},
};

/// Why bytes are no acceptable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Too many bytes.
    #[error("the certificate has {have} bytes; at most {max} are accepted, reissue it with fewer names")]
    TooLarge {
        /// Bytes found.
        have: usize,
        /// The limit.
        max: usize,
    },
    /// Not strict DER.
    #[error("the certificate is not strict DER: {0}")]
    Der(DerError),
    /// DER, but not a certificate.
    #[error("the bytes are DER, but no X.509 certificate: {0}")]
    NotACertificate(String),
    /// A version other than 3.
    #[error("the certificate has X.509 version {0}; reissue it as version 3")]
    Version(u32),
    /// An unacceptable serial number.
    #[error("{0}; reissue the certificate with a random positive serial number")]
    Serial(SerialError),
    /// The signed and the unsigned algorithm identifiers differ.
    #[error("the certificate names one signature algorithm inside and another outside its signed part")]
    AlgorithmMismatch,
    /// An algorithm that is not accepted.
    #[error(
        "signature algorithm {0} is not accepted; sign with ecdsa-with-SHA256 (P-256, secp256k1) or Ed25519"
    )]
    UnsupportedAlgorithm(String),
    /// A key of another kind.
    #[error("a key of kind {0} is not accepted; use P-256, secp256k1 or Ed25519")]
    UnsupportedKey(String),
    /// A key that is no uncompressed point of its curve.
    #[error("the public key is no valid uncompressed point of its curve")]
    InvalidKey,
    /// Ends before it begins.
    #[error("the certificate's validity ends before it begins")]
    Validity,
    /// A date after 2049 as UTCTime or one before 2050 as GeneralizedTime.
    #[error("dates before 2050 must be UTCTime, later ones GeneralizedTime (RFC 5280 section 4.1.2.5)")]
    TimeForm,
    /// One extension twice.
    #[error("extension {0} occurs twice")]
    DuplicateExtension(String),
    /// A critical extension that this verifier does not interpret.
    #[error("critical extension {0} is unknown, so the certificate must be refused (RFC 5280 section 4.2)")]
    UnknownCriticalExtension(String),
    /// An extension whose content is wrong.
    #[error("extension {0} is malformed")]
    MalformedExtension(&'static str),
    /// An extension marked critical that must not be, or the reverse.
    #[error("extension {extension} must be {must_be}")]
    Criticality {
        /// Which extension.
        extension: &'static str,
        /// What RFC 5280 demands.
        must_be: &'static str,
    },
    /// A subject attribute missing, repeated or not text.
    #[error("the subject must have exactly one {attribute} with text, but has {have}")]
    SubjectAttribute {
        /// `O`, `OU` or `CN`.
        attribute: &'static str,
        /// How many it has.
        have: usize,
    },
    /// A certificate authority with a role.
    #[error("the certificate is a CA's, so its subject must have no OU: authorities have no role")]
    AuthorityWithRole,
    /// A common name that is too long or not printable.
    #[error("the subject's CN must be 1 to 64 characters without control characters")]
    CommonName,
    /// The `O` is no organisation's identifier.
    #[error("the subject's O: {0}")]
    Organization(OrgIdError),
    /// The `OU` is no role.
    #[error("the subject's OU: {0}")]
    Role(RoleError),
}

// Written out, because messages contain their causes: they travel alone, in receipts, so the causes must not be
// printed a second time as sources.
impl From<DerError> for CertificateError {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

impl From<SerialError> for CertificateError {
    fn from(error: SerialError) -> Self {
        Self::Serial(error)
    }
}

impl From<OrgIdError> for CertificateError {
    fn from(error: OrgIdError) -> Self {
        Self::Organization(error)
    }
}

impl From<RoleError> for CertificateError {
    fn from(error: RoleError) -> Self {
        Self::Role(error)
    }
}

/// A well-formed certificate, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509 {
    der: Vec<u8>,
    tbs: Vec<u8>,
    serial: Serial,
    issuer: Name,
    subject: Name,
    not_before: i64,
    not_after: i64,
    key: SubjectKey,
    spki: Vec<u8>,
    extensions: Extensions,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

impl X509 {
    /// Reads a DER certificate, refusing whatever RFC 5280 and strict DER do not permit.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { have: der.len(), max: MAX_CERTIFICATE_BYTES });
        }
        let tbs = der::check_certificate(der)?.to_vec();
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|e| CertificateError::NotACertificate(e.to_string()))?;
        if parsed.version != X509Version::V3 {
            return Err(CertificateError::Version(parsed.version.0.saturating_add(1)));
        }
        if parsed.signature != parsed.signature_algorithm {
            return Err(CertificateError::AlgorithmMismatch);
        }
        let (not_before, not_after) = validity(&parsed)?;
        Ok(Self {
            der: der.to_vec(),
            tbs,
            serial: Serial::from_integer(parsed.raw_serial())?,
            issuer: Name::from_parsed(&parsed.issuer)?,
            subject: Name::from_parsed(&parsed.subject)?,
            not_before,
            not_after,
            key: SubjectKey::from_spki(&parsed.subject_pki)?,
            spki: parsed.subject_pki.raw.to_vec(),
            extensions: Extensions::from_parsed(parsed.extensions())?,
            algorithm: SignatureAlgorithm::from_identifier(&parsed.signature)?,
            signature: signature_octets(&parsed)?,
        })
    }

    /// The whole certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The serial number, unique per issuer.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Who signed the certificate.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Whom the certificate is about.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The first second of validity, in Unix time.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// The last second of validity, in Unix time.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The subject's public key.
    pub fn public_key(&self) -> &SubjectKey {
        &self.key
    }

    /// The subject's `SubjectPublicKeyInfo` in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`: a fingerprint that survives renewal with the same key.
    pub fn spki_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.spki).into()
    }

    /// SHA-256 of the whole certificate.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// The interpreted extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The algorithm that the issuer signed with.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Whether `basicConstraints` makes the subject a certificate authority.
    pub fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|basic| basic.ca)
    }

    /// Whether subject and issuer are one name, as in a root or a key roll-over certificate.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether the certificate's signature was made by `issuer_key`.
    pub fn is_signed_by(&self, issuer_key: &SubjectKey) -> bool {
        issuer_key.verifies(self.algorithm, &self.tbs, &self.signature)
    }
}

fn signature_octets(parsed: &X509Certificate<'_>) -> Result<Vec<u8>, CertificateError> {
    if parsed.signature_value.unused_bits != 0 {
        return Err(CertificateError::NotACertificate(
            "the signature is no whole number of octets".to_owned(),
        ));
    }
    Ok(parsed.signature_value.data.to_vec())
}

fn validity(parsed: &X509Certificate<'_>) -> Result<(i64, i64), CertificateError> {
    let (not_before, not_after) = (parsed.validity.not_before, parsed.validity.not_after);
    let in_form = |time: x509_parser::time::ASN1Time| time.is_utctime() == (time.to_datetime().year() < 2050);
    if !in_form(not_before) || !in_form(not_after) {
        return Err(CertificateError::TimeForm);
    }
    let seconds = (not_before.timestamp(), not_after.timestamp());
    if seconds.0 > seconds.1 { Err(CertificateError::Validity) } else { Ok(seconds) }
}
