//! The node, its peers, its parameters.

use concordat_types::ValidatorSet;
use serde_json::{Value, json};
use tendermint::PublicKey;

use super::{
    Comet,
    args::Args,
    json::{self as convert, hex_upper, integer},
    service::store_error,
};
use crate::jsonrpc::{RpcError, RpcResult};

/// Pieces of a chunked genesis, in bytes before base64 (CometBFT `rpc/core`).
const GENESIS_CHUNK_BYTES: usize = 16 * 1024 * 1024;
/// Validators on a page where the caller does not say (CometBFT `rpc/core`).
const DEFAULT_PER_PAGE: usize = 30;
/// Most entries on a page.
const MAX_PER_PAGE: usize = 100;

pub(super) fn health(_: &Comet, _: &Args) -> RpcResult {
    Ok(json!({}))
}

pub(super) fn status(comet: &Comet, _: &Args) -> RpcResult {
    let tip = comet.tip()?;
    let latest = required_header(comet, tip.height)?;
    let earliest = required_header(comet, comet.base(&tip))?;
    let node = comet.api.node_info();
    let validators = comet.validators_at(tip.height)?;
    Ok(json!({
        "node_info": convert::node_info(&node, &comet.genesis.chain_id, latest.version.app),
        "sync_info": {
            "latest_block_hash": hex_upper(latest.hash()),
            "latest_app_hash": hex_upper(&latest.app_hash),
            "latest_block_height": integer(latest.height),
            "latest_block_time": latest.time.to_rfc3339(),
            "earliest_block_hash": hex_upper(earliest.hash()),
            "earliest_app_hash": hex_upper(&earliest.app_hash),
            "earliest_block_height": integer(earliest.height),
            "earliest_block_time": earliest.time.to_rfc3339(),
            "catching_up": comet.api.sync_status().catching_up,
        },
        "validator_info": own_validator(node.consensus_key, &validators)?,
    }))
}

/// What this node votes with; an observer has no power, and an all-zero key stands for none.
fn own_validator(key: Option<[u8; 32]>, validators: &ValidatorSet) -> Result<Value, RpcError> {
    let bytes = key.unwrap_or_default();
    let address = concordat_types::validator::consensus_address(&bytes);
    let power = validators.by_address(&address).map_or(0, |(_, validator)| validator.power);
    let key = PublicKey::from_raw_ed25519(&bytes)
        .ok_or_else(|| RpcError::internal("own consensus key is no key"))?;
    Ok(json!({
        "address": hex_upper(address),
        "pub_key": serde_json::to_value(key).map_err(RpcError::internal)?,
        "voting_power": integer(power),
    }))
}

fn required_header(comet: &Comet, height: u64) -> Result<tendermint::block::Header, RpcError> {
    let header = comet.store.header(height).map_err(store_error)?;
    header.ok_or_else(|| RpcError::server(format!("the header of height {height} is not kept")))
}

pub(super) fn net_info(comet: &Comet, _: &Args) -> RpcResult {
    let (peers, node, version) = (comet.api.peers(), comet.api.node_info(), comet.app_version());
    let chain_id = &comet.genesis.chain_id;
    Ok(json!({
        "listening": true,
        "listeners": [format!("Listener(@{})", node.listen_address)],
        "n_peers": integer(peers.len()),
        "peers": peers.iter().map(|peer| convert::peer(peer, chain_id, version)).collect::<Vec<_>>(),
    }))
}

pub(super) fn genesis(comet: &Comet, _: &Args) -> RpcResult {
    Ok(json!({ "genesis": genesis_document(comet)? }))
}

fn genesis_document(comet: &Comet) -> RpcResult {
    let origin = comet.origin()?;
    convert::genesis(&comet.genesis, comet.initial_height, &origin.validators, origin.state_root.as_slice())
}

