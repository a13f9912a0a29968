//! A strict reader of the Distinguished Encoding Rules (X.690 section 10).
//!
//! `x509-parser` reads what the world's certificate authorities write, which is more than DER: it skips
//! trailing fields and accepts several encodings of one value. On a ledger, two byte strings must not mean
//! one certificate, so everything passes [`check`] before it is interpreted.

/// How deeply values may nest. A certificate needs about eight levels.
const MAX_DEPTH: usize = 16;

/// Why bytes are not strict DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// A value ends before its announced length.
    #[error("a value ends before its announced length")]
    Truncated,
    /// Bytes follow where a value should have been the last.
    #[error("bytes follow after the end of the value")]
    TrailingBytes,
    /// A length is indefinite, not minimal, or beyond four octets.
    #[error("a length is indefinite, longer than needed or out of range")]
    Length,
    /// A tag is multi-byte, or universal with the wrong primitive or constructed form.
    #[error("tag {0:#04x} is not permitted here")]
    Tag(u8),
    /// Values nest beyond any real certificate.
    #[error("values nest more than {MAX_DEPTH} levels deep")]
    Depth,
    /// A primitive value has an encoding other than its only DER one.
    #[error("a value of tag {0:#04x} is not in its canonical encoding")]
    NotCanonical(u8),
    /// The elements of a SET are not in ascending order.
    #[error("the elements of a SET are out of order")]
    SetOrder,
    /// A structure has missing, additional or misplaced fields.
    #[error("{0} has missing, additional or misplaced fields")]
    Structure(&'static str),
}

/// Universal tags that this crate meets.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: u8 = 0x30;
    /// SET and SET OF.
    pub const SET: u8 = 0x31;

    /// The context-specific constructed tag with this number.
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }
}

const CONSTRUCTED: u8 = 0x20;
const CLASS_MASK: u8 = 0xc0;
const NUMBER_MASK: u8 = 0x1f;

/// One tag-length-value triple.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The value's octets.
    pub content: &'a [u8],
    /// The whole triple.
    pub raw: &'a [u8],
}

/// Reads the first element of `input`; returns it with the bytes after it.
fn read(input: &[u8]) -> Result<(Element<'_>, &[u8]), DerError> {
    let (&tag, after_tag) = input.split_first().ok_or(DerError::Truncated)?;
    if tag & NUMBER_MASK == NUMBER_MASK {
        return Err(DerError::Tag(tag));
    }
    let (length, after_length) = read_length(after_tag)?;
    let (content, rest) = after_length.split_at_checked(length).ok_or(DerError::Truncated)?;
    let raw_len = input.len().saturating_sub(rest.len());
    let raw = input.get(..raw_len).ok_or(DerError::Truncated)?;
    Ok((Element { tag, content, raw }, rest))
}

/// Reads a definite, minimal length of at most four octets (X.690 section 10.1).
fn read_length(input: &[u8]) -> Result<(usize, &[u8]), DerError> {
    let (&first, rest) = input.split_first().ok_or(DerError::Truncated)?;
    if first < 0x80 {
        return Ok((usize::from(first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err(DerError::Length);
    }
    let (digits, rest) = rest.split_at_checked(octets).ok_or(DerError::Truncated)?;
    let length = digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
    if length < 0x80 || digits.first() == Some(&0) {
        return Err(DerError::Length);
    }
    Ok((length, rest))
}

/// The one element that `input` consists of.
pub fn single(input: &[u8]) -> Result<Element<'_>, DerError> {
    match read(input)? {
        (element, []) => Ok(element),
        _ => Err(DerError::TrailingBytes),
    }
}

/// The elements that `content` consists of, in order.
pub fn elements(content: &[u8]) -> Result<Vec<Element<'_>>, DerError> {
    let mut rest = content;
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let (element, after) = read(rest)?;
        elements.push(element);
        rest = after;
    }
    Ok(elements)
}

/// Refuses everything but one value in strict DER.
pub fn check(input: &[u8]) -> Result<(), DerError> {
    check_element(&single(input)?, MAX_DEPTH)
}

