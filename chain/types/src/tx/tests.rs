use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{FixedBytes, Signature, address, bytes, hex};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use proptest::prelude::*;
use secp256k1::SecretKey;

use super::*;

const CHAIN: u64 = 1337;

fn sign_hash(hash: B256) -> Signature {
    let key = SecretKey::from_byte_array([0x46; 32]).unwrap();
    let (id, rs) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key).serialize_compact();
    Signature::from_bytes_and_parity(&rs, i32::from(id) != 0)
}

fn signed<T: SignableTransaction<Signature>>(tx: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = sign_hash(tx.signature_hash());
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn transfer() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce: 7,
        gas_limit: 60_000,
        max_fee_per_gas: 2,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(address!("00000000000000000000000000000000000000ff")),
        input: bytes!("a9059cbb"),
        ..Default::default()
    }
}

fn verify(raw: Bytes) -> Result<VerifiedTx, TxError> {
    SignedTx::parse(raw)?.verify(CHAIN)
}

/// A key pair and an unsigned transaction of it.
fn institutional() -> (EcdsaKeyPair, InstitutionalTx) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let public_key = FixedBytes::from_slice(&pair.public_key().as_ref()[1..]);
    let tx = InstitutionalTx {
        chain_id: CHAIN,
        nonce: 3,
        gas_limit: 90_000,
        to: TxKind::Call(Address::repeat_byte(7)),
        input: bytes!("01020304"),
        first_height: 10,
        last_height: 20,
        public_key,
        signature: FixedBytes::ZERO,
    };
    (pair, tx)
}

fn sign_p256(pair: &EcdsaKeyPair, tx: InstitutionalTx) -> InstitutionalTx {
    let signature = pair.sign(&SystemRandom::new(), &tx.signing_bytes()).unwrap();
    tx.with_signature(signature.as_ref().try_into().unwrap())
}

#[test]
fn all_three_ethereum_types_are_taken_and_name_their_sender() {
    let to = TxKind::Call(Address::repeat_byte(1));
    let legacy = TxLegacy { chain_id: Some(CHAIN), nonce: 1, gas_limit: 21_000, to, ..Default::default() };
    let listed = TxEip2930 { chain_id: CHAIN, nonce: 1, gas_limit: 21_000, to, ..Default::default() };
    let senders: Vec<Address> = [signed(legacy), signed(listed), signed(transfer())]
        .into_iter()
        .map(|raw| verify(raw).unwrap().sender())
        .collect();
    // The address of the secret key 0x46…46, as EIP-155 gives it.
    assert_eq!(senders, [address!("9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"); 3]);
}

