//! What the committee and its members did, and who enrolled, by events and the proposals that they name.

use std::collections::BTreeMap;

use concordat_governance::{Action, Kind, action::BarTarget};
use concordat_surveillance::{About, BlockEvents, Position, What};
use concordat_types::{Address, B256, OrgId};
use serde_json::Value;
use sqlx::{PgConnection, postgres::PgRow};

use super::{
    WatchError, orders,
    people::as_of,
    read::{address, edited, get, height, number, place, push},
    signed,
};
use crate::SqlError;

/// Proposals remembered; beyond, all are forgotten and read again.
const REMEMBERED: usize = 10_000;

const EVENTS: &str = "SELECT height, tx_index, log_index, name, arguments::text FROM ledger.decoded_events
    WHERE height BETWEEN $1 AND $2 AND standard IN ('governance', 'identity', 'orders') AND name IN (
        'AccountEnrolled', 'ProposalOpened', 'BallotCast', 'ProposalDecided',
        'AccountFrozen', 'AccountUnfrozen', 'ContractFrozen', 'ContractUnfrozen',
        'OrderImposed', 'OrderReleased', 'OrderDecided')";

/// A proposal as it was made.
#[derive(Clone)]
struct Made {
    proposer: Address,
    closes: u64,
    about: Vec<About>,
}

/// Who reads what the committee did.
#[derive(Default)]
pub(super) struct Acts {
    made: BTreeMap<u64, Made>,
}

impl Acts {
    /// Adds what was done between two heights.
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        (from, to): (u64, u64),
        blocks: &mut BTreeMap<u64, BlockEvents>,
    ) -> Result<(), WatchError> {
        let query = sqlx::query(EVENTS).bind(signed(from)).bind(signed(to));
        let rows = query.fetch_all(&mut *connection).await.map_err(SqlError::at("read events"))?;
        for row in &rows {
            let at = Position {
                height: height(row, 0)?,
                tx_index: Some(place(row, 1)?),
                log_index: Some(place(row, 2)?),
                item: 0,
            };
            let arguments = serde_json::from_str(get(row, 4)?);
            let (name, arguments): (&str, Value) =
                (get(row, 3)?, arguments.map_err(|_| edited("an event's arguments are none"))?);
            if let Some(what) = self.told(connection, at.height, name, &arguments).await? {
                push(blocks, at, what)?;
            }
        }
        Ok(())
    }

    async fn told(
        &mut self,
        connection: &mut PgConnection,
        height: u64,
        name: &str,
        arguments: &Value,
    ) -> Result<Option<What>, SqlError> {
        let arguments = Arguments(arguments);
        let freeze =
            |target: &str, lifted| Ok(Some(What::Freeze { target: arguments.address(target)?, lifted }));
        match name {
            "AccountEnrolled" => {
                let organisation = organisation(arguments.text("organisation")?)?;
                Ok(Some(What::Enrolled { account: arguments.address("account")?, organisation }))
            }
            "ProposalOpened" => {
                let (proposal, member) = (arguments.number("id")?, arguments.address("proposer")?);
                Ok(Some(What::Proposed { proposal, member }))
            }
            "BallotCast" => {
                let (proposal, member) = (arguments.number("id")?, arguments.address("member")?);
                let Made { closes, about, .. } = self.made(connection, proposal).await?;
                Ok(Some(What::Ballot { proposal, member, closes, about }))
            }
            "ProposalDecided" => {
                let proposal = arguments.number("id")?;
                let Some(earliest) = executed(connection, proposal, height).await? else { return Ok(None) };
                let Made { proposer, .. } = self.made(connection, proposal).await?;
                Ok(Some(What::Executed { proposal, proposer, earliest }))
            }
            "AccountFrozen" => freeze("account", false),
            "AccountUnfrozen" => freeze("account", true),
            "ContractFrozen" => freeze("contractAddress", false),
            "ContractUnfrozen" => freeze("contractAddress", true),
            _ => ordered(connection, height, name, &arguments).await,
        }
    }

    /// A proposal as it was made, and whom it is about.
    async fn made(&mut self, connection: &mut PgConnection, proposal: u64) -> Result<Made, SqlError> {
        if let Some(made) = self.made.get(&proposal) {
            return Ok(made.clone());
        }
        let query = "SELECT p.kind_code, p.proposer, p.created, p.closes::text, l.payload
            FROM ledger.proposals p LEFT JOIN ledger.payloads l ON l.proposal = p.proposal AND NOT l.removed
            WHERE p.proposal = $1 ORDER BY p.height, p.place LIMIT 1";
        let query = sqlx::query(query).bind(signed(proposal));
        let row: Option<PgRow> =
            query.fetch_optional(&mut *connection).await.map_err(SqlError::at("read a proposal"))?;
        let row = row.ok_or_else(|| edited("a ballot was cast on no proposal"))?;
        let (code, payload): (i64, Option<&[u8]>) = (get(&row, 0)?, get(&row, 4)?);
        let kind = u8::try_from(code).ok().and_then(Kind::from_code);
        let action = kind.zip(payload).and_then(|(kind, payload)| Action::decode(kind, payload).ok());
        let named = action.map(|action| named(&action)).unwrap_or_default();
        let created = height(&row, 2)?;
        let (proposer, closes) = (address(&row, 1)?, number(&row, 3)?.saturating_to());
        let made = Made { proposer, closes, about: about(connection, named, created).await? };
        if self.made.len() >= REMEMBERED {
            self.made.clear();
        }
        self.made.insert(proposal, made.clone());
        Ok(made)
    }
}

