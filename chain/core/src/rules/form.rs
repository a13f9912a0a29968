//! The JSON form of rules, for people and their programs (docs/rules.md).

use alloy_primitives::{hex, keccak256};
use concordat_types::{Address, OrgId, U256};
use serde::{Deserialize, Serialize};

use super::limit::{
    Binds, Clock, Counterparties, Cumulative, Effect, Hours, Limit, LimitError, Per, Place, Subject,
    Velocity, Watched,
};

/// The most characters of a wrong part that a message repeats.
const MAX_SHOWN: usize = 64;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A rule as it stands in JSON. What is left out does not hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    id: String,
    reason: String,
    /// An address, or "any".
    contract: String,
    /// A signature such as `Transfer(address,address,uint256)`, or topic 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// A signature such as `transfer(address,uint256)`, or the selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counterparty: Option<Place>,
    #[serde(default)]
    binds: BindsForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_amount: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<CumulativeForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<Velocity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counterparties: Option<Counterparties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hours: Option<HoursForm>,
    #[serde(default)]
    effect: Effect,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BindsForm {
    #[default]
    Everybody,
    Organisation(OrgId),
    Account(Address),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CumulativeForm {
    max: String,
    window_secs: u64,
    per: Per,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursForm {
    from: String,
    to: String,
    /// All of them if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<Vec<String>>,
}

impl From<Limit> for Form {
    fn from(limit: Limit) -> Self {
        let Limit { id, reason, subject, binds, max_amount, total, count, counterparties, hours, effect } =
            limit;
        let (event, method) = match subject.watched {
            Watched::Event(topic) => (Some(topic.to_string()), None),
            Watched::Method(selector) => (None, Some(hex::encode_prefixed(selector))),
        };
        Self {
            id: id.to_string(),
            reason,
            contract: subject.contract.map_or_else(|| "any".to_owned(), |contract| contract.to_string()),
            event,
            method,
            amount: subject.amount,
            counterparty: subject.counterparty,
            binds: match binds {
                Binds::Everybody => BindsForm::Everybody,
                Binds::Organisation(id) => BindsForm::Organisation(id),
                Binds::Account(account) => BindsForm::Account(account),
            },
            max_amount: max_amount.map(|max| max.to_string()),
            total: total.map(|Cumulative { max, window_secs, per }| CumulativeForm {
                max: max.to_string(),
                window_secs,
                per,
            }),
            count,
            counterparties,
            hours: hours.map(HoursForm::from),
            effect,
        }
    }
}

impl TryFrom<Form> for Limit {
    type Error = LimitError;

    fn try_from(form: Form) -> Result<Self, LimitError> {
        let reader = Reader { id: form.id.chars().take(MAX_SHOWN).collect() };
        let id = form.id.parse().map_err(|_| LimitError::Id(reader.id.clone()))?;
        let limit = Self {
            id,
            reason: form.reason,
            subject: Subject {
                contract: reader.contract(&form.contract)?,
                watched: reader.watched(form.event.as_deref(), form.method.as_deref())?,
                amount: form.amount,
                counterparty: form.counterparty,
            },
            binds: match form.binds {
                BindsForm::Everybody => Binds::Everybody,
                BindsForm::Organisation(id) => Binds::Organisation(id),
                BindsForm::Account(account) => Binds::Account(account),
            },
            max_amount: form.max_amount.map(|max| reader.number("max_amount", &max)).transpose()?,
            total: form.total.map(|total| reader.cumulative(&total)).transpose()?,
            count: form.count,
            counterparties: form.counterparties,
            hours: form.hours.map(|hours| reader.hours(&hours)).transpose()?,
            effect: form.effect,
        };
        limit.check()?;
        Ok(limit)
    }
}

/// Reads the parts of a form, and says which one is wrong.
struct Reader {
    id: String,
}

impl Reader {
    fn wrong(&self, field: &'static str, have: &str, mend: &'static str) -> LimitError {
        LimitError::Field { id: self.id.clone(), field, have: have.chars().take(MAX_SHOWN).collect(), mend }
    }

    fn contract(&self, text: &str) -> Result<Option<Address>, LimitError> {
        if text == "any" {
            return Ok(None);
        }
        let address = text.parse().map_err(|_| self.wrong("contract", text, "write an address, or any"))?;
        Ok(Some(address))
    }

    fn watched(&self, event: Option<&str>, method: Option<&str>) -> Result<Watched, LimitError> {
        match (event, method) {
            (Some(event), None) => {
                let topic = self.signature("event", event, |text| text.parse().ok())?;
                Ok(Watched::Event(topic.unwrap_or_else(|| keccak256(event))))
            }
            (None, Some(method)) => {
                let read = |text: &str| hex::decode_to_array::<_, 4>(text).ok();
                let selector = self.signature("method", method, read)?;
                let [a, b, c, d, ..] = keccak256(method).0;
                Ok(Watched::Method(selector.unwrap_or([a, b, c, d])))
            }
            _ => Err(self.wrong("event or method", "", "name one of the two")),
        }
    }

    /// Bytes in hexadecimal, or `None` for a signature in words.
    fn signature<T>(
        &self,
        field: &'static str,
        text: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, LimitError> {
        let mend =
            "write a signature without spaces and names, such as f(address,uint256), or its bytes as 0x…";
        if text.starts_with("0x") {
            return read(text).map(Some).ok_or_else(|| self.wrong(field, text, mend));
        }
        if is_signature(text) { Ok(None) } else { Err(self.wrong(field, text, mend)) }
    }

    fn number(&self, field: &'static str, text: &str) -> Result<U256, LimitError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| U256::from_str_radix(text, 10).ok()).flatten();
        number.ok_or_else(|| self.wrong(field, text, "write digits in quotes, in the token's smallest unit"))
    }

    fn cumulative(&self, form: &CumulativeForm) -> Result<Cumulative, LimitError> {
        let CumulativeForm { max, window_secs, per } = form;
        Ok(Cumulative { max: self.number("total.max", max)?, window_secs: *window_secs, per: *per })
    }

    fn hours(&self, form: &HoursForm) -> Result<Hours, LimitError> {
        let days = match &form.days {
            None => Hours::ALL_DAYS,
            Some(days) => days.iter().try_fold(0, |mask, day| Ok(mask | self.day(day)?))?,
        };
        Ok(Hours { from: self.clock("hours.from", &form.from)?, to: self.clock("hours.to", &form.to)?, days })
    }

    fn day(&self, text: &str) -> Result<u8, LimitError> {
        let day = DAYS.iter().zip(0_u32..).find(|(name, _)| **name == text);
        let bit = day.and_then(|(_, day)| 1_u8.checked_shl(day));
        bit.ok_or_else(|| self.wrong("hours.days", text, "write mon, tue, wed, thu, fri, sat or sun"))
    }

    fn clock(&self, field: &'static str, text: &str) -> Result<Clock, LimitError> {
        minutes(text).ok_or_else(|| self.wrong(field, text, "write HH:MM, 00:00 to 24:00 UTC"))
    }
}

/// `HH:MM` in minutes.
fn minutes(text: &str) -> Option<Clock> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hour) || !two(minute) {
        return None;
    }
    let (hour, minute): (Clock, Clock) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && minutes <= 1_440).then_some(minutes)
}

/// Whether a text has the shape of `name(type,…)`: what Solidity hashes has no spaces.
fn is_signature(text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let types = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '(' | ')' | '[' | ']');
    let Some((head, tail)) = text.split_once('(') else { return false };
    let Some(inside) = tail.strip_suffix(')') else { return false };
    !head.is_empty() && head.chars().all(name) && inside.chars().all(types)
}

impl From<Hours> for HoursForm {
    fn from(Hours { from, to, days }: Hours) -> Self {
        let clock = |minutes: Clock| format!("{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60));
        let named = DAYS.iter().zip(0_u32..).filter(|(_, day)| (u32::from(days) >> day) & 1 == 1);
        let named: Vec<String> = named.map(|(name, _)| (*name).to_owned()).collect();
        let days = (days != Hours::ALL_DAYS).then_some(named);
        Self { from: clock(from), to: clock(to), days }
    }
}
