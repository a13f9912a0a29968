//! The lists that the service answers from: each once, with its filters and whose its rows are. What stands here is all that
//! can be asked for.

use concordat_governance::order::Status;

use super::scope::Reach;
use crate::tables::{Column, Table, Type};

/// What a filter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address.
    Address,
    /// A hash.
    Hash,
    /// Bytes.
    Bytes,
    /// A number of 63 bits.
    Int,
    /// Text.
    Text,
    /// A number of any size.
    Number,
    /// The organisation whose accounts these are.
    Member,
    /// How an order stands: one of [`STANDS`].
    Stands,
}

/// How orders stand, as the chain calls it.
pub const STANDS: [&str; 7] = [
    Status::Provisional.name(),
    Status::Confirmed.name(),
    Status::Released.name(),
    Status::Lapsed.name(),
    Status::Superseded.name(),
    Status::Answered.name(),
    Status::Over.name(),
];

/// A filter. There is an index for each of a table that grows with what happens (`sql/tests/reading/plans.rs` reads the plans).
///
/// In its condition `{}` stands for the value. `$1` is the height as of which is read: every statement binds that first.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    pub(crate) condition: &'static str,
}

/// How a list is ordered, and what its rows are.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// What happened, in the order of these columns.
    Journal(&'static [&'static str]),
    /// What holds: the newest row of each key of these columns.
    Register(&'static [&'static str]),
    /// What holds, of a table in which a key may have very many rows: a condition tells those with which one begins.
    Deep(&'static [&'static str], &'static str),
    /// What holds: all rows of the newest height.
    Whole,
}

impl Filter {
    /// The column that it compares, if it is no more than that.
    pub(crate) fn column(&self) -> Option<&'static str> {
        self.condition.strip_prefix("t.")?.strip_suffix(" = {}")
    }
}

/// A column that another table tells; `{}` stands for the height as of which is read.
#[derive(Debug)]
pub(crate) struct Extra {
    pub(crate) name: &'static str,
    pub(crate) holds: Type,
    pub(crate) expression: &'static str,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// Its name: the path.
    pub name: &'static str,
    /// What its rows are.
    pub about: &'static str,
    /// How it is ordered.
    pub order: Order,
    /// What it may be filtered by.
    pub filters: &'static [Filter],
    pub(crate) table: Table,
    pub(crate) reach: Reach,
    pub(crate) extras: &'static [Extra],
}

impl List {
    /// The list of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        LISTS.iter().find(|list| list.name == name)
    }

    /// Whether it tells what happened, in the order of the chain.
    pub const fn is_journal(&self) -> bool {
        matches!(self.order, Order::Journal(_))
    }

    /// The names of its columns and what they hold: a JSON number, a string or anything.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.typed_columns().map(|(name, holds)| {
            let json = match holds {
                Type::Int => "integer",
                Type::Bool => "boolean",
                Type::Number | Type::Text | Type::Bytes => "string",
                Type::Json => "any",
            };
            (name, json)
        })
    }

    /// The same, as the database has them.
    pub(crate) fn typed_columns(&self) -> impl Iterator<Item = (&'static str, Type)> {
        let own = self.shown().map(|column| (column.name, column.holds));
        let extras = self.extras.iter().map(|extra| (extra.name, extra.holds));
        own.chain([("time", Type::Text)]).chain(extras)
    }

    /// The columns of the table that are shown.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &'static Column> {
        self.table.columns().iter()
    }
}

const fn by(name: &'static str, kind: Kind, condition: &'static str) -> Filter {
    Filter { name, kind, condition }
}

/// What a filter by organisation becomes where its accounts are few: these accounts.
pub(super) const MEMBERS: Filter = by("organisation", Kind::Member, "t.account = ANY({})");

/// Everybody's business.
const PUBLIC: Reach = Reach { accounts: &[], organisations: &[], contracts: &[], by_sender: false };

/// Rows about a contract: of whoever it belongs to.
const OF_CONTRACT: Reach = Reach { contracts: &["contract"], ..PUBLIC };

const HEIGHT: &[&str] = &["height"];
const PLACE: &[&str] = &["height", "place"];
const TRANSACTION: &[&str] = &["height", "tx_index"];
const LOG: &[&str] = &["height", "tx_index", "log_index"];

const ORGANISATION_OF_ACCOUNT: Extra = Extra {
    name: "organisation",
    holds: Type::Text,
    expression: "(SELECT a.organisation FROM ledger.authorities a WHERE a.authority = t.authority AND a.height <= {} \
                 ORDER BY a.height DESC LIMIT 1)",
};

const NAME_OF_ACCOUNT: Extra = Extra {
    name: "common_name",
    holds: Type::Text,
    expression: "(SELECT d.common_name FROM ledger.account_details d WHERE d.account = t.account AND d.height <= {} \
                 ORDER BY d.height DESC LIMIT 1)",
};

