//! The ledger as consensus sees it: a thin asynchronous shell over [`Ledger`].

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use concordat_consensus::{
    Address, AppError, Application, BlockId, BlockTime, ConsensusBlock, DecidedBlock, Evidence, NextHeight,
    Origin, ProposalRequest, ProposedBlock, ProposerOrder, StoredBlock, SyncedBlock, ValidatorSet, Verdict,
    default_timeouts,
};
use concordat_core::known_protocol_version;
use concordat_types::{Block, block::part_set_header};
use tendermint::Time;

use super::{
    JudgeError, Ledger, LedgerError, Tip,
    judge::Circumstances,
    senders,
    tip::{damaged, read_commit},
    version,
};

/// How long after a block that changed the state the next one may wait for transactions. The next header
/// is what proves that change, so it must not wait for the next payment.
const PROOF_BLOCK_DELAY: Duration = Duration::from_millis(100);

/// The part of the proposal timeout that building may take: the others must receive and execute the block
/// in the rest.
const BUILD_SHARE: u32 = 4;

/// [`Ledger`] behind consensus' boundary.
pub struct LedgerApplication(pub Arc<Ledger>);

impl LedgerApplication {
    /// Runs blocking work of the ledger away from the asynchronous threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, AppError> {
        let ledger = self.0.clone();
        let joined = tokio::task::spawn_blocking(move || work(&ledger)).await;
        joined.unwrap_or_else(|error| Err(LedgerError::Task(error.to_string()))).map_err(|error| {
            let kind = error.kind();
            AppError::new(error).of_kind(kind)
        })
    }

    /// When the next block is due even if there is nothing to put into it.
    fn due(&self, tip: &Tip) -> Instant {
        let interval = Duration::from_millis(tip.next.params.empty_block_interval_ms);
        tip.committed_at + if tip.changed_state { PROOF_BLOCK_DELAY.min(interval) } else { interval }
    }
}

#[async_trait]
impl Application for LedgerApplication {
    async fn start(&self) -> Result<NextHeight, AppError> {
        next_height(&self.0.tip())
    }

    async fn wait_to_start(&self, _height: u64) {
        let due = self.due(&self.0.tip());
        tokio::select! {
            () = self.0.pool.wait_for_work() => {}
            () = tokio::time::sleep_until(due.into()) => {}
        }
    }

    async fn propose(&self, request: ProposalRequest) -> Result<ProposedBlock, AppError> {
        let ProposalRequest { height, proposer, last_commit, timeout, .. } = request;
        let behind = {
            let tip = self.0.tip();
            let precision = Duration::from_millis(tip.next.params.clock_precision_ms);
            behind(tip.time, to_time(SystemTime::now()), (timeout / BUILD_SHARE, precision))?
        };
        tokio::time::sleep(behind).await;
        let now = to_time(SystemTime::now());
        let deadline = Instant::now() + timeout / BUILD_SHARE;
        let built = self
            .blocking(move |ledger| ledger.build(height, proposer.0, last_commit, (now, deadline)))
            .await?;
        let id = block_id(&built.executed.block, built.parts);
        Ok(ProposedBlock { id, bytes: built.bytes.into() })
    }

    fn identify(&self, bytes: &Bytes) -> Result<BlockId, AppError> {
        let block = self.0.decoded.decode(bytes).map_err(AppError::new)?;
        Ok(block_id(&block, part_set_header(bytes).map_err(AppError::new)?))
    }

    async fn validate(&self, block: Arc<ConsensusBlock>, origin: Origin) -> Verdict {
        let about = match origin {
            Origin::Proposal { received_at } => {
                Circumstances::Fresh { proposer: block.proposer.0, now: to_time(received_at) }
            }
            Origin::Reproposal { received_at } => Circumstances::Again { now: to_time(received_at) },
            Origin::Synced => Circumstances::Decided,
        };
        let ledger = self.0.clone();
        let judged = tokio::task::spawn_blocking(move || ledger.judge(&block.bytes, about)).await;
        match judged {
            Ok(Ok(_)) => Verdict::Valid,
            Ok(Err(JudgeError::Invalid(reason))) => {
                self.0.metrics.blocks_refused.inc();
                Verdict::Invalid { reason: reason.to_string() }
            }
            Ok(Err(JudgeError::Ledger(error))) => Verdict::Undecidable { reason: error.to_string() },
            Err(error) => Verdict::Undecidable { reason: error.to_string() },
        }
    }

    async fn commit(&self, decided: DecidedBlock) -> Result<NextHeight, AppError> {
        let tip = self.blocking(move |ledger| ledger.settle(&decided)).await?;
        next_height(&tip)
    }

    async fn store_undecided(&self, block: Arc<ConsensusBlock>) -> Result<(), AppError> {
        let bytes = encode_undecided(&block);
        self.blocking(move |ledger| {
            Ok(ledger.store.put_undecided(block.height, &block.id.hash.into(), &bytes)?)
        })
        .await
    }

    async fn load_undecided(&self, height: u64) -> Result<Vec<ConsensusBlock>, AppError> {
        let stored = self.blocking(move |ledger| Ok(ledger.store.undecided_at(height)?)).await?;
        let decode = |(_, bytes): (_, Vec<u8>)| self.decode_undecided(height, &bytes);
        Ok(stored.into_iter().filter_map(decode).collect())
    }

