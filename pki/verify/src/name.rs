//! Distinguished names, alternative names, and the constraints on both (RFC 5280 section 4.2.1.10).

use std::{fmt, net::IpAddr};

use x509_parser::{
    extensions::GeneralName as ParsedGeneralName,
    oid_registry::{
        OID_PKCS9_EMAIL_ADDRESS, OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME,
        OID_X509_ORGANIZATIONAL_UNIT,
    },
    x509::{AttributeTypeAndValue, X509Name},
};

use crate::{der, x509::CertificateError};

/// The longest DNS name (RFC 1035 section 2.3.4, without the root's dot).
const MAX_DNS_NAME: usize = 253;

/// The kinds of attribute that matter in a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeType {
    /// `CN`.
    CommonName,
    /// `O`.
    Organization,
    /// `OU`.
    OrganizationalUnit,
    /// `emailAddress` (PKCS #9).
    EmailAddress,
    /// Any other, by its dotted OID.
    Other(String),
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommonName => "CN",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
            Self::EmailAddress => "emailAddress",
            Self::Other(oid) => oid,
        })
    }
}

/// One attribute of a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What it names.
    pub kind: AttributeType,
    /// Its text; `None` if it is not a UTF8String, PrintableString, IA5String or NumericString.
    pub text: Option<String>,
}

/// A distinguished name, kept in its encoding.
#[derive(Clone, Debug)]
pub struct Name {
    der: Vec<u8>,
    rdns: Vec<u8>,
    attributes: Vec<Attribute>,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Name {}

impl Name {
    pub(crate) fn from_parsed(name: &X509Name<'_>) -> Result<Self, CertificateError> {
        let der = name.as_raw().to_vec();
        let rdns = der::single(&der)?.content.to_vec();
        let attributes = name.iter_attributes().map(attribute).collect();
        Ok(Self { der, rdns, attributes })
    }

    /// The name's DER, a SEQUENCE of relative distinguished names.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The attributes in their order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Whether the name has no attribute at all.
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// The text of the first attribute of this kind.
    pub fn first(&self, kind: &AttributeType) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.kind == *kind)?.text.as_deref()
    }

    /// Whether this name begins with all relative distinguished names of `base`.
    ///
    /// Each of them is a self-delimiting encoding, so a prefix of the octets is a prefix of the sequence.
    pub fn is_within(&self, base: &Name) -> bool {
        self.rdns.starts_with(&base.rdns)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attribute) in self.attributes.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let text = attribute.text.as_deref().unwrap_or("<no text>");
            // Names come from outside: control characters must not reach a terminal or a log.
            write!(f, "{separator}{}={}", attribute.kind, text.escape_debug())?;
        }
        Ok(())
    }
}

fn attribute(parsed: &AttributeTypeAndValue<'_>) -> Attribute {
    let oid = parsed.attr_type();
    let kind = match oid {
        _ if *oid == OID_X509_COMMON_NAME => AttributeType::CommonName,
        _ if *oid == OID_X509_ORGANIZATION_NAME => AttributeType::Organization,
        _ if *oid == OID_X509_ORGANIZATIONAL_UNIT => AttributeType::OrganizationalUnit,
        _ if *oid == OID_PKCS9_EMAIL_ADDRESS => AttributeType::EmailAddress,
        _ => AttributeType::Other(oid.to_id_string()),
    };
    Attribute { kind, text: parsed.as_str().ok().map(str::to_owned) }
}

/// The forms of a general name (RFC 5280 section 4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// `otherName`.
    Other,
    /// `rfc822Name`, an e-mail address.
    Rfc822,
    /// `dNSName`.
    Dns,
    /// `x400Address`.
    X400,
    /// `directoryName`.
    Directory,
    /// `ediPartyName`.
    EdiParty,
    /// `uniformResourceIdentifier`.
    Uri,
    /// `iPAddress`.
    Ip,
    /// `registeredID`.
    RegisteredId,
}

impl fmt::Display for NameForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Other => "otherName",
            Self::Rfc822 => "rfc822Name",
            Self::Dns => "dNSName",
            Self::X400 => "x400Address",
            Self::Directory => "directoryName",
            Self::EdiParty => "ediPartyName",
            Self::Uri => "uniformResourceIdentifier",
            Self::Ip => "iPAddress",
            Self::RegisteredId => "registeredID",
        })
    }
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneralName {
    /// A DNS name in lower case, possibly with `*` as its first label.
    Dns(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// A distinguished name.
    Directory(Name),
    /// A form that this crate does not interpret.
    Uninterpreted(NameForm),
}

impl GeneralName {
    pub(crate) fn from_parsed(name: &ParsedGeneralName<'_>) -> Result<Self, CertificateError> {
        let malformed = || CertificateError::MalformedExtension("subjectAltName");
        Ok(match name {
            ParsedGeneralName::DNSName(text) => {
                let name = text.to_ascii_lowercase();
                let host = name.strip_prefix("*.").unwrap_or(&name);
                if is_host_name(host) { Self::Dns(name) } else { return Err(malformed()) }
            }
            ParsedGeneralName::IPAddress(octets) => Self::Ip(ip_address(octets).ok_or_else(malformed)?),
            ParsedGeneralName::DirectoryName(name) => Self::Directory(Name::from_parsed(name)?),
            other => Self::Uninterpreted(uninterpreted_form(other).ok_or_else(malformed)?),
        })
    }

    /// The form of the name.
    pub const fn form(&self) -> NameForm {
        match self {
            Self::Dns(_) => NameForm::Dns,
            Self::Ip(_) => NameForm::Ip,
            Self::Directory(_) => NameForm::Directory,
            Self::Uninterpreted(form) => *form,
        }
    }
}

impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Directory(name) => write!(f, "directory name \"{name}\""),
            Self::Uninterpreted(form) => write!(f, "a name of form {form}"),
        }
    }
}

