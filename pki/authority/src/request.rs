//! Certificate requests (PKCS #10, RFC 2986): what a holder sends to its authority.

use std::net::IpAddr;

use concordat_pki_verify::{MAX_CERTIFICATE_BYTES, SubjectKey};
use concordat_types::identity::{OrgId, Role};
use openssl::{
    nid::Nid,
    pkey::{PKey, Public},
    stack::Stack,
    x509::{X509NameRef, X509Req},
};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
};

use crate::{
    builder,
    error::AuthorityError,
    key::{PrivateKey, public_of},
    pem,
    profile::{Profile, San},
};

/// A request whose signature proves that the requester holds the key.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    der: Vec<u8>,
    org: OrgId,
    role: Role,
    common_name: String,
    sans: Vec<San>,
    key: PKey<Public>,
    public: SubjectKey,
}

impl CertificateRequest {
    /// Makes a request for `key`, signed with it.
    pub fn create(
        key: &PrivateKey,
        org: &OrgId,
        role: Role,
        common_name: &str,
        sans: &[San],
    ) -> Result<Self, AuthorityError> {
        let mut request = X509Req::builder()?;
        request.set_version(0)?;
        request.set_subject_name(&*builder::subject(org, Some(role), common_name)?)?;
        request.set_pubkey(key.pkey())?;
        if !sans.is_empty() {
            let mut extensions = Stack::new()?;
            extensions.push(builder::subject_alt_names(sans, &request.x509v3_context(None))?)?;
            request.add_extensions(&extensions)?;
        }
        request.sign(key.pkey(), key.digest())?;
        Self::parse(&request.build().to_der()?)
    }

    /// Reads a request, PEM or DER, and verifies its proof of possession.
    pub fn parse(bytes: &[u8]) -> Result<Self, AuthorityError> {
        let der = pem::decode(pem::REQUEST, bytes)?;
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(AuthorityError::Request(format!("it has more than {MAX_CERTIFICATE_BYTES} bytes")));
        }
        let malformed = |error: openssl::error::ErrorStack| AuthorityError::Request(error.to_string());
        let request = X509Req::from_der(&der).map_err(malformed)?;
        let key = request.public_key().map_err(malformed)?;
        if !request.verify(&key).unwrap_or(false) {
            return Err(AuthorityError::ProofOfPossession);
        }
        let subject = request.subject_name();
        Ok(Self {
            org: attribute(subject, Nid::ORGANIZATIONNAME, "O")?.parse()?,
            role: attribute(subject, Nid::ORGANIZATIONALUNITNAME, "OU")?.parse()?,
            common_name: attribute(subject, Nid::COMMONNAME, "CN")?,
            sans: requested_sans(&der)?,
            public: public_of(&key)?,
            key,
            der,
        })
    }

    /// The request as DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The request as PEM.
    pub fn to_pem(&self) -> String {
        pem::encode(pem::REQUEST, &self.der)
    }

    /// The organisation that the requester claims.
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The key to certify.
    pub fn public_key(&self) -> &SubjectKey {
        &self.public
    }

    /// What the requester asks for, valid for `days`.
    pub fn profile(&self, days: u32) -> Profile {
        Profile { role: self.role, common_name: self.common_name.clone(), sans: self.sans.clone(), days }
    }

    pub(crate) fn pkey(&self) -> &PKey<Public> {
        &self.key
    }
}

fn attribute(subject: &X509NameRef, nid: Nid, name: &str) -> Result<String, AuthorityError> {
    let mut entries = subject.entries_by_nid(nid);
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry.data().to_string()?),
        _ => Err(AuthorityError::Request(format!("its subject must have exactly one {name}"))),
    }
}

fn requested_sans(der: &[u8]) -> Result<Vec<San>, AuthorityError> {
    let malformed = |detail: &str| AuthorityError::Request(detail.to_owned());
    let (_, request) =
        X509CertificationRequest::from_der(der).map_err(|error| malformed(&error.to_string()))?;
    let names =
        request.requested_extensions().into_iter().flatten().filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
    names.flatten().map(san).collect()
}

fn san(name: &GeneralName<'_>) -> Result<San, AuthorityError> {
    match name {
        GeneralName::DNSName(host) => Ok(format!("dns:{host}").parse()?),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.map(San::Ip).map_err(|_| AuthorityError::Request("an IP address is malformed".to_owned()))
        }
        other => {
            Err(AuthorityError::Request(format!("alternative name {other} is neither a host nor an address")))
        }
    }
}

#[cfg(test)]
mod tests {
    use concordat_pki_verify::KeyType;
    use proptest::prelude::*;

    use super::*;

    fn request() -> CertificateRequest {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let sans = ["node.bank-a.example".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        CertificateRequest::create(&key, &"bank-a".parse().unwrap(), Role::Validator, "node-1", &sans)
            .unwrap()
    }

    #[test]
    fn a_request_survives_pem() {
        let made = request();
        let read = CertificateRequest::parse(made.to_pem().as_bytes()).unwrap();
        assert_eq!(read.profile(30), made.profile(30));
        assert_eq!(read.public_key(), made.public_key());
        assert_eq!(read.profile(30).sans.len(), 2);
    }

    #[test]
    fn a_request_for_a_key_that_the_requester_does_not_hold_is_refused() {
        let mut der = request().der().to_vec();
        // The last octets are the signature's.
        *der.last_mut().unwrap() ^= 1;
        assert!(matches!(CertificateRequest::parse(&der), Err(AuthorityError::ProofOfPossession)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn mutated_requests_never_panic(index in any::<prop::sample::Index>(), bits in 1_u8.., cut in any::<bool>()) {
            let mut der = request_once().to_vec();
            let at = index.index(der.len());
            if cut { der.truncate(at) } else { der[at] ^= bits }
            let _ = CertificateRequest::parse(&der);
        }
    }

    fn request_once() -> &'static [u8] {
        static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        DER.get_or_init(|| request().der().to_vec())
    }
}
