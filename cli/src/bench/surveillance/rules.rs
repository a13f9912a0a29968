//! Fifty rules of all kinds, as a supervisor of a few banks might have: thresholds that ordinary traffic seldom comes to,
//! some for one token, some for one bank.

use std::fmt::Write as _;

use concordat_surveillance::{List, Rule, parse};
use concordat_types::Address;
use eyre::Result;

/// Entries of the list of the sanctioned, by address and by name. None of them transfers anything.
const SANCTIONED: u8 = 200;

/// Frequencies: what is counted, how often, within how many seconds.
const FREQUENCIES: [(&str, u32, u32); 5] = [
    ("of = \"transactions\"", 600, 60),
    ("of = \"transactions\"", 1_000, 120),
    ("of = \"transfers\"", 500, 60),
    ("of = \"transfers\"\nside = \"recipient\"", 500, 60),
    ("of = \"transfers\"\nside = \"recipient\"", 900, 120),
];

/// Pieces below 1,000 of one side: from which amount on, how many, within how many seconds.
const PIECES: [(&str, u32, u32, u32); 5] = [
    ("sender", 800, 300, 240),
    ("recipient", 800, 300, 240),
    ("sender", 900, 150, 240),
    ("recipient", 900, 150, 240),
    ("sender", 950, 100, 240),
];

/// Ways back: through how many transfers, of which amount on, within how many seconds.
const CIRCLES: [(u32, u32, u32); 4] = [(3, 5_000, 240), (4, 20_000, 600), (5, 50_000, 600), (6, 80_000, 600)];

/// Many times the average: how many, of how many transfers, from which amount on.
const ABNORMAL: [(u32, u32, u32); 4] =
    [(50, 100, 20_000), (20, 200, 50_000), (100, 50, 20_000), (30, 100, 80_000)];

/// Members of the committee and registrars, who do little here.
const COMMITTEE: [&str; 7] = [
    "kind = \"proposal-burst\"\ncount = 10\nwindow = { blocks = 1000 }",
    "kind = \"freeze-burst\"\ncount = 5\nwindow = { blocks = 100 }",
    "kind = \"freeze-burst\"\ncount = 20\nwindow = { seconds = 86400 }",
    "kind = \"new-accounts\"\ncount = 900\nwindow = { seconds = 60 }",
    "kind = \"late-ballot\"\nblocks = 2",
    "kind = \"hasty-execution\"\nblocks = 1",
    "kind = \"own-matter\"",
];

/// Rules and a list, as files.
pub struct Rulebook {
    /// The rules.
    pub rules: String,
    /// The list of the sanctioned.
    pub sanctions: String,
}

impl Rulebook {
    /// Rules over these tokens and banks.
    pub fn new(tokens: &[Address], banks: &[&str]) -> Self {
        let mut book = Book { text: "version = 1\n".to_owned(), rules: 0 };
        let narrowed = Narrowed { tokens, banks };
        for (place, (of, count, seconds)) in FREQUENCIES.into_iter().enumerate() {
            let body = format!(
                "kind = \"high-frequency\"\n{of}\ncount = {count}\nwindow = {{ seconds = {seconds} }}"
            );
            book.twice(&body, &narrowed.by_bank(place));
        }
        for (place, (side, from, count, seconds)) in PIECES.into_iter().enumerate() {
            let body = format!(
                "kind = \"structuring\"\nside = \"{side}\"\nbelow = 1000\nfrom = {from}\ntotal = {}\ncount = {count}\n\
                 window = {{ seconds = {seconds} }}",
                from * count
            );
            book.twice(&body, &narrowed.by_token(place));
        }
        for (place, (hops, amount, seconds)) in CIRCLES.into_iter().enumerate() {
            let body = format!(
                "kind = \"round-trip\"\nhops = {hops}\nreturned = 950\namount = {amount}\nwindow = {{ seconds = {seconds} }}"
            );
            book.twice(&body, &narrowed.by_token(place));
        }
        for (place, (times, sample, amount)) in ABNORMAL.into_iter().enumerate() {
            let body = format!(
                "kind = \"abnormal-amount\"\ntimes = {times}\nsample = {sample}\nleast = 20\namount = {amount}"
            );
            book.twice(&body, &narrowed.by_bank(place));
        }
        for (place, idle) in [86_400, 2_592_000].into_iter().enumerate() {
            let body = format!("kind = \"dormant-awakened\"\nidle = {{ seconds = {idle} }}\namount = 20000");
            book.twice(&body, &narrowed.by_token(place));
        }
        for narrow in [String::new(), narrowed.by_token(0), narrowed.by_bank(1)] {
            book.add(&format!("kind = \"sanctions\"\n{narrow}"));
        }
        COMMITTEE.into_iter().for_each(|body| book.add(body));
        Self { rules: book.text, sanctions: sanctions() }
    }

    /// The rules, read.
    pub fn rules(&self) -> Result<Vec<Rule>> {
        Ok(parse([("bench", self.rules.as_str())])?)
    }

    /// The list, read.
    pub fn list(&self) -> Result<List> {
        Ok(List::parse(&self.sanctions)?)
    }
}

/// A file of rules.
struct Book {
    text: String,
    rules: u32,
}

impl Book {
    fn add(&mut self, body: &str) {
        self.rules += 1;
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.text,
            "[[rule]]\nid = \"rule-{}\"\ntitle = \"bench\"\ngrade = \"note\"\nreference = \"bench\"\n{body}",
            self.rules
        );
    }

    /// A rule over everything, and the same narrowed.
    fn twice(&mut self, body: &str, narrow: &str) {
        self.add(body);
        self.add(&format!("{body}\n{narrow}"));
    }
}

/// What rules are narrowed to, in turns.
struct Narrowed<'a> {
    tokens: &'a [Address],
    banks: &'a [&'a str],
}

impl Narrowed<'_> {
    fn by_token(&self, place: usize) -> String {
        let token = self.tokens.iter().cycle().nth(place);
        token.map(|token| format!("tokens = [\"{token:#x}\"]")).unwrap_or_default()
    }

    fn by_bank(&self, place: usize) -> String {
        let bank = self.banks.iter().cycle().nth(place);
        bank.map(|bank| format!("organisations = [\"{bank}\"]")).unwrap_or_default()
    }
}

fn sanctions() -> String {
    let mut text = "version = 1\nsource = \"bench\"\n".to_owned();
    for n in 1..=SANCTIONED {
        let address = Address::right_padding_from(&[n, n, n]);
        for named in [format!("address = \"{address:#x}\""), format!("name = \"Somebody Else {n}\"")] {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "[[entry]]\n{named}\nreason = \"No. {n}\"");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_rules_of_all_kinds() {
        for tokens in [1_u8, 5] {
            let tokens: Vec<Address> = (1..=tokens).map(Address::repeat_byte).collect();
            let book = Rulebook::new(&tokens, &["bank-a", "bank-b"]);
            assert_eq!(book.rules().unwrap().len(), 50);
            for kind in [
                "high-frequency",
                "structuring",
                "round-trip",
                "dormant-awakened",
                "abnormal-amount",
                "sanctions",
                "proposal-burst",
                "freeze-burst",
                "new-accounts",
                "late-ballot",
                "hasty-execution",
                "own-matter",
            ] {
                assert!(book.rules.contains(&format!("kind = \"{kind}\"")), "{kind}");
            }
            book.list().unwrap();
        }
    }
}
