//! Blocks, the commits that they carry, transactions with their receipts, and logs.

use alloy_primitives::{Bytes, TxKind};
use concordat_types::{Block, SignedTx, block::to_b256};
use tendermint::block::CommitSig;
use tendermint_proto::{Protobuf, v0_38::types::Header as PbHeader};

use super::{BlockData, ProjectError, logs, position};
use crate::{
    cell::{Cell, Row},
    digest::Rows,
    tables::Table,
};

pub(super) fn project(data: &BlockData, rows: &mut Rows) -> Result<(), ProjectError> {
    let Some(block) = &data.block else { return Ok(()) };
    rows.insert(Table::Blocks, vec![block_row(data, block)]);
    rows.insert(Table::CommitSignatures, signatures(data.height, block));
    let transactions: Result<Vec<Row>, ProjectError> =
        block.txs.iter().enumerate().map(|(index, raw)| transaction(data, index, raw)).collect();
    rows.insert(Table::Transactions, transactions?);
    rows.insert(Table::Logs, log_rows(data));
    Ok(())
}

pub(super) fn log_rows(data: &BlockData) -> Vec<Row> {
    logs(data).map(|(tx, place, log)| log_row(data.height, tx, place, log)).collect()
}

fn block_row(data: &BlockData, block: &Block) -> Row {
    let header = &block.header;
    let milliseconds = header.time.unix_timestamp_nanos().div_euclid(1_000_000);
    let gas_used = data.receipts.iter().fold(0_u64, |sum, receipt| sum.saturating_add(receipt.gas_used));
    vec![
        Cell::int(data.height),
        Cell::bytes(data.hash),
        Cell::int(milliseconds),
        Cell::bytes(header.proposer_address.as_bytes()),
        Cell::maybe_bytes(header.last_block_id.map(|id| to_b256(id.hash))),
        Cell::bytes(header.app_hash.as_bytes()),
        Cell::int(block.txs.len()),
        Cell::Number(gas_used.to_string()),
        Cell::bytes(Protobuf::<PbHeader>::encode_vec(header.clone())),
    ]
}

fn signatures(height: u64, block: &Block) -> Vec<Row> {
    let Some(commit) = &block.last_commit else { return Vec::new() };
    let row = |(place, signature): (usize, &CommitSig)| {
        let (vote, signed) = match signature {
            CommitSig::BlockIdFlagAbsent => ("absent", None),
            CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
                ("commit", Some((validator_address, timestamp, signature)))
            }
            CommitSig::BlockIdFlagNil { validator_address, timestamp, signature } => {
                ("nil", Some((validator_address, timestamp, signature)))
            }
        };
        vec![
            Cell::int(height),
            Cell::int(place),
            Cell::int(commit.height.value()),
            Cell::int(commit.round.value()),
            Cell::text(vote),
            Cell::maybe_bytes(signed.map(|(validator, ..)| validator.as_bytes())),
            signed.map_or(Cell::Null, |(_, time, _)| Cell::text(time.to_rfc3339())),
            Cell::maybe_bytes(
                signed.and_then(|(.., signature)| signature.as_ref()).map(tendermint::Signature::as_bytes),
            ),
        ]
    };
    commit.signatures.iter().enumerate().map(row).collect()
}

pub(super) fn transaction(data: &BlockData, index: usize, raw: &Bytes) -> Result<Row, ProjectError> {
    let failed = |reason: String| ProjectError::Transaction { height: data.height, index, reason };
    let tx = SignedTx::parse(raw.clone()).map_err(|error| failed(error.to_string()))?;
    let receipt = data.receipts.get(index).ok_or_else(|| failed("it has no receipt".into()))?;
    let recipient = match tx.kind() {
        TxKind::Call(to) => Some(to),
        TxKind::Create => None,
    };
    Ok(vec![
        Cell::int(data.height),
        Cell::int(index),
        Cell::bytes(receipt.tx_hash),
        Cell::int(receipt.tx_type),
        Cell::bytes(receipt.sender),
        Cell::maybe_bytes(recipient),
        Cell::Number(tx.nonce().to_string()),
        Cell::maybe_bytes(recipient.and(tx.input().get(..4))),
        Cell::Number(receipt.gas_limit.to_string()),
        Cell::Number(receipt.gas_used.to_string()),
        Cell::int(receipt.outcome.code()),
        Cell::Bool(receipt.outcome.succeeded()),
        Cell::maybe_bytes(receipt.contract_address),
        Cell::bytes(&receipt.output),
        Cell::bytes(raw),
    ])
}

fn log_row(height: u64, tx: usize, place: usize, log: &alloy_primitives::Log) -> Row {
    let topic = |at: usize| Cell::maybe_bytes(log.topics().get(at));
    let mut row = position(height, tx, place).to_vec();
    row.extend([Cell::bytes(log.address), topic(0), topic(1), topic(2), topic(3)]);
    row.push(Cell::bytes(&log.data.data));
    row
}