#[test]
fn the_example_of_eip_155_is_read_as_the_eip_says() {
    let raw = hex!(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a0"
        "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b"
        "3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
    let tx = SignedTx::parse(raw.into()).unwrap();
    assert_eq!((tx.nonce(), tx.gas_limit(), tx.chain_id()), (9, 21_000, Some(1)));
    let TxPayload::Ethereum(envelope) = tx.payload() else { panic!("not an Ethereum transaction") };
    assert_eq!(
        address_of(&recover_key(envelope).unwrap()),
        address!("9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F")
    );
    assert_eq!(tx.verify(1), Err(TxError::ValueNotZero));
}

#[test]
fn transactions_for_another_chain_are_refused() {
    let raw = signed(TxEip1559 { chain_id: 1, ..transfer() });
    assert_eq!(verify(raw), Err(TxError::WrongChain { have: 1, want: CHAIN }));
}

#[test]
fn legacy_transactions_without_replay_protection_are_refused() {
    let raw = signed(TxLegacy { chain_id: None, gas_limit: 21_000, ..Default::default() });
    assert_eq!(verify(raw), Err(TxError::NotReplayProtected));
}

#[test]
fn value_is_refused() {
    let raw = signed(TxEip1559 { value: U256::from(1), ..transfer() });
    assert_eq!(verify(raw), Err(TxError::ValueNotZero));
}

#[test]
fn a_tip_above_the_fee_cap_is_refused() {
    let raw = signed(TxEip1559 { max_priority_fee_per_gas: 3, ..transfer() });
    assert_eq!(verify(raw), Err(TxError::TipAboveFeeCap));
}

#[test]
fn blob_set_code_and_unknown_types_are_refused_by_name() {
    let blob = TxEip4844 { chain_id: CHAIN, ..Default::default() };
    let raw = blob.into_signed(Signature::test_signature());
    let mut bytes = Vec::new();
    raw.eip2718_encode(&mut bytes);
    assert_eq!(verify(bytes.into()), Err(TxError::UnsupportedType(3)));
    let set_code = signed(TxEip7702 { chain_id: CHAIN, ..Default::default() });
    assert_eq!(verify(set_code), Err(TxError::UnsupportedType(4)));
    assert_eq!(verify(bytes!("7f00")), Err(TxError::UnsupportedType(0x7f)));
}

#[test]
fn a_high_s_is_refused_on_both_curves() {
    let tx = transfer();
    let good = sign_hash(tx.signature_hash());
    let order = U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let high = Signature::new(good.r(), order - good.s(), !good.v());
    let raw = TxEnvelope::from(tx.into_signed(high)).encoded_2718();
    assert!(matches!(verify(raw.into()), Err(TxError::BadSignature(_))));

    let (pair, tx) = institutional();
    let mut tx = sign_p256(&pair, tx);
    let order = U256::from_be_bytes(hex!("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"));
    let high = order - U256::from_be_slice(&tx.signature[32..]);
    tx.signature[32..].copy_from_slice(&high.to_be_bytes::<32>());
    assert_eq!(
        verify(tx.encode_envelope()),
        Err(TxError::BadSignature("s is in the upper half of the order"))
    );
}

#[test]
fn institutional_transactions_round_trip_and_name_the_account_of_their_key() {
    let (pair, tx) = institutional();
    let tx = sign_p256(&pair, tx);
    let verified = verify(tx.encode_envelope()).unwrap();
    assert_eq!(verified.sender(), p256_address(&tx.public_key));
    assert_eq!(verified.validity(), (10, 20));
    assert_eq!(verified.tx_type(), INSTITUTIONAL_TX_TYPE);
    assert_eq!(*verified.payload(), TxPayload::Institutional(tx));
}

#[test]
fn institutional_signing_bytes_are_golden() {
    let (_, tx) = institutional();
    let tx = InstitutionalTx { public_key: FixedBytes::repeat_byte(0xab), ..tx };
    let expected =
        format!("50f8668205390383015f9094{}84010203040a14b840{}", "07".repeat(20), "ab".repeat(64));
    assert_eq!(hex::encode(tx.signing_bytes()), expected);
}

#[test]
fn no_field_of_an_institutional_transaction_can_be_changed_after_signing() {
    let (pair, tx) = institutional();
    let good = sign_p256(&pair, tx);
    let mut changed = vec![good.clone(); 6];
    changed[0].nonce += 1;
    changed[1].gas_limit += 1;
    changed[2].to = TxKind::Create;
    changed[3].input = bytes!("05");
    changed[4].last_height += 1;
    changed[5].first_height -= 1;
    for tx in changed {
        assert!(matches!(verify(tx.encode_envelope()), Err(TxError::BadSignature(_))), "{tx:?}");
    }
}

#[test]
fn an_empty_validity_window_is_refused() {
    let (pair, tx) = institutional();
    let tx = sign_p256(&pair, InstitutionalTx { first_height: 21, ..tx });
    assert_eq!(verify(tx.encode_envelope()), Err(TxError::EmptyWindow { first: 21, last: 20 }));
}

#[test]
fn oversized_empty_and_trailing_bytes_are_refused() {
    assert!(matches!(verify(vec![2; MAX_TX_BYTES + 1].into()), Err(TxError::TooLarge { .. })));
    assert!(matches!(verify(Bytes::new()), Err(TxError::Malformed(_))));
    let mut raw = signed(transfer()).to_vec();
    raw.push(0);
    assert!(matches!(verify(raw.into()), Err(TxError::Malformed(_))));
}

proptest! {
    #[test]
    fn mutated_transactions_never_panic_and_never_keep_their_hash(at in 0usize..110, with in 1u8..) {
        let good = signed(transfer());
        let mut raw = good.to_vec();
        let at = at % raw.len();
        raw[at] ^= with;
        if let Ok(tx) = SignedTx::parse(raw.into()) {
            prop_assert_ne!(tx.hash(), keccak256(&good));
            let _ = tx.verify(CHAIN);
        }
    }

    #[test]
    fn random_bytes_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = verify(raw.into());
    }
}
