//! Books as a bank sends them: a statement in ISO 20022 camt.053, versions 02 and 08.
//!
//! Entries that are booked count, with their transactions where they name several; pending and informational ones are left
//! out. The other side is the debtor of what came in and the creditor of what went out.

use crate::{
    Amount, BookRecord, Books, BooksError, Moment, Settings,
    amount::parse_amount,
    record::DAY_LENGTH,
    xml::{self, Element},
};

const NAMESPACES: [&str; 2] =
    ["urn:iso:std:iso:20022:tech:xsd:camt.053.001.02", "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"];

/// Reads a statement. One file holds one statement: that of one account.
///
/// # Errors
/// The first element that cannot be read.
pub fn read_camt(bytes: &[u8], settings: &Settings) -> Result<Books, BooksError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| BooksError::new("document", "encoding", "it is not UTF-8: save it as UTF-8"))?;
    let (mut books, mut entries, mut statements) = (Books::default(), 0_u64, 0_u64);
    let mut take = |element: Element| match element.name.as_str() {
        "Bal" => balance(&element, settings, &mut books),
        "Ntry" => {
            entries = entries.saturating_add(1);
            entry(&element, &format!("Ntry {entries}"), settings, &mut books)
        }
        // What names a statement stands there once.
        _ => {
            statements = statements.saturating_add(1);
            match statements > 1 {
                true => Err(BooksError::new("Stmt 2", "Acct", "there are two statements: name one a file")),
                false => Ok(()),
            }
        }
    };
    xml::read(text, &NAMESPACES, &["Acct", "Bal", "Ntry"], &mut take)?;
    Ok(books)
}

/// An amount with its sign.
fn amount(element: &Element, place: &str, settings: &Settings) -> Result<(Amount, String), BooksError> {
    let found = element.at(&["Amt"]);
    let found = found.ok_or_else(|| BooksError::new(place, "Amt", "there is no amount"))?;
    let currency = found.currency.clone();
    let currency = currency.ok_or_else(|| BooksError::new(place, "Amt", "it has no currency (Ccy)"))?;
    let (_, decimals) =
        settings.token(Some(&currency)).map_err(|what| BooksError::new(place, "Amt", what))?;
    // The standard writes a point, whatever the books' own mark.
    let amount = parse_amount(found.text.trim(), decimals, '.')
        .map_err(|error| BooksError::new(place, "Amt", error.to_string()))?;
    if amount.is_negative() {
        return Err(BooksError::new(place, "Amt", "it has a sign: CdtDbtInd says which way it went"));
    }
    Ok((amount, currency))
}

fn signed(amount: Amount, incoming: bool) -> Amount {
    if incoming { amount } else { amount.saturating_neg() }
}

fn is_incoming(element: &Element, place: &str) -> Result<bool, BooksError> {
    match element.text_at(&["CdtDbtInd"]) {
        Some("CRDT") => Ok(true),
        Some("DBIT") => Ok(false),
        other => {
            let what = format!("it is {other:?}: write CRDT or DBIT");
            Err(BooksError::new(place, "CdtDbtInd", what))
        }
    }
}

/// Balances at the opening (booked, or the one of the statement before) and at the closing count.
fn balance(element: &Element, settings: &Settings, books: &mut Books) -> Result<(), BooksError> {
    let code = element.text_at(&["Tp", "CdOrPrtry", "Cd"]).unwrap_or_default();
    let place = format!("Bal {code}");
    let slot = match code {
        "OPBD" | "PRCD" => &mut books.opening,
        "CLBD" => &mut books.closing,
        _ => return Ok(()),
    };
    let (amount, currency) = amount(element, &place, settings)?;
    let (token, _) = settings.token(Some(&currency)).map_err(|what| BooksError::new(&*place, "Amt", what))?;
    let amount = signed(amount, is_incoming(element, &place)?);
    if settings.token.is_some_and(|meant| meant != token) {
        return Ok(());
    }
    match slot.replace(amount) {
        Some(before) if before != amount => {
            Err(BooksError::new(place, "Amt", "the statement tells this balance twice, and differently"))
        }
        _ => Ok(()),
    }
}

