//! Forging certificates and CRLs, including those that no honest authority would sign.
#![allow(dead_code, missing_docs, reason = "each test binary uses a part of this module")]

use concordat_pki_verify::{
    Certificate, CertificateError, Crl, PathError, PathRequest, Purpose, ValidPath, check_path,
};
use openssl::{
    asn1::{Asn1Object, Asn1OctetString, Asn1Time, Asn1Type},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    stack::Stack,
    x509::{
        CrlNumber, X509, X509CrlBuilder, X509Extension, X509Name, X509RevokedBuilder, X509StoreContext,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
            SubjectKeyIdentifier,
        },
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};

/// The time that every scene is judged at, unless it says otherwise.
pub const NOW: i64 = 1_800_000_000;
pub const DAY: i64 = 86_400;

pub fn p256() -> PKey<Private> {
    ec(Nid::X9_62_PRIME256V1)
}

pub fn secp256k1() -> PKey<Private> {
    ec(Nid::SECP256K1)
}

pub fn ed25519() -> PKey<Private> {
    PKey::generate_ed25519().unwrap()
}

pub fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// What a forged certificate says.
#[derive(Clone)]
pub struct Forge {
    pub subject: Vec<(Nid, String)>,
    pub serial: u32,
    pub not_before: i64,
    pub not_after: i64,
    pub ca: Option<Option<u32>>,
    pub key_usage: Option<KeyUsages>,
    pub server_auth: bool,
    pub client_auth: bool,
    pub dns: Vec<String>,
    pub subject_key_id: bool,
    pub authority_key_id: bool,
    /// OID, critical, value.
    pub extra: Vec<(&'static str, bool, Vec<u8>)>,
    pub version: i32,
}

#[derive(Clone, Copy)]
pub struct KeyUsages {
    pub digital_signature: bool,
    pub key_cert_sign: bool,
    pub crl_sign: bool,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Forged {
    pub key: PKey<Private>,
    pub x509: X509,
}

impl Forged {
    pub fn der(&self) -> Vec<u8> {
        self.x509.to_der().unwrap()
    }

    pub fn parse(&self) -> Result<Certificate, CertificateError> {
        Certificate::parse(&self.der())
    }
}

pub fn authority(org: &str, name: &str, path_len: Option<u32>) -> Forge {
    Forge {
        subject: vec![(Nid::ORGANIZATIONNAME, org.to_owned()), (Nid::COMMONNAME, name.to_owned())],
        serial: 1,
        not_before: NOW - DAY,
        not_after: NOW + 1000 * DAY,
        ca: Some(path_len),
        key_usage: Some(KeyUsages { digital_signature: false, key_cert_sign: true, crl_sign: true }),
        server_auth: false,
        client_auth: false,
        dns: Vec::new(),
        subject_key_id: true,
        authority_key_id: true,
        extra: Vec::new(),
        version: 2,
    }
}

pub fn holder(org: &str, role: &str, name: &str) -> Forge {
    Forge {
        subject: vec![
            (Nid::ORGANIZATIONNAME, org.to_owned()),
            (Nid::ORGANIZATIONALUNITNAME, role.to_owned()),
            (Nid::COMMONNAME, name.to_owned()),
        ],
        serial: 42,
        not_after: NOW + 100 * DAY,
        ca: None,
        key_usage: Some(KeyUsages { digital_signature: true, key_cert_sign: false, crl_sign: false }),
        ..authority(org, name, None)
    }
}

fn digest(key: &PKey<Private>) -> MessageDigest {
    if key.id() == Id::ED25519 { MessageDigest::null() } else { MessageDigest::sha256() }
}

impl Forge {
    pub fn self_signed(&self, key: &PKey<Private>) -> Forged {
        self.build(key, None)
    }

    pub fn signed_by(&self, issuer: &Forged, key: &PKey<Private>) -> Forged {
        self.build(key, Some(issuer))
    }

    fn build(&self, key: &PKey<Private>, issuer: Option<&Forged>) -> Forged {
        let mut name = X509Name::builder().unwrap();
        for (nid, text) in &self.subject {
            name.append_entry_by_nid_with_type(*nid, text, Asn1Type::UTF8STRING).unwrap();
        }
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(self.version).unwrap();
        let serial = BigNum::from_u32(self.serial).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(issuer.map_or(&*name, |issuer| issuer.x509.subject_name())).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(self.not_before).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(self.not_after).unwrap()).unwrap();
        if self.version == 2 {
            for extension in self.extensions() {
                builder.append_extension(extension).unwrap();
            }
            self.append_key_ids(&mut builder, issuer);
        }
        let signer = issuer.map_or(key, |issuer| &issuer.key);
        builder.sign(signer, digest(signer)).unwrap();
        Forged { key: key.clone(), x509: builder.build() }
    }

