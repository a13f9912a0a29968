//! Round trips of every message, and arbitrary bytes against every decoder.

use arc_malachitebft_core_types::{
    ExtendedCommitSignature, NilOrVal, PolkaSignature, Round, RoundCertificateType, RoundSignature,
    SignedMessage, Validity, VoteType,
};
use arc_malachitebft_signing_ed25519::Signature;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::context::{Address, BlockId, BlockTime, ExtendedCommitCertificate, Proposal, Vote};

fn block_id() -> impl Strategy<Value = BlockId> {
    let time = (0..BlockTime::END_SECONDS, 0..1_000_000_000u32)
        .prop_map(|(seconds, nanos)| BlockTime { seconds, nanos });
    (any::<[u8; 32]>(), any::<u32>(), any::<[u8; 32]>(), time)
        .prop_map(|(hash, parts_total, parts_hash, time)| BlockId { hash, parts_total, parts_hash, time })
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(r, s)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Signature::from_bytes(bytes)
    })
}

fn vote_type() -> impl Strategy<Value = VoteType> {
    prop_oneof![Just(VoteType::Prevote), Just(VoteType::Precommit)]
}

fn nil_or_id() -> impl Strategy<Value = NilOrVal<BlockId>> {
    prop_oneof![Just(NilOrVal::Nil), block_id().prop_map(NilOrVal::Val)]
}

fn height() -> impl Strategy<Value = Height> {
    (0..=MAX_HEIGHT).prop_map(Height)
}

fn round() -> impl Strategy<Value = Round> {
    (0..=MAX_ROUND).prop_map(Round::new)
}

fn vote() -> impl Strategy<Value = SignedVote> {
    (vote_type(), height(), round(), nil_or_id(), address(), signature()).prop_map(
        |(vote_type, height, round, value, validator, signature)| {
            SignedMessage::new(Vote { vote_type, height, round, value, validator }, signature)
        },
    )
}

fn proposal() -> impl Strategy<Value = SignedProposal> {
    (height(), 1..=MAX_ROUND, block_id(), any::<Option<u32>>(), address(), signature()).prop_map(
        |(height, round, block_id, pol, proposer, signature)| {
            let pol_round = pol.map_or(Round::Nil, |pol| Round::new(pol % round));
            let round = Round::new(round);
            SignedMessage::new(Proposal { height, round, block_id, pol_round, proposer }, signature)
        },
    )
}

fn polka() -> impl Strategy<Value = PolkaCertificate> {
    let signatures = vec((address(), signature()).prop_map(|(a, s)| PolkaSignature::new(a, s)), 0..5);
    (height(), round(), block_id(), signatures).prop_map(|(height, round, value_id, polka_signatures)| {
        PolkaCertificate { height, round, value_id, polka_signatures }
    })
}

fn commit() -> impl Strategy<Value = ExtendedCommitCertificate> {
    let entry = (address(), signature()).prop_map(|(a, s)| ExtendedCommitSignature::new(a, s, None));
    (height(), round(), block_id(), vec(entry, 0..5)).prop_map(
        |(height, round, value_id, commit_signatures)| ExtendedCommitCertificate {
            height,
            round,
            value_id,
            commit_signatures,
        },
    )
}

fn round_certificate() -> impl Strategy<Value = RoundCertificate> {
    let kind = prop_oneof![Just(RoundCertificateType::Precommit), Just(RoundCertificateType::Skip)];
    let entry = (vote_type(), nil_or_id(), address(), signature()).prop_map(
        |(vote_type, value, address, signature)| RoundSignature::new(vote_type, value, address, signature),
    );
    (height(), round(), kind, vec(entry, 0..5)).prop_map(|(height, round, cert_type, round_signatures)| {
        RoundCertificate { height, round, cert_type, round_signatures }
    })
}

fn part() -> impl Strategy<Value = BlockPart> {
    (height(), round(), address(), block_id(), vec(any::<u8>(), 1..100), 0..1000u64, 0..1000u64).prop_map(
        |(height, round, proposer, block_id, data, offset, rest)| BlockPart {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            block_id,
            total_bytes: offset + data.len() as u64 + rest,
            offset,
            data: data.into(),
        },
    )
}

