//! Asking a node for an activity with its proof, and checking that: nothing is handed on that would be refused.

use concordat_light::{LightClient, LightError, Rpc, next_header};
use concordat_types::{Genesis, U256, activity::Subject};
use serde_json::{Value, json};

use crate::{
    activity::{ActivityFile, Checked},
    error::EvidenceError,
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// Whose activity, in which range.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who.
    pub subject: Subject,
    /// The first height.
    pub from: u64,
    /// The last height; the newest if absent.
    pub to: Option<u64>,
}

/// How much is taken from a node.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Transactions.
    pub transactions: usize,
    /// Bytes of all blocks, as the node tells them.
    pub bytes: usize,
}

impl Limits {
    /// Whatever there is.
    pub const NONE: Self = Self { transactions: usize::MAX, bytes: usize::MAX };

    fn check(&self, file: &ActivityFile, bytes: usize) -> Result<()> {
        let transactions = file.transactions();
        if transactions > self.transactions || bytes > self.bytes {
            return Err(EvidenceError::TooLarge(format!(
                "the range has more than {} transactions of {}, or their proof more than {} bytes: ask for a shorter one",
                self.transactions, file.subject, self.bytes
            )));
        }
        Ok(())
    }
}

/// Asks a node's Ethereum JSON-RPC for a proof, and its CometBFT RPC for the headers below, and checks it; `tell` says how it
/// goes on.
///
/// # Errors
/// [`EvidenceError::TooLarge`] beyond the limits, and whatever the node says, or does not.
pub fn obtain(
    wanted: &Wanted,
    genesis: &Genesis,
    (eth, comet): (&dyn Rpc, impl Rpc + 'static),
    limits: Limits,
    tell: &mut dyn FnMut(String),
) -> Result<(ActivityFile, Checked)> {
    let mut light = LightClient::start(genesis, comet)?;
    light.keep_blocks();
    let newest = || number(&eth.call("eth_blockNumber", json!([]))?);
    let to = wanted.to.map_or_else(newest, Ok)?;
    let mut answer = ask(eth, wanted, to, None)?;
    let anchor = number(&answer["anchor"])?;
    let range = (wanted.subject.clone(), wanted.from, to);
    let mut file = ActivityFile::new(genesis, range, anchor, &answer["state"])?;
    let mut bytes = 0_usize;
    loop {
        file.extend(&answer["blocks"])?;
        bytes = bytes.saturating_add(answer["blocks"].to_string().len());
        limits.check(&file, bytes)?;
        if answer["next"].is_null() {
            break;
        }
        let next = number(&answer["next"])?;
        tell(format!("{} blocks; next: {next}", file.blocks()));
        answer = ask(eth, wanted, to, Some((anchor, next)))?;
    }
    next_header(&mut light, anchor)?;
    file.headers = light.kept_blocks();
    let checked = file.check(genesis)?;
    Ok((file, checked))
}

fn ask(eth: &dyn Rpc, wanted: &Wanted, to: u64, page: Option<(u64, u64)>) -> Result<Value> {
    let hex = |number: u64| format!("{number:#x}");
    let (anchor, next) = page.map(|(anchor, next)| (hex(anchor), hex(next))).unzip();
    let answer =
        eth.call("concordat_getActivity", json!([wanted.subject, hex(wanted.from), hex(to), anchor, next]))?;
    if page.is_some() && answer["blocks"].as_array().is_none_or(Vec::is_empty) {
        return Err(EvidenceError::Unable("the node ends its answer before the range begins".to_owned()));
    }
    Ok(answer)
}

/// A JSON-RPC quantity.
fn number(value: &Value) -> Result<u64> {
    let told = || LightError::Unable(format!("the node answered {value} for a number"));
    let number: U256 = serde_json::from_value(value.clone()).map_err(|_| told())?;
    Ok(u64::try_from(number).map_err(|_| told())?)
}
