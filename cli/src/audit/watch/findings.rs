//! `concordat audit findings`: what was found, and what people do about it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use concordat_sql::watch::{Act, Kept, Query, Step};
use concordat_surveillance::Grade;
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};

use crate::{
    audit::database::{DatabaseArgs, runtime},
    list::{Entry, Page, PageArgs},
    output,
};

/// Subcommands of `concordat audit findings`.
#[derive(Subcommand)]
pub enum FindingsCommand {
    /// Findings, the earliest first.
    List(ListArgs),
    /// A finding with its evidence and what was done about it. Where a freeze is proposed: the command to propose it by.
    Show(ShowArgs),
    /// Take a finding on.
    Ack(ActArgs),
    /// Say something about a finding.
    Comment(ReasonArgs),
    /// Be done with a finding, for a reason.
    Close(ReasonArgs),
}

#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// Of this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Of this grade: note, alert or propose-freeze.
    #[arg(long)]
    grade: Option<Grade>,
    /// Of this state.
    #[arg(long, value_parser = ["open", "acknowledged", "closed"])]
    state: Option<String>,
    /// About this account or organisation.
    #[arg(long)]
    subject: Option<String>,
    /// From this height on.
    #[arg(long, value_name = "HEIGHT")]
    from_height: Option<u64>,
    /// Through this height; the newest if absent.
    #[arg(long, value_name = "HEIGHT")]
    to_height: Option<u64>,
    /// Only those that could not be judged.
    #[arg(long)]
    unjudged: bool,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Args)]
pub struct ShowArgs {
    /// The finding's id, or the beginning of it.
    id: String,
    #[command(flatten)]
    at: DatabaseArgs,
    /// Write the finding, as it was found, to this file: the document that a proposal refers to by its hash.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub struct ActArgs {
    /// The finding's id, or the beginning of it.
    id: String,
    #[command(flatten)]
    at: DatabaseArgs,
    /// Who does it. The database's role is kept besides.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// In words.
    #[arg(long, default_value = "")]
    text: String,
}

#[derive(Args)]
pub struct ReasonArgs {
    /// The finding's id, or the beginning of it.
    id: String,
    #[command(flatten)]
    at: DatabaseArgs,
    /// Who does it. The database's role is kept besides.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// In words.
    #[arg(long)]
    text: String,
}

/// Runs `concordat audit findings`.
pub fn run(command: &FindingsCommand, json: bool) -> Result<()> {
    match command {
        FindingsCommand::List(args) => list(args, json),
        FindingsCommand::Show(args) => show(args, json),
        FindingsCommand::Ack(ActArgs { id, at, by, text }) => act(at, id, Act::Acknowledge, (by, text), json),
        FindingsCommand::Comment(ReasonArgs { id, at, by, text }) => {
            act(at, id, Act::Comment, (by, text), json)
        }
        FindingsCommand::Close(ReasonArgs { id, at, by, text }) => act(at, id, Act::Close, (by, text), json),
    }
}

fn list(args: &ListArgs, json: bool) -> Result<()> {
    let query = Query {
        rule: args.rule.clone(),
        grade: args.grade.map(|grade| grade.name().to_owned()),
        state: args.state.clone(),
        subject: args.subject.as_ref().map(|subject| subject.to_lowercase()),
        from: args.from_height,
        to: args.to_height,
        unjudged: args.unjudged,
        after: args.page.after::<String>()?,
        // One more tells that there are more.
        limit: args.page.limit().saturating_add(1),
    };
    let mut page = Page::default();
    for found in runtime()?.block_on(concordat_sql::watch::list(&args.at.database()?, &query))? {
        let (key, line) = (short(&found.id).to_owned(), line(&found));
        page.push(Entry { key, line, said: serde_json::to_value(&found)? }, &args.page);
    }
    page.show(json, "nothing was found")
}

/// The beginning of an id, which tells it from others well enough.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn line(found: &Kept) -> String {
    let Kept { id, height, grade, state, rule, explanation, .. } = found;
    format!("{}  block {height}  {grade}  {state}  {rule}: {}", short(id), visible(explanation))
}

/// A text in which nothing acts on the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn show(args: &ShowArgs, json: bool) -> Result<()> {
    let found = runtime()?.block_on(concordat_sql::watch::show(&args.at.database()?, &args.id))?;
    if let Some(file) = &args.out {
        let document = format!("{:#}\n", document(&found)?);
        std::fs::write(file, document).wrap_err_with(|| file.display().to_string())?;
    }
    let commands = commands(&found);
    let mut said = serde_json::to_value(&found)?;
    if let Some(fields) = said.as_object_mut() {
        fields.insert("commands".into(), json!(commands));
    }
    output::show(json, &said, |_| whole(&found, &commands))
}

