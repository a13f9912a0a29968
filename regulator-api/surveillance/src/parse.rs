//! Rules from TOML. Whatever does not belong there is refused, by file, rule and field.

mod fields;
mod kinds;

use std::collections::BTreeSet;

use fields::Fields;

use crate::{
    finding::placeholders,
    rule::{Filter, Grade, Rule},
};

/// The most rules.
pub const MAX_RULES: usize = 500;

/// The only version of the form.
const VERSION: i64 = 1;

/// Why rules are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A file is not as rules are written.
    #[error("{file}: {reason}")]
    File {
        /// Which.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A field of a rule is not as it has to be.
    #[error("{file}: rule {rule}: {field}: {reason}")]
    Field {
        /// In which file.
        file: String,
        /// Which rule: its id, or its place in the file.
        rule: String,
        /// Which field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// There are none.
    #[error("there is no rule; a rule begins with [[rule]]")]
    None,
    /// There are too many.
    #[error("there are {have} rules, at most {MAX_RULES} are judged at once")]
    TooMany {
        /// How many.
        have: usize,
    },
}

/// The rules in files, each with its name and its text, in their order.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Rule>, RuleError> {
    let (mut rules, mut ids) = (Vec::new(), BTreeSet::new());
    for (file, text) in files {
        for (place, table) in tables(file, text)?.into_iter().enumerate() {
            let rule = rule(Fields::of_rule(file, place, table))?;
            if !ids.insert(rule.id.clone()) {
                let reason = "another rule has this id already".to_owned();
                return Err(RuleError::Field {
                    file: file.into(),
                    rule: rule.id,
                    field: "id".into(),
                    reason,
                });
            }
            rules.push(rule);
        }
    }
    match rules.len() {
        0 => Err(RuleError::None),
        have if have > MAX_RULES => Err(RuleError::TooMany { have }),
        _ => Ok(rules),
    }
}

/// The tables of the rules in a file.
fn tables(file: &str, text: &str) -> Result<Vec<toml::Table>, RuleError> {
    let wrong = |reason: String| RuleError::File { file: file.to_owned(), reason };
    let mut table: toml::Table = text.parse().map_err(|error| wrong(one_line(&error)))?;
    match table.remove("version") {
        Some(toml::Value::Integer(VERSION)) => {}
        Some(other) => {
            return Err(wrong(format!("version is {other}, this program reads version {VERSION}")));
        }
        None => return Err(wrong(format!("it has no version; write version = {VERSION} at its top"))),
    }
    let rules = table.remove("rule");
    if let Some(unknown) = table.keys().next() {
        return Err(wrong(format!("{unknown} does not belong here, only version and [[rule]] do")));
    }
    let Some(rules) = rules else { return Ok(Vec::new()) };
    let toml::Value::Array(rules) = rules else { return Err(wrong("a rule begins with [[rule]]".into())) };
    let tables = rules.into_iter().map(|rule| match rule {
        toml::Value::Table(table) => Ok(table),
        _ => Err(wrong("a rule begins with [[rule]]".into())),
    });
    tables.collect()
}

/// What a parser says, without the drawing.
pub(crate) fn one_line(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines();
    match (lines.next(), lines.last()) {
        (Some(first), Some(last)) => format!("{first}: {last}"),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

fn rule(mut fields: Fields) -> Result<Rule, RuleError> {
    let id = fields.id()?;
    let title = fields.text("title", 200)?;
    let grade = fields.parsed::<Grade>("grade")?;
    let reference = fields.text("reference", 200)?;
    let explain = fields.maybe_text("explain", 500)?;
    let (condition, taken) = kinds::condition(&mut fields)?;
    let quiet = fields.maybe_span("quiet")?.or(condition.window());
    let filter = Filter {
        tokens: fields.set_where(taken.tokens, "tokens")?,
        accounts: fields.set_where(taken.accounts, "accounts")?,
        organisations: fields.set_where(taken.accounts || taken.organisations, "organisations")?,
        roles: fields.set_of("roles", taken.accounts, |text| {
            let named = concordat_types::Role::ALL.iter().find(|role| role.name() == text);
            named.copied().ok_or_else(|| format!("{text:?} is no role"))
        })?,
        except: fields.set_where(taken.accounts, "except")?,
    };
    if grade == Grade::ProposeFreeze && !taken.accounts {
        return Err(fields.wrong("grade", "what this kind finds is no account that could be frozen"));
    }
    if let Some(explain) = &explain {
        let named = placeholders(explain)
            .ok_or_else(|| fields.wrong("explain", "a brace is open, or closed without being open"))?;
        let known = |name: &&str| *name == "subject" || condition.names().contains(name);
        if let Some(unknown) = named.iter().find(|name| !known(name)) {
            let names = condition.names().join(", ");
            let reason = format!("{{{unknown}}} is not known; there are subject, {names}");
            return Err(fields.wrong("explain", reason));
        }
    }
    let explain = explain.unwrap_or_else(|| condition.words().to_owned());
    fields.end()?;
    Ok(Rule { id, title, grade, reference, explain, quiet, filter, condition })
}

#[cfg(test)]
mod tests;