    async fn decided(&self, height: u64) -> Result<Option<StoredBlock>, AppError> {
        self.blocking(move |ledger| {
            if height > ledger.tip().height {
                return Ok(None);
            }
            let bytes = match ledger.store.encoded_block(height) {
                Ok(Some(bytes)) => bytes,
                Ok(None) | Err(concordat_state::StoreError::Pruned { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let commit = read_commit(&ledger.store, height)?;
            let commit = commit.ok_or_else(|| damaged("commit", height, "missing"))?;
            // Without them the block serves as well: pruning may have come in between.
            let receipts = ledger.store.receipts(height).ok().flatten().unwrap_or_default();
            let senders = senders::told(receipts.iter().map(|receipt| receipt.sender));
            Ok(Some(StoredBlock { block: SyncedBlock { bytes: bytes.into(), senders }, commit }))
        })
        .await
    }

    fn expect(&self, blocks: Vec<(u64, SyncedBlock)>) {
        self.0.ahead.expect(blocks);
    }

    async fn earliest_height(&self) -> u64 {
        self.0.store.body_floor()
    }

    fn on_evidence(&self, evidence: Evidence) {
        let ledger = self.0.clone();
        // Off the asynchronous threads: it waits for the disk.
        tokio::task::spawn_blocking(move || ledger.keep_evidence(evidence));
    }
}

impl LedgerApplication {
    /// `round ‖ proposer ‖ block`, as [`encode_undecided`] wrote it.
    fn decode_undecided(&self, height: u64, stored: &[u8]) -> Option<ConsensusBlock> {
        let (round, rest) = stored.split_first_chunk::<4>()?;
        let (proposer, body) = rest.split_first_chunk::<20>()?;
        let bytes = Bytes::copy_from_slice(body);
        let id = self.identify(&bytes).ok()?;
        let (round, proposer) = (u32::from_be_bytes(*round), Address(*proposer));
        Some(ConsensusBlock { height, round, proposer, id, bytes })
    }
}

fn encode_undecided(block: &ConsensusBlock) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + block.bytes.len());
    out.extend_from_slice(&block.round.to_be_bytes());
    out.extend_from_slice(&block.proposer.0);
    out.extend_from_slice(&block.bytes);
    out
}

pub(super) fn block_id(block: &Block, parts: tendermint::block::parts::Header) -> BlockId {
    let time = block.header.time;
    let nanos = time.unix_timestamp_nanos().rem_euclid(1_000_000_000);
    BlockId {
        hash: block.hash().0,
        parts_total: parts.total,
        parts_hash: concordat_types::block::to_b256(parts.hash).0,
        time: BlockTime { seconds: time.unix_timestamp(), nanos: u32::try_from(nanos).unwrap_or(0) },
    }
}

/// The height after `tip` in the engine's terms.
fn next_height(tip: &Tip) -> Result<NextHeight, AppError> {
    let active = tip.activity.active(&tip.validators).into_iter().map(Address).collect();
    let validators = ValidatorSet::of(&tip.validators, &ProposerOrder { active }).map_err(AppError::new)?;
    let upcoming =
        ValidatorSet::of(&tip.next_validators, &ProposerOrder::default()).map_err(AppError::new)?;
    let blocked = version::check(&tip.next, tip.next_height(), known_protocol_version()).err();
    Ok(NextHeight {
        height: tip.next_height(),
        validators,
        upcoming,
        timeouts: default_timeouts(),
        clock_precision: Some(Duration::from_millis(tip.next.params.clock_precision_ms)),
        blocked: blocked.map(|error| AppError::new(&error).of_kind(error.kind())),
    })
}

/// How long a proposer waits until its clock is past the last block's time, as CometBFT's do: correct clocks may
/// be a little apart, and a block should not have a time that its proposer's clock has not reached. Where that would take
/// too long it does not wait: whoever's clock is as far ahead as the precision allows would propose alone otherwise.
fn behind(last: Time, now: Time, (patience, precision): (Duration, Duration)) -> Result<Duration, AppError> {
    let Ok(behind) = last.duration_since(now) else { return Ok(Duration::ZERO) };
    let wait = behind + Duration::from_millis(1);
    if wait > patience && behind <= precision {
        return Ok(Duration::ZERO);
    }
    if wait > patience {
        return Err(AppError::say(format!(
            "this node's clock is {} ms behind the last block; set it (NTP). It does not propose",
            behind.as_millis()
        )));
    }
    Ok(wait)
}

/// A clock's reading as block time, in whole milliseconds.
fn to_time(at: SystemTime) -> Time {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let nanos = since.subsec_millis() * 1_000_000;
    Time::from_unix_timestamp(seconds, nanos).unwrap_or_else(|_| Time::unix_epoch())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_unix_timestamp(1_700_000_000 + millis / 1_000, (millis % 1_000) as u32 * 1_000_000)
            .unwrap()
    }

    #[test]
    fn proposer_waits_for_its_clock_to_pass_the_last_block_but_not_for_minutes() {
        let limits = (Duration::from_millis(100), Duration::from_millis(500));
        assert_eq!(behind(at(0), at(5), limits), Ok(Duration::ZERO));
        assert_eq!(behind(at(30), at(0), limits), Ok(Duration::from_millis(31)));
        assert_eq!(behind(at(7), at(7), limits), Ok(Duration::from_millis(1)));
        assert_eq!(behind(at(500), at(0), limits), Ok(Duration::ZERO), "as far as clocks may be apart");
        assert!(behind(at(501), at(0), limits).is_err());
        let error = behind(at(180_000), at(0), limits).unwrap_err().to_string();
        assert!(error.contains("180000 ms behind"), "{error}");
    }
}
