//! `concordat audit anchor-reads`: puts the end of the log of reads on chain, once, or again as the log grows.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, TxKind};
use alloy_sol_types::SolCall as _;
use clap::Args;
use concordat_core::{ORDERS, abi::IIdentityRegistry, orders::abi::IOrders};
use concordat_pki_authority::PrivateKey;
use concordat_sql::{
    Database,
    read::{Flaw, Head, ReadLog},
};
use eyre::{Result, WrapErr as _, ensure};
use serde::Serialize;
use serde_json::json;

use super::database::{DatabaseArgs, runtime};
use crate::{
    account,
    client::{Client, NodeArgs},
    keys::{self, KeyArgs},
    order,
    output::{self, Report},
    stop::{self, Stop},
    transaction::{self, Act},
};

/// How long it waits after a failure, at most.
const AGAIN: Duration = Duration::from_secs(10);

/// How often it looks whether it shall end.
const POLL: Duration = Duration::from_millis(100);

/// Arguments of `concordat audit anchor-reads`.
#[derive(Args)]
pub struct AnchorArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// Go on until SIGTERM or Ctrl-C, and anchor after so many seconds again if there were reads meanwhile. What fails is
    /// told and tried again; a log that is not what was anchored before ends it with exit code 3.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every_s: Option<u64>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `concordat audit anchor-reads`. Exit code 3: the log is not what was anchored before.
pub fn run(args: &AnchorArgs, json: bool) -> Result<()> {
    let anchoring =
        Anchoring { database: args.at.database()?, key: args.key.open()?, client: args.node.connect()? };
    let Some(seconds) = args.every_s else {
        let turn = anchoring.turn()?;
        return output::show(json, &turn, told);
    };
    let ended = stop::on_signal()?;
    let anchored = follow(&anchoring, Duration::from_secs(seconds), &ended, json)?;
    output::show(json, &json!({ "stopped": true, "anchored": anchored }), |_| {
        format!("stopped; anchored {anchored} times")
    })
}

/// Anchors until the end is asked for; how often it did.
fn follow(anchoring: &Anchoring, every: Duration, ended: &Stop, json: bool) -> Result<u64> {
    let mut anchored = 0_u64;
    while !ended.is_set() {
        let wait = match anchoring.turn() {
            Ok(turn) => {
                if turn.anchored {
                    anchored = anchored.saturating_add(1);
                    progress(json, &turn);
                }
                every
            }
            // It does not pass by itself, and is nothing to be covered by another anchor.
            Err(error) if error.is::<Report>() => return Err(error),
            Err(error) => {
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                eprintln!("{}", said(json, "nothing was anchored", &causes.join(": ")));
                every.min(AGAIN)
            }
        };
        pause(wait, ended);
    }
    Ok(anchored)
}

fn progress(json: bool, turn: &Turn) {
    eprintln!("{}", if json { json!(turn).to_string() } else { told(turn) });
}

fn said(json: bool, what: &str, why: &str) -> String {
    if json { json!({ "waiting": why }).to_string() } else { format!("{what}: {why}") }
}

fn pause(wait: Duration, ended: &Stop) {
    let until = Instant::now().checked_add(wait);
    while !ended.is_set() && until.is_some_and(|until| Instant::now() < until) {
        std::thread::sleep(POLL.min(wait));
    }
}

/// What one look came to.
#[derive(Debug, Serialize)]
struct Turn {
    organisation: String,
    /// Where the log ends, as the chain has it now.
    #[serde(flatten)]
    head: Head,
    /// Whether that was anchored just now; else it was already.
    anchored: bool,
}

fn told(turn: &Turn) -> String {
    let Turn { organisation, head: Head { count, head }, anchored } = turn;
    match anchored {
        true => format!("anchored {count} reads of {organisation}, head {head}"),
        false => format!("nothing is new: {count} reads of {organisation} are anchored"),
    }
}

/// Who anchors what, through which node.
struct Anchoring {
    database: Database,
    key: PrivateKey,
    client: Client,
}

