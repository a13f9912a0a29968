//! A light client: from the genesis document to any height, over untrusted answers.

use std::time::Duration;

use concordat_core::genesis_state;
use concordat_types::{Genesis, Validator, ValidatorSet, commit::verify_commit, validator::MAX_VALIDATORS};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tendermint::{
    Time,
    block::{Header, signed_header::SignedHeader},
    chain, validator,
};
use tendermint_light_client_verifier::{
    ProdVerifier, Verdict, Verifier as _,
    options::Options,
    types::{TrustThreshold, TrustedBlockState, UntrustedBlockState},
};

use crate::{LightError, Rpc, wrong};

type Result<T> = std::result::Result<T, LightError>;

/// Validators hold their keys as institutions: there is no unbonding after which old keys are worthless.
const TRUSTING_PERIOD: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How far the checking machine's clock may be behind.
const CLOCK_DRIFT: Duration = Duration::from_secs(30);

/// Validators of one page of CometBFT RPC; the largest set needs two.
const PER_PAGE: u64 = 100;

/// A header with its commit and the validators around it.
#[derive(Clone, Serialize, Deserialize)]
pub struct LightBlock {
    /// Header and commit.
    pub signed: SignedHeader,
    validators: validator::Set,
    next_validators: validator::Set,
}

/// Verifies blocks that were kept, each by the one before and the first by the genesis document. Gives the header of
/// the last, and how many signatures were checked.
///
/// # Errors
/// [`LightError::Wrong`] for the first block that does not hold.
pub fn replay(genesis: &Genesis, blocks: &[LightBlock]) -> Result<(Header, u64)> {
    let expected = founders(genesis)?.comet().clone();
    let mut trusted: Option<&LightBlock> = None;
    let mut signatures = 0_u64;
    for block in blocks {
        let header = &block.signed.header;
        let height = header.height.value();
        if header.chain_id.as_str() != genesis.chain_id {
            return Err(wrong(format!(
                "block {height} is of chain {}, not {}",
                header.chain_id, genesis.chain_id
            )));
        }
        let judged = match trusted {
            Some(trusted) => verdict(block, trusted.as_trusted()),
            None => verdict(block, origin(genesis, &header.chain_id, &expected)?),
        };
        if !matches!(judged, Verdict::Success) {
            return Err(wrong(format!("block {height}: {judged:?}")));
        }
        signatures = signatures.saturating_add(audit(block, &genesis.chain_id)?);
        trusted = Some(block);
    }
    let last = trusted.ok_or_else(|| wrong("there is no header that could vouch for anything"))?;
    Ok((last.signed.header.clone(), signatures))
}

impl LightBlock {
    fn as_trusted(&self) -> TrustedBlockState<'_> {
        let header = &self.signed.header;
        TrustedBlockState {
            chain_id: &header.chain_id,
            header_time: header.time,
            height: header.height,
            next_validators: &self.next_validators,
            next_validators_hash: header.next_validators_hash,
        }
    }
}

/// The validators of the genesis document.
fn founders(genesis: &Genesis) -> Result<ValidatorSet> {
    let state = genesis_state(genesis).map_err(LightError::because("the genesis document makes no state"))?;
    Ok(state.validators)
}

/// The genesis validators stand for a block 0 that announced them.
fn origin<'a>(
    genesis: &Genesis,
    chain_id: &'a chain::Id,
    validators: &'a validator::Set,
) -> Result<TrustedBlockState<'a>> {
    let time = Time::from_unix_timestamp(genesis.genesis_time, 0);
    Ok(TrustedBlockState {
        chain_id,
        header_time: time.map_err(LightError::because("the genesis document's time is none"))?,
        height: 0u32.into(),
        next_validators_hash: validators.hash(),
        next_validators: validators,
    })
}

/// The full audit on top of the light client's: every place of the commit. Gives how many signatures there are.
fn audit(block: &LightBlock, chain_id: &str) -> Result<u64> {
    let commit = &block.signed.commit;
    let height = block.signed.header.height.value();
    let set = own_set(&block.validators)?;
    if commit.block_id.hash != block.signed.header.hash() {
        return Err(wrong(format!("block {height}: the commit is of another header")));
    }
    verify_commit(commit, chain_id, height, &commit.block_id, &set)
        .map_err(|error| wrong(format!("block {height}: {error}")))?;
    let signed = commit.signatures.iter().filter(|signature| signature.is_commit()).count();
    Ok(u64::try_from(signed).unwrap_or(u64::MAX))
}

