use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Signature, TxKind, hex};
use proptest::prelude::*;
use secp256k1::{Message, SECP256K1, SecretKey};

use super::*;

const CHAIN: u64 = 7;

/// What is wrong with a signature, or with what is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// The other point of the same x: another key's signature, or nobody's.
    Parity,
    /// The other half of the order.
    HighS,
    /// Over something else.
    Digest,
    R(U256),
    S(U256),
    /// Somebody else is said to have sent it.
    Told,
    /// Nobody is.
    Untold,
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_byte_array([seed.max(1); 32]).unwrap()
}

fn key(seed: u8) -> SenderKey {
    SenderKey::from(&PublicKey::from_secret_key(SECP256K1, &secret(seed)))
}

fn signed(seed: u8, nonce: u64, flaw: Flaw) -> SignedTx {
    let draft = |nonce| TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 60_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..TxEip1559::default()
    };
    let over = if flaw == Flaw::Digest { draft(nonce + 1) } else { draft(nonce) };
    let digest = Message::from_digest(over.signature_hash().0);
    let (id, rs) = SECP256K1.sign_ecdsa_recoverable(digest, &secret(seed)).serialize_compact();
    let good = Signature::from_bytes_and_parity(&rs, i32::from(id) != 0);
    let signature = match flaw {
        Flaw::Parity => Signature::new(good.r(), good.s(), !good.v()),
        Flaw::HighS => Signature::new(good.r(), U256::from_be_bytes(CURVE_ORDER) - good.s(), !good.v()),
        Flaw::R(r) => Signature::new(r, good.s(), good.v()),
        Flaw::S(s) => Signature::new(good.r(), s, good.v()),
        _ => good,
    };
    SignedTx::parse(TxEnvelope::from(draft(nonce).into_signed(signature)).encoded_2718().into()).unwrap()
}

/// So many good ones of five senders, and one with a flaw.
fn block(count: u64, flaw: Flaw) -> (Vec<SignedTx>, Vec<Option<SenderKey>>) {
    let sender = |nonce: u64| (nonce % 5) as u8 + 1;
    let mut txs: Vec<SignedTx> = (0..count).map(|nonce| signed(sender(nonce), nonce, Flaw::None)).collect();
    let mut told: Vec<_> = (0..count).map(|nonce| Some(key(sender(nonce)))).collect();
    let at = txs.len() / 2;
    txs.insert(at, signed(9, 1_000, flaw));
    told.insert(
        at,
        match flaw {
            Flaw::Told => Some(key(8)),
            Flaw::Untold => None,
            _ => Some(key(9)),
        },
    );
    (txs, told)
}

fn one_by_one(txs: &[SignedTx]) -> Result<Vec<VerifiedTx>, TxError> {
    txs.iter().cloned().map(|tx| tx.verify(CHAIN)).collect()
}

fn together(txs: Vec<SignedTx>, told: &[Option<SenderKey>]) -> Result<Vec<VerifiedTx>, TxError> {
    Ok(verify_all(txs, told, CHAIN)?.into_iter().map(|(tx, _)| tx).collect())
}

fn claims(txs: &[SignedTx], told: &[Option<SenderKey>]) -> Vec<Claim> {
    txs.iter().zip(told).filter_map(|(tx, key)| Claim::of(tx, (*key)?)).collect()
}

fn sum_holds((txs, told): &(Vec<SignedTx>, Vec<Option<SenderKey>>)) -> bool {
    hold(&claims(txs, told).iter().collect::<Vec<_>>())
}

#[test]
fn good_signatures_hold_together_and_no_key_is_looked_for() {
    let (txs, told) = block(99, Flaw::None);
    assert!(sum_holds(&(txs.clone(), told.clone())));
    let found = verify_all(txs.clone(), &told, CHAIN).unwrap();
    assert!(found.iter().all(|(_, key)| key.is_none()));
    assert_eq!(together(txs.clone(), &told), one_by_one(&txs));
}

#[test]
fn one_signature_by_another_key_makes_the_sum_false() {
    for flaw in [Flaw::Parity, Flaw::Digest, Flaw::Told, Flaw::S(U256::from(1))] {
        assert!(!sum_holds(&block(99, flaw)), "{flaw:?}");
    }
}

