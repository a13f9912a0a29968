//! What supervisors ask for: the first page of every list, with every filter; every look-up; pictures, balances and flows.

use std::collections::BTreeMap;

use concordat_sql::{
    cluster::Cluster,
    read::{Kind, LISTS, STANDS},
};
use eyre::{Result, eyre};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::{
    MANDATES,
    ledger::{ACCOUNTS, BANKS, Ledger, TOKENS},
};

/// Values that are drawn of each pool.
const DRAWN: u64 = 400;

/// Heights of a period that flows are asked for.
const PERIOD: u64 = 500;

/// A request.
pub(super) struct Request {
    /// Its kind.
    pub(super) kind: String,
    /// Who asks: a mandate's number.
    pub(super) mandate: usize,
    /// The path with its query.
    pub(super) path: String,
}

/// What there is to ask for.
pub(super) struct Pools {
    blocks: u64,
    pools: BTreeMap<&'static str, Vec<String>>,
}

impl Pools {
    /// Draws from the ledger. Half of the accounts are drawn as they act: the busy ones often.
    pub(super) fn draw(cluster: &Cluster, ledger: &Ledger) -> Result<Self> {
        let (busy, step) = ((ledger.transactions / DRAWN).max(1), (ledger.blocks / DRAWN).max(1));
        let queries = [
            (
                "account",
                format!(
                    "SELECT '0x' || encode(address, 'hex') FROM imagined.accounts WHERE n % {} = 0
                     UNION ALL (SELECT '0x' || encode(a.address, 'hex') FROM (SELECT s, row_number() OVER () AS at FROM imagined.acts) x
                     JOIN imagined.accounts a ON a.n = x.s WHERE x.at % {busy} = 0)",
                    ACCOUNTS / DRAWN
                ),
            ),
            ("own account", "SELECT '0x' || encode(address, 'hex') FROM imagined.accounts WHERE bank = 30".into()),
            (
                "hash",
                format!(
                    "SELECT '0x' || encode(hash, 'hex') FROM ledger.transactions WHERE tx_index = 7 AND height IN (SELECT generate_series({step}, {}, {step}))",
                    ledger.blocks
                ),
            ),
            (
                "block",
                format!("SELECT '0x' || encode(hash, 'hex') FROM ledger.blocks WHERE height % {step} = 0"),
            ),
            ("token", "SELECT '0x' || encode(address, 'hex') FROM imagined.tokens".into()),
            (
                "contract",
                format!(
                    "SELECT '0x' || encode(address, 'hex') FROM imagined.tokens UNION ALL SELECT DISTINCT '0x' || encode(settlement, 'hex') \
                     FROM imagined.accounts UNION ALL SELECT '0x' || encode(imagined.address('contract', k), 'hex') FROM generate_series(1, {DRAWN}) k"
                ),
            ),
            ("node", "SELECT DISTINCT '0x' || encode(proposer, 'hex') FROM ledger.blocks WHERE height < 100".into()),
            (
                "topic",
                "SELECT '0x' || encode(sha256(convert_to(e, 'UTF8')), 'hex') FROM unnest(ARRAY['Transfer(address,address,uint256)', \
                 'Settled(address,address,uint256)', 'Never()']) e"
                    .into(),
            ),
        ];
        let mut pools = BTreeMap::new();
        for (name, query) in queries {
            let found = cluster.query(&query)?.lines().map(ToOwned::to_owned).collect();
            pools.insert(name, found);
        }
        Ok(Self { blocks: ledger.blocks, pools })
    }

    fn one(&self, pool: &str, rng: &mut StdRng) -> Result<String> {
        let pool = self.pools.get(pool).filter(|pool| !pool.is_empty());
        let pool = pool.ok_or_else(|| eyre!("there is nothing to ask for"))?;
        Ok(pool[rng.random_range(0..pool.len())].clone())
    }

    /// An account; whoever supervises a bank asks for its accounts half of the time.
    fn account(&self, mandate: usize, rng: &mut StdRng) -> Result<String> {
        let own = mandate > 0 && rng.random_bool(0.5);
        self.one(if own { "own account" } else { "account" }, rng)
    }

    fn height(&self, rng: &mut StdRng) -> u64 {
        rng.random_range(1..=self.blocks)
    }

