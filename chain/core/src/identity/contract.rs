//! The registry as a Solidity contract: decodes calls, charges, and encodes answers.

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolCall, SolInterface, SolValue as _};
use concordat_types::{Bytes, OrgId};

use super::{
    ActError, RegistryError,
    abi::IIdentityRegistry::{self as abi, IIdentityRegistryCalls as Calls},
    membership::{self, Act},
    naming::Naming,
    overview,
    records::{Account, Bar, CertificateId, Organisation, ValidatorRecord},
    recovery::{self, Pending},
    reminders, revocation, tables,
    validators::{self, Candidate},
};
use crate::system::{
    Effects, GasMeter, IDENTITY_REGISTRY, Reply, Rows, SystemCall, SystemContract, SystemError, gas,
};

/// The most call data of functions that take certification paths, in bytes. ABI arrays may point many
/// times to the same bytes; this bounds what decoding can blow up to.
pub(crate) const MAX_PATH_CALL_BYTES: usize = 24 * 1024;

/// The most call data of any other function, in bytes.
const MAX_CALL_BYTES: usize = 64 * 1024;

/// Version of the interface.
const VERSION: u64 = 1;

/// The identity registry.
#[derive(Clone, Copy, Debug)]
pub struct IdentityRegistry;

/// Decodes the call data of a known function.
pub(crate) fn decode_call<C: SolCall>(input: &[u8], most_bytes: usize) -> Result<C, RegistryError> {
    if input.len() > most_bytes {
        return Err(RegistryError::MalformedCall);
    }
    C::abi_decode(input).map_err(|_| RegistryError::MalformedCall)
}

/// Functions that change the registry.
const fn changes(selector: [u8; 4]) -> bool {
    matches!(
        selector,
        abi::enrolCall::SELECTOR
            | abi::renewCall::SELECTOR
            | abi::submitCrlCall::SELECTOR
            | abi::admitValidatorCall::SELECTOR
            | abi::retireValidatorCall::SELECTOR
            | abi::requestRecoveryCall::SELECTOR
            | abi::confirmRecoveryCall::SELECTOR
            | abi::cancelRecoveryCall::SELECTOR
            | abi::remindCall::SELECTOR
    )
}

impl SystemContract for IdentityRegistry {
    const ADDRESS: Address = IDENTITY_REGISTRY;

    fn call(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
        meter.charge(gas::BASE)?;
        let selector = *call.input.first_chunk::<4>().ok_or_else(|| revert(RegistryError::MalformedCall))?;
        if !changes(selector) {
            return view(call, rows, meter);
        }
        if !call.direct {
            return Err(revert(RegistryError::OnlyDirectTransaction));
        }
        let effects = act(call, selector, rows, meter)?;
        meter.charge(effects.gas())?;
        Ok(Reply { output: Bytes::new(), effects: Some(effects) })
    }
}

fn revert(error: RegistryError) -> SystemError {
    SystemError::Revert(error.abi_encode())
}

/// Charges for a certification path and the rows that its check reads.
fn charge_path(meter: &mut GasMeter, certificates: usize) -> Result<(), SystemError> {
    // The account or organisation's validators, the organisation, whether subject or node are barred, and whether an order
    // shuts the subject out.
    meter.charge(gas::ROW_READ.saturating_mul(4))?;
    meter.charge_each(certificates, gas::CERTIFICATE.saturating_add(gas::ROW_READ))
}

