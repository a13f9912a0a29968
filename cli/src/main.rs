//! `concordat`: one program for operators, members, regulators and developers.
//!
//! Human output by default, `--json` for machines. Exit codes: 0 done, 1 failed, 2 wrong usage,
//! 3 verified and found wrong.
//!
//! It must never hold logic of its own about validity: it asks the crates and the node.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program prints")]

mod account;
mod archive;
mod arenas;
mod audit;
mod bench;
mod chain;
mod client;
mod contract;
mod db;
mod genesis;
mod gov;
mod keys;
mod list;
mod net;
mod node;
mod order;
mod org;
mod output;
mod pki;
mod policy;
mod remote;
mod rollback;
mod rule;
mod sender;
mod stop;
mod submit;
mod table;
mod transaction;
#[cfg(test)]
mod tree;
mod verify;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The consortium ledger: identities, nodes, transactions, proofs.
#[derive(Parser)]
#[command(name = "concordat", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    /// Print one JSON document instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Certificates and keys of an organisation.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// The document that starts a chain: make a part, assemble all parts, compare the hash.
    #[command(subcommand)]
    Genesis(genesis::GenesisCommand),
    /// Run a node.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// A network of real processes on this machine, to try things out.
    #[command(subcommand)]
    Net(net::NetCommand),
    /// Accounts: enrol a certificate, renew it, look one up.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// The chain: its parameters and its protocol version.
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    /// Organisations: membership, validators, seats on the committee.
    #[command(subcommand)]
    Org(org::OrgCommand),
    /// The committee: propose, preview, vote, execute, look up.
    #[command(subcommand)]
    Gov(gov::GovCommand),
    /// Regulators' orders: impose, confirm, release, look up.
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// Policies of who may do what: check one before it is proposed, look up those in force.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Whether an account may do something, and why: by the chain's own rules, on any state.
    Why(why::WhyArgs),
    /// Run-time rules: check one, look up those in force.
    #[command(subcommand)]
    Rule(rule::RuleCommand),
    /// Going back to an earlier state: plan it, verify it afterwards.
    #[command(subcommand)]
    Rollback(rollback::RollbackCommand),
    /// Send a transaction that was signed elsewhere.
    Submit(submit::SubmitArgs),
    /// Contracts: deploy, call, send.
    #[command(subcommand)]
    Contract(contract::ContractCommand),
    /// For supervisors: prove that nothing of somebody's activity was left out, and keep a database of everything.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Blocks in files: out of a node, over a one-way link, into another one that nobody can connect to.
    #[command(subcommand)]
    Archive(archive::ArchiveCommand),
    /// Verify blocks, receipts and state with independent verifiers; trusts no node.
    Verify(verify::VerifyArgs),
    /// The ledger's database: check, statistics, pruning, snapshots. The node must be stopped.
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Measure a network of four processes on this machine: throughput, latency, costs.
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    // Several crates bring TLS, for nodes and for whoever asks them; all use this one implementation. That it is
    // there already cannot be, and would do no harm.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = match cli.command {
        Command::Pki(command) => pki::run(command, json),
        Command::Genesis(command) => genesis::run(command, json),
        Command::Node(command) => node::run(command, json),
        Command::Net(command) => net::run(command, json),
        Command::Account(command) => account::run(command, json),
        Command::Chain(command) => chain::run(command, json),
        Command::Org(command) => org::run(command, json),
        Command::Gov(command) => gov::run(command, json),
        Command::Order(command) => order::run(command, json),
        Command::Policy(command) => policy::run(command, json),
        Command::Why(args) => why::run(&args, json),
        Command::Rule(command) => rule::run(command, json),
        Command::Rollback(command) => rollback::run(command, json),
        Command::Submit(args) => submit::run(&args, json),
        Command::Contract(command) => contract::run(command, json),
        Command::Audit(command) => audit::run(&command, json),
        Command::Archive(command) => archive::run(command, json),
        Command::Verify(args) => verify::run(args, json),
        Command::Db(command) => db::run(command, json),
        Command::Bench(args) => bench::run(args, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error, json),
    }
}