    /// A value of a filter.
    fn value(
        &self,
        list: &str,
        filter: &str,
        kind: Kind,
        mandate: usize,
        rng: &mut StdRng,
    ) -> Result<String> {
        let number = |most: u64, rng: &mut StdRng| rng.random_range(1..=most).to_string();
        Ok(match (list, filter) {
            ("blocks", "hash") => self.one("block", rng)?,
            ("transactions", "hash") => self.one("hash", rng)?,
            ("transactions", "recipient") => self.one("token", rng)?,
            (_, "token") => self.one("token", rng)?,
            (_, "address" | "contract" | "contract_address" | "proxy") => self.one("contract", rng)?,
            ("blocks", "proposer") | (_, "validator") => self.one("node", rng)?,
            (_, "topic0") => self.one("topic", rng)?,
            (_, "name") => ["Transfer", "Settled", "Never"][rng.random_range(0..3)].to_owned(),
            (_, "outcome") => rng.random_range(0..3_u8).to_string(),
            (_, "organisation") => format!("bank-{:03}", rng.random_range(1..=BANKS)),
            (_, "stands") => STANDS[rng.random_range(0..STANDS.len())].to_owned(),
            (_, "status") => ["active", "frozen", "open"][rng.random_range(0..3)].to_owned(),
            (_, "role") => ["operator", "developer", "nobody"][rng.random_range(0..3)].to_owned(),
            (_, "rule") => format!("rule-{}", rng.random_range(1..=50)),
            (_, "policy") => format!("policy-{}", rng.random_range(1..=200)),
            (_, "kind") => format!("kind-{}", rng.random_range(1..=60)),
            (_, "authority") => number(2 * BANKS, rng),
            (_, "kind_code") => number(60, rng),
            (_, "proposal") => number(3_000, rng),
            (_, "id") => number(1_000, rng),
            (_, "issuer" | "consensus_key") if kind == Kind::Hash => self.one("hash", rng)?,
            _ if matches!(kind, Kind::Address | Kind::Bytes) => self.account(mandate, rng)?,
            _ => number(TOKENS, rng),
        })
    }

    /// One path of each kind.
    fn paths(&self, mandate: usize, rng: &mut StdRng) -> Result<Vec<(String, String)>> {
        let mut paths = Vec::new();
        for list in LISTS {
            paths.push((list.name.to_owned(), format!("/v1/{}", list.name)));
            for filter in list.filters {
                let value = self.value(list.name, filter.name, filter.kind, mandate, rng)?;
                let kind = format!("{}?{}", list.name, filter.name);
                paths.push((kind, format!("/v1/{}?{}={value}", list.name, filter.name)));
            }
        }
        let height = self.height(rng);
        let (account, bank) = (self.account(mandate, rng)?, rng.random_range(1..=BANKS));
        let period = format!("from={height}&to={}", (height + PERIOD).min(self.blocks));
        let further = [
            ("status", "/v1/status".to_owned()),
            ("blocks/{height}", format!("/v1/blocks/{height}")),
            ("blocks/{hash}", format!("/v1/blocks/{}", self.one("block", rng)?)),
            ("transactions/{hash}", format!("/v1/transactions/{}", self.one("hash", rng)?)),
            ("organisations/{id}", format!("/v1/organisations/bank-{bank:03}")),
            ("proposals/{id}", format!("/v1/proposals/{}", rng.random_range(1..=3_000))),
            ("contracts/{address}", format!("/v1/contracts/{}", self.one("contract", rng)?)),
            ("policies/{id}", format!("/v1/policies/policy-{}", rng.random_range(1..=200))),
            ("rules/{id}", format!("/v1/rules/rule-{}", rng.random_range(1..=50))),
            ("accounts/{address}", format!("/v1/accounts/{account}")),
            ("accounts/{address}/balances", format!("/v1/accounts/{account}/balances")),
            ("accounts/{address}/balances?at", format!("/v1/accounts/{account}/balances?at={height}")),
            ("balances?at", format!("/v1/balances?at={height}")),
            ("accounts?at", format!("/v1/accounts?at={height}")),
            ("transactions?from,to", format!("/v1/transactions?{period}")),
            ("transfers?token,from,to", format!("/v1/transfers?token={}&{period}", self.one("token", rng)?)),
            (
                "transfers?sender,token",
                format!("/v1/transfers?sender={account}&token={}", self.one("token", rng)?),
            ),
            ("flows?account", format!("/v1/flows?account={account}&{period}")),
            ("flows?account,hops=3", format!("/v1/flows?account={account}&hops=3&{period}")),
            ("flows?organisation", format!("/v1/flows?organisation=bank-{bank:03}&{period}")),
        ];
        paths.extend(further.map(|(kind, path)| (kind.to_owned(), path)));
        Ok(paths)
    }
}

/// So many requests of each kind without a restriction, and as many within the mandates that have one, in an order that the
/// seed makes.
pub(super) fn all(pools: &Pools, each: usize, seed: u64) -> Result<Vec<Request>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut requests = Vec::new();
    for number in 0..each {
        for mandate in [0, 1 + number % (MANDATES.len() - 1)] {
            let paths = pools.paths(mandate, &mut rng)?;
            requests.extend(paths.into_iter().map(|(kind, path)| Request { kind, mandate, path }));
        }
    }
    requests.shuffle(&mut rng);
    Ok(requests)
}
