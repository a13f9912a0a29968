//! The signature of a package: CMS (PKCS #7), detached, over the manifest, with the signer's certificates in it, so that
//! `openssl cms -verify` checks it as well.
//!
//! The certificate has to be valid at the time of the newest block that the package rests on: no clock of either side
//! counts.

use std::{fmt, fs, io, path::Path};

use concordat_pki_authority::{Passphrase, PrivateKey, pem};
use concordat_types::Genesis;
use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    hash::MessageDigest,
    pkey::{PKey, Private},
    stack::Stack,
    x509::{X509, X509PurposeId, store::X509StoreBuilder, verify::X509VerifyParam},
};
use serde::Serialize;

use crate::{
    archive::Files,
    error::{EvidenceError, wrong},
    manifest::{self, MANIFEST, SIGNATURE},
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// The signer's certificate and those above it.
pub(crate) const SIGNER: &str = "certificates/signer.pem";

/// Who has signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// Whom the certificate names.
    pub subject: String,
    /// Who vouches for that.
    pub issuer: String,
    /// SHA-256 of the certificate.
    pub sha256: String,
    /// From when it is valid.
    pub not_before: String,
    /// Until when.
    pub not_after: String,
}

/// Whoever signs packages: a key, and the certificates that say whose it is.
pub struct Seal {
    key: PKey<Private>,
    /// DER, the leaf first, the root left out.
    chain: Vec<Vec<u8>>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// A key with its certificate and the authorities above, the leaf first.
    ///
    /// # Errors
    /// [`EvidenceError::Signer`] where the certificate is another key's.
    pub fn new(key: &PrivateKey, chain: Vec<Vec<u8>>) -> Result<Self> {
        let key = PKey::private_key_from_pkcs8(&key.to_pkcs8_der()?)?;
        let (leaf, _) = parsed(&chain)?;
        if !leaf.public_key()?.public_eq(&key) {
            let mend = "the certificate is not of this key; name the one that was issued for it, leaf first";
            return Err(EvidenceError::Signer(mend.to_owned()));
        }
        Ok(Self { key, chain })
    }

    /// The same from files, PEM: an encrypted key, and its certificates.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn read(key: &Path, certificate: &Path, passphrase: &[u8]) -> Result<Self> {
        let failed =
            |source| EvidenceError::File { what: "certificate", path: certificate.to_owned(), source };
        let text = fs::read_to_string(certificate).map_err(failed)?;
        let chain = pem::decode_all(pem::CERTIFICATE, &text);
        Self::new(&PrivateKey::read(key, &Passphrase::new(passphrase)?)?, chain)
    }
}

/// Adds the signer's certificates, the manifest and the signature over it.
pub(crate) fn sign(files: &mut Files, seal: &Seal) -> Result<()> {
    let pem: String = seal.chain.iter().map(|der| pem::encode(pem::CERTIFICATE, der)).collect();
    files.insert(SIGNER.to_owned(), pem.into_bytes());
    manifest::add(files)?;
    let (leaf, others) = parsed(&seal.chain)?;
    let content = files.get(MANIFEST).map(Vec::as_slice);
    let flags = CMSOptions::DETACHED | CMSOptions::BINARY | CMSOptions::NOSMIMECAP;
    let signature = CmsContentInfo::sign(Some(&leaf), Some(&seal.key), Some(&others), content, flags)
        .map_err(|error| {
            EvidenceError::Signer(format!("the manifest cannot be signed with this key: {error}"))
        })?;
    files.insert(SIGNATURE.to_owned(), signature.to_der()?);
    Ok(())
}

