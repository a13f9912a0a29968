//! A finding: which rule, whom, on what evidence, and why.

use std::{collections::BTreeMap, fmt};

use concordat_types::{Address, B256, OrgId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    event::{Asset, Position},
    rule::{Grade, Rule},
    time::Stamp,
};

/// What the id of a finding is over, first of all.
const DOMAIN: &[u8] = b"concordat surveillance finding 1\0";

/// Whom a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An account.
    Account(Address),
    /// An organisation.
    Organisation(OrgId),
    /// The committee.
    Committee,
    /// The rule itself: it could not judge.
    Rule,
}

impl Subject {
    /// What it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Organisation(_) => "organisation",
            Self::Committee => "committee",
            Self::Rule => "rule",
        }
    }

    /// Which; empty where there is one only.
    pub fn name(&self) -> String {
        match self {
            Self::Account(account) => format!("{account:#x}"),
            Self::Organisation(organisation) => organisation.to_string(),
            Self::Committee | Self::Rule => String::new(),
        }
    }

    /// The subject of a kind and a name; none where there is no such.
    pub fn read(kind: &str, name: &str) -> Option<Self> {
        match kind {
            "account" => name.parse().ok().map(Self::Account),
            "organisation" => name.parse().ok().map(Self::Organisation),
            "committee" => Some(Self::Committee),
            "rule" => Some(Self::Rule),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "{account:#x}"),
            Self::Organisation(organisation) => write!(f, "{organisation}"),
            Self::Committee => f.write_str("the committee"),
            Self::Rule => f.write_str("the rule"),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = BTreeMap::from([("kind", self.kind().to_owned()), ("name", self.name())]);
        named.serialize(serializer)
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What tells it from every other one: SHA-256 of the rule's digest, the list's, the subject and the evidence.
    pub id: B256,
    /// Which rule.
    pub rule: String,
    /// Its digest.
    pub rule_digest: B256,
    /// SHA-256 of the list of the sanctioned, where the rule asks it.
    pub list: Option<B256>,
    /// What comes of it.
    pub grade: Grade,
    /// Whether the rule could judge. If not, the explanation says why.
    pub judged: bool,
    /// Whom it is about.
    pub subject: Subject,
    /// The asset that it is about; empty where there is none.
    pub asset: String,
    /// The block in which it was found.
    pub height: u64,
    /// That block's time, in milliseconds.
    pub time_ms: u64,
    /// Where all of its evidence stands, the last piece last.
    pub evidence: Vec<Position>,
    /// The numbers that decided.
    pub numbers: BTreeMap<String, String>,
    /// In words.
    pub explanation: String,
    /// The law or the guideline behind the rule.
    pub reference: String,
}

/// What a rule has come to: a finding, but for what is the same for all of the rule's.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub subject: Subject,
    pub asset: Option<Asset>,
    pub evidence: Vec<Position>,
    /// The numbers that decided, or why nothing could be decided.
    pub decided: Result<BTreeMap<String, String>, String>,
}

impl Verdict {
    /// The finding of a rule at a moment.
    pub(crate) fn finding(self, rule: &Rule, rule_digest: B256, list: Option<B256>, now: Stamp) -> Finding {
        let Self { subject, asset, evidence, decided } = self;
        let judged = decided.is_ok();
        let (grade, numbers, explanation) = match decided {
            Ok(numbers) => {
                let explanation = render(&rule.explain, &subject, &numbers);
                (rule.grade, numbers, explanation)
            }
            // Nobody is frozen for what nobody could judge, and somebody has to look at it.
            Err(why) => (Grade::Alert, BTreeMap::new(), format!("{} could not be judged: {why}", rule.id)),
        };
        Finding {
            id: id(rule_digest, list, judged, &subject, &evidence),
            rule: rule.id.clone(),
            rule_digest,
            list,
            grade,
            judged,
            subject,
            asset: asset.map(|asset| asset.to_string()).unwrap_or_default(),
            height: now.height,
            time_ms: now.time_ms,
            evidence,
            numbers,
            explanation,
            reference: rule.reference.clone(),
        }
    }
}

fn id(rule: B256, list: Option<B256>, judged: bool, subject: &Subject, evidence: &[Position]) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(rule);
    hasher.update(list.unwrap_or_default());
    hasher.update([u8::from(judged)]);
    for text in [subject.kind().to_owned(), subject.name()] {
        // Names are addresses and ids of organisations: a few bytes.
        hasher.update([u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        hasher.update(text);
    }
    for Position { height, tx_index, log_index, item } in evidence {
        hasher.update(height.to_be_bytes());
        for place in [tx_index, log_index] {
            hasher.update([u8::from(place.is_some())]);
            hasher.update(place.unwrap_or_default().to_be_bytes());
        }
        hasher.update(item.to_be_bytes());
    }
    B256::from(<[u8; 32]>::from(hasher.finalize()))
}

/// The names in braces of an explanation; `None` where a brace does not close.
pub(crate) fn placeholders(template: &str) -> Option<Vec<&str>> {
    let mut parts = template.split('{');
    let before = parts.next().unwrap_or_default();
    let names: Option<Vec<&str>> = parts.map(|part| part.split_once('}').map(|(name, _)| name)).collect();
    let stray = |text: &str| text.contains('}');
    let tails = template.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(_, tail)| tail));
    if stray(before) || tails.into_iter().any(stray) { None } else { names }
}

/// Puts values in the place of their names, once: what a value says is not read again.
fn render(template: &str, subject: &Subject, numbers: &BTreeMap<String, String>) -> String {
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, tail) = part.split_once('}').unwrap_or(("", part));
        match name {
            "subject" => text.push_str(&subject.to_string()),
            name => text.push_str(numbers.get(name).map_or("", String::as_str)),
        }
        text.push_str(tail);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_golden() {
        let at = |height, log_index| Position { height, tx_index: Some(1), log_index, item: 0 };
        let evidence = [at(7, None), at(9, Some(2))];
        let account = Subject::Account(Address::repeat_byte(1));
        let id = id(B256::repeat_byte(2), None, true, &account, &evidence);
        assert_eq!(hex::encode(id), "79ff667b5f03d30d1fc5472b575a9deda16c04609087b0bac6489bed5887a1d7");
    }

    #[test]
    fn an_explanation_names_what_decided_and_reads_no_value_again() {
        let numbers = BTreeMap::from([("count".into(), "{subject}".into())]);
        let told = render("{subject} did {count} things", &Subject::Committee, &numbers);
        assert_eq!(told, "the committee did {subject} things");
        assert_eq!(placeholders("{a} and {b}"), Some(vec!["a", "b"]));
        assert_eq!(placeholders("{a and b"), None);
        assert_eq!(placeholders("a} and b"), None);
    }

    #[test]
    fn subjects_come_back_from_their_kind_and_name() {
        let all = [
            Subject::Account(Address::repeat_byte(7)),
            Subject::Organisation("bank-a".parse().unwrap()),
            Subject::Committee,
            Subject::Rule,
        ];
        for subject in all {
            assert_eq!(Subject::read(subject.kind(), &subject.name()), Some(subject));
        }
        assert_eq!(Subject::read("account", "nobody"), None);
    }
}
