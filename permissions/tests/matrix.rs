//! Who may do what by the catalogue alone, as a file that people review.

use std::{fs, path::Path};

use concordat_permissions::{
    Action, Context, ContractFacts, ListKind, Listing, PolicySet, Principal, Request, Resource,
};
use concordat_types::{Address, OrgId, Role};

const ACCOUNT: Address = Address::repeat_byte(1);

fn targets() -> [(&'static str, Resource<'static>); 4] {
    let contract = ContractFacts {
        address: Address::repeat_byte(9),
        organisation: None,
        administrator: None,
        system: false,
    };
    [
        ("ledger", Resource::Ledger),
        ("contract", Resource::Contract(contract)),
        ("administered", Resource::Contract(ContractFacts { administrator: Some(ACCOUNT), ..contract })),
        ("system", Resource::Contract(ContractFacts { system: true, ..contract })),
    ]
}

fn context(kind: ListKind, listed: bool) -> Context {
    let list = Listing { kind, listed };
    Context { deploy_list: list, contract_list: list, method_list: list, ..Context::default() }
}

fn situations() -> [(&'static str, Context); 6] {
    let plain = Context::default();
    [
        ("plain", plain),
        ("internal", Context { caller: Some(Address::repeat_byte(8)), ..plain }),
        ("allow", context(ListKind::Allow, false)),
        ("allow-listed", context(ListKind::Allow, true)),
        ("deny", context(ListKind::Deny, false)),
        ("deny-listed", context(ListKind::Deny, true)),
    ]
}

fn word(
    policies: &PolicySet,
    role: Role,
    action: Action,
    resource: Resource<'_>,
    context: Context,
) -> &'static str {
    let organisation: OrgId = "bank-a".parse().expect("well formed");
    let principal = Principal { account: ACCOUNT, organisation: &organisation, role };
    let decision = policies.decide(&Request { principal, action, resource, context });
    if decision.allowed { "yes" } else { decision.code.name() }
}

fn matrix(policies: &PolicySet) -> String {
    let columns = situations().map(|(name, _)| name).join(" ");
    let mut lines = format!("role action resource {columns}\n");
    for role in Role::ALL {
        for action in Action::ALL {
            for (name, target) in targets() {
                if action.applies_to(&target) {
                    let words =
                        situations().map(|(_, context)| word(policies, *role, *action, target, context));
                    lines.push_str(&format!("{role} {action} {name} {}\n", words.join(" ")));
                }
            }
        }
    }
    lines
}

#[test]
fn the_matrix_of_roles_actions_and_resources_is_the_reviewed_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/matrix.txt");
    let have = matrix(&PolicySet::new(&[]).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &have).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap();
    assert_eq!(have, reviewed, "UPDATE_GOLDEN=1 writes the file anew; review what changed");
}
