//! The tables that a projection fills, as the migrations make them: a test holds both together.
//!
//! Invariant: the first columns of each table, its position, are numbers that order its rows as the block has them. What
//! is compared is compared in that order, which depends on no collation.

use std::fmt;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number of 64 bits with a sign.
    Int,
    /// A whole number of any size.
    Number,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// True or false.
    Bool,
    /// A document.
    Json,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Type,
}

macro_rules! tables {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal
        [$( $key:ident: $key_type:ident ),* | $( $column:ident: $type:ident ),* $(,)?]; )*) => {
        /// A table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Table {
            $( $(#[$doc])* $variant, )*
        }

        impl Table {
            /// Every table, in the order in which digests take them.
            pub const ALL: &'static [Table] = &[$( Table::$variant, )*];

            /// Its name within the schema `ledger`.
            pub const fn name(self) -> &'static str {
                match self { $( Table::$variant => $name, )* }
            }

            /// The columns that order its rows.
            pub const fn position(self) -> &'static [&'static str] {
                match self { $( Table::$variant => &[$( stringify!($key), )*], )* }
            }

            /// Its columns.
            pub const fn columns(self) -> &'static [Column] {
                match self { $( Table::$variant => &[
                    $( Column { name: stringify!($key), holds: Type::$key_type }, )*
                    $( Column { name: stringify!($column), holds: Type::$type }, )*
                ], )* }
            }
        }
    };
}

