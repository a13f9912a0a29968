//! What a certificate, request or CRL says, for people and for programs.

use std::fmt;

use concordat_pki_verify::{
    Certificate, CertificateError, Crl, KeyType, RevocationReason, Serial, SubjectKey,
};
use concordat_types::identity::{Holder, OrgId, Role};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{error::AuthorityError, pem, request::CertificateRequest};

/// The contents of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Inspection {
    /// A certificate.
    Certificate(Box<CertificateInspection>),
    /// A certificate request.
    Request(RequestInspection),
    /// A CRL.
    Crl(CrlInspection),
}

/// The fields of a certificate. Times are RFC 3339; octets are hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of X.509")]
pub struct CertificateInspection {
    pub subject: String,
    pub issuer: String,
    pub serial: Serial,
    pub org: OrgId,
    pub role: Option<Role>,
    pub common_name: String,
    pub not_before: String,
    pub not_after: String,
    pub not_after_unix: i64,
    pub key_type: KeyType,
    pub public_key: String,
    /// The account that the certificate entitles the key to.
    pub account: Option<String>,
    pub certificate_authority: bool,
    pub path_len: Option<u32>,
    pub key_usage: Vec<&'static str>,
    pub extended_key_usage: Vec<String>,
    pub subject_alt_names: Vec<String>,
    pub name_constrained: bool,
    pub subject_key_id: Option<String>,
    pub authority_key_id: Option<String>,
    pub spki_sha256: String,
    pub sha256: String,
}

/// The fields of a certificate request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of X.509")]
pub struct RequestInspection {
    pub org: OrgId,
    pub role: Role,
    pub common_name: String,
    pub subject_alt_names: Vec<String>,
    pub key_type: KeyType,
    pub public_key: String,
    pub account: Option<String>,
}

/// The fields of a CRL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of X.509")]
pub struct CrlInspection {
    pub issuer: String,
    pub number: u64,
    pub this_update: String,
    pub next_update: String,
    pub revoked: Vec<RevokedInspection>,
}

/// A certificate on a CRL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of X.509")]
pub struct RevokedInspection {
    pub serial: Serial,
    pub reason: RevocationReason,
    pub revoked_at: String,
}

fn rfc3339(unix_seconds: i64) -> String {
    let text = OffsetDateTime::from_unix_timestamp(unix_seconds).ok().and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_else(|| unix_seconds.to_string())
}

/// The account that a role entitles a key to.
fn account(role: Role, key: &SubjectKey) -> Option<String> {
    let address = key.account_address().filter(|_| role.holder() == Holder::Account);
    address.map(|address| format!("0x{}", hex::encode(address)))
}

