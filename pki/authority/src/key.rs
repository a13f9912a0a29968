//! Private keys: made, kept encrypted, and handed to those who sign.

use std::{fmt, path::Path};

use concordat_pki_verify::{SubjectKey, key::KeyType};
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey, EcPoint, PointConversionForm},
    hash::MessageDigest,
    nid::Nid,
    pkcs5::scrypt,
    pkey::{HasPublic, Id, PKey, PKeyRef, Private},
    rand::rand_bytes,
    sign::Signer,
    symm::{Cipher, encrypt},
};
use zeroize::Zeroizing;

use crate::{
    der::{element, integer, octet_string, oid, sequence},
    error::AuthorityError,
    files,
    passphrase::Passphrase,
    pem,
};

// Content octets of the object identifiers in an encrypted PKCS #8 key.
const OID_PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const OID_SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
const OID_AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];

// The strongest scrypt cost that OpenSSL reads within its 32 MiB limit, with the parallelism that OWASP's
// password storage guide pairs with it: some 200 ms per guess.
const SCRYPT_N: u64 = 1 << 14;
const SCRYPT_R: u64 = 8;
const SCRYPT_P: u64 = 5;
const SCRYPT_MAX_MEMORY: u64 = 32 << 20;

/// A private key in memory. Never printed; wiped by OpenSSL when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    key: PKey<Private>,
    public: SubjectKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(redacted, public {:?})", self.public)
    }
}

fn curve(key_type: KeyType) -> Option<Nid> {
    match key_type {
        KeyType::P256 => Some(Nid::X9_62_PRIME256V1),
        KeyType::Secp256k1 => Some(Nid::SECP256K1),
        KeyType::Ed25519 => None,
    }
}

