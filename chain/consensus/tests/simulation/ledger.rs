//! The validators, and a chain of real blocks whose only rule is what the transactions may say.

use std::sync::LazyLock;

use bytes::Bytes;
use concordat_consensus::{
    Address, BlockId, BlockTime, ConsensusBlock, PeerId, ProposerOrder, ValidatorSet, peer_id_of_spki,
};
use concordat_types::{
    B256, Block, ChainParams,
    block::{HeaderContext, block_id, data_hash, empty_hash},
    commit::verify_commit,
};
use tendermint::block::{Commit, Id};

pub const CHAIN: &str = "simulated";
pub const VALIDATORS: usize = 4;
/// A block that says this breaks the ledger's rule.
pub const FORBIDDEN: &str = "forbidden";
/// When virtual time starts, in seconds since the Unix epoch.
const EPOCH_SECONDS: i64 = 1_700_000_000;

/// Four validators of equal power; who is Byzantine depends on the seed.
pub struct Setup {
    pub seeds: Vec<[u8; 32]>,
    pub addresses: Vec<Address>,
    pub peers: Vec<PeerId>,
    pub comet: concordat_types::ValidatorSet,
    pub set: ValidatorSet,
}

pub static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let seeds: Vec<[u8; 32]> = (1..=VALIDATORS as u8).map(|n| [n; 32]).collect();
    let key = |seed: &[u8; 32]| -> [u8; 32] {
        ed25519_zebra::VerificationKey::from(&ed25519_zebra::SigningKey::from(*seed)).into()
    };
    let member = |(index, seed)| concordat_types::Validator {
        org: org(index).parse().unwrap(),
        public_key: key(seed),
        power: 1,
    };
    let comet = concordat_types::ValidatorSet::new(seeds.iter().enumerate().map(member).collect()).unwrap();
    let addresses: Vec<_> = seeds.iter().map(|seed| Address::of_public_key(&key(seed))).collect();
    let set = ValidatorSet::of(&comet, &ProposerOrder { active: addresses.clone() }).unwrap();
    let peers = seeds.iter().map(|seed| peer_id_of_spki(seed)).collect();
    Setup { seeds, addresses, peers, comet, set }
});

/// The validators of a height. Their members stay; one of them proposes last, another one at every height, so
/// that nobody can tell a height before whose turn it will be.
pub fn set_at(height: u64) -> ValidatorSet {
    let standby = (height * 7 / 3) as usize % VALIDATORS;
    let active = SETUP.addresses.iter().enumerate().filter(|(index, _)| *index != standby);
    let order = ProposerOrder { active: active.map(|(_, address)| *address).collect() };
    ValidatorSet::of(&SETUP.comet, &order).unwrap()
}

/// The organisation that runs a node.
pub fn org(index: usize) -> String {
    format!("bank-{index}")
}

/// Which node has this address.
pub fn index_of(address: &Address) -> Option<usize> {
    SETUP.addresses.iter().position(|known| known == address)
}

/// A committed block.
#[derive(Clone, Debug)]
pub struct Committed {
    pub id: BlockId,
    pub comet_id: Id,
    pub bytes: Bytes,
    pub commit: Commit,
}

/// One node's chain. Outlives crashes.
#[derive(Clone, Default)]
pub struct Ledger(Vec<Committed>);

impl Ledger {
    pub fn tip(&self) -> u64 {
        self.0.len() as u64
    }

    pub fn at(&self, height: u64) -> Option<&Committed> {
        self.0.get(usize::try_from(height.checked_sub(1)?).ok()?)
    }

    pub fn push(&mut self, committed: Committed) {
        self.0.push(committed);
    }

    /// Builds the next block.
    pub fn build(&self, proposer: Address, last_commit: Option<Commit>, now_us: u64) -> (BlockId, Bytes) {
        let last = self.0.last();
        let height = self.tip() + 1;
        let last_commit = last_commit.or(last.map(|last| last.commit.clone())).filter(|_| height > 1);
        let context = HeaderContext {
            chain_id: CHAIN,
            height,
            last_block_id: last.map(|last| last.comet_id),
            validators: &SETUP.comet,
            next_validators: &SETUP.comet,
            params: &ChainParams::default(),
            app_hash: B256::ZERO,
            last_results_hash: empty_hash(),
        };
        let BlockTime { seconds, nanos } = block_time(now_us);
        let time = tendermint::Time::from_unix_timestamp(seconds, nanos).unwrap();
        let txs = vec![concordat_types::Bytes::from(format!("at {now_us} by {proposer}").into_bytes())];
        let header = context.header(time, proposer.0, data_hash(&txs), last_commit.as_ref()).unwrap();
        let bytes = Bytes::from(Block { header, txs, last_commit }.encode());
        (identify(&bytes).unwrap().2, bytes)
    }

    /// The ledger's rules: follows the last block, carries its commit in full, says nothing forbidden.
    pub fn check(&self, block: &ConsensusBlock) -> Result<(), String> {
        let (decoded, _, id) = identify(&block.bytes)?;
        if id != block.id || decoded.height() != block.height || block.height != self.tip() + 1 {
            return Err(format!("not the block of height {}", self.tip() + 1));
        }
        if decoded.txs.iter().any(|tx| tx.starts_with(FORBIDDEN.as_bytes())) {
            return Err("says what is forbidden".into());
        }
        let last = self.0.last();
        if decoded.header.last_block_id != last.map(|last| last.comet_id) {
            return Err("does not follow the last block".into());
        }
        let Some(last) = last else { return Ok(()) };
        let commit = decoded.last_commit.ok_or("no commit")?;
        verify_commit(&commit, CHAIN, self.tip(), &last.comet_id, &SETUP.comet)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}

/// Virtual time as block time.
pub fn block_time(now_us: u64) -> BlockTime {
    BlockTime {
        seconds: EPOCH_SECONDS + (now_us / 1_000_000) as i64,
        nanos: (now_us % 1_000_000 * 1_000) as u32,
    }
}

/// What a block is called, from its bytes.
pub fn identify(bytes: &[u8]) -> Result<(Block, Id, BlockId), String> {
    let block = Block::decode(bytes).map_err(|error| error.to_string())?;
    let id = block_id(&block, bytes).map_err(|error| error.to_string())?;
    let time = block.header.time;
    let ours = BlockId {
        hash: id.hash.as_bytes().try_into().unwrap(),
        parts_total: id.part_set_header.total,
        parts_hash: id.part_set_header.hash.as_bytes().try_into().unwrap(),
        time: BlockTime {
            seconds: time.unix_timestamp(),
            nanos: (time.unix_timestamp_nanos() % 1_000_000_000) as u32,
        },
    };
    Ok((block, id, ours))
}

/// The same block saying something else.
pub fn twin(bytes: &[u8], says: &str) -> Option<(BlockId, Bytes)> {
    let mut block = identify(bytes).ok()?.0;
    block.txs = vec![concordat_types::Bytes::from(says.to_owned().into_bytes())];
    block.header.data_hash = Some(data_hash(&block.txs));
    let bytes = Bytes::from(block.encode());
    Some((identify(&bytes).ok()?.2, bytes))
}