tables! {
    /// Blocks.
    Blocks = "blocks" [height: Int | hash: Bytes, time_ms: Int, proposer: Bytes, parent_hash: Bytes,
        state_root_before: Bytes, transactions: Int, gas_used: Number, header: Bytes];
    /// The commit that each block carries.
    CommitSignatures = "commit_signatures" [height: Int, place: Int | signed_height: Int, round: Int,
        vote: Text, validator: Bytes, time: Text, signature: Bytes];
    /// Transactions and what became of them.
    Transactions = "transactions" [height: Int, tx_index: Int | hash: Bytes, tx_type: Int, sender: Bytes,
        recipient: Bytes, nonce: Number, method: Bytes, gas_limit: Number, gas_used: Number, outcome: Int,
        succeeded: Bool, contract_address: Bytes, output: Bytes, raw: Bytes];
    /// Events as contracts raise them.
    Logs = "logs" [height: Int, tx_index: Int, log_index: Int | address: Bytes, topic0: Bytes, topic1: Bytes,
        topic2: Bytes, topic3: Bytes, data: Bytes];
    /// Events of known interfaces.
    DecodedEvents = "decoded_events" [height: Int, tx_index: Int, log_index: Int | address: Bytes,
        standard: Text, name: Text, arguments: Json];
    /// Transfers of tokens.
    TokenTransfers = "token_transfers" [height: Int, tx_index: Int, log_index: Int, item: Int | token: Bytes,
        standard: Text, sender: Bytes, recipient: Bytes, token_id: Number, amount: Number];
    /// What holders have after each block that changed it.
    TokenBalances = "token_balances" [height: Int, place: Int | token: Bytes, token_id: Number,
        holder: Bytes, change: Number, balance: Number];
    /// Violations of run-time rules.
    Alerts = "alerts" [height: Int, tx_index: Int, log_index: Int | rule: Text, account: Bytes,
        organisation: Text, contract: Bytes, code: Int, proposal: Number];
    /// Member organisations.
    Organisations = "organisations" [height: Int, place: Int | tx_index: Int, removed: Bool,
        organisation: Text, name: Text, status: Text, roles: Text, admitted_height: Int,
        power_budget: Number, ca_certificates: Json];
    /// What accounts' transactions depend on.
    AccountStandings = "account_standings" [height: Int, place: Int | tx_index: Int, removed: Bool,
        account: Bytes, status: Text, role: Text, rebound: Bool, not_after: Int, authority: Int,
        serial: Bytes];
    /// What is known of accounts besides.
    AccountDetails = "account_details" [height: Int, place: Int | tx_index: Int, removed: Bool,
        account: Bytes, common_name: Text, fingerprint: Bytes, not_before: Number, enrolled_height: Int];
    /// Authorities that issue accounts' certificates.
    Authorities = "authorities" [height: Int, place: Int | tx_index: Int, removed: Bool, authority: Int,
        organisation: Text, issuer: Bytes, path: Json];
    /// Revoked certificates.
    Revocations = "revocations" [height: Int, place: Int | tx_index: Int, removed: Bool, issuer: Bytes,
        serial: Bytes, reason: Int, revoked_at: Number];
    /// The newest CRL of each issuer.
    RevocationLists = "revocation_lists" [height: Int, place: Int | tx_index: Int, removed: Bool,
        issuer: Bytes, number: Number, this_update: Number];
    /// Validators.
    Validators = "validators" [height: Int, place: Int | tx_index: Int, removed: Bool, consensus_key: Bytes,
        organisation: Text, power: Number, node_key_hash: Bytes, node_address: Text, admitted_height: Int];
    /// Accounts that act for an identity of another address.
    Identities = "identities" [height: Int, place: Int | tx_index: Int, removed: Bool, account: Bytes,
        identity: Bytes];
    /// Requests to replace an account.
    Recoveries = "recoveries" [height: Int, place: Int | tx_index: Int, removed: Bool, account: Bytes,
        new_account: Bytes, requester: Bytes, requested: Int, digest: Bytes];
    /// Bars of identities and nodes.
    Bars = "bars" [height: Int, place: Int | tx_index: Int, removed: Bool, subject: Text, barred: Bytes,
        document: Bytes, reference: Text, since: Number, proposal: Int];
    /// Seats of the committee: all of them whenever one changes.
    Seats = "seats" [height: Int, place: Int | tx_index: Int, removed: Bool, member: Bytes,
        organisation: Text, weight: Number];
    /// Rules of the committee.
    VotingRules = "voting_rules" [height: Int, place: Int | tx_index: Int, removed: Bool, kind_code: Int,
        kind: Text, rule: Json];
    /// Proposals.
    Proposals = "proposals" [height: Int, place: Int | tx_index: Int, removed: Bool, proposal: Int,
        kind_code: Int, kind: Text, digest: Bytes, proposer: Bytes, created: Int, closes: Number,
        earliest: Number, latest: Number, status: Text, refusal_code: Int, reason: Text, status_hash: Bytes,
        decided: Int, ballots: Int];
    /// Ballots.
    Ballots = "ballots" [height: Int, place: Int | tx_index: Int, removed: Bool, proposal: Int,
        member: Bytes, choice: Text];
    /// What proposals carry.
    Payloads = "payloads" [height: Int, place: Int | tx_index: Int, removed: Bool, proposal: Int,
        payload: Bytes];
    /// Freezes of identities.
    Freezes = "freezes" [height: Int, place: Int | tx_index: Int, removed: Bool, identity: Bytes,
        scope: Text, document: Bytes, reference: Text, until: Number, emergency: Bool, since: Int,
        proposal: Int];
    /// Regulators and their mandates.
    Regulators = "regulators" [height: Int, place: Int | tx_index: Int, removed: Bool, identity: Bytes,
        organisation: Text, mandate: Json, since: Int, proposal: Int];
    /// Consents to proposals.
    Consents = "consents" [height: Int, place: Int | tx_index: Int, removed: Bool, proposal: Int,
        account: Bytes, digest: Bytes, given: Int];
    /// Rollbacks.
    Rollbacks = "rollbacks" [height: Int, place: Int | tx_index: Int, removed: Bool, proposal: Int,
        to_height: Int, root: Bytes, executed: Int, slots: Number, slots_digest: Bytes, transactions: Json];
    /// Policies.
    Policies = "policies" [height: Int, place: Int | tx_index: Int, removed: Bool, policy: Text, text: Text,
        proposal: Int];
    /// Run-time rules.
    Rules = "rules" [height: Int, place: Int | tx_index: Int, removed: Bool, rule: Text, reason: Text,
        definition: Json, proposal: Int];
    /// Contracts.
    Contracts = "contracts" [height: Int, place: Int | tx_index: Int, removed: Bool, contract: Bytes,
        creator: Bytes, organisation: Text, administrator: Bytes, created: Int, status: Text,
        frozen_until: Number, list: Text, method_lists: Int, approval: Int];
    /// What stops contracts.
    ContractHalts = "contract_halts" [height: Int, place: Int | tx_index: Int, removed: Bool,
        contract: Bytes, document: Bytes, reference: Text, until: Number, emergency: Bool, since: Int,
        proposal: Int];
    /// What is attested of contracts.
    ContractAttributes = "contract_attributes" [height: Int, place: Int | tx_index: Int, removed: Bool,
        contract: Bytes, code: Bytes, auditor: Text, report: Bytes, rating: Int, properties: Json,
        source: Bytes, compiler: Text, valid_until: Number, since: Int, proposal: Int];
    /// Versions of proxies.
    ContractVersions = "contract_versions" [height: Int, place: Int | tx_index: Int, removed: Bool,
        proxy: Bytes, number: Number, implementation: Bytes, code: Bytes, since: Int, proposal: Int,
        migration: Bytes];
    /// Orders of regulators.
    Orders = "orders" [height: Int, place: Int | tx_index: Int, removed: Bool, id: Int, measure: Text, status: Text, account: Bytes,
        contract: Bytes, organisation: Text, document: Bytes, reference: Text, until: Number, issuer: Bytes,
        issuer_organisation: Text, issued: Int, lapses: Number, digest: Bytes, confirmed_at: Int, confirmed_by: Bytes,
        confirmed_by_proposal: Int, ended_at: Int, ended_by: Bytes, ended_by_proposal: Int, superseded_by: Int,
        end_document: Bytes, end_reference: Text];
    /// The heads of supervisors' logs of reads.
    ReadAnchors = "read_anchors" [height: Int, place: Int | tx_index: Int, removed: Bool, organisation: Text, head: Bytes,
        count: Number, anchored: Int, account: Bytes];
}

impl Table {
    /// Whether its rows lie in partitions by height.
    pub const fn is_partitioned(self) -> bool {
        matches!(
            self,
            Self::Blocks
                | Self::CommitSignatures
                | Self::Transactions
                | Self::Logs
                | Self::DecodedEvents
                | Self::TokenTransfers
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger.{}", self.name())
    }
}