/// The finding as it was found: what never changes.
fn document(found: &Kept) -> Result<Value> {
    let mut document = serde_json::to_value(found)?;
    if let Some(fields) = document.as_object_mut() {
        for later in ["state", "trail", "trailWhole"] {
            fields.remove(later);
        }
    }
    Ok(document)
}

/// By what the freeze of an account would be proposed. Nothing here does it: people decide.
fn commands(found: &Kept) -> Vec<String> {
    let proposes =
        found.grade == Grade::ProposeFreeze.name() && found.judged && found.subject_kind == "account";
    if !proposes {
        return Vec::new();
    }
    let (id, account) = (short(&found.id), &found.subject);
    let file = format!("finding-{id}.json");
    let why = format!("--basis-file {file} --reference \"finding {}\"", found.id);
    vec![
        format!("concordat audit findings show {id} --out {file}"),
        format!("concordat gov propose freeze-account {account} {why} --key member.key"),
        format!("concordat order freeze {account} {why} --key regulator.key"),
    ]
}

fn whole(found: &Kept, commands: &[String]) -> String {
    let mut lines = vec![
        format!("{}  {}", found.id, found.state),
        format!("{} of block {} by rule {} ({})", found.grade, found.height, found.rule, found.reference),
        visible(&found.explanation),
        format!("rule's version {}", found.rule_digest),
    ];
    lines.extend(found.list.iter().map(|list| format!("list {list}")));
    lines.extend(found.transactions.iter().map(|hash| format!("transaction {hash}")));
    lines.extend(found.trail.iter().map(step));
    if found.trail_whole == Some(false) {
        lines.push("somebody has altered what was done about it: its hashes do not follow each other".into());
    }
    if !commands.is_empty() {
        lines.push(
            "to propose the freeze of the account, as a member of the committee or as a regulator:".into(),
        );
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    lines.join("\n")
}

fn step(step: &Step) -> String {
    let Step { act, person, role, text, at_ms, .. } = step;
    let at = time::OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000)).ok();
    let at = at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    let at = at.unwrap_or_else(|| at_ms.to_string());
    format!("{at}  {act} by {} ({role}): {}", visible(person), visible(text))
}

fn act(at: &DatabaseArgs, id: &str, act: Act, (by, text): (&str, &str), json: bool) -> Result<()> {
    let id = runtime()?.block_on(concordat_sql::watch::act(&at.database()?, id, act, by, text))?;
    output::show(json, &json!({ "id": id, "act": act }), |_| format!("finding {}: {act}", short(&id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(grade: &str, judged: bool) -> Kept {
        Kept {
            id: "ab".repeat(32),
            height: 7,
            time_ms: 7000,
            rule: "round-trip".into(),
            rule_digest: "cd".repeat(32),
            list: None,
            grade: grade.into(),
            judged,
            subject_kind: "account".into(),
            subject: "0x01".into(),
            asset: String::new(),
            evidence: json!([]),
            numbers: json!({}),
            explanation: "a\u{1b}b".into(),
            reference: "Act 5".into(),
            state: "open".into(),
            trail: Vec::new(),
            trail_whole: Some(true),
            transactions: Vec::new(),
        }
    }

    #[test]
    fn a_freeze_is_proposed_by_people_and_only_of_what_was_judged() {
        let [show, propose, order] = &commands(&found("propose-freeze", true))[..] else { panic!() };
        assert_eq!(show, "concordat audit findings show abababababab --out finding-abababababab.json");
        assert!(
            propose.starts_with(
                "concordat gov propose freeze-account 0x01 --basis-file finding-abababababab.json"
            )
        );
        assert!(order.starts_with("concordat order freeze 0x01 --basis-file finding-abababababab.json"));
        assert!(commands(&found("alert", true)).is_empty());
        assert!(commands(&found("propose-freeze", false)).is_empty());
    }

    #[test]
    fn the_document_of_a_finding_never_changes() {
        let open = found("alert", true);
        let closed = Kept { state: "closed".into(), trail_whole: Some(false), ..open.clone() };
        assert_eq!(document(&open).unwrap(), document(&closed).unwrap());
    }

    #[test]
    fn nothing_in_a_finding_acts_on_the_terminal() {
        assert!(!whole(&found("alert", true), &[]).contains('\u{1b}'));
        assert!(!line(&found("alert", true)).contains('\u{1b}'));
    }
}
