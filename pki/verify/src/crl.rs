//! Certificate revocation lists (RFC 5280 section 5): complete, direct, version 2.
//!
//! Delta CRLs, indirect CRLs and partitioned CRLs carry critical extensions and are refused as such: a CRL
//! here always speaks about every certificate of its issuer.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use x509_parser::{
    extensions::{ParsedExtension, X509Extension},
    oid_registry::{
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_CRL_NUMBER, OID_X509_EXT_INVALIDITY_DATE,
        OID_X509_EXT_REASON_CODE,
    },
    prelude::FromDer,
    revocation_list::{CertificateRevocationList, RevokedCertificate},
    x509::X509Version,
};

use crate::{
    MAX_CRL_BYTES,
    der::{self, DerError},
    key::{SignatureAlgorithm, SubjectKey},
    name::Name,
    serial::{Serial, SerialError},
    x509::CertificateError,
};

/// Why bytes are no acceptable CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Too many bytes.
    #[error("the CRL has {have} bytes; at most {max} are accepted, drop expired certificates from it")]
    TooLarge {
        /// Bytes found.
        have: usize,
        /// The limit.
        max: usize,
    },
    /// Not strict DER, or not the fields of a v2 CRL.
    #[error("the CRL is not strict DER of version 2 with a nextUpdate: {0}")]
    Der(DerError),
    /// DER, but not a CRL.
    #[error("the bytes are DER, but no CRL: {0}")]
    NotACrl(String),
    /// The signed and the unsigned algorithm identifiers differ.
    #[error("the CRL names one signature algorithm inside and another outside its signed part")]
    AlgorithmMismatch,
    /// The issuer's name or the signature algorithm is unacceptable.
    #[error("the CRL's issuer or algorithm: {0}")]
    Field(CertificateError),
    /// A listed serial number is unacceptable.
    #[error("a revoked certificate: {0}")]
    Serial(SerialError),
    /// `nextUpdate` lies before `thisUpdate`.
    #[error("the CRL's nextUpdate lies before its thisUpdate")]
    Validity,
    /// No `cRLNumber`, or one beyond 64 bits.
    #[error("the CRL must have a non-critical cRLNumber of at most 64 bits")]
    Number,
    /// An extension twice, malformed, or critical and unknown.
    #[error(
        "CRL extension {0} is repeated, malformed, or critical and unknown; issue a complete, direct CRL"
    )]
    Extension(String),
    /// A serial number twice.
    #[error("serial {0} is listed twice")]
    DuplicateEntry(Serial),
}

// Written out for the reason given at `CertificateError`.
impl From<DerError> for CrlError {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

impl From<CertificateError> for CrlError {
    fn from(error: CertificateError) -> Self {
        Self::Field(error)
    }
}

impl From<SerialError> for CrlError {
    fn from(error: SerialError) -> Self {
        Self::Serial(error)
    }
}

/// Why a certificate was revoked (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum RevocationReason {
    /// No reason given.
    #[default]
    Unspecified = 0,
    /// The holder's key is known or suspected to be in other hands.
    KeyCompromise = 1,
    /// The authority's key is.
    CaCompromise = 2,
    /// The holder's name or affiliation changed.
    AffiliationChanged = 3,
    /// Another certificate replaces it.
    Superseded = 4,
    /// It is no longer needed.
    CessationOfOperation = 5,
    /// Suspended for the time being.
    CertificateHold = 6,
    /// A privilege that it stated was withdrawn.
    PrivilegeWithdrawn = 9,
    /// An attribute authority's key is known or suspected to be in other hands.
    AaCompromise = 10,
}

impl RevocationReason {
    /// Every reason, in the order of its code.
    pub const ALL: [Self; 9] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The code in a CRL.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code; `removeFromCRL` belongs to delta CRLs and is none.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The reason's name, as the command line spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::CaCompromise => "ca-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::CertificateHold => "certificate-hold",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
            Self::AaCompromise => "aa-compromise",
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no revocation reason; use one of unspecified, key-compromise, ca-compromise, affiliation-changed, superseded, cessation-of-operation, certificate-hold, privilege-withdrawn, aa-compromise"
)]
pub struct RevocationReasonError(pub String);

impl FromStr for RevocationReason {
    type Err = RevocationReasonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || RevocationReasonError(text.chars().take(64).collect());
        Self::ALL.into_iter().find(|reason| reason.name() == text).ok_or_else(unknown)
    }
}

/// What a CRL says about a certificate that it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Why.
    pub reason: RevocationReason,
    /// Since when, by the issuer's own account, in Unix seconds.
    pub revoked_at: i64,
}

/// A well-formed CRL, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    der: Vec<u8>,
    tbs: Vec<u8>,
    issuer: Name,
    number: u64,
    this_update: i64,
    next_update: i64,
    authority_key_id: Option<Vec<u8>>,
    revoked: BTreeMap<Serial, Revocation>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