fn entry(entry: &Element, place: &str, settings: &Settings, books: &mut Books) -> Result<(), BooksError> {
    let status = entry.text_at(&["Sts", "Cd"]).or_else(|| entry.text_at(&["Sts"]));
    if status.is_some_and(|status| status != "BOOK") {
        books.left_out = books.left_out.saturating_add(1);
        return Ok(());
    }
    let (whole, currency) = amount(entry, place, settings)?;
    let incoming = is_incoming(entry, place)?;
    let details: Vec<&Element> = entry.all("NtryDtls").flat_map(|details| details.all("TxDtls")).collect();
    let own = Element::default();
    let parts: Vec<(String, &Element, Amount)> = match details.as_slice() {
        [] => vec![(place.to_owned(), &own, whole)],
        [one] => vec![(format!("{place}, TxDtls 1"), *one, whole)],
        several => split(several, place, settings, (whole, &currency))?,
    };
    for (place, details, amount) in parts {
        let record = record(entry, details, (signed(amount, incoming), &currency), place, settings)?;
        books.add(record, settings)?;
    }
    Ok(())
}

/// The amounts of several transactions, which add up to the entry's.
fn split<'a>(
    details: &[&'a Element],
    place: &str,
    settings: &Settings,
    (whole, currency): (Amount, &str),
) -> Result<Vec<(String, &'a Element, Amount)>, BooksError> {
    let (mut parts, mut sum) = (Vec::new(), Amount::ZERO);
    for (number, details) in (1_u64..).zip(details) {
        let place = format!("{place}, TxDtls {number}");
        let told = details.at(&["AmtDtls", "TxAmt"]).filter(|_| details.at(&["Amt"]).is_none());
        let (part, of) = amount(told.unwrap_or(details), &place, settings)?;
        if of != currency {
            let what = format!("it is in {of}, the entry in {currency}: split the entry by currencies");
            return Err(BooksError::new(place, "Amt", what));
        }
        sum = sum.saturating_add(part);
        parts.push((place, *details, part));
    }
    match sum == whole {
        true => Ok(parts),
        false => {
            let what =
                format!("the transactions add up to {sum}, the entry says {whole} (in the smallest unit)");
            Err(BooksError::new(place, "Amt", what))
        }
    }
}

fn record(
    entry: &Element,
    details: &Element,
    (amount, currency): (Amount, &str),
    place: String,
    settings: &Settings,
) -> Result<BookRecord, BooksError> {
    let (token, _) = settings.token(Some(currency)).map_err(|what| BooksError::new(&*place, "Amt", what))?;
    let named = party(details, if amount.is_negative() { "Cdtr" } else { "Dbtr" });
    let known = named.iter().find_map(|name| settings.counterparty(name));
    Ok(BookRecord {
        at: moment(entry, &place)?,
        amount,
        token,
        counterparty: known,
        counterparty_text: named.into_iter().next(),
        references: references(entry, details),
        place,
    })
}

/// What names somebody: its name, then its account.
fn party(details: &Element, side: &str) -> Vec<String> {
    let account = format!("{side}Acct");
    let paths: [&[&str]; 5] = [
        &["RltdPties", side, "Pty", "Nm"],
        &["RltdPties", side, "Nm"],
        &["RltdPties", &account, "Id", "IBAN"],
        &["RltdPties", &account, "Id", "Othr", "Id"],
        &["RltdPties", side, "Pty", "Id", "OrgId", "Othr", "Id"],
    ];
    paths.iter().filter_map(|path| details.text_at(path)).map(str::to_owned).collect()
}

/// Everything in which the hash of a transaction, or the id of a payment, may stand.
fn references(entry: &Element, details: &Element) -> Vec<String> {
    let of_details: [&[&str]; 7] = [
        &["Refs", "EndToEndId"],
        &["Refs", "UETR"],
        &["Refs", "TxId"],
        &["Refs", "InstrId"],
        &["Refs", "AcctSvcrRef"],
        &["RmtInf", "Ustrd"],
        &["AddtlTxInf"],
    ];
    let of_entry: [&[&str]; 3] = [&["NtryRef"], &["AcctSvcrRef"], &["AddtlNtryInf"]];
    let told = of_details.iter().filter_map(|path| details.text_at(path));
    let told = told.chain(of_entry.iter().filter_map(|path| entry.text_at(path)));
    told.filter(|text| *text != "NOTPROVIDED").map(str::to_owned).collect()
}