pub(super) fn genesis_chunked(comet: &Comet, args: &Args) -> RpcResult {
    let text = match comet.genesis_json.get() {
        Some(text) => text,
        None => {
            let text = genesis_document(comet)?.to_string();
            comet.genesis_json.get_or_init(|| text)
        }
    };
    let total = text.len().div_ceil(GENESIS_CHUNK_BYTES);
    let chunk = usize::try_from(args.integer("chunk")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let piece = text.as_bytes().chunks(GENESIS_CHUNK_BYTES).nth(chunk).ok_or_else(|| {
        RpcError::server(format!("there are {total} chunks, counted from 0; chunk {chunk} is none of them"))
    })?;
    Ok(json!({ "chunk": integer(chunk), "total": integer(total), "data": convert::base64(piece) }))
}

pub(super) fn consensus_params(comet: &Comet, args: &Args) -> RpcResult {
    let height = comet.height(args, 1)?;
    let params = convert::consensus_params(&comet.params(height)?);
    Ok(json!({ "block_height": integer(height), "consensus_params": params }))
}

/// The round under decision. Votes are the engine's own business and are not shown.
pub(super) fn consensus_state(comet: &Comet, _: &Args) -> RpcResult {
    let view = comet.api.consensus();
    let last = comet.store.latest().map_or(0, |tip| tip.time_ms);
    let millis = i64::try_from(last).unwrap_or(0);
    let start =
        tendermint::Time::from_unix_timestamp(millis.div_euclid(1000), 0).map_err(RpcError::internal)?;
    let validators = comet.validators_at(view.height.max(comet.initial_height)).ok();
    let proposer = view.proposer.unwrap_or_default();
    let index = validators.and_then(|set| set.by_address(&proposer).map(|(index, _)| index)).unwrap_or(0);
    Ok(json!({
        "round_state": {
            "height/round/step": format!("{}/{}/1", view.height, view.round),
            "start_time": start.to_rfc3339(),
            "proposal_block_hash": "",
            "locked_block_hash": "",
            "valid_block_hash": "",
            "height_vote_set": [],
            "proposer": { "address": hex_upper(proposer), "index": index },
        }
    }))
}

pub(super) fn validators(comet: &Comet, args: &Args) -> RpcResult {
    let height = comet.height(args, 1)?;
    let set = comet.validators_at(height)?;
    let total = set.validators().len();
    let page = Page::read(args, total)?;
    let rows = convert::validators(&set, page.skip, page.take)?;
    Ok(json!({
        "block_height": integer(height),
        "count": integer(rows.len()),
        "total": integer(total),
        "validators": rows,
    }))
}

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub skip: usize,
    pub take: usize,
}

impl Page {
    /// From `page` (counted from 1) and `per_page`.
    pub fn read(args: &Args, total: usize) -> Result<Self, RpcError> {
        let number = |name| Ok::<_, RpcError>(args.integer(name)?.filter(|number| *number != 0));
        let take = match number("per_page")? {
            Some(count) if count < 0 => DEFAULT_PER_PAGE,
            Some(count) => usize::try_from(count).unwrap_or(MAX_PER_PAGE).min(MAX_PER_PAGE),
            None => DEFAULT_PER_PAGE,
        };
        let pages = total.div_ceil(take).max(1);
        let page = number("page")?.unwrap_or(1);
        match usize::try_from(page).ok().filter(|page| (1..=pages).contains(page)) {
            Some(page) => Ok(Self { skip: page.saturating_sub(1).saturating_mul(take), take }),
            None => Err(RpcError::server(format!("page should be within [1, {pages}] range, given {page}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str, total: usize) -> Result<Page, RpcError> {
        Page::read(&Args::from_uri(query), total)
    }

    #[test]
    fn pages_are_counted_from_one_and_bounded() {
        assert_eq!(page("", 100).unwrap(), Page { skip: 0, take: 30 });
        assert_eq!(page("page=2&per_page=10", 100).unwrap(), Page { skip: 10, take: 10 });
        assert_eq!(page("per_page=1000", 500).unwrap().take, 100);
        assert_eq!(page("page=1", 0).unwrap(), Page { skip: 0, take: 30 });
    }

    #[test]
    fn pages_that_do_not_exist_are_refused() {
        let error = page("page=5", 100).unwrap_err();
        assert_eq!(error.message, "page should be within [1, 4] range, given 5");
        assert!(page("page=-1", 100).is_err());
    }
}
