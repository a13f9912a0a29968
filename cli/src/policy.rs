//! `concordat policy`: policies of who may do what, before anybody votes on them and in force.

mod in_force;

use clap::Subcommand;
use concordat_permissions::{EnactedPolicy, PolicyId, PolicySet};
use eyre::Result;
use serde_json::{Value, json};

use crate::{
    gov::propose::PolicyArgs,
    output::{self, FoundWrong},
};

/// Subcommands of `concordat policy`.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Read a policy and check it against the schema and the catalogue; exit code 3 if it would be refused, with the
    /// line and how to mend it. Whether it fits the policies that the chain has enacted, a proposal tells.
    Check(PolicyArgs),
    /// The policies that every chain starts with: their ids and reasons, with `--json` their texts too.
    Defaults,
    /// The policies in force now or at a past height: what each does, to whom, to what, and who enacted it when.
    List(in_force::ListArgs),
    /// A policy in force: its text and annotations, the proposal that enacted it, its digest.
    Show(in_force::ShowArgs),
}

/// Runs `concordat policy`.
pub fn run(command: PolicyCommand, json: bool) -> Result<()> {
    match command {
        PolicyCommand::Check(args) => check(&args, json),
        PolicyCommand::Defaults => defaults(json),
        PolicyCommand::List(args) => in_force::list(&args, json),
        PolicyCommand::Show(args) => in_force::show(&args, json),
    }
}

fn check(args: &PolicyArgs, json: bool) -> Result<()> {
    let reason = reason(&args.id, args.text()?)?;
    let said = json!({ "id": args.id, "reason": reason, "valid": true });
    output::show(json, &said, |_| format!("OK: {}: {reason}", args.id))
}

/// The reason that a policy gives, if it may stand beside the catalogue's.
fn reason(id: &PolicyId, text: String) -> Result<String> {
    // Which proposal enacts it makes no difference to whether it holds.
    let policy = EnactedPolicy { id: id.clone(), text, proposal: 0 };
    let set = PolicySet::new(&[policy]).map_err(|error| FoundWrong(error.to_string()))?;
    let found = set.policies().find(|(policy, _)| policy.id == *id).map(|(policy, _)| policy.reason);
    Ok(found.unwrap_or_default())
}

fn defaults(json: bool) -> Result<()> {
    let set = PolicySet::new(&[])?;
    let said: Vec<Value> = set
        .policies()
        .map(|(policy, text)| json!({ "id": policy.id, "reason": policy.reason, "text": text }))
        .collect();
    output::show(json, &said, |_| {
        let lines = set.policies().map(|(policy, _)| format!("{:<24} {}", policy.id, policy.reason));
        lines.collect::<Vec<_>>().join("\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(id: &str, text: &str) -> Result<String> {
        reason(&id.parse().unwrap(), text.to_owned())
    }

    #[test]
    fn a_policy_that_holds_tells_its_reason() {
        let text = "@id(\"no-calls\")\n@reason(\"closed for the year's end\")\n\
                    forbid (principal, action == Action::\"call\", resource);\n";
        assert_eq!(checked("no-calls", text).unwrap(), "closed for the year's end");
    }

    #[test]
    fn a_policy_that_does_not_is_found_wrong_with_its_line_and_mend() {
        let text = "@id(\"no-calls\")\n@reason(\"closed\")\nforbid (principal, action == Action::\"call\", resource;\n";
        let error = checked("no-calls", text).unwrap_err();
        assert!(error.to_string().starts_with("policy no-calls, line "), "{error}");
        assert!(error.downcast_ref::<FoundWrong>().is_some(), "exit code 3");
        for (id, text) in [("other-id", text), ("exclusive-roles", text), ("no-calls", "")] {
            assert!(checked(id, text).unwrap_err().downcast_ref::<FoundWrong>().is_some(), "{id}");
        }
    }

    #[test]
    fn the_catalogue_has_ids_reasons_and_texts() {
        let set = PolicySet::new(&[]).unwrap();
        assert!(set.policies().any(|(policy, _)| policy.id.as_str() == "exclusive-roles"));
        assert!(set.policies().all(|(policy, text)| !policy.reason.is_empty() && !text.is_empty()));
    }
}