/// The light client.
pub struct LightClient {
    comet: Box<dyn Rpc>,
    chain_id: String,
    trusted: LightBlock,
    kept: Option<Vec<LightBlock>>,
    /// Headers verified so far.
    pub headers_verified: u64,
    /// Signatures checked so far.
    pub signatures_checked: u64,
}

impl LightClient {
    /// Verifies the first block that the node has against the validators in the genesis document, asking its
    /// CometBFT RPC.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn start(genesis: &Genesis, comet: impl Rpc + 'static) -> Result<Self> {
        let expected = founders(genesis)?;
        let first = first_block(&comet)?;
        let mut client = Self {
            comet: Box::new(comet),
            chain_id: genesis.chain_id.clone(),
            trusted: first.clone(),
            kept: None,
            headers_verified: 0,
            signatures_checked: 0,
        };
        let height = first.signed.header.height.value();
        if height == 1 && first.signed.header.validators_hash != expected.hash() {
            return Err(wrong("block 1 is not signed by the validators of this genesis document"));
        }
        let (next, chain_id) = (expected.comet().clone(), first.signed.header.chain_id.clone());
        let origin = origin(genesis, &chain_id, &next)?;
        if first.signed.header.chain_id.as_str() != genesis.chain_id {
            return Err(wrong(format!("the node serves chain {}", first.signed.header.chain_id)));
        }
        match verdict(&first, origin) {
            Verdict::Success => client.accept(first)?,
            Verdict::NotEnoughTrust(_) => {
                return Err(LightError::Unable(format!(
                    "block {height} is the first that the node has, and too few of the genesis document's validators \
                     signed it; ask a node that has all blocks"
                )));
            }
            other => return Err(wrong(format!("block {height}: {other:?}"))),
        }
        Ok(client)
    }

    /// Height and hash of the newest verified header.
    pub fn trusted(&self) -> (u64, String) {
        let header = &self.trusted.signed.header;
        (header.height.value(), header.hash().to_string())
    }

    /// The node's word on its newest height. Nothing depends on its truth.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn newest_height(&self) -> Result<u64> {
        let status = self.comet.call("status", json!({}))?;
        integer(&status["sync_info"]["latest_block_height"])
    }

    /// The node's interface, for what is then verified.
    pub(crate) fn comet(&self) -> &dyn Rpc {
        &*self.comet
    }

    /// Verifies a header and, if needed, some on the way to it: when too few of the trusted validators
    /// signed it, half the distance is tried first.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn advance_to(&mut self, target: u64, every: bool) -> Result<()> {
        if every {
            for height in self.trusted().0.saturating_add(1)..=target {
                self.step(height)?;
            }
            return Ok(());
        }
        let mut goals = vec![target];
        while let Some(goal) = goals.last().copied() {
            let (at, _) = self.trusted();
            if goal <= at {
                goals.pop();
                continue;
            }
            match self.try_step(goal)? {
                Verdict::Success => drop(goals.pop()),
                Verdict::NotEnoughTrust(_) if goal.saturating_sub(at) > 1 => goals.push(at.midpoint(goal)),
                other => return Err(wrong(format!("block {goal}: {other:?}"))),
            }
        }
        Ok(())
    }

    /// A header at a height, verified. Heights below the trusted one are verified from the start again by
    /// their hashes: the chain of `last_block_id`.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn header_at(&mut self, height: u64) -> Result<SignedHeader> {
        let (at, _) = self.trusted();
        if height >= at {
            self.advance_to(height, false)?;
            return Ok(self.trusted.signed.clone());
        }
        let mut above = self.trusted.signed.clone();
        for below in (height..at).rev() {
            let block = fetch(&*self.comet, below)?.signed;
            let named = above.header.last_block_id.map(|id| id.hash);
            if named != Some(block.header.hash()) {
                let next = below.saturating_add(1);
                return Err(wrong(format!("block {below} is not the one that block {next} follows")));
            }
            self.headers_verified = self.headers_verified.saturating_add(1);
            above = block;
        }
        Ok(above)
    }

    fn step(&mut self, height: u64) -> Result<()> {
        match self.try_step(height)? {
            Verdict::Success => Ok(()),
            other => Err(wrong(format!("block {height}: {other:?}"))),
        }
    }

    fn try_step(&mut self, height: u64) -> Result<Verdict> {
        let block = fetch(&*self.comet, height)?;
        let verdict = verdict(&block, self.trusted.as_trusted());
        if matches!(verdict, Verdict::Success) {
            self.accept(block)?;
        }
        Ok(verdict)
    }

    /// The blocks that were verified from now on, and the one that is trusted now: [`replay`] takes them.
    pub fn keep_blocks(&mut self) {
        self.kept = Some(vec![self.trusted.clone()]);
    }

    /// What was kept.
    pub fn kept_blocks(&mut self) -> Vec<LightBlock> {
        self.kept.take().unwrap_or_default()
    }

    fn accept(&mut self, block: LightBlock) -> Result<()> {
        let signatures = audit(&block, &self.chain_id)?;
        self.signatures_checked = self.signatures_checked.saturating_add(signatures);
        self.headers_verified = self.headers_verified.saturating_add(1);
        if let Some(kept) = &mut self.kept {
            kept.push(block.clone());
        }
        self.trusted = block;
        Ok(())
    }
}