impl PrivateKey {
    /// A new random key.
    pub fn generate(key_type: KeyType) -> Result<Self, AuthorityError> {
        let key = match curve(key_type) {
            Some(nid) => PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(nid)?)?)?,
            None => PKey::generate_ed25519()?,
        };
        Self::from_pkey(key)
    }

    /// The key with this secret: the scalar, big-endian, or the Ed25519 seed.
    pub fn from_raw_secret(key_type: KeyType, secret: &[u8; 32]) -> Result<Self, AuthorityError> {
        let Some(nid) = curve(key_type) else {
            return Self::from_pkey(PKey::private_key_from_raw_bytes(secret, Id::ED25519)?);
        };
        let group = EcGroup::from_curve_name(nid)?;
        let scalar = BigNum::from_slice(secret)?;
        let mut point = EcPoint::new(&group)?;
        point.mul_generator2(&group, &scalar, &mut *BigNumContext::new()?)?;
        Self::from_pkey(PKey::from_ec_key(EcKey::from_private_components(&group, &scalar, &point)?)?)
    }

    fn from_pkey(key: PKey<Private>) -> Result<Self, AuthorityError> {
        let public = public_of(&key)?;
        Ok(Self { key, public })
    }

    /// The public half.
    pub fn public(&self) -> &SubjectKey {
        &self.public
    }

    /// The kind of the key.
    pub fn key_type(&self) -> KeyType {
        self.public.key_type()
    }

    /// The secret itself, for software signers: the scalar, big-endian, or the Ed25519 seed.
    pub fn raw_secret(&self) -> Result<Zeroizing<[u8; 32]>, AuthorityError> {
        let bytes = Zeroizing::new(match curve(self.key_type()) {
            Some(_) => self.key.ec_key()?.private_key().to_vec_padded(32)?,
            None => self.key.raw_private_key()?,
        });
        let secret: [u8; 32] = bytes.as_slice().try_into().map_err(|_| AuthorityError::UnsupportedKey)?;
        Ok(Zeroizing::new(secret))
    }

    /// The key as unencrypted PKCS #8 DER, for TLS stacks in the same process.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        Ok(Zeroizing::new(self.key.private_key_to_pkcs8()?))
    }

    /// The public half as `SubjectPublicKeyInfo` in DER.
    pub fn spki_der(&self) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.key.public_key_to_der()?)
    }

    /// A signature as X.509 uses it: ECDSA with SHA-256 in DER, or Ed25519.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let mut signer = match curve(self.key_type()) {
            Some(_) => Signer::new(MessageDigest::sha256(), &self.key)?,
            None => Signer::new_without_digest(&self.key)?,
        };
        Ok(signer.sign_oneshot_to_vec(message)?)
    }

    /// The key as encrypted PKCS #8 PEM: PBES2 (RFC 8018) with scrypt (RFC 7914) and AES-256-CBC.
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase) -> Result<String, AuthorityError> {
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        rand_bytes(&mut salt)?;
        rand_bytes(&mut iv)?;
        let mut secret = Zeroizing::new([0; 32]);
        scrypt(
            passphrase.as_bytes(),
            &salt,
            SCRYPT_N,
            SCRYPT_R,
            SCRYPT_P,
            SCRYPT_MAX_MEMORY,
            secret.as_mut_slice(),
        )?;
        let plain = self.to_pkcs8_der()?;
        let encrypted = encrypt(Cipher::aes_256_cbc(), secret.as_slice(), Some(&iv), &plain)?;
        let algorithm = pbes2(&salt, &iv);
        Ok(pem::encode(pem::ENCRYPTED_KEY, &sequence(&[algorithm, octet_string(&encrypted)])))
    }

    /// Reads encrypted PKCS #8, PEM or DER, with any PBES2 scheme that OpenSSL knows.
    pub fn from_encrypted_pem(bytes: &[u8], passphrase: &Passphrase) -> Result<Self, AuthorityError> {
        let text = String::from_utf8_lossy(bytes);
        if text.contains("PRIVATE KEY-----") && !text.contains(pem::ENCRYPTED_KEY) {
            return Err(AuthorityError::KeyNotEncrypted);
        }
        let der = Zeroizing::new(pem::decode(pem::ENCRYPTED_KEY, bytes)?);
        let key = PKey::private_key_from_pkcs8_passphrase(&der, passphrase.as_bytes())
            .map_err(|_| AuthorityError::WrongPassphrase)?;
        Self::from_pkey(key)
    }

    /// Reads a key file that only its owner may access.
    pub fn read(path: &Path, passphrase: &Passphrase) -> Result<Self, AuthorityError> {
        Self::from_encrypted_pem(&files::read_secret(path)?, passphrase)
    }

    /// Writes a key file with mode 0600; replaces an existing one only with `force`.
    pub fn write(&self, path: &Path, passphrase: &Passphrase, force: bool) -> Result<(), AuthorityError> {
        files::write(path, self.to_encrypted_pem(passphrase)?.as_bytes(), files::SECRET_MODE, force)
    }

    pub(crate) fn pkey(&self) -> &PKey<Private> {
        &self.key
    }

    /// The digest that OpenSSL's builders want beside this key.
    pub(crate) fn digest(&self) -> MessageDigest {
        match self.key_type() {
            KeyType::Ed25519 => MessageDigest::null(),
            KeyType::P256 | KeyType::Secp256k1 => MessageDigest::sha256(),
        }
    }
}

