//! `concordat policy list` and `show`: the policies in force, read from the state as blocks are decided by it.
//!
//! The enacted ones are entries of the state, told by a node or proved, and held against the digest beside them; those of
//! the catalogue are this program's, as in `why`.

use alloy_primitives::B256;
use clap::{Args, ValueEnum};
use concordat_core::{governance::proposal_in, permissions::Enacted};
use concordat_governance::Proposal;
use concordat_light::RemoteState;
use concordat_permissions::{Action, EnactedPolicy, Outline, PolicyId, PolicySet};
use concordat_types::{OrgId, Role};
use eyre::{Result, bail, eyre};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    list::{Entry, PageArgs},
    output,
    remote::StateArgs,
};

/// Arguments of `concordat policy list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only those that permit, or forbid.
    #[arg(long, value_enum)]
    effect: Option<Effect>,
    /// Only those of the catalogue, or enacted by vote.
    #[arg(long, value_enum)]
    origin: Option<Origin>,
    /// Only those about this action.
    #[arg(long, value_name = "ACTION")]
    action: Option<Action>,
    /// Only those whose first line is about this organisation's accounts or contracts.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    /// Only those whose first line is about this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// Only the one that this proposal enacted.
    #[arg(long, value_name = "NUMBER")]
    proposal: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// Arguments of `concordat policy show`.
#[derive(Args)]
pub struct ShowArgs {
    /// The policy's id.
    id: PolicyId,
    #[command(flatten)]
    state: StateArgs,
}

/// What a policy does.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Effect {
    /// It permits.
    Permit,
    /// It forbids.
    Forbid,
}

/// Where a policy comes from.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Origin {
    /// The program's own, which hold on every chain.
    Catalogue,
    /// A vote of the committee.
    Enacted,
}

/// The policies in force.
struct Known {
    set: PolicySet,
    enacted: Enacted,
}

/// A policy in force.
struct Policy {
    id: PolicyId,
    reason: String,
    text: String,
    outline: Outline,
    /// The proposal that enacted it.
    by: Option<Proposal>,
}

/// Runs `concordat policy list`.
pub(super) fn list(args: &ListArgs, json: bool) -> Result<()> {
    let wanted = |outline: &Outline, proposal| args.takes(outline) && args.takes_origin(proposal);
    let (state, policies) = args.state.read(|state| policies(state, wanted))?;
    let key = |policy: &Policy| policy.id.to_string();
    let page = args.page.cut(policies, key, |policy| {
        Some(Entry { key: key(policy), said: policy.json(), line: policy.line() })
    })?;
    page.show(json, "no policy matches")?;
    output::progress(json, state.describe());
    Ok(())
}

/// Runs `concordat policy show`.
pub(super) fn show(args: &ShowArgs, json: bool) -> Result<()> {
    let (state, (known, policy)) = args.state.read(|state| {
        let known = Known::read(state)?;
        let policy = known.policies().find(|(id, ..)| *id == args.id);
        let policy = policy.ok_or_else(|| {
            eyre!("no policy {} is in force; `concordat policy list` tells which are", args.id)
        })?;
        let policy = known.policy(state, policy)?;
        Ok::<_, eyre::Report>((known, policy))
    })?;
    let mut said = policy.json();
    said["annotations"] = json!({ "id": policy.id, "reason": policy.reason });
    said["text"] = json!(policy.text);
    said["digest"] = json!(policy.digest());
    said["enactedDigest"] = json!(known.enacted.digest);
    said["proposalDigest"] = json!(policy.by.as_ref().map(|proposal| proposal.digest));
    said["heights"] = json!(state.heights());
    said["proved"] = json!(state.is_proved());
    output::show(json, &said, |_| policy.describe(&state))
}

impl ListArgs {
    fn takes(&self, outline: &Outline) -> bool {
        let effect = self.effect.is_none_or(|effect| match effect {
            Effect::Permit => outline.effect == "permit",
            Effect::Forbid => outline.effect == "forbid",
        });
        let action = self.action.is_none_or(|action| outline.actions.contains(&action));
        let organisation = self.organisation.as_ref().is_none_or(|id| {
            outline.who == format!("organisation {id}") || outline.on == format!("contracts of {id}")
        });
        let role = self.role.is_none_or(|role| outline.who == format!("role {role}"));
        effect && action && organisation && role
    }

