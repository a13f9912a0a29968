//! `concordat audit`: what supervisors and auditors look at.

mod abi;
mod activity;
mod anchor;
mod ask;
mod database;
mod evidence;
mod export;
mod project;
mod projection;
mod reads;
mod reconcile;
mod serve;
mod watch;

use clap::Subcommand;
use eyre::Result;

/// Subcommands of `concordat audit`.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Write every transaction in which an account, a contract or an organisation had a part, with the proof that none is
    /// missing.
    Prove(activity::ProveArgs),
    /// Verify such a file by the genesis document alone. Exit code 3: something is missing, or differs.
    Verify(activity::VerifyArgs),
    /// Make the schema of the regulator's database, or bring it up to this program; or remove it with every row.
    Migrate(database::MigrateArgs),
    /// Fill the regulator's database from the store of a node on this machine, and go on as the node does.
    Project(project::ProjectArgs),
    /// Make the rows of the regulator's database again from a node's store and name the first that differs; exit code 3.
    VerifyProjection(projection::VerifyArgs),
    /// Where the regulator's database stands.
    Status(database::StatusArgs),
    /// Register the ABI of a contract in the regulator's database: its events are decoded from then on.
    RegisterAbi(abi::RegisterArgs),
    /// Decode the events of registered ABIs in blocks that the regulator's database has already.
    Decode(abi::DecodeArgs),
    /// Serve supervisors over mutual TLS from the regulator's database.
    Serve(serve::ServeArgs),
    /// Ask the service of supervisors for a token.
    Token(ask::TokenArgs),
    /// Read a path of the service of supervisors.
    Get(ask::GetArgs),
    /// Hand an order that was signed elsewhere to the service of supervisors, which hands it to its node.
    Submit(ask::SubmitArgs),
    /// Hold the log of what supervisors read against its hashes and anchors. Exit code 3: it is not as it was written.
    VerifyReads(reads::VerifyReadsArgs),
    /// The end of that log, to be anchored on the chain.
    ReadsHead(reads::ReadsHeadArgs),
    /// Put the end of that log on the chain, once or as it grows. Exit code 3: it is not what was anchored before.
    AnchorReads(anchor::AnchorArgs),
    /// Judge what happens on the ledger by rules, and keep what is found (docs/surveillance.md).
    Watch(watch::WatchArgs),
    /// What rules would have found in blocks of before. Nothing is written.
    Backtest(watch::backtest::BacktestArgs),
    /// What was found: look it up, take it on, close it.
    #[command(subcommand)]
    Findings(watch::findings::FindingsCommand),
    /// Write the rows of a table of the regulator's database into files: Parquet, NDJSON or CSV.
    Export(export::ExportArgs),
    /// Pack what somebody did into a signed file for a court, with the proof that nothing was left out.
    Evidence(evidence::EvidenceArgs),
    /// Verify such a package by the genesis document alone. Exit code 3: something is missing, or differs.
    VerifyEvidence(evidence::VerifyArgs),
    /// Hold a member's own books against the chain. Exit code 3: something differs, or is missing on either side.
    Reconcile(reconcile::ReconcileArgs),
}

/// Runs `concordat audit`.
pub fn run(command: &AuditCommand, json: bool) -> Result<()> {
    match command {
        AuditCommand::Prove(args) => activity::prove(args, json),
        AuditCommand::Verify(args) => activity::verify(args, json),
        AuditCommand::Migrate(args) => database::migrate(args, json),
        AuditCommand::Project(args) => project::run(args, json),
        AuditCommand::VerifyProjection(args) => projection::run(args, json),
        AuditCommand::Status(args) => database::status(args, json),
        AuditCommand::RegisterAbi(args) => abi::register(args, json),
        AuditCommand::Decode(args) => abi::decode(args, json),
        AuditCommand::Serve(args) => serve::run(args, json),
        AuditCommand::Token(args) => ask::token(args, json),
        AuditCommand::Get(args) => ask::get(args, json),
        AuditCommand::Submit(args) => ask::submit(args, json),
        AuditCommand::VerifyReads(args) => reads::verify(args, json),
        AuditCommand::ReadsHead(args) => reads::head(args, json),
        AuditCommand::AnchorReads(args) => anchor::run(args, json),
        AuditCommand::Watch(args) => watch::run(args, json),
        AuditCommand::Backtest(args) => watch::backtest::run(args, json),
        AuditCommand::Findings(command) => watch::findings::run(command, json),
        AuditCommand::Export(args) => export::run(args, json),
        AuditCommand::Evidence(args) => evidence::make(args, json),
        AuditCommand::VerifyEvidence(args) => evidence::verify(args, json),
        AuditCommand::Reconcile(args) => reconcile::run(args, json),
    }
}