fn uninterpreted_form(name: &ParsedGeneralName<'_>) -> Option<NameForm> {
    match name {
        ParsedGeneralName::OtherName(..) => Some(NameForm::Other),
        ParsedGeneralName::RFC822Name(_) => Some(NameForm::Rfc822),
        ParsedGeneralName::X400Address(_) => Some(NameForm::X400),
        ParsedGeneralName::EDIPartyName(_) => Some(NameForm::EdiParty),
        ParsedGeneralName::URI(_) => Some(NameForm::Uri),
        ParsedGeneralName::RegisteredID(_) => Some(NameForm::RegisteredId),
        _ => None,
    }
}

/// Whether `text` is a host name in the preferred syntax (RFC 1034 section 3.5, RFC 1123 section 2.1).
///
/// A name whose last label is a number is refused: it would read as an IPv4 address.
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric_end = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= MAX_DNS_NAME && text.split('.').all(label) && !numeric_end
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// A subtree of names that a constraint permits or excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subtree {
    /// This DNS name and every name below it, in lower case; empty means every name.
    Dns(String),
    /// The addresses that agree with `address` where `mask` has ones; equally long.
    Ip {
        /// The network's address, 4 or 16 octets.
        address: Vec<u8>,
        /// Which bits count; contiguous.
        mask: Vec<u8>,
    },
    /// Distinguished names that begin with this one.
    Directory(Name),
    /// A form that this crate does not interpret; any name of the form is refused.
    Uninterpreted(NameForm),
}

impl Subtree {
    pub(crate) fn from_parsed(base: &ParsedGeneralName<'_>) -> Result<Self, CertificateError> {
        let malformed = || CertificateError::MalformedExtension("nameConstraints");
        Ok(match base {
            ParsedGeneralName::DNSName(text) if text.is_empty() || is_host_name(text) => {
                Self::Dns(text.to_ascii_lowercase())
            }
            ParsedGeneralName::DNSName(_) => return Err(malformed()),
            ParsedGeneralName::IPAddress(octets) => ip_subtree(octets).ok_or_else(malformed)?,
            ParsedGeneralName::DirectoryName(name) => Self::Directory(Name::from_parsed(name)?),
            other => Self::Uninterpreted(uninterpreted_form(other).ok_or_else(malformed)?),
        })
    }

    const fn form(&self) -> NameForm {
        match self {
            Self::Dns(_) => NameForm::Dns,
            Self::Ip { .. } => NameForm::Ip,
            Self::Directory(_) => NameForm::Directory,
            Self::Uninterpreted(form) => *form,
        }
    }

    /// Whether every name that `name` stands for lies in the subtree.
    fn contains(&self, name: &GeneralName) -> bool {
        match (self, name) {
            (Self::Dns(base), GeneralName::Dns(name)) => {
                dns_is_within(name.strip_prefix("*.").unwrap_or(name), base)
            }
            (Self::Ip { address, mask }, GeneralName::Ip(ip)) => ip_is_within(*ip, address, mask),
            (Self::Directory(base), GeneralName::Directory(name)) => name.is_within(base),
            _ => false,
        }
    }

    /// Whether any name that `name` stands for lies in the subtree: a wildcard stands for many.
    fn touches(&self, name: &GeneralName) -> bool {
        let wildcard_covers_base = match (self, name) {
            (Self::Dns(base), GeneralName::Dns(name)) => {
                name.strip_prefix("*.").is_some_and(|parent| dns_is_within(base, parent))
            }
            _ => false,
        };
        wildcard_covers_base || self.contains(name)
    }
}

/// `address || mask`, 8 or 32 octets, with a contiguous mask (RFC 4632).
fn ip_subtree(octets: &[u8]) -> Option<Subtree> {
    let (address, mask) = octets.split_at_checked(octets.len() / 2)?;
    let whole = matches!(octets.len(), 8 | 32);
    let ones = mask.iter().take_while(|octet| **octet == 0xff).count();
    let partial = mask.get(ones).copied().unwrap_or(0);
    let zeros_after = mask.iter().skip(ones.saturating_add(1)).all(|octet| *octet == 0);
    let contiguous = partial.leading_ones() == partial.count_ones() && zeros_after;
    (whole && contiguous).then(|| Subtree::Ip { address: address.to_vec(), mask: mask.to_vec() })
}