fn act(
    call: &SystemCall,
    selector: [u8; 4],
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Effects, SystemError> {
    let act = Act { sender: call.caller, height: call.height, time_secs: call.time_secs };
    match selector {
        abi::enrolCall::SELECTOR => {
            let chain = decode::<abi::enrolCall>(call, MAX_PATH_CALL_BYTES)?.chain;
            charge_path(meter, chain.len())?;
            Ok(membership::decide_enrolment(rows, act, &chain)?)
        }
        abi::renewCall::SELECTOR => {
            let chain = decode::<abi::renewCall>(call, MAX_PATH_CALL_BYTES)?.chain;
            charge_path(meter, chain.len())?;
            Ok(membership::decide_renewal(rows, act, &chain)?)
        }
        abi::submitCrlCall::SELECTOR => {
            let list = decode::<abi::submitCrlCall>(call, MAX_CALL_BYTES)?;
            charge_path(meter, list.issuerChain.len().saturating_add(1))?;
            revocation::decide_crl(rows, meter, act, &list.crl, &list.issuerChain)
        }
        abi::admitValidatorCall::SELECTOR => admit(call, act, rows, meter),
        abi::requestRecoveryCall::SELECTOR => {
            let asked = decode::<abi::requestRecoveryCall>(call, MAX_PATH_CALL_BYTES)?;
            charge_path(meter, asked.chain.len())?;
            meter.charge_each(recovery::REQUEST_ROWS, gas::ROW_READ)?;
            let naming = Naming::read(rows, meter)?;
            Ok(recovery::decide_request(rows, act, asked.oldAccount, &asked.chain, &naming)?)
        }
        abi::confirmRecoveryCall::SELECTOR => {
            let asked = decode::<abi::confirmRecoveryCall>(call, MAX_PATH_CALL_BYTES)?;
            charge_path(meter, asked.chain.len())?;
            meter.charge_each(recovery::CONFIRMATION_ROWS, gas::ROW_READ)?;
            let naming = Naming::read(rows, meter)?;
            Ok(recovery::decide_confirmation(rows, act, asked.oldAccount, &asked.chain, &naming)?)
        }
        abi::cancelRecoveryCall::SELECTOR => {
            let asked = decode::<abi::cancelRecoveryCall>(call, MAX_CALL_BYTES)?;
            meter.charge_each(recovery::CANCELLATION_ROWS, gas::ROW_READ)?;
            Ok(recovery::decide_cancellation(rows, act, asked.oldAccount)?)
        }
        abi::remindCall::SELECTOR => remind(call, act, rows, meter),
        _ => {
            let retired = decode::<abi::retireValidatorCall>(call, MAX_CALL_BYTES)?;
            meter.charge(gas::ROW_READ.saturating_mul(2))?;
            charge_validators(rows, meter)?;
            Ok(validators::decide_retirement(rows, act, retired.consensusKey)?)
        }
    }
}

fn admit(
    call: &SystemCall,
    act: Act,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Effects, SystemError> {
    let admitted = decode::<abi::admitValidatorCall>(call, MAX_PATH_CALL_BYTES.saturating_mul(2))?;
    charge_path(meter, admitted.nodeChain.len())?;
    charge_path(meter, admitted.consensusChain.len())?;
    charge_validators(rows, meter)?;
    meter.charge(gas::ROW_READ)?;
    let candidate = Candidate {
        node_chain: &admitted.nodeChain,
        consensus_chain: &admitted.consensusChain,
        node_address: &admitted.nodeAddress,
        power: admitted.power,
    };
    Ok(validators::decide_admission(rows, act, &candidate)?)
}

fn remind(
    call: &SystemCall,
    act: Act,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Effects, SystemError> {
    let accounts = decode::<abi::remindCall>(call, MAX_CALL_BYTES)?.accounts;
    let limit = reminders::MAX_ACCOUNTS;
    if accounts.len() > limit {
        return Err(revert(RegistryError::TooManyAccounts { accounts: accounts.len(), limit }));
    }
    charge_renewals(meter, accounts.len())?;
    Ok(reminders::decide_reminders(rows, act, &accounts)?)
}

fn charge_renewals(meter: &mut GasMeter, accounts: usize) -> Result<(), SystemError> {
    meter.charge_each(accounts.saturating_mul(reminders::REMINDER_ROWS), gas::ROW_READ)
}

/// Charges for reading all validators, of which a set holds at most 128.
fn charge_validators(rows: &mut impl Rows, meter: &mut GasMeter) -> Result<(), SystemError> {
    let count = tables::validators(rows)?.len();
    meter.charge_each(count.saturating_add(1), gas::ROW_READ)
}

fn decode<C: SolCall>(call: &SystemCall, most_bytes: usize) -> Result<C, SystemError> {
    decode_call(&call.input, most_bytes).map_err(revert)
}

fn view(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
    if call.input.len() > MAX_CALL_BYTES {
        return Err(revert(RegistryError::MalformedCall));
    }
    let asked = Calls::abi_decode(&call.input).map_err(|_| revert(RegistryError::MalformedCall))?;
    let output = match asked {
        Calls::account(asked) => account(rows, meter, asked.account)?,
        Calls::isEnrolled(asked) => {
            meter.charge(gas::ROW_READ)?;
            tables::standing(rows, asked.account)?.is_some().abi_encode()
        }
        Calls::renewal(asked) => renewal(call, rows, meter, asked.account)?,
        Calls::organisationPage(asked) => overview::page(rows, meter, (asked.from, asked.limit))?,
        Calls::organisationSummary(asked) => overview::one(rows, meter, &asked.id)?,
        Calls::organisation(asked) => organisation(rows, meter, &asked.id)?,
        Calls::organisations(_) => {
            meter.charge(gas::ROW_READ)?;
            let ids = tables::organisation_ids(rows)?;
            meter.charge_each(ids.len(), 100)?;
            ids.iter().map(ToString::to_string).collect::<Vec<_>>().abi_encode()
        }
        Calls::certificate(asked) => {
            meter.charge(gas::ROW_READ)?;
            tables::certificate_account(rows, asked.fingerprint)?.unwrap_or_default().abi_encode()
        }
        Calls::revocation(asked) => {
            meter.charge(gas::ROW_READ)?;
            revoked(rows, CertificateId { issuer: asked.issuer, serial: asked.serial })?
        }
        Calls::validators(_) => {
            charge_validators(rows, meter)?;
            tables::validators(rows)?.into_iter().map(abi_validator).collect::<Vec<_>>().abi_encode()
        }
        Calls::identityOf(asked) => {
            meter.charge(gas::ROW_READ)?;
            tables::identity_of(rows, asked.account)?.abi_encode()
        }
        Calls::accountOf(asked) => {
            meter.charge_each(2, gas::ROW_READ)?;
            tables::bound(rows, asked.identity)?.account.abi_encode()
        }
        Calls::recovery(asked) => {
            meter.charge_each(recovery::PENDING_ROWS, gas::ROW_READ)?;
            abi_recovery(recovery::pending(rows, asked.account, call.height)?).abi_encode()
        }
        Calls::bar(asked) => {
            meter.charge_each(2, gas::ROW_READ)?;
            let identity = tables::identity_of(rows, asked.account)?;
            abi_bar(tables::bar(rows, identity)?).abi_encode()
        }
        Calls::nodeBar(asked) => {
            meter.charge(gas::ROW_READ)?;
            abi_bar(tables::barred_node(rows, asked.nodeKeyHash)?).abi_encode()
        }
        Calls::version(_) => VERSION.abi_encode(),
        _ => return Err(revert(RegistryError::MalformedCall)),
    };
    Ok(Reply { output: output.into(), effects: None })
}

fn account(rows: &mut impl Rows, meter: &mut GasMeter, address: Address) -> Result<Vec<u8>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let account = tables::account(rows, address)?
        .ok_or_else(|| revert(RegistryError::NotEnrolled { account: address }))?;
    meter.charge_each(account.path.len(), gas::ROW_READ)?;
    let revoked = tables::first_revoked(rows, &account.path)?.is_some();
    Ok(abi_account(account, revoked).abi_encode())
}

fn renewal(
    call: &SystemCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    account: Address,
) -> Result<Vec<u8>, SystemError> {
    charge_renewals(meter, 1)?;
    let act = Act { sender: call.caller, height: call.height, time_secs: call.time_secs };
    let renewal = reminders::renewal(rows, act, account)?;
    Ok(abi::renewalCall::abi_encode_returns(&abi::renewalReturn {
        notAfter: renewal.not_after,
        reminded: renewal.reminded,
        due: renewal.due.is_some(),
    }))
}

fn organisation(rows: &mut impl Rows, meter: &mut GasMeter, id: &str) -> Result<Vec<u8>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let unknown =
        || revert(RegistryError::UnknownOrganisation { organisation: id.chars().take(64).collect() });
    let id: OrgId = id.parse().map_err(|_| unknown())?;
    let organisation = tables::organisation(rows, &id)?.ok_or_else(unknown)?;
    meter.charge_each(organisation.ca_certificates.len(), gas::ROW_READ)?;
    Ok(abi_organisation(organisation).abi_encode())
}

fn revoked(rows: &mut impl Rows, id: CertificateId) -> Result<Vec<u8>, ActError> {
    let row = tables::revocation(rows, &id)?;
    let answer = row.map_or((false, 0, 0, 0), |row| (true, row.reason, row.revoked_at, row.height));
    let (revoked, reason, revoked_at, height) = answer;
    Ok(abi::revocationCall::abi_encode_returns(&abi::revocationReturn {
        revoked,
        reason,
        revokedAt: revoked_at,
        height,
    }))
}

fn abi_account(account: Account, revoked: bool) -> abi::Account {
    abi::Account {
        organisation: account.org.into(),
        role: account.role.to_string(),
        commonName: account.common_name,
        serial: account.path.into_iter().next().map(|id| id.serial).unwrap_or_default(),
        fingerprint: account.fingerprint,
        notBefore: account.not_before,
        notAfter: account.not_after,
        enrolledHeight: account.enrolled_height,
        active: account.active,
        revoked,
    }
}

fn abi_organisation(organisation: Organisation) -> abi::Organisation {
    abi::Organisation {
        id: organisation.id.into(),
        name: organisation.name,
        roles: organisation.roles.iter().map(ToString::to_string).collect(),
        active: organisation.active,
        admittedHeight: organisation.admitted_height,
        powerBudget: organisation.power_budget,
        caCertificates: organisation.ca_certificates,
    }
}

/// The request that has not lapsed; all zero where there is none.
fn abi_recovery(known: Option<Pending>) -> abi::Recovery {
    let pending = known.is_some();
    let Pending { request, window } = known.unwrap_or_default();
    abi::Recovery {
        pending,
        digest: request.digest,
        newAccount: request.new_account,
        requester: request.requester,
        requested: request.requested,
        expires: window.expires,
        earliest: window.earliest,
    }
}

/// A bar; all zero where there is none.
fn abi_bar(bar: Option<Bar>) -> abi::Bar {
    let barred = bar.is_some();
    let bar = bar.unwrap_or_default();
    abi::Bar {
        barred,
        document: bar.document,
        documentReference: bar.reference,
        since: bar.since,
        proposalId: bar.proposal,
    }
}

fn abi_validator(validator: ValidatorRecord) -> abi::Validator {
    abi::Validator {
        organisation: validator.org.into(),
        consensusKey: B256::from(validator.consensus_key),
        power: validator.power,
        nodeKeyHash: validator.node_spki,
        nodeAddress: validator.node_address,
        admittedHeight: validator.admitted_height,
    }
}
