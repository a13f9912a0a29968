//! Effects in words for people.

use std::{
    collections::BTreeSet,
    fmt::{self, Display},
};

use alloy_primitives::{Address, B256, Bytes, hex};
use sha2::{Digest as _, Sha256};

use super::{Change, Effect, End, Freeze, Halt, Listed, OrderSide, OrderStage, Seat};
use crate::{
    Rule,
    action::{Attributes, Basis, ListKind, Parameters, Property, Reversed},
    facts::{Attested, Implementation, KeyFacts, OrganisationFacts, Upgrade, ValidatorFacts},
    quorum::Quorum,
    regulator::RegulatorFacts,
};

impl Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.kind)?;
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        if let Some([before, after]) = &self.quorum {
            writeln!(f, "  quorum of consensus\n    - {before}\n    + {after}")?;
        }
        write!(f, "  digest {}", self.digest())
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Organisation { id, before, after } => {
                sides(f, format!("organisation {id}"), before, after)
            }
            Change::Validator { consensus_key, before, after } => {
                sides(f, format!("validator {consensus_key}"), before, after)
            }
            Change::Seat { member, before, after } => {
                sides(f, format!("committee seat of {member}"), before, after)
            }
            Change::Rule { kind, before, after } => both(f, format!("rule of {kind}"), before, after),
            Change::Freeze { account, before, after } => {
                sides(f, format!("freeze of {account}"), before, after)
            }
            Change::Identity { identity, before, after } => {
                both(f, format!("key of identity {identity}"), before, after)
            }
            Change::Bar { target, before, after } => {
                sides(f, format!("bar of {target}"), &before.as_ref().map(why), &after.as_ref().map(why))
            }
            Change::Regulator { identity, before, after } => {
                sides(f, format!("regulator {identity}"), before, after)
            }
            Change::Policy { id, before, after } => policy(f, id, before.as_deref(), after.as_deref()),
            Change::DeployList { before, after } => both(f, "list of who may deploy", before, after),
            Change::ContractHalt { contract, before, after } => {
                sides(f, format!("contract {contract}"), before, after)
            }
            Change::ContractAdministrator { contract, before, after } => {
                sides(f, format!("administrator of contract {contract}"), before, after)
            }
            Change::Attributes { contract, before, after } => {
                sides(f, format!("attributes of contract {contract}"), before, after)
            }
            Change::Approval { code, deployer, before, after } => {
                let what = format!("deployment of code (SHA-256) {code} by {deployer}");
                sides(f, what, &before.map(End::At), &after.map(End::At))
            }
            Change::ApprovalRule { before, after } => {
                both(f, "approval of deployments", needed(*before), needed(*after))
            }
            Change::Limit { id, before, after } => sides(f, format!("rule {id}"), before, after),
            Change::Parameters { before, after } => {
                both(f, "parameters from the next block on", before, after)
            }
            Change::Protocol { running, before, after } => {
                sides(f, format!("what follows protocol version {running}"), before, after)
            }
            Change::Slot { contract, slot, before, after } => {
                let what = format!("slot {slot:#x} of contract {contract}");
                both(f, what, format!("{before:#x}"), format!("{after:#x}"))
            }
            Change::RollBack { height, root, transactions } => rollback(f, *height, *root, transactions),
            Change::Implementation { contract, before, after } => {
                both(f, format!("implementation of proxy {contract}"), before, after)
            }
            Change::Correction { contract, code, correction } => {
                write!(f, "  correction of contract {contract}, code {code}\n    + {correction}")
            }
            Change::Code { contract, code, implementation } => {
                write!(f, "  contract {contract} runs code {code}, and will")?;
                implementation.iter().try_for_each(|it| write!(f, "\n    implementation {it}"))
            }
            Change::Migration { contract, code, call } => migration(f, *contract, *code, call),
            Change::Order { id, before, after } => both(f, format!("order {id}"), before, after),
        }
    }
}

/// What it is, what goes (`-`), what comes (`+`).
fn both<T: Display>(f: &mut fmt::Formatter<'_>, what: impl Display, before: T, after: T) -> fmt::Result {
    write!(f, "  {what}\n    - {before}\n    + {after}")
}