fn verdict(block: &LightBlock, trusted: TrustedBlockState<'_>) -> Verdict {
    let untrusted = UntrustedBlockState {
        signed_header: &block.signed,
        validators: &block.validators,
        next_validators: Some(&block.next_validators),
    };
    let options = Options {
        trust_threshold: TrustThreshold::default(),
        trusting_period: TRUSTING_PERIOD,
        clock_drift: CLOCK_DRIFT,
    };
    ProdVerifier::default().verify_update_header(untrusted, trusted, &options, Time::now())
}

/// Block 1, or the first one of a node that joined from a snapshot. Nothing depends on that node's word.
fn first_block(comet: &dyn Rpc) -> Result<LightBlock> {
    let status = comet.call("status", json!({}))?;
    match integer(&status["sync_info"]["earliest_block_height"])? {
        0 | 1 => fetch(comet, 1),
        // Pruning leaves commits, joining has none.
        earliest => fetch(comet, 1).or_else(|_| fetch(comet, earliest)),
    }
}

fn fetch(comet: &dyn Rpc, height: u64) -> Result<LightBlock> {
    let commit = comet.call("commit", json!({ "height": height.to_string() }))?;
    let signed: SignedHeader = serde_json::from_value(commit["signed_header"].clone())
        .map_err(LightError::because(format!("the node's commit of block {height} is malformed")))?;
    let told = signed.header.height.value();
    // A sound header of another height would pass for this one, and old state for new.
    if told != height {
        return Err(wrong(format!("the node told block {told} when asked for block {height}")));
    }
    Ok(LightBlock {
        signed,
        validators: fetch_validators(comet, height)?,
        next_validators: fetch_validators(comet, height.saturating_add(1))?,
    })
}

fn fetch_validators(comet: &dyn Rpc, height: u64) -> Result<validator::Set> {
    let mut validators = Vec::new();
    for page in 1u64.. {
        // The node's word on how many there are is no reason to ask for ever.
        if validators.len() > MAX_VALIDATORS {
            let most = format!("more than {MAX_VALIDATORS} validators, which no set has");
            return Err(wrong(format!("the node told {most}, at height {height}")));
        }
        let asked = json!({ "height": height.to_string(), "page": page.to_string(), "per_page": PER_PAGE.to_string() });
        let answer = comet.call("validators", asked)?;
        let found: Vec<validator::Info> = serde_json::from_value(answer["validators"].clone()).map_err(
            LightError::because(format!("the node's validators of height {height} are malformed")),
        )?;
        let none = found.is_empty();
        validators.extend(found);
        let told = u64::try_from(validators.len()).unwrap_or(u64::MAX);
        if none || told >= integer(&answer["total"])? {
            break;
        }
    }
    Ok(validator::Set::without_proposer(validators))
}

/// The set in our own form, for the full audit. Organisations do not matter there.
fn own_set(set: &validator::Set) -> Result<ValidatorSet> {
    let member = |info: &validator::Info| -> Result<Validator> {
        let public_key = info.pub_key.ed25519().ok_or_else(|| wrong("a validator's key is not Ed25519"))?;
        let malformed = LightError::because("a validator's key is malformed");
        let public_key: [u8; 32] = public_key.as_bytes().try_into().map_err(malformed)?;
        let org = "unnamed".parse().map_err(LightError::because("no organisation"))?;
        Ok(Validator { org, public_key, power: info.power() })
    };
    let members = set.validators().iter().map(member).collect::<Result<_>>()?;
    ValidatorSet::new(members).map_err(LightError::because("the node's validators are no set"))
}

/// CometBFT writes integers as text.
///
/// # Errors
/// [`LightError`] for anything else.
pub fn integer(value: &Value) -> Result<u64> {
    let text = value
        .as_str()
        .ok_or_else(|| LightError::Unable(format!("the node answered {value} for a number")))?;
    text.parse().map_err(LightError::because(format!("the node answered {text:?} for a number")))
}
