//! Public keys that certificates carry, and the signatures that they verify.

use std::{fmt, str::FromStr};

use alloy_primitives::keccak256;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use secp256k1::{Message, PublicKey, Secp256k1, ecdsa};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::{
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ED25519, Oid,
    },
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};

use crate::x509::CertificateError;

/// The curve OID of secp256k1 (SEC 2, 1.3.132.0.10), content octets.
const OID_SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];

/// The prefix of an uncompressed curve point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// A certificate's public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKey {
    /// A point of NIST P-256: `x || y`, big-endian.
    P256([u8; 64]),
    /// A point of secp256k1: `x || y`, big-endian.
    Secp256k1([u8; 64]),
    /// An Ed25519 key (RFC 8032), compressed.
    Ed25519([u8; 32]),
}

/// The kinds of key that certificates may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// NIST P-256 with ECDSA and SHA-256.
    P256,
    /// secp256k1 with ECDSA; SHA-256 inside X.509.
    Secp256k1,
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyType::P256 => "P-256",
            KeyType::Secp256k1 => "secp256k1",
            KeyType::Ed25519 => "Ed25519",
        })
    }
}

/// The text names no kind of key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of key; use p256, secp256k1 or ed25519")]
pub struct KeyTypeError(pub String);

impl FromStr for KeyType {
    type Err = KeyTypeError;

    /// Reads `p256`, `secp256k1` or `ed25519`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "p256" => Ok(Self::P256),
            "secp256k1" => Ok(Self::Secp256k1),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(KeyTypeError(text.chars().take(64).collect())),
        }
    }
}

/// The signature algorithms that certificates and CRLs may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// `ecdsa-with-SHA256` (RFC 5758), over the signer's curve.
    EcdsaSha256,
    /// `id-Ed25519` (RFC 8410).
    Ed25519,
}

impl SignatureAlgorithm {
    /// The algorithm that an identifier names; both kinds forbid parameters.
    pub(crate) fn from_identifier(identifier: &AlgorithmIdentifier<'_>) -> Result<Self, CertificateError> {
        let unsupported = || CertificateError::UnsupportedAlgorithm(identifier.algorithm.to_id_string());
        if identifier.parameters.is_some() {
            return Err(unsupported());
        }
        match &identifier.algorithm {
            oid if *oid == OID_SIG_ECDSA_WITH_SHA256 => Ok(Self::EcdsaSha256),
            oid if *oid == OID_SIG_ED25519 => Ok(Self::Ed25519),
            _ => Err(unsupported()),
        }
    }
}

/// The key of an account: the last 20 bytes of keccak256 over the public point, for both curves.
fn address_of(point: &[u8; 64]) -> [u8; 20] {
    let mut address = [0; 20];
    let hash = keccak256(point);
    address.iter_mut().rev().zip(hash.iter().rev()).for_each(|(to, from)| *to = *from);
    address
}

/// SEC 1 uncompressed form: `04 || x || y`.
fn sec1(point: &[u8; 64]) -> [u8; 65] {
    let mut encoded = [UNCOMPRESSED; 65];
    encoded.iter_mut().skip(1).zip(point).for_each(|(to, from)| *to = *from);
    encoded
}

impl SubjectKey {
    /// The key in a `SubjectPublicKeyInfo`, checked to be a point of its curve.
    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, CertificateError> {
        let algorithm = &spki.algorithm.algorithm;
        let bits = spki.subject_public_key.data.as_ref();
        if spki.subject_public_key.unused_bits != 0 {
            return Err(CertificateError::InvalidKey);
        }
        if *algorithm == OID_SIG_ED25519 && spki.algorithm.parameters.is_none() {
            return Self::ed25519(bits);
        }
        if *algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Err(CertificateError::UnsupportedKey(algorithm.to_id_string()));
        }
        let parameters = spki.algorithm.parameters.as_ref();
        let curve: Oid<'_> = parameters
            .and_then(|any| any.clone().try_into().ok())
            .ok_or_else(|| CertificateError::UnsupportedKey("an unnamed curve".to_owned()))?;
        if curve == OID_EC_P256 {
            Self::p256(bits)
        } else if curve.as_bytes() == OID_SECP256K1 {
            Self::secp256k1(bits)
        } else {
            Err(CertificateError::UnsupportedKey(curve.to_id_string()))
        }
    }

    fn ed25519(bits: &[u8]) -> Result<Self, CertificateError> {
        let key: [u8; 32] = bits.try_into().map_err(|_| CertificateError::InvalidKey)?;
        ed25519_zebra::VerificationKey::try_from(key).map_err(|_| CertificateError::InvalidKey)?;
        Ok(Self::Ed25519(key))
    }

    fn p256(bits: &[u8]) -> Result<Self, CertificateError> {
        let point = uncompressed(bits)?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bits).map_err(|_| CertificateError::InvalidKey)?;
        Ok(Self::P256(point))
    }

    fn secp256k1(bits: &[u8]) -> Result<Self, CertificateError> {
        let point = uncompressed(bits)?;
        PublicKey::from_slice(bits).map_err(|_| CertificateError::InvalidKey)?;
        Ok(Self::Secp256k1(point))
    }

    /// The kind of this key.
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::P256(_) => KeyType::P256,
            Self::Secp256k1(_) => KeyType::Secp256k1,
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    /// The address of the account that this key controls; Ed25519 keys control none.
    ///
    /// For both curves, the last 20 bytes of `keccak256(x || y)` (Ethereum yellow paper, appendix F).
    pub fn account_address(&self) -> Option<[u8; 20]> {
        match self {
            Self::P256(point) | Self::Secp256k1(point) => Some(address_of(point)),
            Self::Ed25519(_) => None,
        }
    }

    /// The key's octets: `x || y` for curve points, the 32 compressed octets for Ed25519.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::P256(point) | Self::Secp256k1(point) => point,
            Self::Ed25519(key) => key,
        }
    }

    /// Whether `signature` over `message` was made by this key with this algorithm.
    ///
    /// ECDSA signatures are DER `SEQUENCE { r, s }`; `s` may be in either half, as X.509 permits. Ed25519
    /// follows ZIP 215, whose verdict is the same for every implementation.
    pub fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::P256(point), SignatureAlgorithm::EcdsaSha256) => verify_p256(point, message, signature),
            (Self::Secp256k1(point), SignatureAlgorithm::EcdsaSha256) => {
                verify_secp256k1(point, message, signature)
            }
            (Self::Ed25519(key), SignatureAlgorithm::Ed25519) => verify_ed25519(*key, message, signature),
            _ => false,
        }
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.key_type(), hex::encode(self.as_bytes()))
    }
}

