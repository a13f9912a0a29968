//! A signer in memory that outlives crashes, as the guard's file does, and remembers what it ever signed.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use concordat_consensus::{
    ConsensusSigner, SignError, SignRequest,
    signing::{LastSigned, SignStep},
};
use ed25519_zebra::{SigningKey, VerificationKey};
use sha2::{Digest, Sha256};

/// A message that left the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    pub height: u64,
    pub round: u32,
    pub step: SignStep,
    pub message_hash: [u8; 32],
}

struct Memory {
    /// `None` when the record is lost.
    last: Option<LastSigned>,
    log: Vec<Signed>,
    refused: u64,
}

/// The decisions of [`concordat_consensus::signing::SignGuard`] without its file.
pub struct MemorySigner {
    key: SigningKey,
    guarded: bool,
    memory: Mutex<Memory>,
}

impl MemorySigner {
    pub fn new(seed: [u8; 32], guarded: bool) -> Arc<Self> {
        let memory = Memory { last: Some(nothing_above(0)), log: Vec::new(), refused: 0 };
        Arc::new(Self { key: SigningKey::from(seed), guarded, memory: Mutex::new(memory) })
    }

    /// Loses the record of what was signed.
    pub fn forget(&self) {
        self.memory.lock().unwrap().last = None;
    }

    /// Everything that was ever signed, in order.
    pub fn log(&self) -> Vec<Signed> {
        self.memory.lock().unwrap().log.clone()
    }

    /// How many messages were not signed.
    pub fn refused(&self) -> u64 {
        self.memory.lock().unwrap().refused
    }
}

#[async_trait]
impl ConsensusSigner for MemorySigner {
    fn public_key(&self) -> [u8; 32] {
        VerificationKey::from(&self.key).into()
    }

    fn signed_to(&self) -> Option<u64> {
        let last = self.memory.lock().unwrap().last.map(|last| last.height);
        last.or((!self.guarded).then_some(0))
    }

    async fn begin_record(&self, height: u64) -> Result<(), SignError> {
        self.memory.lock().unwrap().last = Some(nothing_above(height));
        Ok(())
    }

    async fn sign(&self, request: SignRequest) -> Result<[u8; 64], SignError> {
        let SignRequest { height, round, step, sign_bytes } = request;
        let message_hash: [u8; 32] = Sha256::digest(&sign_bytes).into();
        let mut memory = self.memory.lock().unwrap();
        if self.guarded {
            match memory.last.ok_or(SignError::NoRecord)?.permits((height, round, step), &message_hash) {
                Ok(None) => {}
                Ok(Some(again)) => return Ok(again),
                Err(error) => {
                    memory.refused += 1;
                    return Err(error.into());
                }
            }
        }
        let signature = self.key.sign(&sign_bytes).to_bytes();
        memory.last = Some(LastSigned { height, round, step, message_hash, signature });
        memory.log.push(Signed { height, round, step, message_hash });
        Ok(signature)
    }

    async fn close(&self) {}
}

/// The record that a guard begins with.
fn nothing_above(height: u64) -> LastSigned {
    let (round, step) = (u32::MAX, SignStep::Precommit);
    LastSigned { height, round, step, message_hash: [0; 32], signature: [0; 64] }
}

/// The result of a future that never waits, as all of signing and verifying in memory.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future waits that has nothing to wait for"),
    }
}