    fn append_key_ids(&self, builder: &mut openssl::x509::X509Builder, issuer: Option<&Forged>) {
        let issuer = issuer.map(|issuer| &*issuer.x509);
        if self.subject_key_id {
            let id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer, None)).unwrap();
            builder.append_extension(id).unwrap();
        }
        if self.authority_key_id {
            let id = AuthorityKeyIdentifier::new().keyid(true).build(&builder.x509v3_context(issuer, None));
            builder.append_extension(id.unwrap()).unwrap();
        }
    }

    fn extensions(&self) -> Vec<X509Extension> {
        let mut extensions = Vec::new();
        let mut basic = BasicConstraints::new();
        basic.critical();
        if let Some(path_len) = self.ca {
            basic.ca();
            path_len.map(|max| basic.pathlen(max));
        }
        extensions.push(basic.build().unwrap());
        if let Some(usages) = self.key_usage {
            let mut usage = KeyUsage::new();
            usage.critical();
            usages.digital_signature.then(|| usage.digital_signature());
            usages.key_cert_sign.then(|| usage.key_cert_sign());
            usages.crl_sign.then(|| usage.crl_sign());
            extensions.push(usage.build().unwrap());
        }
        if self.server_auth || self.client_auth {
            let mut usage = ExtendedKeyUsage::new();
            self.server_auth.then(|| usage.server_auth());
            self.client_auth.then(|| usage.client_auth());
            extensions.push(usage.build().unwrap());
        }
        if !self.dns.is_empty() {
            let mut names = SubjectAlternativeName::new();
            self.dns.iter().for_each(|name| {
                names.dns(name);
            });
            let context = X509::builder().unwrap();
            extensions.push(names.build(&context.x509v3_context(None, None)).unwrap());
        }
        for (oid, critical, value) in &self.extra {
            extensions.push(extension(oid, *critical, value));
        }
        extensions
    }
}

/// A CRL with number 7 that lists these serial numbers.
pub fn crl(issuer: &Forged, serials: &[u32], this_update: i64, next_update: i64) -> Crl {
    let number = CrlNumber::new(BigNum::from_u32(7).unwrap()).unwrap().build().unwrap();
    Crl::parse(&crl_der(issuer, serials, (this_update, next_update), vec![number])).unwrap()
}

/// A CRL with these extensions beside its authority key identifier.
pub fn crl_der(
    issuer: &Forged,
    serials: &[u32],
    (this_update, next_update): (i64, i64),
    extensions: Vec<X509Extension>,
) -> Vec<u8> {
    let mut builder = X509CrlBuilder::new().unwrap();
    builder.set_issuer_name(issuer.x509.subject_name()).unwrap();
    builder.set_last_update(&Asn1Time::from_unix(this_update).unwrap()).unwrap();
    builder.set_next_update(&Asn1Time::from_unix(next_update).unwrap()).unwrap();
    let context = X509::builder().unwrap();
    let context = context.x509v3_context(Some(&issuer.x509), None);
    builder.append_extension(AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap()).unwrap();
    extensions.into_iter().for_each(|extension| builder.append_extension(extension).unwrap());
    for serial in serials {
        let mut entry = X509RevokedBuilder::new().unwrap();
        entry.set_revocation_date(&Asn1Time::from_unix(this_update).unwrap()).unwrap();
        entry.set_serial_number(&BigNum::from_u32(*serial).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.add_revoked(entry.build()).unwrap();
    }
    builder.sign(&issuer.key, digest(&issuer.key)).unwrap();
    builder.build().unwrap().to_der().unwrap()
}

/// Any extension.
pub fn extension(oid: &str, critical: bool, value: &[u8]) -> X509Extension {
    let oid = Asn1Object::from_str(oid).unwrap();
    let value = Asn1OctetString::new_from_bytes(value).unwrap();
    X509Extension::new_from_der(&oid, critical, &value).unwrap()
}

/// A path with everything that judges it.
#[derive(Clone)]
pub struct Scene {
    pub root: Forged,
    /// The holder first, without the root.
    pub chain: Vec<Forged>,
    pub crls: Vec<Crl>,
    pub at: i64,
    pub purpose: Purpose,
}

impl Scene {
    /// Root, issuing authority and an operator of one bank: valid.
    pub fn valid() -> Self {
        Self::with(&authority("bank-a", "root", Some(1)), &issuing(), &operator())
    }

    pub fn with(root: &Forge, issuing: &Forge, holder: &Forge) -> Self {
        let root = root.self_signed(&p256());
        let issuing = issuing.signed_by(&root, &p256());
        let holder = holder.signed_by(&issuing, &p256());
        Self { root, chain: vec![holder, issuing], crls: Vec::new(), at: NOW, purpose: Purpose::Account }
    }

    pub fn of_holder(holder: &Forge) -> Self {
        Self::with(&authority("bank-a", "root", Some(1)), &issuing(), holder)
    }

    pub fn verdict(&self) -> Result<ValidPath, PathError> {
        let chain: Vec<Certificate> = self.chain.iter().map(|forged| forged.parse().unwrap()).collect();
        let anchors = [self.root.parse().unwrap()];
        let (at, purpose) = (self.at, self.purpose);
        check_path(&PathRequest { chain: &chain, anchors: &anchors, crls: &self.crls, at, purpose })
    }

    /// What OpenSSL says about the same path without its CRLs: an implementation that shares no code with ours.
    pub fn openssl_accepts(&self) -> bool {
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(self.root.x509.clone()).unwrap();
        let mut parameters = X509VerifyParam::new().unwrap();
        parameters.set_time(self.at);
        parameters.set_flags(X509VerifyFlags::X509_STRICT).unwrap();
        store.set_param(&parameters).unwrap();
        let store = store.build();
        let mut untrusted = Stack::new().unwrap();
        for forged in self.chain.iter().skip(1) {
            untrusted.push(forged.x509.clone()).unwrap();
        }
        let mut context = X509StoreContext::new().unwrap();
        context.init(&store, &self.chain[0].x509, &untrusted, |context| context.verify_cert()).unwrap()
    }
}

pub fn issuing() -> Forge {
    Forge { serial: 2, ..authority("bank-a", "issuing", Some(0)) }
}

pub fn operator() -> Forge {
    holder("bank-a", "operator", "alice")
}
