//! The payload of one action of each kind.

use super::*;

/// One of each kind, in the order of codes, with its payload.
pub(crate) fn golden() -> Vec<(Action, String)> {
    [
        organisations(),
        validators(),
        committee(),
        accounts(),
        regulators(),
        policies(),
        limits(),
        contracts(),
        attested(),
        deployments(),
        repairs(),
        parameters(),
    ]
    .concat()
}

fn der() -> Vec<Bytes> {
    vec![Bytes::from_static(b"der")]
}

fn key_hex() -> String {
    format!("a0{}", "03".repeat(32))
}

fn account_hex() -> String {
    format!("94{}", "07".repeat(20))
}

fn basis_hex() -> String {
    format!("e9a0{}874f726465722037", "09".repeat(32))
}

/// An address of this byte as a word.
fn word(byte: &str) -> String {
    format!("{}{}", "00".repeat(12), byte.repeat(20))
}

fn organisations() -> Vec<(Action, String)> {
    let admission = Admission {
        id: org(),
        name: "Bank E".into(),
        roots: der(),
        roles: BTreeSet::from([Role::Operator, Role::Validator]),
    };
    let (account, account_hex, basis_hex) = (account(), account_hex(), basis_hex());
    vec![
        (Action::AdmitOrganisation(admission), "d68662616e6b2d658642616e6b2045c483646572820410".into()),
        (Action::SuspendOrganisation(org()), "c78662616e6b2d65".into()),
        (Action::ReinstateOrganisation(org()), "c78662616e6b2d65".into()),
        (Action::ExpelOrganisation(org()), "c78662616e6b2d65".into()),
        (Action::SetAuthorities { id: org(), roots: der() }, "cc8662616e6b2d65c483646572".into()),
        (
            Action::RecoverKey { account, chain: der(), basis: basis() },
            format!("f844{account_hex}c483646572{basis_hex}"),
        ),
    ]
}

fn validators() -> Vec<(Action, String)> {
    let validator = NewValidator {
        node_chain: der(),
        consensus_chain: der(),
        node_address: "e.example:26656".into(),
        power: 10,
    };
    let (key, key_hex) = (hash(), key_hex());
    vec![
        (
            Action::AdmitValidator(validator),
            "dbc483646572c4836465728f652e6578616d706c653a32363635360a".into(),
        ),
        (Action::SetValidatorPower { consensus_key: key, power: 10 }, format!("e2{key_hex}0a")),
        (Action::RetireValidator { consensus_key: key }, format!("e1{key_hex}")),
    ]
}

fn committee() -> Vec<(Action, String)> {
    let rule = Rule::initial(Kind::SetRule, 4);
    let (account, account_hex) = (account(), account_hex());
    vec![
        (Action::SetCommitteeMember { member: account, weight: 2 }, format!("d6{account_hex}02")),
        (
            Action::SetRule { kind: Kind::SetRule, rule },
            "d521d3821a0b821a0b02830186a00a830186a0808080".into(),
        ),
    ]
}

