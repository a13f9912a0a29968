//! PEM (RFC 7468): text armour for DER.

use openssl::base64;

use crate::error::AuthorityError;

/// The label of certificates.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// The label of CRLs.
pub const CRL: &str = "X509 CRL";
/// The label of certificate requests.
pub const REQUEST: &str = "CERTIFICATE REQUEST";
/// The label of encrypted private keys.
pub const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";

const LINE: usize = 64;

/// Armours DER.
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = base64::encode_block(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The DER of every block with this label, in order; text around blocks is ignored.
pub fn decode_all(label: &str, text: &str) -> Vec<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    text.split(&begin)
        .skip(1)
        .filter_map(|block| block.split_once(&end))
        .filter_map(|(body, _)| {
            let digits: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            base64::decode_block(&digits).ok()
        })
        .collect()
}

/// The DER in `bytes`: of the first block with this label, or the bytes themselves if they are DER already.
pub fn decode(label: &'static str, bytes: &[u8]) -> Result<Vec<u8>, AuthorityError> {
    // A SEQUENCE's tag: every structure of X.509 and PKCS is one.
    if bytes.first() == Some(&0x30) {
        return Ok(bytes.to_vec());
    }
    let text = String::from_utf8_lossy(bytes);
    decode_all(label, &text).into_iter().next().ok_or(AuthorityError::Pem { expected: label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_survive_armour_and_are_found_between_other_text() {
        let (one, two) = (vec![0x30; 100], vec![0x30, 0x00]);
        let text = format!("# note\n{}other\n{}", encode(CERTIFICATE, &one), encode(CERTIFICATE, &two));
        assert_eq!(decode_all(CERTIFICATE, &text), [one.clone(), two]);
        assert_eq!(decode(CERTIFICATE, text.as_bytes()).unwrap(), one);
        assert!(text.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn a_missing_or_torn_block_is_an_error() {
        assert!(decode(CRL, encode(CERTIFICATE, &[0x30]).as_bytes()).is_err());
        let whole = encode(CERTIFICATE, &[0x30; 100]);
        assert!(decode(CERTIFICATE, &whole.as_bytes()[..80]).is_err());
        assert!(decode(CERTIFICATE, b"").is_err());
    }
}