impl Inspection {
    /// Reads a certificate, request or CRL, PEM or DER. Of several certificates, the first.
    pub fn of(bytes: &[u8]) -> Result<Self, AuthorityError> {
        let text = String::from_utf8_lossy(bytes);
        let is_pem_of = |label: &str| text.contains(&format!("BEGIN {label}-----"));
        if is_pem_of(pem::REQUEST) {
            return Self::of_request(bytes);
        }
        if is_pem_of(pem::CRL) {
            return Self::of_crl(bytes);
        }
        let der = pem::decode(pem::CERTIFICATE, bytes)?;
        match Certificate::parse(&der) {
            Ok(certificate) => Ok(Self::Certificate(Box::new(certificate_inspection(&certificate)))),
            // DER carries no label: see whether it is one of the others.
            Err(error @ (CertificateError::Der(_) | CertificateError::NotACertificate(_))) => {
                Self::of_crl(&der).or_else(|_| Self::of_request(&der)).map_err(|_| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn of_request(bytes: &[u8]) -> Result<Self, AuthorityError> {
        let request = CertificateRequest::parse(bytes)?;
        let profile = request.profile(0);
        Ok(Self::Request(RequestInspection {
            org: request.org().clone(),
            role: profile.role,
            common_name: profile.common_name,
            subject_alt_names: profile.sans.iter().map(ToString::to_string).collect(),
            key_type: request.public_key().key_type(),
            public_key: hex::encode(request.public_key().as_bytes()),
            account: account(profile.role, request.public_key()),
        }))
    }

    fn of_crl(bytes: &[u8]) -> Result<Self, AuthorityError> {
        let crl = Crl::parse(&pem::decode(pem::CRL, bytes)?)?;
        let revoked = crl.revoked().iter().map(|(serial, revocation)| RevokedInspection {
            serial: serial.clone(),
            reason: revocation.reason,
            revoked_at: rfc3339(revocation.revoked_at),
        });
        Ok(Self::Crl(CrlInspection {
            issuer: crl.issuer().to_string(),
            number: crl.number(),
            this_update: rfc3339(crl.this_update()),
            next_update: rfc3339(crl.next_update()),
            revoked: revoked.collect(),
        }))
    }
}

fn certificate_inspection(certificate: &Certificate) -> CertificateInspection {
    let extensions = certificate.extensions();
    let key = certificate.public_key();
    let purposes = extensions.extended_key_usage.iter().flatten();
    CertificateInspection {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.serial().clone(),
        org: certificate.org().clone(),
        role: certificate.role(),
        common_name: certificate.common_name().to_owned(),
        not_before: rfc3339(certificate.not_before()),
        not_after: rfc3339(certificate.not_after()),
        not_after_unix: certificate.not_after(),
        key_type: key.key_type(),
        public_key: hex::encode(key.as_bytes()),
        account: certificate.role().and_then(|role| account(role, key)),
        certificate_authority: certificate.is_ca(),
        path_len: extensions.basic_constraints.and_then(|basic| basic.path_len),
        key_usage: extensions.key_usage.iter().flat_map(|usage| usage.names()).collect(),
        extended_key_usage: purposes.map(ToString::to_string).collect(),
        subject_alt_names: extensions.subject_alt_names.iter().map(ToString::to_string).collect(),
        name_constrained: extensions.name_constraints.is_some(),
        subject_key_id: extensions.subject_key_id.as_ref().map(hex::encode),
        authority_key_id: extensions.authority_key_id.as_ref().map(hex::encode),
        spki_sha256: hex::encode(certificate.spki_sha256()),
        sha256: hex::encode(certificate.sha256()),
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(certificate) => certificate.fmt(f),
            Self::Request(request) => request.fmt(f),
            Self::Crl(crl) => crl.fmt(f),
        }
    }
}

/// One aligned line; nothing if there is nothing to say.
fn line(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    let value = value.to_string();
    if value.is_empty() { Ok(()) } else { writeln!(f, "{name:<18} {value}") }
}

impl fmt::Display for CertificateInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.role.map_or_else(|| "certificate authority".to_owned(), |role| role.to_string());
        let path_len = self.path_len.map(|max| format!("at most {max} intermediates below"));
        line(f, "subject", &self.subject)?;
        line(f, "organisation", &self.org)?;
        line(f, "role", kind)?;
        line(f, "issuer", &self.issuer)?;
        line(f, "serial", &self.serial)?;
        line(f, "valid from", &self.not_before)?;
        line(f, "valid until", &self.not_after)?;
        line(f, "key", format_args!("{} {}", self.key_type, self.public_key))?;
        line(f, "account", self.account.as_deref().unwrap_or_default())?;
        line(f, "path length", path_len.unwrap_or_default())?;
        line(f, "key usage", self.key_usage.join(", "))?;
        line(f, "extended usage", self.extended_key_usage.join(", "))?;
        line(f, "alternative names", self.subject_alt_names.join(", "))?;
        line(f, "name constraints", if self.name_constrained { "yes" } else { "" })?;
        line(f, "SHA-256 of key", &self.spki_sha256)?;
        line(f, "SHA-256", &self.sha256)
    }
}

impl fmt::Display for RequestInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "organisation", &self.org)?;
        line(f, "role", self.role)?;
        line(f, "name", &self.common_name)?;
        line(f, "alternative names", self.subject_alt_names.join(", "))?;
        line(f, "key", format_args!("{} {}", self.key_type, self.public_key))?;
        line(f, "account", self.account.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for CrlInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "issuer", &self.issuer)?;
        line(f, "number", self.number)?;
        line(f, "issued", &self.this_update)?;
        line(f, "next due", &self.next_update)?;
        line(f, "revoked", self.revoked.len())?;
        for entry in &self.revoked {
            writeln!(f, "  {} since {}: {}", entry.serial, entry.revoked_at, entry.reason)?;
        }
        Ok(())
    }
}