impl Crl {
    /// Reads a DER CRL of at most [`MAX_CRL_BYTES`].
    pub fn parse(der: &[u8]) -> Result<Self, CrlError> {
        if der.len() > MAX_CRL_BYTES {
            return Err(CrlError::TooLarge { have: der.len(), max: MAX_CRL_BYTES });
        }
        let tbs = der::check_crl(der)?.to_vec();
        let (_, parsed) =
            CertificateRevocationList::from_der(der).map_err(|e| CrlError::NotACrl(e.to_string()))?;
        let list = &parsed.tbs_cert_list;
        if list.version != Some(X509Version::V2) {
            return Err(CrlError::NotACrl("its version is not 2".to_owned()));
        }
        if list.signature != parsed.signature_algorithm {
            return Err(CrlError::AlgorithmMismatch);
        }
        if parsed.signature_value.unused_bits != 0 {
            return Err(CrlError::NotACrl("the signature is no whole number of octets".to_owned()));
        }
        let (number, authority_key_id) = extensions(list.extensions())?;
        let (this_update, next_update) = validity(&parsed)?;
        Ok(Self {
            der: der.to_vec(),
            tbs,
            issuer: Name::from_parsed(&list.issuer)?,
            number,
            this_update,
            next_update,
            authority_key_id,
            revoked: revoked(&list.revoked_certificates)?,
            algorithm: SignatureAlgorithm::from_identifier(&list.signature)?,
            signature: parsed.signature_value.data.to_vec(),
        })
    }

    /// The whole CRL.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Its number; a newer CRL of the issuer has a greater one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was issued, in Unix seconds.
    pub fn this_update(&self) -> i64 {
        self.this_update
    }

    /// When the next one is due, in Unix seconds.
    pub fn next_update(&self) -> i64 {
        self.next_update
    }

    /// The issuer's key identifier, if stated.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// The certificates that it revokes, by serial number.
    pub fn revoked(&self) -> &BTreeMap<Serial, Revocation> {
        &self.revoked
    }

    /// What it says about the issuer's certificate with this serial number; `None` if nothing.
    pub fn revocation(&self, serial: &Serial) -> Option<Revocation> {
        self.revoked.get(serial).copied()
    }

    /// Whether the CRL's signature was made by `issuer_key`.
    pub fn is_signed_by(&self, issuer_key: &SubjectKey) -> bool {
        issuer_key.verifies(self.algorithm, &self.tbs, &self.signature)
    }
}

fn validity(parsed: &CertificateRevocationList<'_>) -> Result<(i64, i64), CrlError> {
    let this_update = parsed.last_update().timestamp();
    let next_update = parsed.next_update().ok_or(CrlError::Validity)?.timestamp();
    if next_update < this_update { Err(CrlError::Validity) } else { Ok((this_update, next_update)) }
}

fn refuse_repeated(extensions: &[X509Extension<'_>]) -> Result<(), CrlError> {
    for (index, extension) in extensions.iter().enumerate() {
        if extensions.iter().skip(index).skip(1).any(|other| other.oid == extension.oid) {
            return Err(CrlError::Extension(extension.oid.to_id_string()));
        }
    }
    Ok(())
}

/// The CRL's number and its issuer's key identifier.
fn extensions(extensions: &[X509Extension<'_>]) -> Result<(u64, Option<Vec<u8>>), CrlError> {
    refuse_repeated(extensions)?;
    let mut number = None;
    let mut key_id = None;
    for extension in extensions {
        let refuse = || CrlError::Extension(extension.oid.to_id_string());
        let is_known =
            [OID_X509_EXT_CRL_NUMBER, OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER].contains(&extension.oid);
        match extension.parsed_extension() {
            _ if !is_known && !extension.critical => {}
            _ if !is_known || der::check(extension.value).is_err() => return Err(refuse()),
            ParsedExtension::CRLNumber(value) if !extension.critical => {
                number = Some(u64::try_from(value).map_err(|_| CrlError::Number)?);
            }
            ParsedExtension::AuthorityKeyIdentifier(id) if !extension.critical => {
                key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => return Err(refuse()),
        }
    }
    Ok((number.ok_or(CrlError::Number)?, key_id))
}

fn revoked(entries: &[RevokedCertificate<'_>]) -> Result<BTreeMap<Serial, Revocation>, CrlError> {
    let mut revoked = BTreeMap::new();
    for entry in entries {
        let serial = Serial::from_integer(entry.raw_serial())?;
        let revocation =
            Revocation { reason: reason(entry.extensions())?, revoked_at: entry.revocation_date.timestamp() };
        if revoked.insert(serial.clone(), revocation).is_some() {
            return Err(CrlError::DuplicateEntry(serial));
        }
    }
    Ok(revoked)
}

fn reason(extensions: &[X509Extension<'_>]) -> Result<RevocationReason, CrlError> {
    refuse_repeated(extensions)?;
    let mut reason = RevocationReason::Unspecified;
    for extension in extensions {
        let refuse = || CrlError::Extension(extension.oid.to_id_string());
        if extension.oid == OID_X509_EXT_REASON_CODE {
            // `ENUMERATED`, one octet.
            let value = der::single(extension.value).map_err(|_| refuse())?;
            let (der::tag::ENUMERATED, [code]) = (value.tag, value.content) else { return Err(refuse()) };
            reason = RevocationReason::from_code(*code).ok_or_else(refuse)?;
        } else if extension.critical && extension.oid != OID_X509_EXT_INVALIDITY_DATE {
            return Err(refuse());
        }
    }
    Ok(reason)
}