fn check_element(element: &Element<'_>, depth: usize) -> Result<(), DerError> {
    let depth = depth.checked_sub(1).ok_or(DerError::Depth)?;
    if element.tag & CONSTRUCTED == 0 {
        return check_primitive(element);
    }
    let universal = element.tag & CLASS_MASK == 0;
    if universal && element.tag != tag::SEQUENCE && element.tag != tag::SET {
        return Err(DerError::Tag(element.tag));
    }
    let children = elements(element.content)?;
    if element.tag == tag::SET && !children.is_sorted_by(|a, b| a.raw < b.raw) {
        return Err(DerError::SetOrder);
    }
    children.iter().try_for_each(|child| check_element(child, depth))
}

fn check_primitive(element: &Element<'_>) -> Result<(), DerError> {
    let content = element.content;
    let canonical = match element.tag {
        tag::BOOLEAN => matches!(content, [0x00 | 0xff]),
        tag::INTEGER | tag::ENUMERATED => is_minimal_integer(content),
        tag::BIT_STRING => is_canonical_bit_string(content),
        tag::NULL => content.is_empty(),
        tag::OID => is_canonical_oid(content),
        tag::UTC_TIME => content.len() == 13 && is_zulu_digits(content),
        tag::GENERALIZED_TIME => content.len() == 15 && is_zulu_digits(content),
        // SEQUENCE and SET without the constructed bit.
        0x10 | 0x11 => return Err(DerError::Tag(element.tag)),
        _ => true,
    };
    if canonical { Ok(()) } else { Err(DerError::NotCanonical(element.tag)) }
}

fn is_minimal_integer(content: &[u8]) -> bool {
    match content {
        [] => false,
        [0x00, next, ..] => next & 0x80 != 0,
        [0xff, next, ..] => next & 0x80 == 0,
        _ => true,
    }
}

/// At most seven unused bits, all of them zero (X.690 section 11.2).
fn is_canonical_bit_string(content: &[u8]) -> bool {
    match content {
        [0] => true,
        [unused @ 0..=7, .., last] => last.trailing_zeros() >= u32::from(*unused),
        _ => false,
    }
}

fn is_canonical_oid(content: &[u8]) -> bool {
    let ends = content.last().is_some_and(|last| last & 0x80 == 0);
    let mut starts_arc = true;
    let no_padding = content.iter().all(|octet| {
        let padded = starts_arc && *octet == 0x80;
        starts_arc = octet & 0x80 == 0;
        !padded
    });
    ends && no_padding
}

/// `…Z`, digits before it (RFC 5280 section 4.1.2.5: seconds present, no fraction, no offset).
fn is_zulu_digits(content: &[u8]) -> bool {
    matches!(content.split_last(), Some((b'Z', digits)) if digits.iter().all(u8::is_ascii_digit))
}

/// The tags of a constructed element's children, after checking that it is a `tag`.
fn child_tags<'a>(
    element: &Element<'a>,
    tag: u8,
    what: &'static str,
) -> Result<(Vec<Element<'a>>, Vec<u8>), DerError> {
    if element.tag != tag {
        return Err(DerError::Structure(what));
    }
    let children = elements(element.content)?;
    let tags = children.iter().map(|child| child.tag).collect();
    Ok((children, tags))
}

fn require(holds: bool, what: &'static str) -> Result<(), DerError> {
    if holds { Ok(()) } else { Err(DerError::Structure(what)) }
}

/// The to-be-signed part of `SEQUENCE { tbs, signatureAlgorithm, signatureValue }`.
fn signed<'a>(der: &'a [u8], what: &'static str) -> Result<Element<'a>, DerError> {
    let (parts, tags) = child_tags(&single(der)?, tag::SEQUENCE, what)?;
    require(tags == [tag::SEQUENCE, tag::SEQUENCE, tag::BIT_STRING], what)?;
    let [tbs, algorithm, _] = parts.as_slice() else { return Err(DerError::Structure(what)) };
    check_algorithm(algorithm)?;
    Ok(*tbs)
}

