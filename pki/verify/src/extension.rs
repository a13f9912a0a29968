//! The certificate extensions that path checking interprets (RFC 5280 section 4.2).
//!
//! An unknown critical extension is refused here, once and for all, rather than on each path.

use std::fmt;

use x509_parser::{
    extensions::{ExtendedKeyUsage as ParsedExtendedKeyUsage, ParsedExtension, X509Extension},
    oid_registry::{
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_INHIBIT_ANY_POLICY, OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_POLICY_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
    },
};

use crate::{
    der,
    name::{GeneralName, NameConstraints, Subtree},
    x509::CertificateError,
};

/// `basicConstraints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject may issue certificates.
    pub ca: bool,
    /// How many intermediates may follow; `None` sets no limit.
    pub path_len: Option<u32>,
}

/// `keyUsage`, as the bits of RFC 5280 section 4.2.1.3, bit 0 lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(pub(crate) u16);

impl KeyUsage {
    const NAMES: [&'static str; 9] = [
        "digitalSignature",
        "contentCommitment",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];

    /// The key may verify signatures other than those on certificates and CRLs.
    pub const fn digital_signature(self) -> bool {
        self.0 & 1 != 0
    }

    /// The key may verify signatures on certificates.
    pub const fn key_cert_sign(self) -> bool {
        self.0 & (1 << 5) != 0
    }

    /// The key may verify signatures on CRLs.
    pub const fn crl_sign(self) -> bool {
        self.0 & (1 << 6) != 0
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set =
            move |bit: &(usize, &'static str)| self.0.checked_shr(bit.0 as u32).is_some_and(|b| b & 1 == 1);
        Self::NAMES.into_iter().enumerate().filter(set).map(|(_, name)| name)
    }
}

/// One purpose in `extKeyUsage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendedKeyUsage {
    /// `anyExtendedKeyUsage`.
    Any,
    /// `id-kp-serverAuth`.
    ServerAuth,
    /// `id-kp-clientAuth`.
    ClientAuth,
    /// Another, by its name or dotted OID.
    Other(String),
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "anyExtendedKeyUsage",
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::Other(name) => name,
        })
    }
}

/// The extensions of a certificate; what is absent is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// `basicConstraints`, and whether it is critical.
    pub basic_constraints: Option<BasicConstraints>,
    /// Whether `basicConstraints` is critical, as a CA's must be.
    pub basic_constraints_critical: bool,
    /// `keyUsage`.
    pub key_usage: Option<KeyUsage>,
    /// `extKeyUsage`; never empty if present.
    pub extended_key_usage: Option<Vec<ExtendedKeyUsage>>,
    /// `subjectAltName`.
    pub subject_alt_names: Vec<GeneralName>,
    /// Whether `subjectAltName` is critical, as it must be beside an empty subject.
    pub subject_alt_names_critical: bool,
    /// `nameConstraints`.
    pub name_constraints: Option<NameConstraints>,
    /// The key identifier in `authorityKeyIdentifier`.
    pub authority_key_id: Option<Vec<u8>>,
    /// `subjectKeyIdentifier`.
    pub subject_key_id: Option<Vec<u8>>,
}