fn response() -> impl Strategy<Value = Response<ConcordatContext>> {
    let block = (vec(any::<u8>(), 41..100), vec(any::<u8>(), 0..41), commit()).prop_map(
        |(bytes, senders, certificate)| {
            let block = SyncedBlock { bytes: bytes.into(), senders: senders.into() };
            RawDecidedValue::new(block.join(), certificate)
        },
    );
    (height(), vec(block, 0..4))
        .prop_map(|(first, values)| Response::ValueResponse(ValueResponse::new(first, values)))
}

proptest! {
    #[test]
    fn consensus_messages_survive_the_wire(vote in vote(), proposal in proposal(), polka in polka(), round in round_certificate()) {
        let encoded = encode_consensus(&SignedConsensusMsg::Vote(vote.clone())).unwrap();
        prop_assert_eq!(decode_consensus(encoded).unwrap(), ConsensusMessage::Vote(vote.clone()));
        let encoded = encode_liveness(&LivenessMsg::Vote(vote.clone())).unwrap();
        prop_assert_eq!(decode_consensus(encoded).unwrap(), ConsensusMessage::Vote(vote));
        let encoded = encode_consensus(&SignedConsensusMsg::Proposal(proposal.clone())).unwrap();
        prop_assert_eq!(decode_consensus(encoded).unwrap(), ConsensusMessage::Proposal(proposal));
        let encoded = encode_liveness(&LivenessMsg::PolkaCertificate(polka.clone())).unwrap();
        prop_assert_eq!(decode_consensus(encoded).unwrap(), ConsensusMessage::Polka(polka));
        let encoded = encode_liveness(&LivenessMsg::SkipRoundCertificate(round.clone())).unwrap();
        prop_assert_eq!(decode_consensus(encoded).unwrap(), ConsensusMessage::Round(round));
    }

    #[test]
    fn parts_survive_the_wire(part in part()) {
        prop_assert_eq!(decode_part(encode_part(&part).unwrap()).unwrap(), part);
    }

    #[test]
    fn sync_messages_survive_the_wire(tip in height(), earliest in height(), id: u64, response in response()) {
        let messages = [
            SyncMessage::Status { tip, earliest },
            SyncMessage::Request { id, request: Request::ValueRequest(ValueRequest::new(earliest..=tip)) },
            SyncMessage::Response { id, response },
        ];
        for message in messages {
            prop_assert_eq!(decode_sync(encode_sync(&message).unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn log_entries_survive_the_disk(vote in vote(), polka in polka(), valid: bool, pol: bool) {
        let value = ProposedValue::<ConcordatContext> {
            height: vote.message.height,
            round: vote.message.round,
            valid_round: if pol { Round::new(3) } else { Round::Nil },
            proposer: vote.message.validator,
            value: polka.value_id,
            validity: Validity::from_bool(valid),
        };
        let decoded: ProposedValue<ConcordatContext> = EngineCodec.decode(EngineCodec.encode(&value).unwrap()).unwrap();
        prop_assert_eq!(decoded, value);
        let decoded: PolkaCertificate = EngineCodec.decode(EngineCodec.encode(&polka).unwrap()).unwrap();
        prop_assert_eq!(decoded, polka);
        let message = SignedConsensusMsg::Vote(vote);
        let decoded: SignedConsensusMsg<ConcordatContext> = EngineCodec.decode(EngineCodec.encode(&message).unwrap()).unwrap();
        prop_assert_eq!(decoded, message);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        decode_everything(bytes.into());
    }

    #[test]
    fn mutated_messages_never_panic(vote in vote(), response in response(), part in part(), at: prop::sample::Index, xor in 1..=255u8, cut: prop::sample::Index) {
        for original in [
            encode_consensus(&SignedConsensusMsg::Vote(vote)).unwrap(),
            encode_sync(&SyncMessage::Response { id: 1, response }).unwrap(),
            encode_part(&part).unwrap(),
        ] {
            let mut bytes = original.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= xor;
            decode_everything(bytes.clone().into());
            bytes.truncate(cut.index(bytes.len()));
            decode_everything(bytes.into());
        }
    }
}

fn decode_everything(bytes: Bytes) {
    let _ = decode_consensus(bytes.clone());
    let _ = decode_part(bytes.clone());
    let _ = decode_sync(bytes.clone());
    let _ = decode_evidence(bytes.clone());
    let _: Result<ProposedValue<ConcordatContext>, _> = EngineCodec.decode(bytes.clone());
    let _: Result<SignedConsensusMsg<ConcordatContext>, _> = EngineCodec.decode(bytes);
}

fn some_vote() -> pb::Vote {
    let id = pb::BlockId {
        hash: Bytes::from(vec![1; 32]),
        parts_total: 1,
        parts_hash: Bytes::from(vec![2; 32]),
        seconds: 1,
        nanos: 2,
    };
    pb::Vote {
        vote_type: 1,
        height: 1,
        round: 0,
        block_id: Some(id),
        validator: Bytes::from(vec![3; 20]),
        signature: Bytes::from(vec![4; 64]),
    }
}

fn decode_vote(vote: pb::Vote) -> Result<ConsensusMessage, CodecError> {
    decode_consensus(encode(pb::Consensus { body: Some(pb::ConsensusBody::Vote(vote)) }))
}

#[test]
fn out_of_bounds_votes_are_refused_with_the_field_named() {
    assert!(decode_vote(some_vote()).is_ok());
    let refusals = [
        (pb::Vote { height: MAX_HEIGHT + 1, ..some_vote() }, "height is out of range"),
        (pb::Vote { round: MAX_ROUND + 1, ..some_vote() }, "round is out of range"),
        (pb::Vote { vote_type: 3, ..some_vote() }, "vote type is out of range"),
        (
            pb::Vote { validator: Bytes::from(vec![3; 21]), ..some_vote() },
            "address has 21 bytes instead of 20",
        ),
        (pb::Vote { signature: Bytes::new(), ..some_vote() }, "signature has 0 bytes instead of 64"),
    ];
    for (vote, message) in refusals {
        assert_eq!(decode_vote(vote).unwrap_err().to_string(), message);
    }
    let mut late = some_vote();
    late.block_id.as_mut().unwrap().nanos = 1_000_000_000;
    assert_eq!(decode_vote(late).unwrap_err().to_string(), "time is out of range");
}

#[test]
fn part_outside_its_block_is_refused() {
    let part = pb::BlockPart {
        total_bytes: 10,
        offset: u64::MAX,
        data: Bytes::from_static(b"x"),
        ..pb::BlockPart::default()
    };
    assert_eq!(decode_part(encode(part)).unwrap_err(), CodecError::OutOfRange { field: "part" });
}

#[test]
fn certificate_with_too_many_signatures_is_refused() {
    let signature =
        pb::Signature { validator: Bytes::from(vec![3; 20]), signature: Bytes::from(vec![4; 64]) };
    let certificate = pb::Certificate {
        height: 1,
        round: 0,
        block_id: some_vote().block_id,
        signatures: vec![signature; MAX_SIGNATURES + 1],
    };
    let decoded: Result<PolkaCertificate, _> = EngineCodec.decode(encode(certificate));
    assert!(matches!(decoded, Err(CodecError::TooMany { .. })));
}

#[test]
fn senders_that_are_longer_than_their_block_are_refused() {
    let certificate = pb::Certificate::default();
    let block = |senders: &'static [u8]| pb::DecidedBlock {
        block: Bytes::from_static(&[7; 100]),
        certificate: Some(certificate.clone()),
        senders: Bytes::from_static(senders),
    };
    let decode = |senders| response_from_pb(pb::Response { id: 1, first: 1, blocks: vec![block(senders)] });
    assert_eq!(decode(&[0; 101]).unwrap_err(), CodecError::OutOfRange { field: "senders" });
    assert_ne!(decode(&[0; 100]).unwrap_err(), CodecError::OutOfRange { field: "senders" });
}