/// The day of booking; that of the value where there is none.
fn moment(entry: &Element, place: &str) -> Result<Option<Moment>, BooksError> {
    let paths: [&[&str]; 4] =
        [&["BookgDt", "DtTm"], &["BookgDt", "Dt"], &["ValDt", "DtTm"], &["ValDt", "Dt"]];
    let Some(text) = paths.iter().find_map(|path| entry.text_at(path)) else { return Ok(None) };
    // A day may carry an offset, which says nothing that a day could be held against.
    let day = text.split_at_checked(DAY_LENGTH).filter(|(_, offset)| offset.starts_with(['Z', '+', '-']));
    let read = Moment::parse(day.map_or(text, |(day, _)| day));
    read.map(Some).ok_or_else(|| {
        BooksError::new(place, "BookgDt", format!("{text:?} is no day or time: write 2026-11-26"))
    })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use proptest::prelude::*;

    use super::*;
    use crate::Mapping;

    const OLD: &str = include_str!("../samples/statement-02.xml");
    const NEW: &str = include_str!("../samples/statement-08.xml");

    fn settings() -> Settings {
        let mapping: Mapping = toml::from_str(include_str!("../samples/mapping.toml")).unwrap();
        Settings { mapping, token: Some(Address::repeat_byte(0xee)), decimals: 2 }
    }

    fn read(text: &str) -> Result<Books, String> {
        read_camt(text.as_bytes(), &settings()).map_err(|error| error.to_string())
    }

    fn amounts(books: &Books) -> Vec<String> {
        books.records.iter().map(|record| record.amount.to_string()).collect()
    }

    #[test]
    fn both_versions_say_the_same() {
        let (old, new) = (read(OLD).unwrap(), read(NEW).unwrap());
        assert_eq!(amounts(&old), ["-25000", "10000", "20000"]);
        assert_eq!(amounts(&old), amounts(&new));
        for books in [&old, &new] {
            assert_eq!(books.opening, Some(Amount::try_from(100_000).unwrap()));
            assert_eq!(books.closing, Some(Amount::try_from(105_000).unwrap()));
            assert_eq!(books.left_out, 1, "what is pending");
            assert_eq!(books.records[0].counterparty, Some(Address::repeat_byte(0xbb)));
            assert_eq!(books.records[0].counterparty_text.as_deref(), Some("Bank B AG"));
            assert_eq!(books.records[0].at, Moment::parse("2026-11-26"));
            assert_eq!(books.records[1].place, "Ntry 2, TxDtls 1");
            assert!(books.records[1].references.contains(&"E2E-1".to_owned()), "{:?}", books.records[1]);
        }
        assert!(new.records[2].references.iter().any(|text| text.starts_with("8a562c67")), "the UETR");
    }

    #[test]
    fn a_day_may_have_an_offset() {
        let text = NEW.replacen("<BookgDt><Dt>2026-11-26</Dt>", "<BookgDt><Dt>2026-11-26+01:00</Dt>", 1);
        assert_eq!(read(&text).unwrap().records[0].at, Moment::parse("2026-11-26"));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_element_and_field() {
        let refused = |from: &str, to: &str| {
            assert!(NEW.contains(from), "{from}");
            read(&NEW.replacen(from, to, 1)).unwrap_err()
        };
        let sum = refused("<Amt Ccy=\"EUR\">100.00</Amt>", "<Amt Ccy=\"EUR\">100.01</Amt>");
        assert!(sum.starts_with("Ntry 2, Amt: the transactions add up to 30001"), "{sum}");
        let sign = refused("<CdtDbtInd>DBIT</CdtDbtInd>", "<CdtDbtInd>OUT</CdtDbtInd>");
        assert!(sign.starts_with("Ntry 1, CdtDbtInd"), "{sign}");
        let day = refused("<BookgDt><Dt>2026-11-26</Dt>", "<BookgDt><Dt>26.11.2026</Dt>");
        assert!(day.starts_with("Ntry 1, TxDtls 1, BookgDt"), "{day}");
        let fine = refused("<Amt Ccy=\"EUR\">250.00</Amt>", "<Amt Ccy=\"EUR\">250.001</Amt>");
        assert!(fine.starts_with("Ntry 1, Amt: \"250.001\" has more than 2"), "{fine}");
        let currency = refused("<Amt Ccy=\"EUR\">250.00</Amt>", "<Amt>250.00</Amt>");
        assert!(currency.contains("no currency"), "{currency}");
        let hour = refused("<BookgDt><Dt>2026-11-26</Dt>", "<BookgDt><DtTm>2026-11-26T25:00:00Z</DtTm>");
        assert!(hour.contains("is no day or time"), "{hour}");
        let version = refused("camt.053.001.08", "camt.053.001.99");
        assert!(version.contains("namespaces"), "{version}");
        let twice = refused("</Acct>", "</Acct><Acct/>");
        assert!(twice.contains("two statements"), "{twice}");
    }

    proptest! {
        #[test]
        fn no_damaged_statement_panics(at in 0..NEW.len(), byte in any::<u8>()) {
            let mut bytes = NEW.as_bytes().to_vec();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _told = read_camt(&bytes, &settings());
        }
    }
}
