//! Cedar: its schema, its names, and the facts of a request in its terms.

use alloy_primitives::Address;
use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema,
    Validator,
};
use concordat_types::OrgId;
use std::fmt::Display;
use time::{OffsetDateTime, UtcDateTime};

use crate::{
    error::PolicyError,
    facts::{ContractFacts, ListKind, Listing, Principal, Request, Resource},
};

/// The schema that policies are checked against.
pub const SCHEMA: &str = include_str!("catalogue/schema.cedarschema");

/// The policies that every chain starts with.
pub const DEFAULT_POLICIES: &str = include_str!("catalogue/default.cedar");

/// The stack that parsing and checking a policy of [`crate::text::MAX_NESTING`] takes at most, and one made for it.
const CHECK_STACK: (usize, usize) = (4 * 1024 * 1024, 8 * 1024 * 1024);

/// The same for evaluating one. The last 100 KiB of a stack are not enough for Cedar: it gives up there, and how
/// much stack is left differs between nodes. Where there is less than this, another stack is made.
const EVALUATE_STACK: (usize, usize) = (1024 * 1024, 4 * 1024 * 1024);

/// Runs what parses or checks a policy, on a stack that is large enough.
pub(crate) fn with_check_stack<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(CHECK_STACK.0, CHECK_STACK.1, run)
}

/// Runs what evaluates policies, on a stack that is large enough.
pub(crate) fn with_evaluation_stack<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(EVALUATE_STACK.0, EVALUATE_STACK.1, run)
}

/// All that is the same for every set of policies.
pub(crate) struct Engine {
    pub(crate) validator: Validator,
    pub(crate) authorizer: Authorizer,
    names: Names,
    /// A context of a time that no policy asks for.
    timeless: Context,
}

/// The types of entities.
struct Names {
    account: EntityTypeName,
    organisation: EntityTypeName,
    role: EntityTypeName,
    contract: EntityTypeName,
    ledger: EntityTypeName,
    list: EntityTypeName,
    action: EntityTypeName,
}

fn broken(reason: impl Display) -> PolicyError {
    PolicyError::Catalogue { reason: reason.to_string() }
}

impl Names {
    fn new() -> Result<Self, PolicyError> {
        let name = |text: &str| text.parse::<EntityTypeName>().map_err(broken);
        Ok(Self {
            account: name("Account")?,
            organisation: name("Organisation")?,
            role: name("Role")?,
            contract: name("Contract")?,
            ledger: name("Ledger")?,
            list: name("List")?,
            action: name("Action")?,
        })
    }
}

/// The facts of a request in Cedar's terms.
pub(crate) struct Facts {
    pub(crate) request: cedar_policy::Request,
    pub(crate) entities: Entities,
}

impl Engine {
    /// Reads the schema.
    pub(crate) fn new() -> Result<Self, PolicyError> {
        let (schema, mut warnings) = Schema::from_cedarschema_str(SCHEMA).map_err(broken)?;
        match warnings.next() {
            Some(warning) => Err(broken(warning)),
            None => Ok(Self {
                validator: Validator::new(schema),
                authorizer: Authorizer::new(),
                names: Names::new()?,
                timeless: at(0).map_err(broken)?,
            }),
        }
    }

    /// The facts of a request. `timed` says whether any policy sees the time: nobody else needs to know it, and it
    /// is dear to put in words.
    pub(crate) fn facts(&self, request: &Request<'_>, timed: bool) -> Result<Facts, String> {
        let principal = self.principal(&request.principal)?;
        let resource = match &request.resource {
            Resource::Ledger => Entity::with_uid(uid(&self.names.ledger, "this")),
            Resource::Contract(contract) => self.contract(contract)?,
        };
        let (actor, target) = (principal.uid(), resource.uid());
        let action = uid(&self.names.action, request.action.name());
        let context = self.context(request, timed)?;
        let asked = cedar_policy::Request::new(actor, action, target, context, None);
        let entities = Entities::from_entities([principal, resource], None);
        Ok(Facts {
            request: asked.map_err(|error| error.to_string())?,
            entities: entities.map_err(|error| error.to_string())?,
        })
    }

