//! Each check of a proposed block, by a block that is right but for one thing.

use alloy_consensus::TxEip1559;
use alloy_primitives::U256;
use concordat_consensus::Verdict;
use concordat_types::{Bytes as Raw, block::BlockError, commit::CommitError};
use tendermint::{
    AppHash, Hash, account,
    block::{Commit, CommitSig},
};

use super::*;
use crate::ledger::kit::{Account, Chain, EVM_CHAIN, at, params, rehash};

/// When the second block is made, and arrives: a second after the first.
const NOW: i64 = 2_000;

const OTHER: Hash = Hash::Sha256([0xaa; 32]);

impl Chain {
    /// The second block, with a transaction of the member: nothing is wrong with it.
    fn good(&self) -> Block {
        self.block(at(NOW), vec![self.member.sign(Account::draft(1))])
    }

    fn fresh(&self, now: Time) -> Circumstances {
        Circumstances::Fresh { proposer: self.proposer(), now }
    }

    fn judged(&self, block: &Block, about: Circumstances) -> Result<(), InvalidBlock> {
        match self.ledger.judge(&block.encode().into(), about) {
            Ok(_) => Ok(()),
            Err(JudgeError::Invalid(reason)) => Err(reason),
            Err(JudgeError::Ledger(error)) => panic!("{error}"),
        }
    }

    /// Why a block is refused that arrives as this round's proposal. Consensus is told so, and it is counted.
    fn refused(&self, block: &Block) -> InvalidBlock {
        let reason = self.judged(block, self.fresh(at(NOW))).expect_err("something is wrong with it");
        let before = self.ledger.metrics.blocks_refused.get();
        let verdict = self.validate(block, &block.encode().into(), at(NOW));
        assert_eq!(verdict, Verdict::Invalid { reason: reason.to_string() });
        assert_eq!(self.ledger.metrics.blocks_refused.get(), before + 1, "{reason} is not counted");
        reason
    }

    /// Why the second block is refused after one change, with a header that commits to its content again.
    fn refused_after(&self, change: impl FnOnce(&mut Block)) -> InvalidBlock {
        let mut block = self.good();
        change(&mut block);
        rehash(&mut block);
        self.refused(&block)
    }

