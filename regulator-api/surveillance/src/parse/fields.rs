//! The fields of one table, taken one by one: what is left over does not belong there.

use std::{collections::BTreeSet, fmt::Display, ops::RangeInclusive, str::FromStr};

use concordat_types::U256;
use toml::{Table, Value};

use super::RuleError;
use crate::time::Span;

/// The most entries of a list.
const MAX_ENTRIES: usize = 10_000;

/// The longest spans.
const MAX_BLOCKS: u64 = 1_000_000_000;
const MAX_SECONDS: u64 = 10 * 366 * 86_400;

/// The fields of a rule.
pub(super) struct Fields<'a> {
    file: &'a str,
    /// The rule's id; its place in the file as long as that is not known.
    rule: String,
    table: Table,
}

impl<'a> Fields<'a> {
    pub(super) fn of_rule(file: &'a str, place: usize, table: Table) -> Self {
        Self { file, rule: format!("number {}", place.saturating_add(1)), table }
    }

    /// What is wrong with a field.
    pub(super) fn wrong(&self, field: &str, reason: impl Display) -> RuleError {
        let (file, rule, field) = (self.file.to_owned(), self.rule.clone(), field.to_owned());
        RuleError::Field { file, rule, field, reason: reason.to_string() }
    }

    /// The rule's id, by which errors name it from then on.
    pub(super) fn id(&mut self) -> Result<String, RuleError> {
        let id = self.text("id", 64)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.len() < 2 || !id.chars().all(allowed) {
            return Err(self.wrong("id", "it has to be 2 to 64 characters of a-z, 0-9 and -"));
        }
        self.rule.clone_from(&id);
        Ok(id)
    }

    pub(super) fn maybe_text(&mut self, field: &str, longest: usize) -> Result<Option<String>, RuleError> {
        match self.table.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() && text.len() <= longest => {
                match text.chars().any(char::is_control) {
                    true => Err(self.wrong(field, "it has a line break or a control character")),
                    false => Ok(Some(text)),
                }
            }
            Some(Value::String(_)) => {
                Err(self.wrong(field, format!("it has to be 1 to {longest} bytes long")))
            }
            Some(other) => Err(self.wrong(field, format!("it is {}, and has to be text", other.type_str()))),
        }
    }

    pub(super) fn text(&mut self, field: &str, longest: usize) -> Result<String, RuleError> {
        self.maybe_text(field, longest)?.ok_or_else(|| self.wrong(field, "it is missing"))
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, field: &str) -> Result<T, RuleError> {
        let text = self.text(field, 100)?;
        text.parse().map_err(|error| self.wrong(field, error))
    }

    /// A number within a range; `absent` where it is not there.
    pub(super) fn number_or(
        &mut self,
        field: &str,
        range: RangeInclusive<u64>,
        absent: Option<u64>,
    ) -> Result<u64, RuleError> {
        let number = match self.table.remove(field) {
            None => return absent.ok_or_else(|| self.wrong(field, "it is missing")),
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            Some(other) => {
                return Err(self.wrong(field, format!("it is {}, and has to be a number", other.type_str())));
            }
        };
        let within = number.filter(|number| range.contains(number));
        within.ok_or_else(|| {
            self.wrong(field, format!("it has to lie between {} and {}", range.start(), range.end()))
        })
    }

    pub(super) fn number(&mut self, field: &str, range: RangeInclusive<u64>) -> Result<u64, RuleError> {
        self.number_or(field, range, None)
    }

    /// A count within a range of small numbers.
    pub(super) fn count(&mut self, field: &str, range: RangeInclusive<u64>) -> Result<usize, RuleError> {
        let number = self.number(field, range)?;
        usize::try_from(number).map_err(|error| self.wrong(field, error))
    }

    /// A number of 256 bits, in decimal digits in quotes, or small enough for TOML's own.
    pub(super) fn amount_or(&mut self, field: &str, absent: Option<U256>) -> Result<U256, RuleError> {
        let amount = match self.table.remove(field) {
            None => return absent.ok_or_else(|| self.wrong(field, "it is missing")),
            Some(Value::Integer(number)) => u64::try_from(number).ok().map(U256::from),
            Some(Value::String(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                U256::from_str_radix(&text, 10).ok()
            }
            Some(_) => None,
        };
        let amount = amount.filter(|amount| !amount.is_zero() && *amount <= crate::rule::MAX_AMOUNT);
        amount.ok_or_else(|| {
            self.wrong(field, "it has to be an amount from 1 to 2^224, in decimal digits, in quotes")
        })
    }

    pub(super) fn amount(&mut self, field: &str) -> Result<U256, RuleError> {
        self.amount_or(field, None)
    }

    pub(super) fn maybe_span(&mut self, field: &str) -> Result<Option<Span>, RuleError> {
        let Some(value) = self.table.remove(field) else { return Ok(None) };
        let pair = |table: Table| {
            let mut entries = table.into_iter();
            match (entries.next(), entries.next()) {
                (Some((unit, Value::Integer(length))), None) => Some((unit, u64::try_from(length).ok()?)),
                _ => None,
            }
        };
        let span = match value {
            Value::Table(table) => pair(table),
            _ => None,
        };
        match span {
            Some((unit, blocks)) if unit == "blocks" && (1..=MAX_BLOCKS).contains(&blocks) => {
                Ok(Some(Span::Blocks(blocks)))
            }
            Some((unit, seconds)) if unit == "seconds" && (1..=MAX_SECONDS).contains(&seconds) => {
                Ok(Some(Span::Seconds(seconds)))
            }
            _ => Err(self.wrong(field, "it has to be like { blocks = 100 } or { seconds = 3600 }")),
        }
    }

    pub(super) fn span(&mut self, field: &str) -> Result<Span, RuleError> {
        self.maybe_span(field)?.ok_or_else(|| self.wrong(field, "it is missing"))
    }

    /// A list of texts; empty where it is not there. Where the kind does not take it, it is refused.
    pub(super) fn set_of<T: Ord>(
        &mut self,
        field: &str,
        taken: bool,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<BTreeSet<T>, RuleError> {
        let Some(value) = self.table.remove(field) else { return Ok(BTreeSet::new()) };
        if !taken {
            return Err(self.wrong(field, "rules of this kind are not narrowed by it"));
        }
        let Value::Array(values) = value else { return Err(self.wrong(field, "it has to be a list")) };
        if values.is_empty() || values.len() > MAX_ENTRIES {
            let reason = format!("it has to have 1 to {MAX_ENTRIES} entries; leave it out to take all");
            return Err(self.wrong(field, reason));
        }
        let entry = |value: &Value| match value {
            Value::String(text) => parse(text).map_err(|reason| self.wrong(field, reason)),
            other => Err(self.wrong(field, format!("{other} has to be text"))),
        };
        values.iter().map(entry).collect()
    }

    pub(super) fn set_where<T: Ord + FromStr<Err: Display>>(
        &mut self,
        taken: bool,
        field: &str,
    ) -> Result<BTreeSet<T>, RuleError> {
        self.set_of(field, taken, |text| text.parse().map_err(|error| format!("{text:?}: {error}")))
    }

    /// Refuses what nobody has taken.
    pub(super) fn end(self) -> Result<(), RuleError> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(self.wrong(unknown, "rules of this kind have no such field")),
        }
    }
}