impl Anchoring {
    /// Anchors the log's end if the chain has an older one.
    fn turn(&self) -> Result<Turn> {
        let sender = keys::address(&self.key)?;
        let organisation = self.organisation(sender)?;
        let anchor =
            order::ask(&self.client, &IOrders::readAnchorCall { organisation: organisation.clone() })?;
        let anchored = Anchored { count: i64::try_from(anchor.count).unwrap_or(i64::MAX), head: anchor.head };
        let (head, then) = runtime()?.block_on(async {
            let log = ReadLog::open(&self.database);
            Ok::<_, concordat_sql::SqlError>((log.head().await?, log.head_at(anchored.count).await?))
        })?;
        let is_new = decide(&head, then.as_ref(), &anchored).map_err(not_as_anchored)?;
        if is_new {
            self.send(sender, &head)?;
        }
        Ok(Turn { organisation, head, anchored: is_new })
    }

    /// The organisation whose log it is, as the chain has it.
    fn organisation(&self, sender: Address) -> Result<String> {
        let found = account::ask(&self.client, &IIdentityRegistry::accountCall { account: sender })?;
        ensure!(
            !found.organisation.is_empty(),
            "{sender} is not enrolled; an auditor or a regulator of the organisation whose log it is anchors it"
        );
        Ok(found.organisation)
    }

    fn send(&self, sender: Address, head: &Head) -> Result<()> {
        let hash: B256 = head.head.parse().wrap_err("the log's last hash is none")?;
        let call = IOrders::anchorReadsCall { head: hash, count: u64::try_from(head.count)? };
        let mut act = Act { to: TxKind::Call(ORDERS), input: call.abi_encode().into(), gas: None };
        // Others' anchors and orders that come first may make it dearer.
        act.gas = Some(transaction::estimate(&self.client, sender, &act)?.max(order::LEAST_GAS));
        transaction::execute(&self.client, &self.key, &act).map(drop)
    }
}

/// What the chain has; no entries: nothing.
struct Anchored {
    count: i64,
    head: B256,
}

/// Whether the log's end is to be anchored, by where it ends and where it ended when it was anchored last.
///
/// # Errors
/// [`Flaw::Cut`] and [`Flaw::Anchor`] where the log is not the one that was anchored: a further anchor would hide it.
fn decide(head: &Head, then: Option<&Head>, anchored: &Anchored) -> Result<bool, Flaw> {
    if head.count < anchored.count {
        return Err(Flaw::Cut { anchored: anchored.count, found: head.count });
    }
    let same = then.is_some_and(|then| then.head == hex::encode(anchored.head));
    if anchored.count > 0 && !same {
        return Err(Flaw::Anchor { seq: anchored.count });
    }
    Ok(head.count > anchored.count)
}

fn not_as_anchored(flaw: Flaw) -> Report {
    let text = format!("the log of reads is not as it was written: {flaw}; nothing was anchored");
    Report { said: json!({ "flaw": flaw }), text, code: 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(count: i64, byte: u8) -> Head {
        Head { count, head: hex::encode([byte; 32]) }
    }

    #[test]
    fn a_log_that_has_grown_is_anchored_and_one_that_has_not_is_left_alone() {
        let none = Anchored { count: 0, head: B256::ZERO };
        assert_eq!(decide(&head(0, 0), None, &none), Ok(false));
        assert_eq!(decide(&head(3, 3), None, &none), Ok(true));
        let two = Anchored { count: 2, head: B256::repeat_byte(2) };
        assert_eq!(decide(&head(2, 2), Some(&head(2, 2)), &two), Ok(false));
        assert_eq!(decide(&head(3, 3), Some(&head(2, 2)), &two), Ok(true));
    }

    #[test]
    fn a_log_that_is_not_what_was_anchored_is_never_anchored_again() {
        let two = Anchored { count: 2, head: B256::repeat_byte(2) };
        assert_eq!(decide(&head(1, 1), None, &two), Err(Flaw::Cut { anchored: 2, found: 1 }));
        assert_eq!(decide(&head(3, 3), Some(&head(2, 9)), &two), Err(Flaw::Anchor { seq: 2 }));
        assert_eq!(decide(&head(3, 3), None, &two), Err(Flaw::Anchor { seq: 2 }), "an entry is missing");
    }
}
