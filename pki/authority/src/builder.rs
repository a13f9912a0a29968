//! Assembling certificates and CRLs: the one place that knows which extensions each kind carries.

use concordat_pki_verify::{RevocationReason, Serial};
use concordat_types::identity::{Holder, OrgId, Role};
use openssl::{
    asn1::{Asn1Integer, Asn1Time, Asn1Type},
    bn::BigNum,
    nid::Nid,
    pkey::{HasPublic, PKeyRef},
    rand::rand_bytes,
    x509::{
        X509, X509Builder, X509Extension, X509Name, X509NameRef, X509v3Context,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
            SubjectKeyIdentifier,
        },
    },
};

use crate::{
    der::{element, integer, octet_string, oid, sequence, time},
    error::AuthorityError,
    key::PrivateKey,
    log::Revoked,
    profile::San,
};

/// How far back validity begins, in seconds: clocks differ, and block time may trail them.
const BACKDATE_S: i64 = 300;
const DAY_S: i64 = 86_400;

// Content octets.
const OID_ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const OID_CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const OID_CRL_REASON: &[u8] = &[0x55, 0x1d, 0x15];
const OID_AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];

/// The first and the last second of a validity of `days` from `now`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

impl Validity {
    pub(crate) fn of_days(now: i64, days: u32) -> Result<Self, AuthorityError> {
        let impossible = || AuthorityError::Validity(days);
        let span = i64::from(days).checked_mul(DAY_S).filter(|span| *span > 0).ok_or_else(impossible)?;
        let not_before = now.checked_sub(BACKDATE_S).ok_or_else(impossible)?;
        let not_after = now.checked_add(span).ok_or_else(impossible)?;
        // The calendar of X.509 ends with year 9999.
        time(not_after).and(time(not_before)).ok_or_else(impossible)?;
        Ok(Self { not_before, not_after })
    }
}

/// `O=<org>[, OU=<role>], CN=<name>`, each a UTF8String: constraints of a member's own CA match from the front.
pub(crate) fn subject(
    org: &OrgId,
    role: Option<Role>,
    common_name: &str,
) -> Result<X509Name, AuthorityError> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid_with_type(Nid::ORGANIZATIONNAME, org.as_str(), Asn1Type::UTF8STRING)?;
    if let Some(role) = role {
        name.append_entry_by_nid_with_type(Nid::ORGANIZATIONALUNITNAME, role.name(), Asn1Type::UTF8STRING)?;
    }
    if !common_name.is_empty() {
        name.append_entry_by_nid_with_type(Nid::COMMONNAME, common_name, Asn1Type::UTF8STRING)?;
    }
    Ok(name.build())
}

/// A positive serial number of 16 octets, 126 bits of it random.
fn random_serial() -> Result<Asn1Integer, AuthorityError> {
    let mut octets = [0; 16];
    rand_bytes(&mut octets)?;
    if let Some(first) = octets.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(BigNum::from_slice(&octets)?.to_asn1_integer()?)
}

pub(crate) fn subject_alt_names(
    sans: &[San],
    context: &X509v3Context<'_>,
) -> Result<X509Extension, AuthorityError> {
    let mut names = SubjectAlternativeName::new();
    for san in sans {
        match san {
            San::Dns(host) => names.dns(host),
            San::Ip(address) => names.ip(&address.to_string()),
        };
    }
    Ok(names.build(context)?)
}

/// The fields that every certificate has. The caller adds extensions of its kind, then [`finish`]es.
fn start<T: HasPublic>(
    issuer: Option<&X509>,
    subject: &X509NameRef,
    key: &PKeyRef<T>,
    validity: Validity,
) -> Result<X509Builder, AuthorityError> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*random_serial()?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer.map_or(subject, |issuer| issuer.subject_name()))?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::from_unix(validity.not_before)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(validity.not_after)?)?;
    let key_id =
        SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer.map(AsRef::as_ref), None))?;
    builder.append_extension(key_id)?;
    let authority = AuthorityKeyIdentifier::new()
        .keyid(true)
        .build(&builder.x509v3_context(issuer.map(AsRef::as_ref), None))?;
    builder.append_extension(authority)?;
    Ok(builder)
}

fn finish(mut builder: X509Builder, signer: &PrivateKey) -> Result<X509, AuthorityError> {
    builder.sign(signer.pkey(), signer.digest())?;
    Ok(builder.build())
}

