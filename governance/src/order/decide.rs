//! Who may impose, confirm, release and answer an order, and which one.
//!
//! Each step is one regulator's word, and the power and the coverage of its mandate bound it. So that no single one
//! becomes a second judge: nobody confirms its own order, nobody's vote or supervision is taken, and what lapsed is not
//! simply imposed again.

use alloy_primitives::{Address, B256};
use concordat_types::{OrgId, Role};

use super::{
    By, How, MAX_BINDING, MAX_TOKEN_ORDERS, Mark, Measure, Order, OrderRefusal, Spared, Status, Target, Terms,
};
use crate::{
    Facts, Kind, Refusal, ResolveError,
    action::{Basis, MAX_REFERENCE_BYTES, check_text},
    facts::{Ability, Membership},
    regulator::{Mandate, RegulatorFacts},
    resolve::{check_no_seat, known},
};

type Decided<F, T> = Result<T, ResolveError<<F as Facts>::Error>>;

/// What follows each other: after one that nobody confirmed, the next has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lineage {
    /// What bears on all that an account does.
    Account(Address),
    /// What bears on an account's dealings with a contract.
    Dealings(Address, Address),
    /// What stops a contract.
    Contract(Address),
}

impl Terms {
    /// Whether the measure is one for such a target.
    pub(super) const fn is_of_one_kind(&self) -> bool {
        match self.measure {
            Measure::Halt => matches!(self.target, Target::Contract(_)),
            Measure::Demand => matches!(self.target, Target::Contract(_) | Target::Organisation(_)),
            _ => matches!(self.target, Target::Account(_)),
        }
    }

    /// What it follows; `None` for demands, which refuse nothing.
    pub const fn lineage(&self) -> Option<Lineage> {
        match (&self.target, self.measure) {
            (
                Target::Account(account),
                Measure::FreezeContract(contract) | Measure::FreezeToken(contract),
            ) => Some(Lineage::Dealings(*account, contract)),
            (Target::Account(account), _) => Some(Lineage::Account(*account)),
            (Target::Contract(contract), Measure::Halt) => Some(Lineage::Contract(*contract)),
            _ => None,
        }
    }
}

impl Mandate {
    /// Whether it covers an organisation.
    pub fn covers_organisation(&self, id: &OrgId) -> bool {
        self.organisations.as_ref().is_none_or(|named| named.contains(id))
    }

    /// Whether it covers a contract.
    pub fn covers_contract(&self, contract: Address) -> bool {
        self.contracts.as_ref().is_none_or(|named| named.contains(&contract))
    }
}

/// Reads that orders need besides those of all decisions.
pub trait OrderFacts: Facts {
    /// The newest order of a lineage.
    fn newest(&mut self, lineage: Lineage) -> Result<Option<Order>, Self::Error>;

    /// The number of the newest order on a target; zero if there is none.
    fn newest_on(&mut self, target: &Target) -> Result<u64, Self::Error>;

    /// The orders that bind an identity now.
    fn binding(&mut self, identity: Address) -> Result<Vec<(u64, Measure)>, Self::Error>;

    /// How many orders on tokens bind now.
    fn token_orders(&mut self) -> Result<usize, Self::Error>;

    /// How many reads an organisation's newest anchor counts; zero if there is none.
    fn anchored(&mut self, organisation: &OrgId) -> Result<u64, Self::Error>;
}

/// An order that is imposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imposed {
    /// It.
    pub order: Order,
    /// The one that it corrects, as it stands from now on.
    pub superseded: Option<Order>,
}

/// Decides an order. The target may name any account of an identity: the order binds the identity.
pub fn decide_order<F: OrderFacts>(
    facts: &mut F,
    id: u64,
    sender: Address,
    terms: Terms,
) -> Decided<F, Imposed> {
    let height = facts.height();
    let (until, measure) = (terms.until, terms.measure);
    let (issuer, entry) = regulator(facts, sender)?;
    check_power(&entry, measure, sender, height)?;
    check_basis(&terms.basis)?;
    if until <= height && (until != 0 || measure == Measure::Demand) {
        return Err(OrderRefusal::OrderOver { until, height }.into());
    }
    let terms = Terms { target: fit(facts, &terms, issuer)?, ..terms };
    if !covers(facts, &entry.mandate, &terms)? {
        return Err(OrderRefusal::NotCovered { sender, target: terms.target }.into());
    }
    let corrected = check_lineage(facts, &terms, issuer)?;
    check_room(facts, &terms, corrected.as_ref())?;
    let lapses = match &corrected {
        // A correction gains no time.
        Some(corrected) => corrected.lapses,
        None => height.checked_add(lapse_blocks(facts)?).ok_or(Refusal::HeightOverflow)?,
    };
    let before = facts.newest_on(&terms.target).map_err(ResolveError::Facts)?;
    let superseded = corrected
        .map(|corrected| corrected.ended(How::Superseded, Mark { by: By::Order(id), height }, &terms.basis));
    let organisation = entry.organisation;
    let (confirmed, ended) = (None, None);
    let order = Order { id, terms, issuer, organisation, issued: height, lapses, before, confirmed, ended };
    Ok(Imposed { order, superseded })
}