    fn takes_origin(&self, proposal: Option<u64>) -> bool {
        let origin = self.origin.is_none_or(|origin| proposal.is_some() == (origin == Origin::Enacted));
        origin && self.proposal.is_none_or(|wanted| proposal == Some(wanted))
    }
}

/// The policies that are wanted by their outline and their proposal, which is read only of those.
fn policies(state: &RemoteState, wanted: impl Fn(&Outline, Option<u64>) -> bool) -> Result<Vec<Policy>> {
    let known = Known::read(state)?;
    let mut policies = Vec::new();
    for named in known.policies() {
        if known.set.outline(&named.0).is_some_and(|outline| wanted(&outline, named.3)) {
            policies.push(known.policy(state, named)?);
        }
    }
    Ok(policies)
}

impl Known {
    fn read(state: &RemoteState) -> Result<Self> {
        let enacted = Enacted::read(state)?;
        Ok(Self { set: PolicySet::new(&enacted.policies)?, enacted })
    }

    /// Id, reason, text and proposal of each.
    fn policies(&self) -> impl Iterator<Item = (PolicyId, String, String, Option<u64>)> {
        self.set.policies().map(|(policy, text)| (policy.id, policy.reason, text.to_owned(), policy.proposal))
    }

    /// With the proposal that enacted it.
    fn policy(
        &self,
        state: &RemoteState,
        (id, reason, text, proposal): (PolicyId, String, String, Option<u64>),
    ) -> Result<Policy> {
        let by = proposal.map(|number| {
            let proposal = proposal_in(state, number)?;
            proposal
                .ok_or_else(|| eyre!("policy {id} names proposal {number}, which the state does not hold"))
        });
        let Some(outline) = self.set.outline(&id) else { bail!("policy {id} is not in force") };
        Ok(Policy { outline, by: by.transpose()?, id, reason, text })
    }
}

impl Policy {
    fn json(&self) -> Value {
        let mut said = json!({
            "id": self.id,
            "reason": self.reason,
            "proposal": self.by.as_ref().map(|proposal| proposal.id),
            "proposer": self.by.as_ref().map(|proposal| proposal.proposer),
            "height": self.by.as_ref().map(|proposal| proposal.decided),
        });
        let Outline { effect, who, actions, on, conditional } = &self.outline;
        said["effect"] = json!(effect);
        said["who"] = json!(who);
        said["actions"] = json!(actions);
        said["on"] = json!(on);
        said["conditional"] = json!(conditional);
        said
    }

    fn line(&self) -> String {
        format!("{:<24} {:<28} {}", self.id, self.origin(), self.outline)
    }

    fn origin(&self) -> String {
        match &self.by {
            None => "catalogue".to_owned(),
            Some(proposal) => format!("proposal {} at {}", proposal.id, proposal.decided),
        }
    }

    /// SHA-256 of its bytes in the state; `None` for one of the catalogue.
    fn digest(&self) -> Option<B256> {
        let proposal = self.by.as_ref()?.id;
        let policy = EnactedPolicy { id: self.id.clone(), text: self.text.clone(), proposal };
        Some(B256::from_slice(&Sha256::digest(policy.encode())))
    }

    fn describe(&self, state: &RemoteState) -> String {
        let mut lines = vec![
            format!("policy    {}", self.id),
            format!("does      {}", self.outline),
            format!("reason    {}", self.reason),
            format!("origin    {}", self.origin()),
        ];
        lines.extend(
            self.by
                .as_ref()
                .map(|proposal| format!("proposer  {}\neffect    {}", proposal.proposer, proposal.digest)),
        );
        lines.extend(self.digest().map(|digest| format!("digest    {digest}")));
        lines.extend([String::new(), visible(&self.text), String::new(), state.describe()]);
        lines.join("\n")
    }
}

/// A text in which nothing acts on the terminal or misleads the eye. Enacted ones hold nothing that would.
fn visible(text: &str) -> String {
    let shown = |c: char| c == '\n' || !c.is_control();
    text.trim_end()
        .chars()
        .map(|c| if shown(c) { c.to_string() } else { c.escape_debug().to_string() })
        .collect()
}
