//! What holds for every command of the program: it says what it is for, so does each of its arguments, and all lists are
//! asked for in one way.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory as _};

use crate::Cli;

/// The commands that list, all of them page by page.
const LISTS: [&str; 15] = [
    "account list",
    "audit findings list",
    "contract list",
    "contract versions",
    "gov bars",
    "gov committee",
    "gov freezes",
    "gov list",
    "gov regulators",
    "order list",
    "org list",
    "org validators",
    "policy list",
    "rule alerts",
    "rule list",
];

/// Every command by its path, those with subcommands included.
fn commands() -> BTreeMap<String, Command> {
    fn walk(path: &str, command: &Command, found: &mut BTreeMap<String, Command>) {
        // `help` is clap's own.
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name()).trim_start().to_owned();
            walk(&path, sub, found);
            found.insert(path, sub.clone());
        }
    }
    let (mut root, mut found) = (Cli::command(), BTreeMap::new());
    // It hands global arguments down.
    root.build();
    walk("", &root, &mut found);
    found
}

fn argument<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| argument.get_long() == Some(long))
}

#[test]
fn every_command_says_what_it_is_for_and_so_does_each_of_its_arguments() {
    let commands = commands();
    assert!(commands.len() > 80, "{}", commands.len());
    let mut silent = Vec::new();
    for (path, command) in &commands {
        if command.get_about().is_none_or(|about| about.to_string().is_empty()) {
            silent.push(path.clone());
        }
        let without_help =
            |argument: &&Arg| argument.get_help().is_none_or(|help| help.to_string().is_empty());
        let arguments = command.get_arguments().filter(without_help);
        silent.extend(arguments.map(|argument| format!("{path} {}", argument.get_id())));
    }
    assert_eq!(silent, [] as [String; 0]);
}

#[test]
fn every_command_answers_machines() {
    for (path, command) in commands() {
        assert!(argument(&command, "json").is_some(), "concordat {path} has no --json");
    }
}

#[test]
fn every_list_is_asked_for_in_the_same_way() {
    let commands = commands();
    let named = commands.keys().filter(|path| path.ends_with(" list") || LISTS.contains(&path.as_str()));
    assert_eq!(named.map(String::as_str).collect::<Vec<_>>(), LISTS, "all lists, and no other command");
    let mut values: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (path, command) in LISTS.map(|path| (path, &commands[path])) {
        for flag in ["json", "limit", "after"] {
            assert!(argument(command, flag).is_some(), "concordat {path} has no --{flag}");
        }
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long().filter(|long| !["kind", "expiring-before"].contains(long))
            else {
                continue;
            };
            let value = format!("{:?}", argument.get_value_names());
            let (first, known) = values.entry(long.to_owned()).or_insert((path.to_owned(), value.clone()));
            assert_eq!(*known, value, "--{long} of {path} takes something else than that of {first}");
        }
    }
}

#[test]
fn a_filter_that_nothing_has_is_refused_with_the_values_that_it_takes() {
    for (line, words) in [
        ("gov list --status closed", "open, executed, failed, rejected, expired, revoked, vetoed, void"),
        ("gov list --kind freeze", "freeze-account"),
        ("gov regulators --status none", "in-force, over"),
        ("gov freezes --kind node", "account, contract"),
        ("gov bars --kind contract", "account, node"),
        ("account list --role boss", "operator"),
        ("account list --status good", "replaced, barred, revoked, suspended, frozen, expired, active"),
        ("account list --organisation Bank", "2 to 32 characters"),
        ("contract list --status halted", "active, frozen, retired"),
        ("org list --status gone", "suspended, active, expelled"),
        ("order list --status open", "provisional, confirmed, released, lapsed, superseded, answered, over"),
        ("policy list --effect deny", "permit, forbid"),
        ("policy list --action fly", "delegatecall"),
        ("policy list --origin vote", "catalogue, enacted"),
        ("rule list --effect undo", "revert, alert"),
        ("gov list --limit 0", "1..=10000"),
        ("gov list --limit 10001", "1..=10000"),
    ] {
        let arguments = ["concordat"].into_iter().chain(line.split(' '));
        let error = Cli::command().try_get_matches_from(arguments).expect_err(line).to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
}