/// Decides a confirmation: another regulator's, whose mandate gives the same power over the same target. It is of another
/// organisation wherever there is such a one.
pub fn decide_confirmation<F: OrderFacts>(
    facts: &mut F,
    order: &Order,
    sender: Address,
    digest: B256,
) -> Decided<F, Order> {
    let (id, height) = (order.id, facts.height());
    check_pending(order, height)?;
    let (identity, entry) = regulator(facts, sender)?;
    check_power(&entry, order.terms.measure, sender, height)?;
    if identity == order.issuer {
        return Err(OrderRefusal::OwnOrder { id, sender }.into());
    }
    if !covers(facts, &entry.mandate, &order.terms)? {
        return Err(OrderRefusal::NotCovered { sender, target: order.terms.target.clone() }.into());
    }
    if entry.organisation == order.organisation && has_other_judge(facts, order)? {
        return Err(OrderRefusal::SameOrganisation { id, organisation: entry.organisation }.into());
    }
    let have = order.digest();
    if digest != have {
        return Err(OrderRefusal::OtherOrder { id, have, presented: digest }.into());
    }
    Ok(order.confirmed(Mark { by: By::Identity(identity), height }))
}

/// Decides a release: the issuer's. Once the issuer's own mandate is over, another regulator's whose mandate covers the
/// order, so that the committee is not the only way out.
pub fn decide_release<F: OrderFacts>(
    facts: &mut F,
    order: &Order,
    sender: Address,
    basis: &Basis,
) -> Decided<F, Order> {
    check_basis(basis)?;
    let (id, height) = (order.id, facts.height());
    check_open(order, height)?;
    let identity = able(facts, sender, Role::Regulator)?.ok_or(Refusal::NotRegulator { sender })?;
    if identity != order.issuer {
        let issuer = order.issuer;
        let regulators = facts.regulators().map_err(ResolveError::Facts)?;
        if regulators.get(&issuer).is_some_and(|entry| entry.mandate.holds(height)) {
            return Err(OrderRefusal::NotIssuer { id, issuer }.into());
        }
        let entry = regulators.get(&identity).ok_or(OrderRefusal::NotIssuer { id, issuer })?;
        check_power(entry, order.terms.measure, sender, height)?;
        if !covers(facts, &entry.mandate, &order.terms)? {
            return Err(OrderRefusal::NotCovered { sender, target: order.terms.target.clone() }.into());
        }
    }
    Ok(order.ended(How::Released, Mark { by: By::Identity(identity), height }, basis))
}

/// Decides an answer to a demand: that of a registrar of the organisation it is addressed to, or of the one whose account
/// administers the contract.
pub fn decide_answer<F: OrderFacts>(
    facts: &mut F,
    order: &Order,
    sender: Address,
    basis: &Basis,
) -> Decided<F, Order> {
    check_basis(basis)?;
    let (id, height) = (order.id, facts.height());
    if order.terms.measure != Measure::Demand {
        return Err(OrderRefusal::NoDemand { id }.into());
    }
    check_open(order, height)?;
    let not_addressed = OrderRefusal::NotAddressed { id, sender };
    let Some(identity) = able(facts, sender, Role::Registrar)? else { return Err(not_addressed.into()) };
    let own = facts.account(sender).map_err(ResolveError::Facts)?.map(|account| account.organisation);
    if own.is_none() || own != addressee(facts, &order.terms.target)? {
        return Err(not_addressed.into());
    }
    Ok(order.ended(How::Answered, Mark { by: By::Identity(identity), height }, basis))
}

/// Checks that an order waits for its confirmation.
pub(crate) fn check_pending(order: &Order, height: u64) -> Result<(), OrderRefusal> {
    match order.status(height) {
        Status::Provisional => Ok(()),
        status => Err(OrderRefusal::OrderNotOpen { id: order.id, status }),
    }
}

/// Checks that an order can be ended.
pub(crate) fn check_open(order: &Order, height: u64) -> Result<(), OrderRefusal> {
    let status = order.status(height);
    if order.is_open(height) { Ok(()) } else { Err(OrderRefusal::OrderNotOpen { id: order.id, status }) }
}

fn check_basis(basis: &Basis) -> Result<(), Refusal> {
    Ok(check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)?)
}

