//! What rules of each kind have.

use std::collections::BTreeSet;

use concordat_types::U256;

use super::{Fields, RuleError};
use crate::rule::{Condition, Counted, Hit, MAX_EVIDENCE, Side};

/// The kinds, for who has mistaken one.
const KINDS: &str = "high-frequency, structuring, round-trip, dormant-awakened, abnormal-amount, sanctions, \
                     proposal-burst, freeze-burst, new-accounts, late-ballot, hasty-execution and own-matter";

/// By what rules of a kind can be narrowed.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    pub tokens: bool,
    pub accounts: bool,
    pub organisations: bool,
}

const TRANSFERS: Taken = Taken { tokens: true, accounts: true, organisations: false };
const ACCOUNTS: Taken = Taken { tokens: false, accounts: true, organisations: false };
const ORGANISATIONS: Taken = Taken { tokens: false, accounts: false, organisations: true };
const NOTHING: Taken = Taken { tokens: false, accounts: false, organisations: false };

/// The most pieces of evidence, as the range of a field.
const EVIDENCE: u64 = MAX_EVIDENCE as u64;

/// What a rule looks for, and by what it can be narrowed.
pub(super) fn condition(fields: &mut Fields) -> Result<(Condition, Taken), RuleError> {
    let kind = fields.text("kind", 64)?;
    match kind.as_str() {
        "high-frequency" => high_frequency(fields),
        "structuring" => Ok((structuring(fields)?, TRANSFERS)),
        "round-trip" => {
            let (hops, returned) = (fields.number("hops", 2..=6)?, fields.number("returned", 1..=1000)?);
            let (amount, window) = (fields.amount("amount")?, fields.span("window")?);
            Ok((Condition::RoundTrip { hops, returned, amount, window }, TRANSFERS))
        }
        "dormant-awakened" => {
            let (idle, amount) = (fields.span("idle")?, fields.amount("amount")?);
            Ok((Condition::DormantAwakened { idle, amount }, TRANSFERS))
        }
        "abnormal-amount" => Ok((abnormal_amount(fields)?, TRANSFERS)),
        "sanctions" => Ok((Condition::Sanctions { hits: hits(fields)? }, TRANSFERS)),
        "proposal-burst" => Ok((frequency(fields, Counted::Proposals)?, ACCOUNTS)),
        "freeze-burst" => Ok((frequency(fields, Counted::Freezes)?, NOTHING)),
        "new-accounts" => Ok((frequency(fields, Counted::Enrolments)?, ORGANISATIONS)),
        "late-ballot" => {
            Ok((Condition::LateBallot { blocks: fields.number("blocks", 1..=1_000_000)? }, ACCOUNTS))
        }
        "hasty-execution" => {
            Ok((Condition::HastyExecution { blocks: fields.number("blocks", 1..=1_000_000)? }, ACCOUNTS))
        }
        "own-matter" => Ok((Condition::OwnMatter, ACCOUNTS)),
        other => Err(fields.wrong("kind", format!("{other:?} is no kind; there are {KINDS}"))),
    }
}

fn frequency(fields: &mut Fields, of: Counted) -> Result<Condition, RuleError> {
    let (count, window) = (fields.count("count", 2..=EVIDENCE)?, fields.span("window")?);
    Ok(Condition::Frequency { of, count, window })
}

fn high_frequency(fields: &mut Fields) -> Result<(Condition, Taken), RuleError> {
    match fields.text("of", 32)?.as_str() {
        "transactions" => Ok((frequency(fields, Counted::Transactions)?, ACCOUNTS)),
        "transfers" => {
            let side = side(fields)?;
            Ok((frequency(fields, Counted::Transfers(side))?, TRANSFERS))
        }
        other => Err(fields.wrong("of", format!("it is {other:?}, and has to be transactions or transfers"))),
    }
}

fn side(fields: &mut Fields) -> Result<Side, RuleError> {
    match fields.maybe_text("side", 32)?.as_deref() {
        None | Some("sender") => Ok(Side::Sender),
        Some("recipient") => Ok(Side::Recipient),
        Some(other) => {
            Err(fields.wrong("side", format!("it is {other:?}, and has to be sender or recipient")))
        }
    }
}

fn structuring(fields: &mut Fields) -> Result<Condition, RuleError> {
    let side = side(fields)?;
    let (below, total) = (fields.amount("below")?, fields.amount("total")?);
    let from = fields.amount_or("from", Some(U256::ONE))?;
    if from >= below {
        return Err(fields.wrong("from", "it has to be less than below"));
    }
    let (count, window) = (fields.count("count", 2..=EVIDENCE)?, fields.span("window")?);
    Ok(Condition::Structuring { side, below, from, total, count, window })
}

fn abnormal_amount(fields: &mut Fields) -> Result<Condition, RuleError> {
    let times = fields.number("times", 2..=1000)?;
    let (sample, least) = (fields.count("sample", 2..=EVIDENCE)?, fields.count("least", 2..=EVIDENCE)?);
    if least > sample {
        return Err(fields.wrong("least", "it must not be more than sample"));
    }
    let amount = fields.amount_or("amount", Some(U256::ONE))?;
    Ok(Condition::AbnormalAmount { times, sample, least, amount })
}

fn hits(fields: &mut Fields) -> Result<BTreeSet<Hit>, RuleError> {
    let named = fields.set_of("hits", true, |text| {
        let named = Hit::ALL.into_iter().find(|hit| hit.name() == text);
        named.ok_or_else(|| format!("{text:?} is none; there are sender, recipient, holder and enrolled"))
    })?;
    Ok(if named.is_empty() { Hit::ALL.into() } else { named })
}
