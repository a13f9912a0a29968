//! Any order of turns agrees with a model.

use super::*;

/// What may happen to an identity.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Recover,
    VoteRecover,
    Freeze,
    Unfreeze,
    Bar,
    Lift,
    Wait,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn exactly_one_account_can_act_for_an_identity_unless_it_is_frozen_or_barred(
        turns in prop::collection::vec(prop::sample::select(vec![
            Turn::Recover, Turn::Recover, Turn::VoteRecover, Turn::Freeze, Turn::Unfreeze, Turn::Bar, Turn::Lift,
            Turn::Wait,
        ]), 1..8),
        named in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let (mut net, members) = Consortium::governed();
        let registrars = registrars(&mut net);
        let mut accounts = vec![enrolled(&mut net, "bank-a", Role::Operator, "Olga")];
        let (mut frozen, mut barred) = (false, false);
        for (index, (turn, named)) in turns.iter().zip(&named).enumerate() {
            let named = named.get(&accounts).address;
            let last = accounts.last().unwrap();
            match turn {
                Turn::Recover | Turn::VoteRecover if barred => {}
                Turn::Recover | Turn::VoteRecover => {
                    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", &format!("key {index}"));
                    match turn {
                        Turn::Recover => replace(&mut net, &registrars, last, &new),
                        _ => pass(&mut net, &members, &recover(last, &new)),
                    };
                    accounts.push(new);
                }
                Turn::Freeze if !frozen => {
                    let (account, scope) = (named, Scope::All);
                    pass(&mut net, &members, &Action::FreezeAccount { account, scope, basis: basis(), until: 0 });
                    frozen = true;
                }
                Turn::Unfreeze if frozen => {
                    pass(&mut net, &members, &Action::UnfreezeAccount { account: named, basis: basis() });
                    frozen = false;
                }
                Turn::Bar if !barred => {
                    pass(&mut net, &members, &Action::BarAccount { account: named, basis: basis() });
                    barred = true;
                }
                Turn::Lift if barred => {
                    let target = concordat_governance::action::BarTarget::Account(named);
                    pass(&mut net, &members, &Action::LiftBar { target, basis: basis() });
                    barred = false;
                }
                _ => net.height += 1,
            }
            let current = accounts.last().unwrap().address;
            for account in &accounts {
                let outcome = net.try_one(&account.sign(&business())).outcome;
                let expected = match account.address == current {
                    false => Outcome::CertificateRevoked,
                    true if barred => Outcome::Barred,
                    true if frozen => Outcome::Frozen,
                    true => Outcome::Success,
                };
                prop_assert_eq!(outcome, expected, "after {:?}", &turns[..=index]);
                prop_assert_eq!(identity_of(&net, account.address), accounts[0].address);
                prop_assert_eq!(account_of(&net, identity_of(&net, account.address)), current);
            }
        }
    }
}