fn uncompressed(bits: &[u8]) -> Result<[u8; 64], CertificateError> {
    match bits.split_first() {
        Some((&UNCOMPRESSED, point)) => point.try_into().map_err(|_| CertificateError::InvalidKey),
        _ => Err(CertificateError::InvalidKey),
    }
}

fn verify_p256(point: &[u8; 64], message: &[u8], signature: &[u8]) -> bool {
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, sec1(point))
        .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}

fn verify_secp256k1(point: &[u8; 64], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = PublicKey::from_slice(&sec1(point)) else { return false };
    let Ok(mut signature) = ecdsa::Signature::from_der(signature) else { return false };
    // The library accepts only low `s`; OpenSSL and HSMs write either.
    signature.normalize_s();
    let digest = Message::from_digest(Sha256::digest(message).into());
    Secp256k1::verification_only().verify_ecdsa(digest, &signature, &key).is_ok()
}

fn verify_ed25519(key: [u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ed25519_zebra::VerificationKey::try_from(key) else { return false };
    let Ok(signature) = ed25519_zebra::Signature::try_from(signature) else { return false };
    key.verify(&signature, message).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// `SEQUENCE { r, s }`.
    fn der(r: &str, s: &str) -> Vec<u8> {
        let integer = |text: &str| {
            let magnitude = hex::decode(text).unwrap();
            let sign: &[u8] = if magnitude[0] & 0x80 == 0 { &[] } else { &[0] };
            let content = [sign, &magnitude].concat();
            [&[0x02, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
        };
        let content = [integer(r), integer(s)].concat();
        [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    }

    /// RFC 6979 appendix A.2.5.
    fn rfc6979_key() -> SubjectKey {
        SubjectKey::P256(bytes(
            "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
             7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        ))
    }

    /// The generator: the public key of the secret 1.
    fn generator() -> SubjectKey {
        SubjectKey::Secp256k1(bytes(
            "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
             483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
        ))
    }

    #[test]
    fn p256_verifies_the_vector_of_rfc_6979() {
        let signature = der(
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        );
        let key = rfc6979_key();
        assert!(key.verifies(SignatureAlgorithm::EcdsaSha256, b"sample", &signature));
        assert!(!key.verifies(SignatureAlgorithm::EcdsaSha256, b"simple", &signature));
        assert!(!key.verifies(SignatureAlgorithm::Ed25519, b"sample", &signature));
    }

    /// A vector of the deterministic signatures that Bitcoin's libraries share.
    #[test]
    fn secp256k1_verifies_a_known_vector() {
        let signature = der(
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
            "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
        );
        let message = b"Satoshi Nakamoto";
        assert!(generator().verifies(SignatureAlgorithm::EcdsaSha256, message, &signature));
        assert!(!rfc6979_key().verifies(SignatureAlgorithm::EcdsaSha256, message, &signature));
    }

    #[test]
    fn ed25519_verifies_the_third_vector_of_rfc_8032() {
        let key =
            SubjectKey::Ed25519(bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"));
        let mut signature: [u8; 64] = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert!(key.verifies(SignatureAlgorithm::Ed25519, &[0xaf, 0x82], &signature));
        signature[0] ^= 1;
        assert!(!key.verifies(SignatureAlgorithm::Ed25519, &[0xaf, 0x82], &signature));
    }

    #[test]
    fn malformed_signatures_do_not_verify() {
        for signature in [&[][..], &[0x30], &[0x30, 0x00], &[0; 64], &[0xff; 80]] {
            for key in [rfc6979_key(), generator()] {
                assert!(!key.verifies(SignatureAlgorithm::EcdsaSha256, b"", signature));
            }
            assert!(!SubjectKey::Ed25519([9; 32]).verifies(SignatureAlgorithm::Ed25519, b"", signature));
        }
    }

    #[test]
    fn addresses_are_the_end_of_the_points_keccak() {
        let address = |key: SubjectKey| key.account_address().map(hex::encode);
        assert_eq!(address(rfc6979_key()).unwrap(), "db1cf7c2c5375aea1b363bd4a67803c7f704051b");
        // The account of the secret 1, as every Ethereum tool derives it.
        assert_eq!(address(generator()).unwrap(), "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
        assert_eq!(address(SubjectKey::Ed25519([9; 32])), None);
    }
}
