//! The world as decisions read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use alloy_primitives::{Address, B256, Bytes, U256};
use concordat_governance::{
    Committee, Facts, Kind, Rule,
    action::{BarTarget, Basis, ListKind, NewValidator, Parameters},
    facts::{
        AccountFacts, Attested, Bound, ContractFacts, Frozen, Implementation, KeyFacts, LimitFacts,
        Membership, OrganisationFacts, PolicyFacts, ProtocolFacts, Upgrade, ValidatorFacts,
    },
    order::Order,
    regulator::{Consent, RegulatorFacts},
};
use concordat_types::{OrgId, Role, validator::ConsensusAddress};
use sha2::{Digest as _, Sha256};

use super::{MAX_LIMITS, MAX_POLICIES, World, fingerprints, org, validator};

impl Facts for World {
    type Error = Infallible;

    fn height(&self) -> u64 {
        self.height
    }

    fn time_secs(&self) -> u64 {
        self.time_secs
    }

    fn committee(&mut self) -> Result<Committee, Infallible> {
        Ok(self.committee.clone())
    }

    fn rule(&mut self, kind: Kind) -> Result<Rule, Infallible> {
        Ok(self.rules[&kind])
    }

    fn organisation(&mut self, id: &OrgId) -> Result<Option<OrganisationFacts>, Infallible> {
        Ok(self.organisations.get(id).cloned())
    }

    fn memberships(&mut self) -> Result<BTreeMap<OrgId, Membership>, Infallible> {
        Ok(self.organisations.iter().map(|(id, facts)| (id.clone(), facts.membership)).collect())
    }

    fn validators(&mut self) -> Result<Vec<ValidatorFacts>, Infallible> {
        Ok(self.validators.clone())
    }

    fn account(&mut self, address: Address) -> Result<Option<AccountFacts>, Infallible> {
        Ok(self.accounts.get(&address).map(|account| AccountFacts {
            organisation: account.organisation.clone(),
            role: account.role,
            ability: self.ability(&address),
        }))
    }

    fn bound(&mut self, address: Address) -> Result<Bound, Infallible> {
        Ok(Bound { identity: self.identity(&address), account: self.holder(&address) })
    }

    fn check_key(&mut self, chain: &[Bytes]) -> Result<Result<KeyFacts, String>, Infallible> {
        let [index, role, account @ ..] = &chain[0][..] else { return Ok(Err("no certificate".into())) };
        let Ok(account) = Address::try_from(account) else { return Ok(Err("no key".into())) };
        let organisation = org(*index);
        let active =
            self.organisations.get(&organisation).is_some_and(|o| o.membership == Membership::Active);
        if !active {
            return Ok(Err(format!("organisation {organisation} is no member in good standing")));
        }
        let (role, common_name) = (Role::from_code(*role).unwrap(), "someone".to_owned());
        let fingerprint = B256::from_slice(&Sha256::digest(&chain[0]));
        Ok(Ok(KeyFacts { account, organisation, role, common_name, fingerprint }))
    }

    fn barred(&mut self, target: &BarTarget) -> Result<Option<Basis>, Infallible> {
        Ok(self.bars.get(target).cloned())
    }

    fn frozen(&mut self, address: Address) -> Result<Option<Frozen>, Infallible> {
        Ok(self.freezes.get(&self.identity(&address)).cloned())
    }

    fn recent_signers(&mut self) -> Result<BTreeSet<ConsensusAddress>, Infallible> {
        Ok(self.recent.clone())
    }

    fn check_roots(&mut self, _: &OrgId, roots: &[Bytes]) -> Result<Result<Vec<B256>, String>, Infallible> {
        let bad = roots.iter().any(|der| der.starts_with(b"bad"));
        Ok(if bad { Err("not the organisation's own".into()) } else { Ok(fingerprints(roots)) })
    }

    fn check_validator(&mut self, new: &NewValidator) -> Result<Result<ValidatorFacts, String>, Infallible> {
        let id: OrgId = std::str::from_utf8(&new.node_chain[0]).unwrap().parse().unwrap();
        let seed = new.consensus_chain[0][0];
        let active = self.organisations.get(&id).is_some_and(|o| o.membership == Membership::Active);
        if !active {
            return Ok(Err(format!("organisation {id} is no member in good standing")));
        }
        if self.bars.contains_key(&BarTarget::Node(B256::repeat_byte(seed))) {
            return Ok(Err(format!("node key of {seed} is barred")));
        }
        let index = id.as_str().bytes().last().unwrap() - b'a';
        Ok(Ok(ValidatorFacts { node_address: new.node_address.clone(), ..validator(index, seed, new.power) }))
    }

    fn policy(&mut self, id: &str) -> Result<Option<PolicyFacts>, Infallible> {
        Ok(self.policies.get(id).cloned())
    }