/// Checks the signature over the manifest, and the path from the signer's certificate to one of the roots at a time.
pub(crate) fn check(files: &Files, roots: &Roots, at_secs: u64) -> Result<Signer> {
    let file = |name: &str| files.get(name).ok_or_else(|| wrong(format!("{name} is missing")));
    let (content, signature) = (file(MANIFEST)?, file(SIGNATURE)?);
    let chain = pem::decode_all(pem::CERTIFICATE, &String::from_utf8_lossy(file(SIGNER)?));
    let (leaf, _) = parsed(&chain).map_err(|error| wrong(format!("{SIGNER}: {error}")))?;
    let mut cms = CmsContentInfo::from_der(signature)
        .map_err(|_| wrong(format!("{SIGNATURE} is no signature in the form of CMS")))?;
    let mut signers = Stack::new()?;
    signers.push(leaf.clone())?;
    // First the signature alone, so that it is told apart from a path that ends nowhere.
    let flags = CMSOptions::BINARY | CMSOptions::NOINTERN;
    let alone = flags | CMSOptions::NO_SIGNER_CERT_VERIFY;
    cms.verify(Some(&signers), None, Some(content), None, alone).map_err(|_| {
        wrong(format!(
            "{SIGNATURE} is not of {MANIFEST} by the certificate in {SIGNER}: one of them was altered"
        ))
    })?;
    let mut store = X509StoreBuilder::new()?;
    roots.0.iter().try_for_each(|root| store.add_cert(root.clone()))?;
    let mut param = X509VerifyParam::new()?;
    // Purposes are those of the ledger's certificates, which mail programs do not know.
    param.set_purpose(X509PurposeId::ANY)?;
    param.set_time(i64::try_from(at_secs).unwrap_or(i64::MAX));
    store.set_param(&param)?;
    cms.verify(Some(&signers), Some(&store.build()), Some(content), None, flags).map_err(|error| {
        wrong(format!(
            "the signer's certificate does not chain to a root that is trusted, at the time of the newest block: {}; \
             name its root by --roots",
            reason(&error)
        ))
    })?;
    told(&leaf)
}

fn reason(error: &openssl::error::ErrorStack) -> String {
    let last = error.errors().last();
    let (what, more) = (last.and_then(|last| last.reason()), last.and_then(|last| last.data()));
    [what, more].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Who signs, and the authorities above.
fn parsed(chain: &[Vec<u8>]) -> Result<(X509, Stack<X509>)> {
    let mut all = chain.iter().map(|der| X509::from_der(der));
    let none = || EvidenceError::Signer("there is no certificate in it".to_owned());
    let leaf = all.next().ok_or_else(none)??;
    let mut others = Stack::new()?;
    for other in all {
        others.push(other?)?;
    }
    Ok((leaf, others))
}

fn told(leaf: &X509) -> Result<Signer> {
    let name = |name: &openssl::x509::X509NameRef| {
        let entry = |entry: &openssl::x509::X509NameEntryRef| {
            let key = entry.object().nid().short_name().unwrap_or("?");
            let value = entry.data().to_string().unwrap_or_default();
            format!("{key}={value}")
        };
        name.entries().map(entry).collect::<Vec<_>>().join(", ")
    };
    Ok(Signer {
        subject: name(leaf.subject_name()),
        issuer: name(leaf.issuer_name()),
        sha256: hex::encode(leaf.digest(MessageDigest::sha256())?),
        not_before: leaf.not_before().to_string(),
        not_after: leaf.not_after().to_string(),
    })
}

/// Whom signers' certificates may chain to.
#[derive(Clone)]
pub struct Roots(Vec<X509>);

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} roots", self.0.len())
    }
}

/// The roots in a folder, as PEM; those of the genesis document's organisations where none is named.
///
/// # Errors
/// [`EvidenceError`] for a folder without a root, and for what cannot be read.
pub fn roots(folder: Option<&Path>, genesis: &Genesis) -> Result<Roots> {
    let Some(folder) = folder else {
        let all = genesis.organisations.iter().flat_map(|part| &part.ca_certificates);
        let all = all.map(|text| X509::from_pem(text.as_bytes()));
        return Ok(Roots(all.collect::<std::result::Result<_, _>>()?));
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| EvidenceError::File { what: "roots", path, source }
    };
    let mut roots = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let found = X509::stack_from_pem(&bytes)
            .map_err(|error| EvidenceError::Unable(format!("root {}: {error}", path.display())))?;
        roots.extend(found);
    }
    if roots.is_empty() {
        return Err(EvidenceError::Unable(format!("roots {} holds no PEM certificate", folder.display())));
    }
    Ok(Roots(roots))
}