/// The identity of a sender that has a role and is in good standing; `None` if it has another one.
fn able<F: Facts>(facts: &mut F, sender: Address, role: Role) -> Decided<F, Option<Address>> {
    let account = facts.account(sender).map_err(ResolveError::Facts)?;
    let Some(account) = account.filter(|account| account.role == role) else { return Ok(None) };
    if account.ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender }.into());
    }
    Ok(Some(facts.bound(sender).map_err(ResolveError::Facts)?.identity))
}

/// A registered regulator in good standing. There is no other: a role alone gives no order.
fn regulator<F: Facts>(facts: &mut F, sender: Address) -> Decided<F, (Address, RegulatorFacts)> {
    let identity = able(facts, sender, Role::Regulator)?.ok_or(Refusal::NotRegulator { sender })?;
    let entry = facts.regulators().map_err(ResolveError::Facts)?.remove(&identity);
    Ok((identity, entry.ok_or(Refusal::RegulatorUnknown { account: sender })?))
}

fn check_power(
    entry: &RegulatorFacts,
    measure: Measure,
    sender: Address,
    height: u64,
) -> Result<(), Refusal> {
    let power = measure.power();
    if entry.mandate.gives(power, height) { Ok(()) } else { Err(Refusal::NotEmpowered { sender, power }) }
}

/// The target as it is kept, if an order may be about it: the chain and whoever governs or supervises it are not at one
/// regulator's disposal.
fn fit<F: Facts>(facts: &mut F, terms: &Terms, issuer: Address) -> Decided<F, Target> {
    match &terms.target {
        Target::Account(account) => {
            if let Some(contract) = terms.measure.contract() {
                known(contract, facts)?;
            }
            fit_account(facts, *account, terms.measure, issuer).map(Target::Account)
        }
        Target::Contract(contract) => known(*contract, facts).map(|_| Target::Contract(*contract)),
        Target::Organisation(id) => {
            let found = facts.organisation(id).map_err(ResolveError::Facts)?;
            let membership = found.ok_or_else(|| Refusal::OrganisationUnknown { id: id.clone() })?.membership;
            match membership {
                Membership::Expelled => {
                    Err(Refusal::OrganisationStands { id: id.clone(), membership }.into())
                }
                _ => Ok(terms.target.clone()),
            }
        }
    }
}

fn fit_account<F: Facts>(
    facts: &mut F,
    account: Address,
    measure: Measure,
    issuer: Address,
) -> Decided<F, Address> {
    let bound = facts.bound(account).map_err(ResolveError::Facts)?;
    let held = facts.account(bound.account).map_err(ResolveError::Facts)?;
    let held = held.ok_or(Refusal::AccountUnknown { account })?;
    if bound.identity == issuer {
        return Err(OrderRefusal::OrderAgainst { account, reason: Spared::Issuer }.into());
    }
    let registered = facts.regulators().map_err(ResolveError::Facts)?.contains_key(&bound.identity);
    if held.role == Role::Regulator || registered {
        return Err(OrderRefusal::OrderAgainst { account, reason: Spared::Regulator }.into());
    }
    if measure.shuts_out() {
        check_no_seat(account, facts)?;
    }
    Ok(bound.identity)
}

/// Whether a mandate covers what an order is about: an account by its organisation; where the order is about the account's
/// dealings with one contract, also by that contract.
fn covers<F: Facts>(facts: &mut F, mandate: &Mandate, terms: &Terms) -> Decided<F, bool> {
    match &terms.target {
        Target::Contract(contract) => Ok(mandate.covers_contract(*contract)),
        Target::Organisation(id) => Ok(mandate.covers_organisation(id)),
        Target::Account(identity) => {
            let by_contract =
                terms.measure.contract().is_some_and(|contract| mandate.covers_contract(contract));
            if by_contract {
                return Ok(true);
            }
            let account = facts.bound(*identity).map_err(ResolveError::Facts)?.account;
            let held = facts.account(account).map_err(ResolveError::Facts)?;
            Ok(held.is_some_and(|held| mandate.covers_organisation(&held.organisation)))
        }
    }
}