/// `AlgorithmIdentifier`: an OID and at most one parameter.
fn check_algorithm(element: &Element<'_>) -> Result<(), DerError> {
    let (_, tags) = child_tags(element, tag::SEQUENCE, "an AlgorithmIdentifier")?;
    require(tags.first() == Some(&tag::OID) && tags.len() <= 2, "an AlgorithmIdentifier")
}

fn is_time(tag: u8) -> bool {
    tag == tag::UTC_TIME || tag == tag::GENERALIZED_TIME
}

/// Refuses a certificate that is not strict DER with exactly the fields of RFC 5280 section 4.1.
///
/// The deprecated unique identifiers are refused; extensions are required, since every certificate in
/// use here carries some. Returns the to-be-signed bytes.
pub fn check_certificate(der: &[u8]) -> Result<&[u8], DerError> {
    check(der)?;
    let tbs = signed(der, "the certificate")?;
    let what = "the certificate's body";
    let (fields, _) = child_tags(&tbs, tag::SEQUENCE, what)?;
    let [version, serial, algorithm, issuer, validity, subject, key, extensions] = fields.as_slice() else {
        return Err(DerError::Structure(what));
    };
    require(version.tag == tag::context(0) && serial.tag == tag::INTEGER, what)?;
    require(elements(version.content)?.len() == 1, what)?;
    check_algorithm(algorithm)?;
    require(issuer.tag == tag::SEQUENCE && subject.tag == tag::SEQUENCE, what)?;
    let (_, times) = child_tags(validity, tag::SEQUENCE, "the validity")?;
    require(times.len() == 2 && times.iter().all(|tag| is_time(*tag)), "the validity")?;
    let (key_fields, key_tags) = child_tags(key, tag::SEQUENCE, "the public key")?;
    require(key_tags == [tag::SEQUENCE, tag::BIT_STRING], "the public key")?;
    key_fields.first().map_or(Ok(()), check_algorithm)?;
    check_extensions(extensions, 3)?;
    Ok(tbs.raw)
}

/// Refuses a CRL that is not strict DER with exactly the fields of an RFC 5280 section 5.1 v2 CRL.
///
/// Returns the to-be-signed bytes.
pub fn check_crl(der: &[u8]) -> Result<&[u8], DerError> {
    check(der)?;
    let tbs = signed(der, "the CRL")?;
    let what = "the CRL's body";
    let (fields, _) = child_tags(&tbs, tag::SEQUENCE, what)?;
    let (revoked, extensions, head) = match fields.as_slice() {
        [head @ .., revoked, extensions] if head.len() == 5 => (Some(revoked), extensions, head),
        [head @ .., extensions] => (None, extensions, head),
        [] => return Err(DerError::Structure(what)),
    };
    let [version, algorithm, issuer, this_update, next_update] = head else {
        return Err(DerError::Structure(what));
    };
    require(version.tag == tag::INTEGER && issuer.tag == tag::SEQUENCE, what)?;
    check_algorithm(algorithm)?;
    require(is_time(this_update.tag) && is_time(next_update.tag), what)?;
    revoked.map_or(Ok(()), check_revoked_list)?;
    check_extensions(extensions, 0)?;
    Ok(tbs.raw)
}

fn check_revoked_list(list: &Element<'_>) -> Result<(), DerError> {
    let what = "the list of revoked certificates";
    let (entries, _) = child_tags(list, tag::SEQUENCE, what)?;
    require(!entries.is_empty(), what)?;
    entries.iter().try_for_each(|entry| {
        let (fields, tags) = child_tags(entry, tag::SEQUENCE, what)?;
        match (tags.as_slice(), fields.as_slice()) {
            ([tag::INTEGER, time], _) if is_time(*time) => Ok(()),
            ([tag::INTEGER, time, _], [_, _, extensions]) if is_time(*time) => {
                check_extension_list(extensions)
            }
            _ => Err(DerError::Structure(what)),
        }
    })
}

/// `[number] EXPLICIT Extensions`.
fn check_extensions(element: &Element<'_>, number: u8) -> Result<(), DerError> {
    let (lists, _) = child_tags(element, tag::context(number), "the extensions")?;
    match lists.as_slice() {
        [list] => check_extension_list(list),
        _ => Err(DerError::Structure("the extensions")),
    }
}