/// A root, self-signed, above at most one level of authorities.
pub(crate) fn root(org: &OrgId, key: &PrivateKey, validity: Validity) -> Result<X509, AuthorityError> {
    let name = subject(org, None, &format!("{org} root CA"))?;
    let mut builder = start(None, &name, key.pkey(), validity)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(1).build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    finish(builder, key)
}

/// An issuing authority, for holders' certificates alone. It carries no name constraint: whose names it may certify is
/// the registry's to say, and some clients refuse each path with a constraint on directory names (ADR 0029).
pub(crate) fn issuing(
    org: &OrgId,
    key: &PrivateKey,
    (root, root_key): (&X509, &PrivateKey),
    validity: Validity,
) -> Result<X509, AuthorityError> {
    let name = subject(org, None, &format!("{org} issuing CA"))?;
    let mut builder = start(Some(root), &name, key.pkey(), validity)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    finish(builder, root_key)
}

/// What a holder's certificate says.
pub(crate) struct Holding<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) role: Role,
    pub(crate) common_name: &'a str,
    pub(crate) sans: &'a [San],
    pub(crate) validity: Validity,
}

/// A holder's certificate for `key`.
pub(crate) fn holder<T: HasPublic>(
    holding: &Holding<'_>,
    key: &PKeyRef<T>,
    (issuer, issuer_key): (&X509, &PrivateKey),
) -> Result<X509, AuthorityError> {
    let name = subject(holding.org, Some(holding.role), holding.common_name)?;
    let mut builder = start(Some(issuer), &name, key, holding.validity)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    match holding.role.holder() {
        Holder::Node => {
            builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?
        }
        Holder::Server => builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?,
        Holder::Account => builder.append_extension(ExtendedKeyUsage::new().client_auth().build()?)?,
        Holder::ConsensusKey => {}
    }
    if !holding.sans.is_empty() {
        let names = subject_alt_names(holding.sans, &builder.x509v3_context(Some(issuer), None))?;
        builder.append_extension(names)?;
    }
    finish(builder, issuer_key)
}

/// What a CRL says. Times are Unix seconds.
pub(crate) struct CrlContent<'a> {
    pub(crate) number: u64,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
    pub(crate) revoked: &'a [Revoked<'a>],
}

/// A signed v2 CRL in DER (RFC 5280 section 5.1). The bindings' builder cannot state reasons.
pub(crate) fn crl(
    content: &CrlContent<'_>,
    issuer: &X509,
    key: &PrivateKey,
) -> Result<Vec<u8>, AuthorityError> {
    let algorithm = sequence(&[oid(OID_ECDSA_WITH_SHA256)]);
    let unrepresentable = || AuthorityError::Validity(0);
    let mut fields = vec![
        integer(&[1]),
        algorithm.clone(),
        issuer.subject_name().to_der()?,
        time(content.this_update).ok_or_else(unrepresentable)?,
        time(content.next_update).ok_or_else(unrepresentable)?,
    ];
    let entries = content.revoked.iter().map(|(serial, reason, at)| {
        let date = time(*at).ok_or_else(unrepresentable)?;
        Ok(revoked_entry(serial, *reason, date))
    });
    let entries = entries.collect::<Result<Vec<_>, AuthorityError>>()?;
    if !entries.is_empty() {
        fields.push(sequence(&entries));
    }
    let key_id = issuer.subject_key_id().map(|id| id.as_slice()).unwrap_or_default();
    let authority = sequence(&[element(0x80, key_id)]);
    let number = integer(&content.number.to_be_bytes());
    let extensions =
        sequence(&[extension(OID_AUTHORITY_KEY_ID, &authority), extension(OID_CRL_NUMBER, &number)]);
    fields.push(element(0xa0, &extensions));
    let tbs = sequence(&fields);
    let signature: Vec<u8> = std::iter::once(0).chain(key.sign(&tbs)?).collect();
    Ok(sequence(&[tbs, algorithm, element(0x03, &signature)]))
}

/// A non-critical extension.
fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[oid(id), octet_string(value)])
}

/// One revoked certificate; `unspecified` is said by leaving the reason out (section 5.3.1).
fn revoked_entry(serial: &Serial, reason: RevocationReason, date: Vec<u8>) -> Vec<u8> {
    let mut fields = vec![integer(serial.as_bytes()), date];
    if reason != RevocationReason::Unspecified {
        fields.push(sequence(&[extension(OID_CRL_REASON, &element(0x0a, &[reason.code()]))]));
    }
    sequence(&fields)
}