fn dns_is_within(name: &str, base: &str) -> bool {
    base.is_empty()
        || name.strip_suffix(base).is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
}

fn ip_is_within(ip: IpAddr, address: &[u8], mask: &[u8]) -> bool {
    let within = |octets: &[u8]| {
        octets.len() == address.len()
            && octets.iter().zip(address).zip(mask).all(|((octet, base), bits)| octet & bits == base & bits)
    };
    match ip {
        IpAddr::V4(v4) => within(&v4.octets()),
        IpAddr::V6(v6) => within(&v6.octets()),
    }
}

/// The name constraints of one certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConstraints {
    /// If a form appears here, names of that form must lie in one of its subtrees.
    pub permitted: Vec<Subtree>,
    /// No name may lie in one of these.
    pub excluded: Vec<Subtree>,
}

impl NameConstraints {
    /// Whether the constraints allow `name`. A constrained form that is not interpreted is never allowed.
    pub fn allow(&self, name: &GeneralName) -> bool {
        let form = name.form();
        let uninterpreted = matches!(name, GeneralName::Uninterpreted(_));
        let mut permitted = self.permitted.iter().filter(|subtree| subtree.form() == form).peekable();
        let mut excluded = self.excluded.iter().filter(|subtree| subtree.form() == form).peekable();
        if uninterpreted {
            return permitted.peek().is_none() && excluded.peek().is_none();
        }
        let is_permitted = permitted.peek().is_none() || permitted.any(|subtree| subtree.contains(name));
        is_permitted && !excluded.any(|subtree| subtree.touches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(text: &str) -> GeneralName {
        GeneralName::from_parsed(&ParsedGeneralName::DNSName(text)).unwrap()
    }

    fn constraints(permitted: &[&str], excluded: &[&str]) -> NameConstraints {
        let subtrees = |names: &[&str]| names.iter().map(|name| Subtree::Dns((*name).to_owned())).collect();
        NameConstraints { permitted: subtrees(permitted), excluded: subtrees(excluded) }
    }

    #[test]
    fn a_dns_subtree_is_a_name_and_everything_below_it() {
        let permitted = constraints(&["bank.example"], &[]);
        for good in ["bank.example", "a.bank.example", "A.B.bank.example", "*.bank.example"] {
            assert!(permitted.allow(&dns(good)), "{good}");
        }
        for bad in ["otherbank.example", "example", "bank.example.org"] {
            assert!(!permitted.allow(&dns(bad)), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_that_might_match_an_excluded_name_is_refused() {
        let excluded = constraints(&[], &["secret.bank.example"]);
        assert!(!excluded.allow(&dns("*.bank.example")));
        assert!(!excluded.allow(&dns("*.secret.bank.example")));
        assert!(excluded.allow(&dns("*.open.bank.example")));
    }

    #[test]
    fn ip_subtrees_need_contiguous_masks() {
        assert!(ip_subtree(&[10, 0, 0, 0, 255, 0, 0, 0]).is_some());
        assert!(ip_subtree(&[10, 0, 0, 0, 255, 0, 255, 0]).is_none());
        assert!(ip_subtree(&[10, 0, 0, 0, 253, 0, 0, 0]).is_none());
        assert!(ip_subtree(&[10, 0, 0, 0]).is_none());
        assert!(ip_subtree(&[]).is_none());
    }

    #[test]
    fn an_ip_subtree_holds_the_addresses_of_its_own_family_only() {
        let subtree = ip_subtree(&[10, 1, 0, 0, 255, 255, 0, 0]).unwrap();
        let holds = |text: &str| subtree.contains(&GeneralName::Ip(text.parse().unwrap()));
        assert!(holds("10.1.2.3"));
        assert!(!holds("10.2.0.1"));
        assert!(!holds("::ffff:10.1.2.3"));
    }

    #[test]
    fn constrained_forms_that_are_not_interpreted_are_refused() {
        let email = GeneralName::Uninterpreted(NameForm::Rfc822);
        let form = Subtree::Uninterpreted(NameForm::Rfc822);
        assert!(!NameConstraints { permitted: vec![form.clone()], excluded: vec![] }.allow(&email));
        assert!(!NameConstraints { permitted: vec![], excluded: vec![form] }.allow(&email));
        assert!(constraints(&["bank.example"], &[]).allow(&email));
    }

    #[test]
    fn host_names_follow_the_preferred_syntax() {
        for good in ["localhost", "node-1.bank-a.example", "xn--bcher-kva.example", "1a"] {
            assert!(is_host_name(good), "{good}");
        }
        let long_label = "a".repeat(64);
        for bad in ["", ".", "a..b", ".a", "a.", "-a", "a-", "a_b", "a b", "127.0.0.1", "bücher", &long_label]
        {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