/// `Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension`; `critical FALSE`, the default, is never encoded.
fn check_extension_list(list: &Element<'_>) -> Result<(), DerError> {
    let (extensions, _) = child_tags(list, tag::SEQUENCE, "the extensions")?;
    require(!extensions.is_empty(), "the extensions")?;
    extensions.iter().try_for_each(|extension| {
        let (fields, tags) = child_tags(extension, tag::SEQUENCE, "an extension")?;
        let critical = fields.get(1).map(|field| field.content);
        match tags.as_slice() {
            [tag::OID, tag::OCTET_STRING] => Ok(()),
            [tag::OID, tag::BOOLEAN, tag::OCTET_STRING] if critical == Some(&[0xff]) => Ok(()),
            _ => Err(DerError::Structure("an extension")),
        }
    })
}

/// Refuses subtrees with `minimum` or `maximum`, which RFC 5280 section 4.2.1.10 forbids.
pub fn check_name_constraints(value: &[u8]) -> Result<(), DerError> {
    let what = "the name constraints";
    let (lists, tags) = child_tags(&single(value)?, tag::SEQUENCE, what)?;
    let (permitted, excluded) = (tag::context(0), tag::context(1));
    let known = tags == [permitted] || tags == [excluded] || tags == [permitted, excluded];
    require(known, what)?;
    for list in lists {
        let subtrees = elements(list.content)?;
        require(!subtrees.is_empty(), what)?;
        for subtree in subtrees {
            let (bases, _) = child_tags(&subtree, tag::SEQUENCE, what)?;
            require(bases.len() == 1, what)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_values_are_accepted() {
        for good in [
            &[0x01, 0x01, 0xff][..],
            &[0x02, 0x02, 0x00, 0x80],
            &[0x03, 0x02, 0x07, 0x80],
            &[0x06, 0x03, 0x55, 0x04, 0x0a],
            &[0x30, 0x03, 0x02, 0x01, 0x05],
            b"\x17\x0d260101000000Z",
        ] {
            assert_eq!(check(good), Ok(()), "{good:02x?}");
        }
    }

    #[test]
    fn each_other_encoding_of_a_value_is_refused() {
        for (bad, error) in [
            (&[0x01, 0x01, 0x01][..], DerError::NotCanonical(1)),
            (&[0x02, 0x02, 0x00, 0x7f], DerError::NotCanonical(2)),
            (&[0x02, 0x00], DerError::NotCanonical(2)),
            (&[0x03, 0x02, 0x07, 0x81], DerError::NotCanonical(3)),
            (&[0x03, 0x02, 0x08, 0x00], DerError::NotCanonical(3)),
            (&[0x05, 0x01, 0x00], DerError::NotCanonical(5)),
            (&[0x06, 0x03, 0x55, 0x80, 0x0a], DerError::NotCanonical(6)),
            (&[0x02, 0x81, 0x01, 0x05], DerError::Length),
            (&[0x30, 0x80, 0x00, 0x00], DerError::Length),
            (&[0x04, 0x85, 0, 0, 0, 0, 1, 0], DerError::Length),
            (&[0x24, 0x03, 0x04, 0x01, 0x00], DerError::Tag(0x24)),
            (&[0x10, 0x00], DerError::Tag(0x10)),
            (&[0x1f, 0x81, 0x00], DerError::Tag(0x1f)),
            (&[0x02, 0x01, 0x05, 0x00], DerError::TrailingBytes),
            (&[0x02, 0x02, 0x05], DerError::Truncated),
            (&[0x31, 0x06, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01], DerError::SetOrder),
            (b"\x17\x11260101000000+0100", DerError::NotCanonical(0x17)),
        ] {
            assert_eq!(check(bad), Err(error), "{bad:02x?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = (0..40).fold(vec![0x05, 0x00], |inner: Vec<u8>, _| {
            let mut outer = vec![0x30, u8::try_from(inner.len()).unwrap()];
            outer.extend(inner);
            outer
        });
        assert_eq!(check(&nested), Err(DerError::Depth));
    }
}