/// Checks what was ordered before. Gives the order that this one corrects: its issuer's own, still provisional.
fn check_lineage<F: OrderFacts>(facts: &mut F, terms: &Terms, issuer: Address) -> Decided<F, Option<Order>> {
    let Some(lineage) = terms.lineage() else { return Ok(None) };
    let height = facts.height();
    if let Lineage::Dealings(account, _) = lineage {
        // Who may not be shut out again may not be kept from one contract after the other either.
        let wide = facts.newest(Lineage::Account(account)).map_err(ResolveError::Facts)?;
        if let Some(last) = wide.filter(|last| !last.binds(height)) {
            check_wait(facts, &last)?;
        }
    }
    check_not_in_force(facts, terms, issuer)?;
    let Some(last) = facts.newest(lineage).map_err(ResolveError::Facts)? else { return Ok(None) };
    match last.status(height) {
        Status::Provisional if last.issuer == issuer && last.terms != *terms => Ok(Some(last)),
        Status::Provisional => Err(OrderRefusal::OrderStands { id: last.id }.into()),
        Status::Confirmed if last.terms.measure == terms.measure => {
            Err(OrderRefusal::OrderStands { id: last.id }.into())
        }
        Status::Confirmed => Ok(None),
        _ => check_wait(facts, &last).map(|()| None),
    }
}

/// Checks that no other order does the same already.
fn check_not_in_force<F: OrderFacts>(facts: &mut F, terms: &Terms, issuer: Address) -> Decided<F, ()> {
    let Target::Account(identity) = terms.target else { return Ok(()) };
    let binding = facts.binding(identity).map_err(ResolveError::Facts)?;
    let same = binding.into_iter().find(|(_, measure)| *measure == terms.measure);
    let Some((id, _)) = same else { return Ok(()) };
    // Its issuer may correct it while it is provisional: that is for the lineage to say.
    let order = facts.order(id).map_err(ResolveError::Facts)?;
    match order {
        Some(order) if order.issuer == issuer && order.confirmed.is_none() => Ok(()),
        _ => Err(OrderRefusal::OrderStands { id }.into()),
    }
}

/// Checks that enough blocks are past since an order that did not last: it lapsed, or was released.
fn check_wait<F: Facts>(facts: &mut F, last: &Order) -> Decided<F, ()> {
    let height = facts.height();
    let end = match last.status(height) {
        Status::Lapsed => last.last_height(),
        Status::Released => last.ended.as_ref().map(|ended| ended.mark.height),
        _ => None,
    };
    let Some(end) = end else { return Ok(()) };
    let from = end.saturating_add(lapse_blocks(facts)?).saturating_add(1);
    if height < from {
        let (id, target) = (last.id, last.terms.target.clone());
        return Err(OrderRefusal::OrderRepeated { id, target, from }.into());
    }
    Ok(())
}

/// Checks that there is room for one more.
fn check_room<F: OrderFacts>(facts: &mut F, terms: &Terms, corrected: Option<&Order>) -> Decided<F, ()> {
    let Target::Account(identity) = terms.target else { return Ok(()) };
    let gone = usize::from(corrected.is_some());
    let binding = facts.binding(identity).map_err(ResolveError::Facts)?.len().saturating_sub(gone);
    if binding >= MAX_BINDING {
        return Err(OrderRefusal::TooManyOrders { have: binding, most: MAX_BINDING }.into());
    }
    if matches!(terms.measure, Measure::FreezeToken(_)) {
        let have = facts.token_orders().map_err(ResolveError::Facts)?;
        if have >= MAX_TOKEN_ORDERS {
            return Err(OrderRefusal::TooManyOrders { have, most: MAX_TOKEN_ORDERS }.into());
        }
    }
    Ok(())
}

/// How long an order binds unless it is confirmed.
fn lapse_blocks<F: Facts>(facts: &mut F) -> Decided<F, u64> {
    Ok(facts.rule(Kind::ConfirmOrder).map_err(ResolveError::Facts)?.lapse_blocks)
}

/// Whether a regulator of another organisation than the issuer's could confirm an order.
fn has_other_judge<F: Facts>(facts: &mut F, order: &Order) -> Decided<F, bool> {
    let (height, power) = (facts.height(), order.terms.measure.power());
    let regulators = facts.regulators().map_err(ResolveError::Facts)?;
    let others = regulators.into_values().filter(|entry| entry.organisation != order.organisation);
    for entry in others.filter(|entry| entry.mandate.gives(power, height)) {
        if covers(facts, &entry.mandate, &order.terms)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The organisation that a demand is addressed to.
fn addressee<F: Facts>(facts: &mut F, target: &Target) -> Decided<F, Option<OrgId>> {
    let contract = match target {
        Target::Organisation(id) => return Ok(Some(id.clone())),
        Target::Account(_) => return Ok(None),
        Target::Contract(contract) => *contract,
    };
    let known = facts.contract(contract).map_err(ResolveError::Facts)?;
    let Some(administrator) = known.and_then(|known| known.administrator) else { return Ok(None) };
    let account = facts.bound(administrator).map_err(ResolveError::Facts)?.account;
    Ok(facts.account(account).map_err(ResolveError::Facts)?.map(|account| account.organisation))
}