    fn check_policies(&mut self, id: &str, text: Option<&str>) -> Result<Result<(), String>, Infallible> {
        let mut policies = self.policies.clone();
        policies.remove(id);
        policies.extend(text.map(|text| (id.into(), PolicyFacts { text: text.into(), proposal: 0 })));
        Ok(self.engine_says.clone().map_or_else(|| engine_verdict(&policies), Err))
    }

    fn deploy_list(&mut self) -> Result<ListKind, Infallible> {
        Ok(self.deploy_list.0)
    }

    fn on_deploy_list(&mut self, account: Address) -> Result<bool, Infallible> {
        Ok(self.deploy_list.1.contains(&account))
    }

    fn contract(&mut self, address: Address) -> Result<Option<ContractFacts>, Infallible> {
        Ok(self.contracts.get(&address).cloned())
    }

    fn attributes(&mut self, contract: Address) -> Result<Option<Attested>, Infallible> {
        Ok(self.attributes.get(&contract).cloned())
    }

    fn approval(&mut self, code: B256, deployer: Address) -> Result<Option<u64>, Infallible> {
        Ok(self.approvals.get(&(code, deployer)).copied())
    }

    fn approval_required(&mut self) -> Result<bool, Infallible> {
        Ok(self.approval_required)
    }

    fn review(&mut self, proposal: u64, reviewer: Address) -> Result<Option<bool>, Infallible> {
        Ok(self.reviews.get(&(proposal, reviewer)).copied())
    }

    fn limit(&mut self, id: &str) -> Result<Option<LimitFacts>, Infallible> {
        Ok(self.limits.get(id).cloned())
    }

    fn check_limits(&mut self, id: &str, limit: Option<&[u8]>) -> Result<Result<(), String>, Infallible> {
        if limit == Some(b"bad") {
            return Ok(Err(format!("rule {id} is bad; write a good one")));
        }
        let others = self.limits.keys().filter(|other| *other != id).count();
        let count = others + usize::from(limit.is_some());
        Ok(if count > MAX_LIMITS { Err(format!("{count} rules would be in force")) } else { Ok(()) })
    }

    fn regulators(&mut self) -> Result<BTreeMap<Address, RegulatorFacts>, Infallible> {
        Ok(self.regulators.clone())
    }

    fn consent(&mut self, proposal: u64) -> Result<Option<Consent>, Infallible> {
        Ok(self.consents.get(&proposal).copied())
    }

    fn parameters(&mut self) -> Result<Parameters, Infallible> {
        Ok(self.parameters)
    }

    fn protocol(&mut self) -> Result<ProtocolFacts, Infallible> {
        Ok(match self.upgrade {
            Some(Upgrade { version, height }) if height <= self.height => {
                ProtocolFacts { running: version, upgrade: None }
            }
            upgrade => ProtocolFacts { running: self.running, upgrade },
        })
    }

    fn announced(&mut self, organisation: &OrgId) -> Result<u64, Infallible> {
        Ok(self.announced.get(organisation).copied().unwrap_or_default())
    }

    fn storage(&mut self, contract: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.storage.get(&(contract, slot)).copied().unwrap_or_default())
    }

    fn implementation(&mut self, contract: Address) -> Result<Option<Implementation>, Infallible> {
        Ok(self.implementations.get(&contract).copied())
    }

    fn key(&mut self, account: Address) -> Result<Option<KeyFacts>, Infallible> {
        Ok(self.accounts.get(&account).map(|known| KeyFacts {
            account,
            organisation: known.organisation.clone(),
            role: known.role,
            common_name: "somebody".to_owned(),
            fingerprint: B256::left_padding_from(account.as_slice()),
        }))
    }

    fn naming(&mut self, account: Address) -> Result<Option<String>, Infallible> {
        Ok(self.named.get(&account).cloned())
    }

    fn founder_barred(&mut self, member: Address) -> Result<bool, Infallible> {
        Ok(self.barred_founders.contains(&member))
    }

    fn order(&mut self, id: u64) -> Result<Option<Order>, Infallible> {
        Ok(self.orders.iter().find(|order| order.id == id).cloned())
    }
}

/// What the engine of these tests says of a set: nothing may be bad, more than enough, or without its keystone.
fn engine_verdict(policies: &BTreeMap<String, PolicyFacts>) -> Result<(), String> {
    if let Some((id, _)) = policies.iter().find(|(_, policy)| policy.text.contains("bad")) {
        return Err(format!("policy {id}, line 1: unexpected token: write a good one"));
    }
    if policies.len() > MAX_POLICIES {
        return Err(format!("{} policies would be enacted", policies.len()));
    }
    let leans = policies.values().any(|policy| policy.text.contains("keystone"));
    if leans && !policies.contains_key("keystone") { Err("the keystone is missing".into()) } else { Ok(()) }
}