    /// The last commit, changed.
    fn refused_with_commit(&self, change: impl FnOnce(&mut Commit)) -> CommitError {
        let reason = self.refused_after(|block| change(block.last_commit.as_mut().unwrap()));
        match reason {
            InvalidBlock::LastCommit(reason) => reason,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_block_that_nothing_is_wrong_with_is_valid() {
    let chain = Chain::new();
    let block = chain.good();
    assert_eq!(chain.validate(&block, &block.encode().into(), at(NOW)), Verdict::Valid);
    assert_eq!(chain.ledger.metrics.blocks_refused.get(), 0);
    let executed = chain.ledger.remembered(&block.hash()).expect("it is kept for the commit");
    assert_eq!(executed.outcome.receipts.len(), 1);
    chain.settle(&block);
    assert_eq!(chain.ledger.tip().height, 2);
}

#[test]
fn every_field_of_the_header_follows_from_the_chain() {
    type Change = fn(&mut Header);
    let fields: [(&str, Change); 11] = [
        ("version", |header| header.version.block += 1),
        ("version", |header| header.version.app += 1),
        ("chain_id", |header| header.chain_id = "another-chain".parse().unwrap()),
        ("height", |header| header.height = 3u32.into()),
        ("last_block_id", |header| header.last_block_id = None),
        ("last_block_id", |header| header.last_block_id.as_mut().unwrap().hash = OTHER),
        ("validators_hash", |header| header.validators_hash = OTHER),
        ("next_validators_hash", |header| header.next_validators_hash = OTHER),
        ("consensus_hash", |header| header.consensus_hash = OTHER),
        ("app_hash", |header| header.app_hash = AppHash::try_from(vec![0xaa; 32]).unwrap()),
        ("last_results_hash", |header| header.last_results_hash = Some(OTHER)),
    ];
    let chain = Chain::new();
    for (field, change) in fields {
        let reason = chain.refused_after(|block| change(&mut block.header));
        assert!(matches!(&reason, InvalidBlock::Header(named) if named == field), "{field}: {reason}");
    }
}

#[test]
fn the_header_commits_to_the_content() {
    type Change = fn(&mut Block);
    let fields: [(&str, Change); 5] = [
        ("data_hash", |block| block.txs.clear()),
        ("data_hash", |block| block.header.data_hash = None),
        ("last_commit_hash", |block| block.last_commit = None),
        ("last_commit_hash", |block| block.header.last_commit_hash = Some(OTHER)),
        ("evidence_hash", |block| block.header.evidence_hash = Some(OTHER)),
    ];
    let chain = Chain::new();
    for (name, change) in fields {
        let mut block = chain.good();
        change(&mut block);
        let reason = chain.refused(&block);
        let InvalidBlock::Block(BlockError::Inconsistent { field, .. }) = reason else { panic!("{reason}") };
        assert_eq!(field, name);
    }
}

#[test]
fn the_proposer_is_a_validator_and_the_one_whose_turn_it_is() {
    let chain = Chain::new();
    let [second, nobody] = [chain.validators()[1], [7; 20]];
    for (proposer, said) in [
        (second, "proposer_address is not this round's proposer"),
        (nobody, "proposer_address is no validator of this height"),
    ] {
        let reason = chain.refused_after(|block| block.header.proposer_address = account::Id::new(proposer));
        assert!(matches!(&reason, InvalidBlock::Header(text) if text == said), "{reason}");
    }
    // Who proposes it again need not be who made it; a validator must have made it all the same.
    let mut block = chain.good();
    block.header.proposer_address = account::Id::new(nobody);
    for about in [Circumstances::Again { now: at(NOW) }, Circumstances::Decided] {
        let reason = chain.judged(&block, about).unwrap_err();
        assert!(matches!(reason, InvalidBlock::Header(_)), "{reason}");
    }
    block.header.proposer_address = account::Id::new(second);
    assert!(chain.judged(&block, Circumstances::Again { now: at(NOW) }).is_ok());
}

#[test]
fn time_grows_with_every_block_whoever_says_so() {
    let chain = Chain::new();
    for (time, right) in [(999, false), (1_000, false), (1_001, true)] {
        let block = chain.block(at(time), Vec::new());
        let now = at(time);
        for about in [chain.fresh(now), Circumstances::Again { now }, Circumstances::Decided] {
            match chain.judged(&block, about) {
                Ok(()) => assert!(right, "{time}"),
                Err(reason) => {
                    assert!(!right && matches!(reason, InvalidBlock::Time(_)), "{time}: {reason}");
                    assert!(reason.to_string().contains("is not after the previous block's"), "{reason}");
                }
            }
        }
    }
    let reason = chain.refused_after(|block| block.header.time = at(1_000));
    assert!(matches!(reason, InvalidBlock::Time(_)), "{reason}");
}

#[test]
fn no_proposal_is_ahead_of_this_nodes_clock_and_no_fresh_one_is_old() {
    let (precision, delay) = (params().clock_precision_ms as i64, params().message_delay_ms as i64);
    // By how much the block's time is ahead of the clock; whether it is valid as a fresh proposal, and as an old one.
    let times = [
        (precision, true, true),
        (precision + 1, false, false),
        (-(precision + delay), true, true),
        (-(precision + delay) - 1, false, true),
    ];
    let chain = Chain::new();
    let now = at(60_000);
    for (ahead, fresh, again) in times {
        let block = chain.block(at(60_000 + ahead), Vec::new());
        let cases = [
            (chain.fresh(now), fresh),
            (Circumstances::Again { now }, again),
            (Circumstances::Decided, true),
        ];
        for (about, right) in cases {
            match chain.judged(&block, about) {
                Ok(()) => assert!(right, "{ahead} ms ahead"),
                Err(InvalidBlock::Time(said)) => {
                    assert!(!right && said.contains("check both clocks"), "{ahead} ms ahead: {said}");
                }
                Err(other) => panic!("{ahead} ms ahead: {other}"),
            }
        }
    }
    let reason = chain.refused_after(|block| block.header.time = at(NOW + precision + 1));
    assert!(matches!(reason, InvalidBlock::Time(_)), "{reason}");
}

#[test]
fn the_last_commit_is_of_the_last_block_and_signed_by_more_than_two_thirds() {
    let chain = Chain::new();
    let id = chain.good().last_commit.unwrap().block_id;
    let too_few = chain.refused_with_commit(|commit| *commit = chain.commit(1, id, 2));
    assert_eq!(too_few, CommitError::Quorum { have: 20, total: 40 });
    let short = chain.refused_with_commit(|commit| drop(commit.signatures.pop()));
    assert_eq!(short, CommitError::Places { have: 3, want: 4 });
    let forged = chain.refused_with_commit(|commit| {
        let CommitSig::BlockIdFlagCommit { signature, .. } = &mut commit.signatures[3] else { panic!() };
        *signature = tendermint::Signature::new([9; 64]).unwrap();
    });
    assert_eq!(forged, CommitError::Signature { place: 3 });
    let swapped = chain.refused_with_commit(|commit| commit.signatures.swap(0, 1));
    assert!(matches!(swapped, CommitError::Order { place: 0, .. }), "{swapped}");
    let of_another = chain.refused_with_commit(|commit| {
        *commit = chain.commit(1, tendermint::block::Id { hash: OTHER, ..id }, 4);
    });
    assert!(matches!(of_another, CommitError::OtherBlock { what: "block", .. }), "{of_another}");
    let higher = chain.refused_with_commit(|commit| *commit = chain.commit(2, id, 4));
    assert!(matches!(higher, CommitError::OtherBlock { what: "height", .. }), "{higher}");

    let none = chain.refused_after(|block| block.last_commit = None);
    let InvalidBlock::Header(said) = none else { panic!("{none}") };
    assert_eq!(said, "the block carries no commit of the one before");
    // Three of four are more than two thirds.
    let mut block = chain.good();
    block.last_commit = Some(chain.commit(1, id, 3));
    rehash(&mut block);
    assert!(chain.judged(&block, chain.fresh(at(NOW))).is_ok());
}

/// A header commits to the signatures of the last commit, but not to what they are said to sign.
#[test]
fn a_block_that_shares_its_hash_with_a_valid_one_is_judged_by_its_own_commit() {
    let chain = Chain::new();
    let good = chain.good();
    assert!(chain.judged(&good, chain.fresh(at(NOW))).is_ok());
    let mut other = good.clone();
    other.last_commit.as_mut().unwrap().round = 1u16.into();
    assert_eq!(other.hash(), good.hash());
    let reason = chain.refused(&other);
    assert!(matches!(reason, InvalidBlock::LastCommit(CommitError::Signature { place: 0 })), "{reason}");
    assert!(chain.judged(&good, chain.fresh(at(NOW))).is_ok(), "the valid one still is");
}

#[test]
fn a_transaction_that_may_not_stand_at_its_place_spoils_the_block() {
    let chain = Chain::new();
    let sign = |tx| chain.member.sign(tx);
    let next = || Account::draft(2);
    let most = params().block_gas_limit;
    let wrong: [(&str, Raw); 9] = [
        ("rlp", Raw::from_static(&[2, 0xc0, 1])),
        ("invalid sender", chain.member.sign_with_high_s(next())),
        ("is not enrolled", chain.stranger.sign(Account::draft(0))),
        ("nonce too high", sign(Account::draft(3))),
        ("nonce too low", sign(Account::draft(1))),
        ("value must be zero", sign(TxEip1559 { value: U256::from(1), ..next() })),
        ("invalid chain id", sign(TxEip1559 { chain_id: EVM_CHAIN + 1, ..next() })),
        ("exceeds block gas limit", sign(TxEip1559 { gas_limit: most, ..next() })),
        ("intrinsic gas too low", sign(TxEip1559 { gas_limit: 20_999, ..next() })),
    ];
    for (said, raw) in wrong {
        let judged = chain.refused_after(|block| block.txs.push(raw));
        let InvalidBlock::Transaction { index, reason } = judged else { panic!("{said}: {judged}") };
        assert_eq!(index, 1, "{said}: the first one is right");
        assert!(reason.contains(said), "{said}: {reason}");
    }
}

#[test]
fn a_block_above_the_chains_limit_is_not_even_decoded() {
    let chain = Chain::new();
    let limit = params().block_max_bytes;
    let mut block = chain.good();
    let room = limit as usize - block.encode().len();
    block.txs.push(vec![0u8; room].into());
    rehash(&mut block);
    let reason = chain.refused(&block);
    let InvalidBlock::TooLarge { size, limit: said } = reason else { panic!("{reason}") };
    assert!(size as u64 > limit && said == limit, "{size} {said}");
    // As many bytes as may be: what stands in them is looked at.
    let over = size - limit as usize;
    let shorter = vec![0u8; room - over].into();
    *block.txs.last_mut().unwrap() = shorter;
    rehash(&mut block);
    assert_eq!(block.encode().len() as u64, limit);
    let reason = chain.refused(&block);
    assert!(matches!(reason, InvalidBlock::Transaction { index: 1, .. }), "{reason}");
}

#[test]
fn bytes_that_are_no_block_are_refused() {
    let chain = Chain::new();
    let good = chain.good().encode();
    let unknown_field: Vec<u8> = [&good[..], &[0x78, 1]].concat();
    for (bytes, want) in [(&good[..good.len() - 1], "malformed"), (&unknown_field, "not canonical")] {
        let bytes = Bytes::copy_from_slice(bytes);
        match chain.ledger.judge(&bytes, chain.fresh(at(NOW))).err().expect(want) {
            JudgeError::Invalid(InvalidBlock::Block(BlockError::Malformed(_))) => {
                assert_eq!(want, "malformed")
            }
            JudgeError::Invalid(InvalidBlock::Block(error)) => {
                assert_eq!((error, want), (BlockError::NotCanonical, "not canonical"));
            }
            other => panic!("{other}"),
        }
    }
}
