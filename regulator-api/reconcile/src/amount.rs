//! Amounts: whole numbers of the smallest unit, with a sign.

use alloy_primitives::I256;

/// An amount in the smallest unit: positive where it came in.
pub type Amount = I256;

/// Most digits after the decimal mark that a token has.
const MAX_DECIMALS: u8 = 77;

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Something else than digits, a sign and one decimal mark.
    #[error("{0:?} is no amount: write digits with at most one decimal mark, without thousands separators")]
    Malformed(String),
    /// More digits after the mark than there are.
    #[error("{0:?} has more than {1} digits after the decimal mark: set the token's decimals")]
    TooFine(String, u8),
    /// More than 2^255.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// Reads an amount with so many digits after the decimal mark.
///
/// # Errors
/// [`AmountError`].
pub fn parse_amount(text: &str, decimals: u8, mark: char) -> Result<Amount, AmountError> {
    let told = || text.chars().take(64).collect::<String>();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once(mark).unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    // A mark stands between digits.
    let marked = digits.contains(mark);
    if !plain(whole) || !plain(fraction) || whole.is_empty() || (marked && fraction.is_empty()) {
        return Err(AmountError::Malformed(told()));
    }
    let fraction = fraction.trim_end_matches('0');
    let width = usize::from(decimals.min(MAX_DECIMALS));
    if fraction.len() > width {
        return Err(AmountError::TooFine(told(), decimals));
    }
    let whole = whole.trim_start_matches('0');
    let number = format!("{whole}{fraction:0<width$}");
    let number = if number.is_empty() { "0" } else { &number };
    // Longer ones cannot be numbers of 255 bits, whatever they are.
    if number.len() > usize::from(MAX_DECIMALS) {
        return Err(AmountError::TooLarge(told()));
    }
    let value = Amount::from_dec_str(number).map_err(|_| AmountError::TooLarge(told()))?;
    Ok(if negative { value.saturating_neg() } else { value })
}

/// Writes an amount for people.
pub fn format_amount(amount: Amount, decimals: u8) -> String {
    let width = usize::from(decimals.min(MAX_DECIMALS));
    let digits = format!("{:0>width$}", amount.unsigned_abs().to_string(), width = width.saturating_add(1));
    let (whole, fraction) =
        digits.split_at_checked(digits.len().saturating_sub(width)).unwrap_or((&digits, ""));
    let sign = if amount.is_negative() { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<i64, AmountError> {
        parse_amount(text, 2, '.').map(|amount| i64::try_from(amount).unwrap())
    }

    #[test]
    fn amounts_are_read_without_floats() {
        let good = [("1", 100), ("1.5", 150), ("-0.01", -1), ("+007.10", 710), ("0", 0), ("2.5000", 250)];
        for (text, amount) in good {
            assert_eq!(parse(text), Ok(amount), "{text}");
        }
        assert_eq!(parse_amount("3,25", 2, ','), Ok(Amount::try_from(325).unwrap()));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-", ".5", "5.", "1,000.00", "1e3", " 1", "1.2.3", "0x10", "--1", "٣"] {
            assert!(matches!(parse(text), Err(AmountError::Malformed(_))), "{text}");
        }
        assert!(matches!(parse("1.005"), Err(AmountError::TooFine(_, 2))));
        assert!(matches!(parse(&"9".repeat(90)), Err(AmountError::TooLarge(_))));
    }

    #[test]
    fn amounts_are_written_with_their_decimals() {
        let amount = |number: i64| Amount::try_from(number).unwrap();
        let told = [-1, 0, 99, 100, 12_345].map(|number| format_amount(amount(number), 2));
        assert_eq!(told, ["-0.01", "0.00", "0.99", "1.00", "123.45"]);
        assert_eq!(format_amount(amount(-7), 0), "-7");
    }

    proptest! {
        #[test]
        fn amounts_come_back(number in any::<i128>(), decimals in 0_u8..30) {
            let amount = Amount::try_from(number).unwrap();
            prop_assert_eq!(parse_amount(&format_amount(amount, decimals), decimals, '.'), Ok(amount));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", decimals in any::<u8>(), mark in any::<char>()) {
            let _told = parse_amount(&text, decimals, mark);
        }
    }
}