#[test]
fn flaws_that_would_cancel_out_without_weights_make_the_sum_false() {
    let (txs, told) = block(99, Flaw::None);
    let mut claims = claims(&txs, &told);
    let shifted = |point: Affine, by: Affine| Affine::from(point + by);
    claims[0].point = shifted(claims[0].point, Affine::generator());
    claims[1].point = shifted(claims[1].point, -Affine::generator());
    assert!(!hold(&claims.iter().collect::<Vec<_>>()));
}

#[test]
fn the_result_is_that_of_each_alone_whatever_is_wrong_or_told() {
    let order = U256::from_be_bytes(CURVE_ORDER);
    let beyond = [U256::ZERO, U256::from(5), order, order + U256::from(1), U256::MAX];
    let flaws = [Flaw::None, Flaw::Parity, Flaw::HighS, Flaw::Digest, Flaw::Told, Flaw::Untold];
    let flaws = flaws.into_iter().chain(beyond.map(Flaw::R)).chain(beyond.map(Flaw::S));
    for (flaw, count) in flaws.flat_map(|flaw| [(flaw, 99), (flaw, 3)]) {
        let (txs, told) = block(count, flaw);
        assert_eq!(together(txs.clone(), &told), one_by_one(&txs), "{flaw:?} among {count}");
    }
}

#[test]
fn keys_that_were_not_told_are_found_and_serve_for_the_next() {
    let (txs, _) = block(99, Flaw::None);
    let found = verify_all(txs.clone(), &[], CHAIN).unwrap();
    let told: Vec<_> = found.iter().map(|(_, key)| *key).collect();
    assert!(found.iter().all(|(tx, key)| key.unwrap().address() == tx.sender()));
    assert!(sum_holds(&(txs, told)));
}

#[test]
fn transactions_of_another_chain_are_refused_before_any_signature_is_looked_at() {
    let (txs, told) = block(99, Flaw::Parity);
    assert_eq!(verify_all(txs, &told, 8), Err(TxError::WrongChain { have: CHAIN, want: 8 }));
}

#[test]
fn weights_depend_on_all_that_is_summed_up() {
    let weights_of = |(txs, told): &(Vec<SignedTx>, Vec<Option<SenderKey>>)| {
        weights(&claims(txs, told).iter().collect::<Vec<_>>())
    };
    let first = weights_of(&block(99, Flaw::None));
    assert_eq!(first, weights_of(&block(99, Flaw::None)));
    let mut changed = first.clone();
    for other in [block(99, Flaw::Parity), block(99, Flaw::Told)].iter().map(weights_of) {
        changed.retain(|weight| !other.contains(weight));
    }
    assert_eq!(changed, first, "each changed each time");
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
}

#[test]
fn points_are_those_of_the_standard() {
    // SEC 2, section 2.4.1: the base point.
    let mut one = [0; 32];
    one[31] = 1;
    let base = PublicKey::from_secret_key(SECP256K1, &SecretKey::from_byte_array(one).unwrap());
    assert_eq!(affine(&base), Affine::generator());
    let x = hex!("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    assert_eq!(affine(&base).x, Fq::from_be_bytes_mod_order(&x));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_mix_is_found_as_each_alone(
        seeds in prop::collection::vec((1u8..6, 0u8..12, any::<bool>()), 60..130),
    ) {
        let flaw = |kind: u8| match kind {
            0 => Flaw::Parity,
            1 => Flaw::Told,
            2 => Flaw::Untold,
            _ => Flaw::None,
        };
        // Most blocks hold together, some do not.
        let rare = seeds[0].2;
        let flaw = |kind: u8| if rare { flaw(kind) } else { Flaw::None };
        let txs: Vec<_> =
            seeds.iter().zip(0..).map(|((seed, kind, _), nonce)| signed(*seed, nonce, flaw(*kind))).collect();
        let told: Vec<_> = seeds.iter().map(|(seed, kind, _)| match flaw(*kind) {
            Flaw::Told => Some(key(seed + 1)),
            Flaw::Untold => None,
            _ => Some(key(*seed)),
        }).collect();
        prop_assert_eq!(together(txs.clone(), &told), one_by_one(&txs));
    }
}