/// The same of what may not be.
fn sides<T: Display>(
    f: &mut fmt::Formatter<'_>,
    what: impl Display,
    before: &Option<T>,
    after: &Option<T>,
) -> fmt::Result {
    let said = |side: &Option<T>| side.as_ref().map_or_else(|| "none".into(), ToString::to_string);
    both(f, what, said(before), said(after))
}

fn why(basis: &Basis) -> String {
    format!("basis {:?} {}", basis.reference, basis.document)
}

const fn needed(required: bool) -> &'static str {
    if required { "needed" } else { "not needed" }
}

fn rollback(f: &mut fmt::Formatter<'_>, height: u64, root: B256, transactions: &[Reversed]) -> fmt::Result {
    write!(f, "  back to the state after height {height}, root {root}")?;
    transactions.iter().try_for_each(|Reversed { height, hash }| {
        write!(f, "\n    - transaction {hash} of block {height} is reversed")
    })
}

/// A call that only its contract understands: its function, what it can be compared by, and all of it.
fn migration(f: &mut fmt::Formatter<'_>, proxy: Address, code: B256, call: &Bytes) -> fmt::Result {
    let (method, bytes) = (hex::encode_prefixed(call.get(..4).unwrap_or_default()), call.len());
    let hash = B256::from_slice(&Sha256::digest(call));
    write!(f, "  migration of proxy {proxy}, code {code}\n    + call of {method} in {bytes} bytes, ")?;
    write!(f, "SHA-256 {hash}\n    + {call}")
}

/// A policy line by line: what goes (`-`), what comes (`+`), and around it what stays. Each line of a text is behind
/// a mark, so that no text can pass for another part of the effect.
fn policy(f: &mut fmt::Formatter<'_>, id: &str, before: Option<&str>, after: Option<&str>) -> fmt::Result {
    write!(f, "  policy {id}")?;
    let (old, new) = (before.map_or_else(Vec::new, lines), after.map_or_else(Vec::new, lines));
    match (before, after) {
        (Some(_), Some(_)) => difference(f, &old, &new),
        (None, _) => marked(f, '-', &["none"]).and_then(|()| marked(f, '+', &new)),
        (_, None) => marked(f, '-', &old).and_then(|()| marked(f, '+', &["none"])),
    }
}

fn difference(f: &mut fmt::Formatter<'_>, old: &[&str], new: &[&str]) -> fmt::Result {
    let head = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let ((stays, old), (_, new)) = (old.split_at(head), new.split_at(head));
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(one, other)| one == other).count();
    let (goes, stays_too) = old.split_at(old.len().saturating_sub(tail));
    let (comes, _) = new.split_at(new.len().saturating_sub(tail));
    [(' ', stays), ('-', goes), ('+', comes), (' ', stays_too)]
        .into_iter()
        .try_for_each(|(mark, lines)| marked(f, mark, lines))
}

fn marked(f: &mut fmt::Formatter<'_>, mark: char, lines: &[&str]) -> fmt::Result {
    lines.iter().try_for_each(|line| write!(f, "\n    {mark} {}", visible(line)))
}

/// The lines of a text with their ends: texts that differ have lines that do.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A line in which nothing acts on the terminal or misleads the eye.
fn visible(line: &str) -> String {
    let word = |c: char| match c {
        ' '..='~' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    line.trim_end_matches('\n').chars().map(word).collect()
}

impl Display for OrganisationFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        let roots: Vec<String> = self.roots.iter().map(ToString::to_string).collect();
        let membership = format!("{:?}", self.membership).to_lowercase();
        let (name, roles, roots) = (&self.name, roles.join(", "), roots.join(", "));
        write!(f, "{name:?}, {membership}; may grant {roles}; roots (SHA-256) {roots}")
    }
}

impl Display for ValidatorFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { organisation, power, node_key, .. } = self;
        let node_address = visible(&self.node_address);
        write!(f, "of {organisation}, power {power}, at {node_address}, node key {node_key}")
    }
}

impl Display for KeyFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, organisation, role, common_name, fingerprint } = self;
        write!(
            f,
            "account {account}, {role} {common_name:?} of {organisation}; certificate (SHA-256) {fingerprint}"
        )
    }
}

