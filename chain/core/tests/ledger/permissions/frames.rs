//! Policies decide on what contracts do on their senders' behalf.

use super::*;

#[test]
fn calls_of_each_kind_out_of_a_contract_are_refused_with_the_reason_as_revert_data() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    let kinds = [
        (0xf1, Action::Call, "call"),
        (0xf2, Action::DelegateCall, "delegatecall"),
        (0xf4, Action::DelegateCall, "delegatecall"),
        (0xfa, Action::StaticCall, "staticcall"),
    ];
    for (opcode, action, name) in kinds {
        enact(&mut net, &[]);
        let router = deploy(&mut net, &developer, caller(opcode, target));
        let say = Say { to: TxKind::Call(router), ..Say::call(target, &Probe::counterCall {}) };
        net.one(&developer.sign(&say));
        enact(&mut net, &[forbid(name, target)]);
        let receipt = net.try_one(&developer.sign(&say));
        assert_eq!(receipt.outcome, Outcome::Reverted, "{name} by {opcode:#x}");
        assert_eq!(told(&receipt.output), refusal(action, Code::Forbidden, "not-there", 41));
        assert!(receipt.gas_used < 40_000, "the frame's gas came back: {}", receipt.gas_used);
    }
}

#[test]
fn an_operator_cannot_make_contracts_by_way_of_a_factory_unless_that_is_enacted() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let operator = net.actor("bank-b", Role::Operator);
    for opcode in [0xf0, 0xf5] {
        enact(&mut net, &[]);
        let (factory, other) =
            (deploy(&mut net, &developer, creator(opcode)), deploy(&mut net, &developer, creator(opcode)));
        net.one(&developer.sign(&to(factory)));
        let block = net.block(&[operator.sign(&to(factory))]);
        // The factory hides the failure, as CREATE's result is zero: but there is the reason in its return data.
        assert_eq!(told(&block.receipts[0].output), refusal(Action::Create, Code::NotPermitted, "", 0));
        assert_eq!(effects(&block), [&StateKey::account(operator.address)]);
        let rule = format!(
            "permit (principal in Role::\"operator\", action == Action::\"create\", resource) \
             when {{ context.caller == \"{}\" }};",
            hex_address(factory)
        );
        enact(&mut net, &[policy("operators-open-pairs", &rule, 12)]);
        if opcode == 0xf0 {
            net.one(&operator.sign(&to(factory)));
        }
        let receipt = net.try_one(&operator.sign(&to(other)));
        assert_eq!(told(&receipt.output), refusal(Action::Create, Code::NotPermitted, "", 0));
    }
}

#[test]
fn a_caller_that_catches_a_refusal_goes_on() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    // Calls the target, and stops whatever came of it.
    let mut code = vec![0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73];
    code.extend_from_slice(target.as_slice());
    code.extend_from_slice(&[0x5a, 0xf1, 0x00]);
    code.extend_from_slice(&RETURN_OR_REVERT);
    let router = deploy(&mut net, &developer, deployment(&code));
    enact(&mut net, &[forbid("call", target)]);
    net.one(&developer.sign(&to(router)));
}

#[test]
fn precompiles_and_system_contracts_are_open_to_contracts() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let rule = "forbid (principal, action in [Action::\"staticcall\", Action::\"delegatecall\"], resource);";
    for target in [Address::with_last_byte(4), PERMISSIONS] {
        enact(&mut net, &[]);
        let router = deploy(&mut net, &developer, caller(0xfa, target));
        enact(&mut net, &[policy("nothing", rule, 1)]);
        let say = Say { to: TxKind::Call(router), ..Say::call(target, &permissions::versionCall {}) };
        net.one(&developer.sign(&say));
    }
}