impl Extensions {
    pub(crate) fn from_parsed(parsed: &[X509Extension<'_>]) -> Result<Self, CertificateError> {
        let mut extensions = Self::default();
        for (index, extension) in parsed.iter().enumerate() {
            if parsed.iter().skip(index).skip(1).any(|other| other.oid == extension.oid) {
                return Err(CertificateError::DuplicateExtension(extension.oid.to_id_string()));
            }
            extensions.add(extension)?;
        }
        Ok(extensions)
    }

    fn add(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        let Some((name, criticality)) = known(extension) else {
            return if extension.critical {
                Err(CertificateError::UnknownCriticalExtension(extension.oid.to_id_string()))
            } else {
                Ok(())
            };
        };
        let malformed = || CertificateError::MalformedExtension(name);
        match criticality {
            Criticality::Critical if !extension.critical => {
                return Err(CertificateError::Criticality { extension: name, must_be: "critical" });
            }
            Criticality::NotCritical if extension.critical => {
                return Err(CertificateError::Criticality { extension: name, must_be: "non-critical" });
            }
            _ => der::check(extension.value).map_err(|_| malformed())?,
        }
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(basic) => {
                let (ca, path_len) = (basic.ca, basic.path_len_constraint);
                self.basic_constraints = Some(BasicConstraints { ca, path_len });
                self.basic_constraints_critical = extension.critical;
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(KeyUsage(usage.flags)),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let purposes = purposes(usage);
                if purposes.is_empty() {
                    return Err(malformed());
                }
                self.extended_key_usage = Some(purposes);
            }
            ParsedExtension::SubjectAlternativeName(names) if !names.general_names.is_empty() => {
                let names = names.general_names.iter().map(GeneralName::from_parsed);
                self.subject_alt_names = names.collect::<Result<_, _>>()?;
                self.subject_alt_names_critical = extension.critical;
            }
            ParsedExtension::NameConstraints(_) => {
                self.name_constraints = Some(name_constraints(extension).ok_or_else(malformed)??);
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
            _ => return Err(malformed()),
        }
        Ok(())
    }

    /// Whether `extKeyUsage` is present and lists this purpose.
    pub fn permits_explicitly(&self, purpose: &ExtendedKeyUsage) -> bool {
        self.extended_key_usage.as_ref().is_some_and(|purposes| purposes.contains(purpose))
    }
}

enum Criticality {
    Critical,
    NotCritical,
    Either,
}

/// The name of an interpreted extension, and how RFC 5280 wants it marked.
fn known(extension: &X509Extension<'_>) -> Option<(&'static str, Criticality)> {
    let oid = &extension.oid;
    let names = [
        (OID_X509_EXT_BASIC_CONSTRAINTS, "basicConstraints", Criticality::Either),
        (OID_X509_EXT_KEY_USAGE, "keyUsage", Criticality::Either),
        (OID_X509_EXT_EXTENDED_KEY_USAGE, "extKeyUsage", Criticality::Either),
        (OID_X509_EXT_SUBJECT_ALT_NAME, "subjectAltName", Criticality::Either),
        (OID_X509_EXT_NAME_CONSTRAINTS, "nameConstraints", Criticality::Critical),
        (OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier", Criticality::NotCritical),
        (OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier", Criticality::NotCritical),
    ];
    let uncritical_policy = !extension.critical
        && (*oid == OID_X509_EXT_POLICY_CONSTRAINTS || *oid == OID_X509_EXT_INHIBIT_ANY_POLICY);
    if uncritical_policy {
        // Must be critical, and critical ones are refused because policies are not processed.
        return Some(("a policy constraint", Criticality::Critical));
    }
    names.into_iter().find(|(known, ..)| known == oid).map(|(_, name, criticality)| (name, criticality))
}

fn purposes(usage: &ParsedExtendedKeyUsage<'_>) -> Vec<ExtendedKeyUsage> {
    let other = |name: &str| ExtendedKeyUsage::Other(name.to_owned());
    let flags = [
        (usage.any, ExtendedKeyUsage::Any),
        (usage.server_auth, ExtendedKeyUsage::ServerAuth),
        (usage.client_auth, ExtendedKeyUsage::ClientAuth),
        (usage.code_signing, other("codeSigning")),
        (usage.email_protection, other("emailProtection")),
        (usage.time_stamping, other("timeStamping")),
        (usage.ocsp_signing, other("OCSPSigning")),
    ];
    let named = flags.into_iter().filter(|(set, _)| *set).map(|(_, purpose)| purpose);
    named.chain(usage.other.iter().map(|oid| other(&oid.to_id_string()))).collect()
}

/// The constraints, or `None` if their structure is wrong.
fn name_constraints(extension: &X509Extension<'_>) -> Option<Result<NameConstraints, CertificateError>> {
    der::check_name_constraints(extension.value).ok()?;
    let ParsedExtension::NameConstraints(parsed) = extension.parsed_extension() else { return None };
    let subtrees = |parsed: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
        parsed
            .iter()
            .flatten()
            .map(|subtree| Subtree::from_parsed(&subtree.base))
            .collect::<Result<Vec<_>, _>>()
    };
    let constraints = subtrees(&parsed.permitted_subtrees).and_then(|permitted| {
        subtrees(&parsed.excluded_subtrees).map(|excluded| NameConstraints { permitted, excluded })
    });
    Some(constraints)
}