fn accounts() -> Vec<(Action, String)> {
    let (key, account, key_hex, account_hex, basis_hex) =
        (hash(), account(), key_hex(), account_hex(), basis_hex());
    vec![
        (
            Action::FreezeAccount { account, scope: Scope::Outgoing, basis: basis(), until: 500 },
            format!("f843{account_hex}02{basis_hex}8201f4"),
        ),
        (
            Action::EmergencyFreeze { account, scope: Scope::All, basis: basis() },
            format!("f840{account_hex}01{basis_hex}"),
        ),
        (Action::UnfreezeAccount { account, basis: basis() }, format!("f83f{account_hex}{basis_hex}")),
        (Action::BarAccount { account, basis: basis() }, format!("f83f{account_hex}{basis_hex}")),
        (
            Action::LiftBar { target: BarTarget::Account(account), basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (Action::BarNode { node_key: key, basis: basis() }, format!("f84b{key_hex}{basis_hex}")),
    ]
}

fn regulators() -> Vec<(Action, String)> {
    let (account, account_hex, basis_hex) = (account(), account_hex(), basis_hex());
    vec![
        (
            Action::AdmitRegulator { account, mandate: mandate(account) },
            format!("f5{account_hex}df824445c0d6d5{account_hex}098201f4"),
        ),
        (Action::RetireRegulator { account }, format!("d5{account_hex}")),
        (Action::ConfirmOrder { order: 7, basis: basis() }, format!("eb07{basis_hex}")),
        (Action::LiftOrder { order: 7, basis: basis() }, format!("eb07{basis_hex}")),
    ]
}

fn policies() -> Vec<(Action, String)> {
    let (account, account_hex) = (account(), account_hex());
    vec![
        (
            Action::SetPolicy { id: "no-one".into(), text: "forbid (principal, action, resource);".into() },
            "ed866e6f2d6f6e65a5666f7262696420287072696e636970616c2c20616374696f6e2c207265736f75726365293b"
                .into(),
        ),
        (Action::RepealPolicy { id: "no-one".into() }, "c7866e6f2d6f6e65".into()),
        (
            Action::SetDeployList { kind: ListKind::Allow, add: vec![account], remove: vec![] },
            format!("d801d5{account_hex}c0"),
        ),
    ]
}

fn limits() -> Vec<(Action, String)> {
    vec![
        (
            Action::SetLimit { id: "daily".into(), limit: Bytes::from_static(b"rule") },
            "cb856461696c798472756c65".into(),
        ),
        (Action::RepealLimit { id: "daily".into() }, "c6856461696c79".into()),
    ]
}

fn contracts() -> Vec<(Action, String)> {
    let (account, account_hex, basis_hex) = (account(), account_hex(), basis_hex());
    vec![
        (
            Action::FreezeContract { contract: account, basis: basis(), until: 500 },
            format!("f842{account_hex}{basis_hex}8201f4"),
        ),
        (
            Action::UnfreezeContract { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (
            Action::RetireContract { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (
            Action::SetContractAdministrator { contract: account, administrator: Address::ZERO },
            format!("ea{account_hex}94{}", "00".repeat(20)),
        ),
        (
            Action::EmergencyFreezeContract { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
    ]
}

fn attested() -> Vec<(Action, String)> {
    let (account, key_hex, account_hex, basis_hex) = (account(), key_hex(), account_hex(), basis_hex());
    vec![
        (
            Action::SetAttributes { contract: account, attributes: attributes() },
            format!(
                "f897{account_hex}f880834c6162{key_hex}f0ef8d6e6f207265656e7472616e6379{}5a{key_hex}84736f6c638201f4",
                key_hex
            ),
        ),
        (
            Action::RevokeAttributes { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
    ]
}

fn deployments() -> Vec<(Action, String)> {
    let (key_hex, account_hex) = (key_hex(), account_hex());
    vec![
        (
            Action::DeployContract(deployment()),
            format!("f897{key_hex}{key_hex}84736f6c63e1{key_hex}{account_hex}d5{account_hex}8201f4"),
        ),
        (Action::RequireApproval { required: true }, "c101".into()),
    ]
}

fn repairs() -> Vec<(Action, String)> {
    let (account, key_hex, account_hex, basis_hex) = (account(), key_hex(), account_hex(), basis_hex());
    vec![
        (
            Action::UpgradeContract {
                contract: account,
                implementation: Address::ZERO,
                migration: Bytes::new(),
            },
            format!("eb{account_hex}94{}80", "00".repeat(20)),
        ),
        (
            Action::UpgradeContract {
                contract: account,
                implementation: Address::ZERO,
                migration: Bytes::from_static(&[1, 2, 3, 4]),
            },
            format!("ef{account_hex}94{}8401020304", "00".repeat(20)),
        ),
        (
            Action::RollBack(rollback()),
            format!(
                "f8a9{basis_hex}8201f4{key_hex}e5e48201f5{key_hex}f4d8{account_hex}800205da{account_hex}8201008007"
            ),
        ),
        (
            Action::Correct { contract: account, call: correction().encode(), basis: basis() },
            format!("f885{account_hex}b84440c10f19{}{}{basis_hex}", word("07"), "0".repeat(62) + "64"),
        ),
    ]
}

fn parameters() -> Vec<(Action, String)> {
    vec![
        (
            Action::SetParameters(Parameters::of(&ChainParams::default())),
            "d2834000008411e1a3008227108201f4821388".into(),
        ),
        (Action::SetProtocolVersion { version: 2, height: 500 }, "c4028201f4".into()),
    ]
}