/// How the order of a row stands after the block at a height. A lapse is no step: nothing is written then. What a history tells
/// is told so, too: of the order, not of what the row's own step left.
macro_rules! stands {
    ($at:literal) => {
        concat!(
            "(SELECT CASE WHEN o.ended_at IS NOT NULL THEN o.status \
             WHEN o.confirmed_at IS NOT NULL THEN CASE WHEN o.until > 0 AND o.until < ",
            $at,
            " THEN 'over' ELSE 'confirmed' END \
             WHEN least(o.lapses, nullif(o.until, 0)) < ",
            $at,
            " THEN 'lapsed' ELSE 'provisional' END FROM ledger.orders o WHERE o.id = t.id AND o.height <= ",
            $at,
            " ORDER BY o.height DESC, o.place DESC LIMIT 1)"
        )
    };
}

const STANDS_OF_ORDER: Extra = Extra { name: "stands", holds: Type::Text, expression: stands!("{}") };

// A table that the projection gets later takes a line below, and nothing else.
macro_rules! lists {
    ($( $name:literal $table:ident $order:expr, $reach:expr, $about:literal
        [$( $filter:literal $kind:ident $condition:expr ),* $(,)?] $( + $extra:ident )*; )*) => {
        /// Every list.
        pub const LISTS: &[List] = &[$( List {
            name: $name,
            about: $about,
            order: $order,
            filters: &[$( by($filter, Kind::$kind, $condition), )*],
            table: Table::$table,
            reach: $reach,
            extras: &[$( $extra, )*],
        }, )*];
    };
}