/// The public half of any key of an accepted kind.
pub(crate) fn public_of<T: HasPublic>(key: &PKeyRef<T>) -> Result<SubjectKey, AuthorityError> {
    if key.id() == Id::ED25519 {
        let bytes = key.raw_public_key()?;
        let bytes = bytes.as_slice().try_into().map_err(|_| AuthorityError::UnsupportedKey)?;
        return Ok(SubjectKey::Ed25519(bytes));
    }
    let ec = key.ec_key().map_err(|_| AuthorityError::UnsupportedKey)?;
    let mut context = BigNumContext::new()?;
    let sec1 = ec.public_key().to_bytes(ec.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
    let point = sec1.get(1..).and_then(|point| <[u8; 64]>::try_from(point).ok());
    match (ec.group().curve_name(), point) {
        (Some(Nid::X9_62_PRIME256V1), Some(point)) => Ok(SubjectKey::P256(point)),
        (Some(Nid::SECP256K1), Some(point)) => Ok(SubjectKey::Secp256k1(point)),
        _ => Err(AuthorityError::UnsupportedKey),
    }
}

/// The `AlgorithmIdentifier` of PBES2 with scrypt and AES-256-CBC (RFC 8018 appendix A.4, RFC 7914 section 7).
fn pbes2(salt: &[u8], iv: &[u8]) -> Vec<u8> {
    let number = |value: u64| integer(&value.to_be_bytes());
    let scrypt_parameters =
        sequence(&[octet_string(salt), number(SCRYPT_N), number(SCRYPT_R), number(SCRYPT_P)]);
    let derivation = sequence(&[oid(OID_SCRYPT), scrypt_parameters]);
    let encryption = sequence(&[oid(OID_AES_256_CBC), element(0x04, iv)]);
    sequence(&[oid(OID_PBES2), sequence(&[derivation, encryption])])
}

#[cfg(test)]
mod tests {
    use concordat_pki_verify::key::SignatureAlgorithm;

    use super::*;

    const ALL: [KeyType; 3] = [KeyType::P256, KeyType::Secp256k1, KeyType::Ed25519];

    #[test]
    fn each_kind_of_key_survives_encryption() {
        let passphrase = Passphrase::new("correct horse").unwrap();
        for key_type in ALL {
            let key = PrivateKey::generate(key_type).unwrap();
            let text = key.to_encrypted_pem(&passphrase).unwrap();
            assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
            let read = PrivateKey::from_encrypted_pem(text.as_bytes(), &passphrase).unwrap();
            assert_eq!(read.public(), key.public());
            assert_eq!(*read.raw_secret().unwrap(), *key.raw_secret().unwrap());
        }
    }

    #[test]
    fn a_wrong_passphrase_and_a_plain_key_are_refused() {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let text = key.to_encrypted_pem(&Passphrase::new("correct horse").unwrap()).unwrap();
        let wrong = Passphrase::new("battery staple").unwrap();
        let refused = PrivateKey::from_encrypted_pem(text.as_bytes(), &wrong);
        assert!(matches!(refused, Err(AuthorityError::WrongPassphrase)));
        let plain = key.pkey().private_key_to_pem_pkcs8().unwrap();
        assert!(matches!(
            PrivateKey::from_encrypted_pem(&plain, &wrong),
            Err(AuthorityError::KeyNotEncrypted)
        ));
    }

    #[test]
    fn the_verifier_accepts_signatures_of_each_kind() {
        for key_type in ALL {
            let key = PrivateKey::generate(key_type).unwrap();
            let signature = key.sign(b"message").unwrap();
            let algorithm = match key_type {
                KeyType::Ed25519 => SignatureAlgorithm::Ed25519,
                _ => SignatureAlgorithm::EcdsaSha256,
            };
            assert!(key.public().verifies(algorithm, b"message", &signature), "{key_type}");
            assert!(!key.public().verifies(algorithm, b"massage", &signature), "{key_type}");
        }
    }

    #[test]
    fn a_raw_secret_makes_the_same_key_again() {
        for key_type in ALL {
            let key = PrivateKey::generate(key_type).unwrap();
            let again = PrivateKey::from_raw_secret(key_type, &key.raw_secret().unwrap()).unwrap();
            assert_eq!(again.public(), key.public());
        }
    }

    /// The well-known first development account of Ethereum tools.
    #[test]
    fn secp256k1_addresses_are_ethereum_addresses() {
        let secret = hex::decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
        let key =
            PrivateKey::from_raw_secret(KeyType::Secp256k1, secret.as_slice().try_into().unwrap()).unwrap();
        let address = key.public().account_address().unwrap();
        assert_eq!(hex::encode(address), "f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    }

    #[test]
    fn a_private_key_is_never_printed() {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let secret = hex::encode(*key.raw_secret().unwrap());
        assert!(!format!("{key:?}").contains(&secret));
    }
}