    fn principal(&self, principal: &Principal<'_>) -> Result<Entity, String> {
        let organisation = self.organisation(principal.organisation);
        let role = uid(&self.names.role, principal.role.name());
        let attributes = [
            ("organisation".to_owned(), RestrictedExpression::new_entity_uid(organisation.clone())),
            ("role".to_owned(), RestrictedExpression::new_entity_uid(role.clone())),
        ];
        entity(self.account(principal.account), attributes, [organisation, role])
    }

    fn contract(&self, contract: &ContractFacts<'_>) -> Result<Entity, String> {
        let organisation = contract.organisation.map(|id| self.organisation(id));
        let mut attributes = vec![("system".to_owned(), RestrictedExpression::new_bool(contract.system))];
        if let Some(administrator) = contract.administrator {
            let account = self.account(administrator);
            attributes.push(("administrator".to_owned(), RestrictedExpression::new_entity_uid(account)));
        }
        if let Some(id) = &organisation {
            attributes.push(("organisation".to_owned(), RestrictedExpression::new_entity_uid(id.clone())));
        }
        entity(uid(&self.names.contract, &hex(contract.address.as_slice())), attributes, organisation)
    }

    fn account(&self, address: Address) -> EntityUid {
        uid(&self.names.account, &hex(address.as_slice()))
    }

    fn organisation(&self, id: &OrgId) -> EntityUid {
        uid(&self.names.organisation, id.as_str())
    }

    fn context(&self, request: &Request<'_>, timed: bool) -> Result<Context, String> {
        let context = &request.context;
        let kind = |kind: ListKind| RestrictedExpression::new_entity_uid(uid(&self.names.list, kind.name()));
        let text = RestrictedExpression::new_string;
        let mut pairs = vec![
            ("internal", RestrictedExpression::new_bool(context.caller.is_some())),
            ("caller", text(context.caller.map(|address| hex(address.as_slice())).unwrap_or_default())),
            ("method", text(context.method.map(|method| hex(&method)).unwrap_or_default())),
        ];
        let lists: [(_, _, Listing); 3] = [
            ("deployList", "onDeployList", context.deploy_list),
            ("contractList", "onContractList", context.contract_list),
            ("methodList", "onMethodList", context.method_list),
        ];
        for (name, on, list) in lists {
            pairs.push((name, kind(list.kind)));
            pairs.push((on, RestrictedExpression::new_bool(list.listed)));
        }
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        let time = if timed { at(context.time_secs)? } else { self.timeless.clone() };
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        time.merge(context).map_err(|error| error.to_string())
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn entity(
    uid: EntityUid,
    attributes: impl IntoIterator<Item = (String, RestrictedExpression)>,
    parents: impl IntoIterator<Item = EntityUid>,
) -> Result<Entity, String> {
    Entity::new_with_tags(uid, attributes, parents, []).map_err(|error| error.to_string())
}

/// A context of a time alone.
fn at(secs: u64) -> Result<Context, String> {
    Context::from_pairs([("time".to_owned(), time(secs)?)]).map_err(|error| error.to_string())
}

/// A time in Cedar's terms, which end with the year 9999.
fn time(secs: u64) -> Result<RestrictedExpression, String> {
    let beyond = || format!("the block's time, {secs} s, lies beyond the year 9999");
    let secs = i64::try_from(secs).map_err(|_| beyond())?;
    let time = OffsetDateTime::from_unix_timestamp(secs).map_err(|_| beyond())?;
    let time = UtcDateTime::from(time);
    let (date, clock) = (time.date(), time.time());
    Ok(RestrictedExpression::new_datetime(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )))
}

/// Bytes in lower case, with `0x`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode_prefixed(bytes)
}