lists! {
    "blocks" Blocks Order::Journal(HEIGHT), PUBLIC, "Blocks."
        ["hash" Hash "t.hash = {}", "proposer" Bytes "t.proposer = {}"];
    "commits" CommitSignatures Order::Journal(PLACE), PUBLIC, "Votes of the commit that each block carries."
        ["validator" Bytes "t.validator = {}"];
    "transactions" Transactions Order::Journal(TRANSACTION),
        Reach { accounts: &["sender", "recipient"], contracts: &["recipient", "contract_address"], ..PUBLIC },
        "Transactions and what became of them: their receipts."
        ["hash" Hash "t.hash = {}", "sender" Address "t.sender = {}", "recipient" Address "t.recipient = {}",
         "contract_address" Address "t.contract_address = {}", "outcome" Int "t.outcome = {}"];
    "logs" Logs Order::Journal(LOG), Reach { contracts: &["address"], by_sender: true, ..PUBLIC },
        "Events as contracts raise them."
        ["address" Address "t.address = {}", "topic0" Hash "t.topic0 = {}"];
    "events" DecodedEvents Order::Journal(LOG), Reach { contracts: &["address"], by_sender: true, ..PUBLIC },
        "Events with named arguments."
        ["address" Address "t.address = {}", "name" Text "t.name = {}"];
    "transfers" TokenTransfers Order::Journal(&["height", "tx_index", "log_index", "item"]),
        Reach { accounts: &["sender", "recipient"], contracts: &["token"], ..PUBLIC }, "Transfers of tokens."
        ["token" Address "t.token = {}", "sender" Address "t.sender = {}", "recipient" Address "t.recipient = {}"];
    "balances" TokenBalances Order::Deep(&["holder", "token", "token_id"], "t.balance = t.change"),
        Reach { accounts: &["holder"], contracts: &["token"], ..PUBLIC },
        "What holders have, at any height."
        ["holder" Address "t.holder = {}", "token" Address "t.token = {}"];
    "alerts" Alerts Order::Journal(LOG),
        Reach { accounts: &["account"], organisations: &["organisation"], contracts: &["contract"], ..PUBLIC },
        "Violations of run-time rules."
        ["rule" Text "t.rule = {}", "account" Address "t.account = {}", "organisation" Text "t.organisation = {}",
         "contract" Address "t.contract = {}"];
    "organisations" Organisations Order::Register(&["organisation"]), PUBLIC, "Member organisations."
        ["organisation" Text "t.organisation = {}", "status" Text "t.status = {}"];
    "accounts" AccountStandings Order::Register(&["account"]), Reach { accounts: &["account"], ..PUBLIC },
        "Accounts: what their transactions depend on."
        ["account" Address "t.account = {}", "status" Text "t.status = {}", "role" Text "t.role = {}",
         "organisation" Member
            "t.authority IN (SELECT a.authority FROM ledger.authorities a WHERE a.organisation = {})"]
        + ORGANISATION_OF_ACCOUNT + NAME_OF_ACCOUNT;
    "certificates" AccountDetails Order::Register(&["account"]), Reach { accounts: &["account"], ..PUBLIC },
        "Accounts' certificates." ["account" Address "t.account = {}"];
    "identities" Identities Order::Register(&["account"]), Reach { accounts: &["account"], ..PUBLIC },
        "Accounts that act for an identity of another address."
        ["account" Address "t.account = {}", "identity" Address "t.identity = {}"];
    "recoveries" Recoveries Order::Register(&["account"]), Reach { accounts: &["account"], ..PUBLIC },
        "Requests to replace an account." ["account" Address "t.account = {}"];
    "freezes" Freezes Order::Register(&["identity"]), Reach { accounts: &["identity"], ..PUBLIC },
        "Freezes of identities." ["identity" Address "t.identity = {}"];
    "bars" Bars Order::Register(&["barred"]), Reach { accounts: &["barred"], ..PUBLIC },
        "Bars of identities and nodes." ["barred" Bytes "t.barred = {}"];
    "authorities" Authorities Order::Register(&["authority"]), PUBLIC, "Authorities that issue accounts' certificates."
        ["authority" Int "t.authority = {}", "organisation" Text "t.organisation = {}"];
    "revocations" Revocations Order::Register(&["issuer", "serial"]), PUBLIC, "Revoked certificates."
        ["issuer" Hash "t.issuer = {}"];
    "revocation-lists" RevocationLists Order::Register(&["issuer"]), PUBLIC, "The newest CRL of each issuer."
        ["issuer" Hash "t.issuer = {}"];
    "validators" Validators Order::Register(&["consensus_key"]), PUBLIC, "Validators."
        ["consensus_key" Hash "t.consensus_key = {}", "organisation" Text "t.organisation = {}"];
    "seats" Seats Order::Whole, PUBLIC, "Seats of the committee." [];
    "voting-rules" VotingRules Order::Register(&["kind_code"]), PUBLIC, "Rules of the committee."
        ["kind_code" Int "t.kind_code = {}"];
    "proposals" Proposals Order::Register(&["proposal"]), PUBLIC, "Proposals of the committee."
        ["proposal" Int "t.proposal = {}", "status" Text "t.status = {}", "kind" Text "t.kind = {}",
         "proposer" Address "t.proposer = {}"];
    "ballots" Ballots Order::Journal(PLACE), PUBLIC, "Ballots."
        ["proposal" Int "t.proposal = {}", "member" Address "t.member = {}"];
    "payloads" Payloads Order::Register(&["proposal"]), PUBLIC, "What proposals carry."
        ["proposal" Int "t.proposal = {}"];
    "consents" Consents Order::Register(&["proposal", "account"]), PUBLIC, "Consents to proposals."
        ["proposal" Int "t.proposal = {}"];
    "regulators" Regulators Order::Register(&["identity"]), PUBLIC, "Regulators and their mandates."
        ["identity" Address "t.identity = {}", "organisation" Text "t.organisation = {}"];
    "orders" Orders Order::Register(&["id"]),
        Reach { accounts: &["account"], organisations: &["organisation"], contracts: &["contract"], ..PUBLIC },
        "Orders of regulators. `status` is what the last step has left; `stands` is how the order stands: it lapses without a step."
        ["id" Int "t.id = {}", "account" Address "t.account = {}", "contract" Address "t.contract = {}",
         "organisation" Text "t.organisation = {}", "issuer" Address "t.issuer = {}",
         "stands" Stands concat!(stands!("$1"), " = {}")]
        + STANDS_OF_ORDER;
    "read-anchors" ReadAnchors Order::Register(&["organisation"]), PUBLIC, "Heads of logs of reads, as the chain has them."
        ["organisation" Text "t.organisation = {}"];
    "rollbacks" Rollbacks Order::Register(&["proposal"]), PUBLIC, "Rollbacks." ["proposal" Int "t.proposal = {}"];
    "policies" Policies Order::Register(&["policy"]), PUBLIC, "Policies: who may do what."
        ["policy" Text "t.policy = {}"];
    "rules" Rules Order::Register(&["rule"]), PUBLIC, "Run-time rules." ["rule" Text "t.rule = {}"];
    "contracts" Contracts Order::Register(&["contract"]),
        Reach { organisations: &["organisation"], contracts: &["contract"], ..PUBLIC }, "Contracts."
        ["contract" Address "t.contract = {}", "organisation" Text "t.organisation = {}",
         "creator" Address "t.creator = {}", "status" Text "t.status = {}"];
    "contract-halts" ContractHalts Order::Register(&["contract"]), OF_CONTRACT, "What stops contracts."
        ["contract" Address "t.contract = {}"];
    "contract-attributes" ContractAttributes Order::Register(&["contract"]), OF_CONTRACT,
        "What is attested of contracts." ["contract" Address "t.contract = {}"];
    "contract-versions" ContractVersions Order::Register(&["proxy", "number"]),
        Reach { contracts: &["proxy"], ..PUBLIC }, "Versions of proxies." ["proxy" Address "t.proxy = {}"];
}
