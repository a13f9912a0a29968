//! Writing the few DER structures that the OpenSSL bindings have no builder for.

/// `tag`, the shortest length, `content` (X.690 section 10.1).
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
            // At most eight octets, so the count fits seven bits.
            out.push(0x80 | octets.len() as u8);
            out.extend(octets);
        }
    }
    out.extend_from_slice(content);
    out
}

/// `SEQUENCE` of elements that are encoded already.
pub(crate) fn sequence<T: AsRef<[u8]>>(elements: &[T]) -> Vec<u8> {
    let content: Vec<u8> = elements.iter().flat_map(|element| element.as_ref().iter().copied()).collect();
    element(0x30, &content)
}

/// `INTEGER` of a big-endian magnitude.
pub(crate) fn integer(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|octet| **octet == 0).count();
    let digits = magnitude.get(zeros..).unwrap_or_default();
    let sign_octet = digits.first().is_none_or(|first| first & 0x80 != 0);
    let content: Vec<u8> = sign_octet.then_some(0).into_iter().chain(digits.iter().copied()).collect();
    element(0x02, &content)
}

/// `OCTET STRING`.
pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    element(0x04, content)
}

/// `OBJECT IDENTIFIER`, from its content octets.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    element(0x06, content)
}

/// A `Time`: UTCTime through 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5).
///
/// `None` if the calendar ends before.
pub(crate) fn time(unix_seconds: i64) -> Option<Vec<u8>> {
    let at = time::OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?;
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let rest = format!("{month:02}{day:02}{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second());
    match year {
        1950..=2049 => Some(element(0x17, format!("{:02}{rest}", year.rem_euclid(100)).as_bytes())),
        0..=9999 => Some(element(0x18, format!("{year:04}{rest}").as_bytes())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_integers_are_minimal() {
        assert_eq!(element(0x04, &[]), [0x04, 0x00]);
        assert_eq!(element(0x04, &[7; 127])[..2], [0x04, 0x7f]);
        assert_eq!(element(0x04, &[7; 128])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(element(0x04, &[7; 256])[..4], [0x04, 0x82, 0x01, 0x00]);
        assert_eq!(integer(&[0, 0, 0x80]), [0x02, 0x02, 0x00, 0x80]);
        assert_eq!(integer(&[0]), [0x02, 0x01, 0x00]);
        assert_eq!(integer(&[0x7f]), [0x02, 0x01, 0x7f]);
    }

    #[test]
    fn times_change_their_form_in_2050() {
        assert_eq!(time(2_524_607_999).unwrap(), b"\x17\x0d491231235959Z");
        assert_eq!(time(2_524_608_000).unwrap(), b"\x18\x0f20500101000000Z");
        assert_eq!(time(i64::MAX), None);
    }
}