impl Display for RegulatorFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegulatorFacts { organisation, mandate } = self;
        let powers: Vec<&str> = mandate.powers.iter().map(|power| power.name()).collect();
        let organisations = covered(mandate.organisations.as_ref());
        let contracts = covered(mandate.contracts.as_ref());
        let end = if mandate.until == 0 {
            "until it is retired".into()
        } else {
            End::At(mandate.until).to_string()
        };
        let (jurisdiction, powers) = (&mandate.jurisdiction, powers.join(", "));
        write!(
            f,
            "of {organisation}, jurisdiction {jurisdiction:?}, may {powers}; organisations: {organisations}; \
             contracts: {contracts}; {end}"
        )
    }
}

/// What a mandate names, or that it names all.
fn covered<T: Display>(named: Option<&BTreeSet<T>>) -> String {
    match named {
        None => "all".into(),
        Some(named) if named.is_empty() => "none".into(),
        Some(named) => named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weight {} for {}", self.weight, self.organisation)
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |points: u64| format!("{}.{:02} %", points.div_euclid(100), points.rem_euclid(100));
        let (participation, approval) = (percent(self.participation), percent(self.approval));
        write!(
            f,
            "{participation} take part, {approval} of yes and no say yes, of {} organisations; voting {} blocks, \
             timelock {}, window {}",
            self.organisations, self.voting_blocks, self.timelock_blocks, self.window_blocks
        )?;
        if self.veto {
            f.write_str("; a regulator may veto")?;
        }
        if self.proposer_counts {
            f.write_str("; the proposer's ballot counts")?;
        }
        if self.lapse_blocks > 0 {
            write!(f, "; lapses after {} blocks", self.lapse_blocks)?;
        }
        Ok(())
    }
}

impl Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Freeze { scope, basis, end, emergency } = self;
        let emergency = if *emergency { "emergency, " } else { "" };
        write!(f, "{emergency}scope {scope}, {end}; {}", why(basis))
    }
}

impl Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ListKind::None => f.write_str("binds nobody")?,
            ListKind::Allow => f.write_str("only those on it")?,
            ListKind::Deny => f.write_str("nobody on it")?,
        }
        if self.accounts.is_empty() {
            return Ok(());
        }
        let accounts: Vec<String> = self.accounts.iter().map(ToString::to_string).collect();
        write!(f, "; with {}", accounts.join(", "))
    }
}

impl Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Frozen { basis, end, emergency } => {
                let emergency = if *emergency { "emergency, " } else { "" };
                write!(f, "{emergency}frozen, {end}; {}", why(basis))
            }
            Halt::Retired { basis } => write!(f, "retired for good; {}", why(basis)),
        }
    }
}

impl Display for Attested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, attributes } = self;
        let Attributes { auditor, report, properties, rating, source, compiler, valid_until } = attributes;
        write!(f, "rating {rating}; audited by {auditor:?}, report {report}")?;
        for Property { text, proof } in properties {
            write!(f, "; proven {text:?}, proof {proof}")?;
        }
        write!(f, "; source {source} by {compiler:?}; code {code}")?;
        match valid_until {
            0 => f.write_str("; for good"),
            until => write!(f, "; until {until} (Unix seconds)"),
        }
    }
}

impl Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            block_max_bytes,
            block_gas_limit,
            empty_block_interval_ms,
            clock_precision_ms,
            message_delay_ms,
        } = self;
        write!(
            f,
            "blocks of {block_max_bytes} bytes and {block_gas_limit} gas at most, an empty one after \
             {empty_block_interval_ms} ms; clocks {clock_precision_ms} ms apart and proposals {message_delay_ms} ms \
             on their way at most"
        )
    }
}

impl Display for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} from height {} on", self.version, self.height)
    }
}

impl Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, code } = self;
        write!(f, "{address}, code {code}")
    }
}

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Never => f.write_str("until it is lifted"),
            End::At(height) => write!(f, "through height {height}"),
            End::After(blocks) => write!(f, "for {blocks} blocks"),
        }
    }
}

impl Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { validators, total, need } = self;
        write!(f, "{validators} validators of power {total}; {need} decide")
    }
}

impl Display for OrderSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { terms, issuer, stage } = self;
        let stage = match stage {
            OrderStage::Provisional => "provisional",
            OrderStage::Confirmed => "confirmed",
            OrderStage::InForce => "in force",
            OrderStage::Lifted => "lifted",
        };
        write!(f, "{stage}: {terms}; by regulator {issuer}")
    }
}
