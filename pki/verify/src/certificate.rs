//! Certificates of Concordat's profile: every subject names its organisation, holders name a role.

use std::{collections::BTreeMap, ops::Deref};

use concordat_types::identity::{OrgId, Role};

use crate::{
    name::{AttributeType, Name},
    rfc5280::{self, PathError},
    x509::{CertificateError, X509},
};

/// The longest common name (RFC 5280 appendix A, `ub-common-name`), in characters.
const MAX_COMMON_NAME: usize = 64;

/// A well-formed certificate whose subject follows the profile.
///
/// The subject has exactly one `O`, an organisation's identifier, and exactly one `CN`. A holder's has
/// exactly one `OU`, its role; a certificate authority's has none. Everything of [`X509`] is available
/// through dereferencing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    x509: X509,
    org: OrgId,
    role: Option<Role>,
    common_name: String,
}

impl Certificate {
    /// Reads a DER certificate of at most [`crate::MAX_CERTIFICATE_BYTES`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let x509 = X509::parse(der)?;
        let subject = x509.subject();
        let org = only(subject, &AttributeType::Organization, "O")?.parse()?;
        let role = if x509.is_ca() {
            require_no_role(subject)?;
            None
        } else {
            Some(only(subject, &AttributeType::OrganizationalUnit, "OU")?.parse()?)
        };
        let common_name = checked_common_name(only(subject, &AttributeType::CommonName, "CN")?)?;
        Ok(Self { org, role, common_name, x509 })
    }

    /// The organisation in the subject's `O`.
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The role in the subject's `OU`; `None` for a certificate authority.
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The holder's name in the subject's `CN`.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The certificate without its profile.
    pub fn x509(&self) -> &X509 {
        &self.x509
    }
}

impl Deref for Certificate {
    type Target = X509;

    fn deref(&self) -> &X509 {
        &self.x509
    }
}

fn only<'a>(
    subject: &'a Name,
    kind: &AttributeType,
    attribute: &'static str,
) -> Result<&'a str, CertificateError> {
    let mut found = subject.attributes().iter().filter(|candidate| candidate.kind == *kind);
    let text = found.next().and_then(|first| first.text.as_deref());
    match (text, found.count()) {
        (Some(text), 0) => Ok(text),
        (Some(_), more) => {
            Err(CertificateError::SubjectAttribute { attribute, have: more.saturating_add(1) })
        }
        (None, more) => Err(CertificateError::SubjectAttribute { attribute, have: more }),
    }
}

fn require_no_role(subject: &Name) -> Result<(), CertificateError> {
    match subject.first(&AttributeType::OrganizationalUnit) {
        Some(_) => Err(CertificateError::AuthorityWithRole),
        None => Ok(()),
    }
}

fn checked_common_name(text: &str) -> Result<String, CertificateError> {
    let length_fits = (1..=MAX_COMMON_NAME).contains(&text.chars().count());
    if length_fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(CertificateError::CommonName)
    }
}

/// The root certificates that each organisation is trusted through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustAnchors {
    roots: BTreeMap<OrgId, Vec<Certificate>>,
}

impl TrustAnchors {
    /// No organisation at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts `root` for the organisation that it names.
    ///
    /// Returns whether it is new. Refuses certificates that are no self-signed certificate authority.
    /// Validity is left to [`crate::check_path`], which knows the time.
    pub fn add(&mut self, root: Certificate) -> Result<bool, PathError> {
        rfc5280::check_root(&root)?;
        let roots = self.roots.entry(root.org().clone()).or_default();
        let is_new = !roots.contains(&root);
        if is_new {
            roots.push(root);
        }
        Ok(is_new)
    }

    /// Stops trusting the organisation; returns the roots that it had.
    pub fn remove(&mut self, org: &OrgId) -> Vec<Certificate> {
        self.roots.remove(org).unwrap_or_default()
    }

    /// The roots of an organisation, in the order of their admission; empty if it is unknown.
    pub fn of(&self, org: &OrgId) -> &[Certificate] {
        self.roots.get(org).map_or(&[], Vec::as_slice)
    }

    /// The organisations with at least one root, in order.
    pub fn organizations(&self) -> impl Iterator<Item = &OrgId> {
        self.roots.keys()
    }
}