/// What an order has frozen or released. One that takes another's place is told once, and one that is confirmed went on.
async fn ordered(
    connection: &mut PgConnection,
    height: u64,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<Option<What>, SqlError> {
    let (frozen, lifted) = match name {
        "OrderImposed" => (orders::freezes(arguments.number("measure")?), false),
        "OrderReleased" => (orders::has_frozen(connection, arguments.number("id")?, height).await?, true),
        "OrderDecided" if !arguments.flag("confirmed")? => {
            (orders::has_frozen(connection, arguments.number("orderId")?, height).await?, true)
        }
        _ => return Ok(None),
    };
    Ok(frozen.then_some(What::Freeze { target: arguments.address("target")?, lifted }))
}

/// The first height at which a proposal could be executed, where it was executed at this one.
async fn executed(
    connection: &mut PgConnection,
    proposal: u64,
    height: u64,
) -> Result<Option<u64>, SqlError> {
    let query = "SELECT earliest::text FROM ledger.proposals
        WHERE proposal = $1 AND height = $2 AND status = 'executed' ORDER BY place DESC LIMIT 1";
    let query = sqlx::query(query).bind(signed(proposal)).bind(signed(height));
    let row = query.fetch_optional(connection).await.map_err(SqlError::at("read a proposal"))?;
    row.map(|row| Ok(number(&row, 0)?.saturating_to())).transpose()
}

/// Whom and what a proposal names.
#[derive(Default)]
pub(super) struct Named {
    pub accounts: Vec<Address>,
    pub organisations: Vec<OrgId>,
    pub contracts: Vec<Address>,
    validators: Vec<B256>,
    orders: Vec<u64>,
}

/// What an action names. A validator to be admitted is named by its certificates alone; rules and policies name nobody.
fn named(action: &Action) -> Named {
    let mut named = Named::default();
    match action {
        Action::AdmitOrganisation(admission) => named.organisations.push(admission.id.clone()),
        Action::SuspendOrganisation(id)
        | Action::ReinstateOrganisation(id)
        | Action::ExpelOrganisation(id)
        | Action::SetAuthorities { id, .. } => named.organisations.push(id.clone()),
        Action::SetValidatorPower { consensus_key, .. } | Action::RetireValidator { consensus_key } => {
            named.validators.push(*consensus_key);
        }
        Action::RecoverKey { account, .. }
        | Action::SetCommitteeMember { member: account, .. }
        | Action::FreezeAccount { account, .. }
        | Action::EmergencyFreeze { account, .. }
        | Action::UnfreezeAccount { account, .. }
        | Action::BarAccount { account, .. }
        | Action::LiftBar { target: BarTarget::Account(account), .. }
        | Action::AdmitRegulator { account, .. }
        | Action::RetireRegulator { account } => named.accounts.push(*account),
        Action::DeployContract(deployment) => named.accounts.push(deployment.deployer),
        Action::SetContractAdministrator { contract, administrator } => {
            named.contracts.push(*contract);
            named.accounts.push(*administrator);
        }
        Action::FreezeContract { contract, .. }
        | Action::EmergencyFreezeContract { contract, .. }
        | Action::UnfreezeContract { contract, .. }
        | Action::RetireContract { contract, .. }
        | Action::SetAttributes { contract, .. }
        | Action::RevokeAttributes { contract, .. }
        | Action::UpgradeContract { contract, .. }
        | Action::Correct { contract, .. } => named.contracts.push(*contract),
        Action::ConfirmOrder { order, .. } | Action::LiftOrder { order, .. } => named.orders.push(*order),
        _ => {}
    }
    named
}

/// Whom that is about as of the height of the proposal: accounts and their organisations, those of contracts and
/// validators, and whom orders are about and come from.
async fn about(connection: &mut PgConnection, mut named: Named, height: u64) -> Result<Vec<About>, SqlError> {
    for order in std::mem::take(&mut named.orders) {
        orders::add_named(connection, order, height, &mut named).await?;
    }
    let Named { mut accounts, mut organisations, contracts, validators, .. } = named;
    let newest = "SELECT organisation, administrator FROM ledger.contracts
        WHERE contract = $1 AND height <= $2 ORDER BY height DESC, place DESC LIMIT 1";
    for contract in contracts {
        let query = sqlx::query(newest).bind(contract.to_vec()).bind(signed(height));
        let row = query.fetch_optional(&mut *connection).await.map_err(SqlError::at("read a contract"))?;
        let Some(row) = row else { continue };
        if let Some(text) = get::<Option<&str>>(&row, 0)? {
            organisations.push(organisation(text)?);
        }
        if get::<Option<&[u8]>>(&row, 1)?.is_some() {
            accounts.push(address(&row, 1)?);
        }
    }
    let newest = "SELECT organisation FROM ledger.validators
        WHERE consensus_key = $1 AND height <= $2 ORDER BY height DESC, place DESC LIMIT 1";
    for key in validators {
        let query = sqlx::query(newest).bind(key.to_vec()).bind(signed(height));
        let row = query.fetch_optional(&mut *connection).await.map_err(SqlError::at("read a validator"))?;
        if let Some(row) = row {
            organisations.push(organisation(get(&row, 0)?)?);
        }
    }
    let parties = as_of(connection, accounts.iter().map(|account| (*account, height))).await?;
    organisations.extend(parties.into_iter().map(|(_, party)| party.organisation));
    organisations.sort();
    organisations.dedup();
    let accounts = accounts.into_iter().map(About::Account);
    Ok(accounts.chain(organisations.into_iter().map(About::Organisation)).collect())
}

pub(super) fn organisation(text: &str) -> Result<OrgId, SqlError> {
    text.parse().map_err(|_| edited("an organisation's id is none"))
}

/// The arguments of an event.
struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn text(&self, name: &str) -> Result<&str, SqlError> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| edited("an event lacks an argument"))
    }

    fn address(&self, name: &str) -> Result<Address, SqlError> {
        self.text(name)?.parse().map_err(|_| edited("an event's address is none"))
    }

    fn flag(&self, name: &str) -> Result<bool, SqlError> {
        self.0.get(name).and_then(Value::as_bool).ok_or_else(|| edited("an event lacks an argument"))
    }

    fn number(&self, name: &str) -> Result<u64, SqlError> {
        self.text(name)?.parse().map_err(|_| edited("an event's number is none"))
    }
}
