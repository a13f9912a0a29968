//! `concordat pki`: keys, requests, certificates and revocation lists of an organisation.
//!
//! Reads the clock, the terminal and files; `concordat-pki-authority` decides everything.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use concordat_pki_authority::{
    Authority, AuthorityOptions, CRL_DAYS, CertificateRequest, ISSUING_DAYS, Inspection, IssuedCertificate,
    KeyType, LEAF_DAYS, Passphrase, PrivateKey, ROOT_DAYS, San, Tier, files, pem,
};
use concordat_pki_verify::{
    Certificate, Crl, PathRequest, Purpose, RevocationReason, Serial, ValidPath, check_path,
};
use concordat_types::identity::{Holder, OrgId, Role};
use eyre::{OptionExt as _, Result, WrapErr as _, bail};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    keys::{self, passphrase},
    output::{FoundWrong, show},
};

/// The commands below `concordat pki`.
#[derive(Subcommand)]
pub enum PkiCommand {
    /// Create an organisation's root and issuing authority.
    InitCa(InitCaArgs),
    /// Create a private key.
    Key(KeyFileArgs),
    /// Create a certificate request for a key.
    Csr(CsrArgs),
    /// Certify the key of a request.
    Sign(SignArgs),
    /// Create a key and its certificate in one step, where the authority and the holder are one machine.
    Issue(IssueArgs),
    /// Certify the key of an earlier certificate again.
    Renew(RenewArgs),
    /// Replace the issuing authority: a new key, certified by the root. Needs the root's key.
    ReplaceIssuing(ReplaceIssuingArgs),
    /// Revoke a certificate; publish a CRL afterwards.
    Revoke(RevokeArgs),
    /// Sign the next certificate revocation list.
    Crl(CrlArgs),
    /// Show what a certificate, request or CRL says.
    Inspect(InspectArgs),
    /// Judge a certificate as the ledger would. Exit code 3: it would be refused.
    Verify(VerifyArgs),
}

/// How to open an authority's directory.
#[derive(Args)]
pub struct CaArgs {
    /// The authority's directory, as made by init-ca.
    #[arg(long = "ca", value_name = "DIR")]
    dir: PathBuf,
    /// File whose first line is the passphrase of the authority's keys; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Where to write a result.
#[derive(Args)]
pub struct OutArgs {
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
}

/// Arguments of `pki init-ca`.
#[derive(Args)]
pub struct InitCaArgs {
    /// The organisation's identifier: 2 to 32 of a-z, 0-9 and '-'.
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    /// Directory to create the authority in.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Validity of the root, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ROOT_DAYS)]
    root_days: u32,
    /// Validity of the issuing authority, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ISSUING_DAYS)]
    issuing_days: u32,
    /// File whose first line is the passphrase for the new keys; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `pki key`.
#[derive(Args)]
pub struct KeyFileArgs {
    /// Kind of key: p256, secp256k1 or ed25519.
    #[arg(long = "type", value_name = "TYPE", default_value = "p256")]
    key_type: KeyType,
    #[command(flatten)]
    out: OutArgs,
    /// File whose first line is the passphrase for the new key; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Whom a certificate is for.
#[derive(Args)]
pub struct HolderArgs {
    /// The holder's role, such as operator, validator, consensus or server.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// The holder's name: a person, a system, a machine.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A name under which a machine is reached: dns:HOST or ip:ADDRESS. May be repeated.
    #[arg(long = "san", value_name = "SAN")]
    sans: Vec<San>,
}

/// Arguments of `pki csr`.
#[derive(Args)]
pub struct CsrArgs {
    /// The private key to certify.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File whose first line is the key's passphrase; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// The holder's organisation.
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    #[command(flatten)]
    holder: HolderArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki sign`.
#[derive(Args)]
pub struct SignArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// The certificate request.
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Validity, in days.
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS)]
    days: u32,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki issue`.
#[derive(Args)]
pub struct IssueArgs {
    #[command(flatten)]
    ca: CaArgs,
    #[command(flatten)]
    holder: HolderArgs,
    /// Kind of key: p256, secp256k1 or ed25519. Default: what suits the role.
    #[arg(long = "type", value_name = "TYPE")]
    key_type: Option<KeyType>,
    /// Validity, in days.
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS)]
    days: u32,
    /// File to write the private key to.
    #[arg(long, value_name = "FILE")]
    key_out: PathBuf,
    /// File whose first line is the passphrase for the new key; asked for if absent.
    #[arg(long, value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki renew`.
#[derive(Args)]
pub struct RenewArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// The certificate to renew; it may have expired.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Validity, in days.
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS)]
    days: u32,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki replace-issuing`.
#[derive(Args)]
pub struct ReplaceIssuingArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// Validity of the new issuing authority, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ISSUING_DAYS)]
    days: u32,
}

/// Arguments of `pki revoke`.
#[derive(Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// The certificate's serial number, in hexadecimal.
    #[arg(long, value_name = "HEX", required_unless_present = "cert", conflicts_with = "cert")]
    serial: Option<Serial>,
    /// The certificate itself.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Why: unspecified, key-compromise, ca-compromise, affiliation-changed, superseded,
    /// cessation-of-operation, certificate-hold, privilege-withdrawn or aa-compromise.
    #[arg(long, value_name = "REASON", default_value = "unspecified")]
    reason: RevocationReason,
}

/// Arguments of `pki crl`.
#[derive(Args)]
pub struct CrlArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// Whose list: issuing (holders' certificates) or root (issuing authorities; needs the root's key).
    #[arg(long, value_name = "TIER", default_value = "issuing")]
    tier: Tier,
    /// Days until the next list is due.
    #[arg(long, value_name = "DAYS", default_value_t = CRL_DAYS)]
    days: u32,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki inspect`.
#[derive(Args)]
pub struct InspectArgs {
    /// Certificate, request or CRL, PEM or DER.
    file: PathBuf,
}

/// Arguments of `pki verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// Root certificate to trust. May be repeated.
    #[arg(long = "anchor", value_name = "FILE", required = true)]
    anchors: Vec<PathBuf>,
    /// CRL to respect, PEM or DER. May be repeated.
    #[arg(long = "crl", value_name = "FILE")]
    crls: Vec<PathBuf>,
    /// Time to judge at, as RFC 3339 or Unix seconds. Default: now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<i64>,
    /// PEM file with the holder's certificate first, then its intermediates.
    file: PathBuf,
}

/// Runs a command.
pub fn run(command: PkiCommand, json: bool) -> Result<()> {
    match command {
        PkiCommand::InitCa(args) => init_ca(&args, json),
        PkiCommand::Key(args) => key(&args, json),
        PkiCommand::Csr(args) => csr(&args, json),
        PkiCommand::Sign(args) => sign(&args, json),
        PkiCommand::Issue(args) => issue(&args, json),
        PkiCommand::Renew(args) => renew(&args, json),
        PkiCommand::ReplaceIssuing(args) => replace_issuing(&args, json),
        PkiCommand::Revoke(args) => revoke(&args, json),
        PkiCommand::Crl(args) => crl(&args, json),
        PkiCommand::Inspect(args) => inspect(&args, json),
        PkiCommand::Verify(args) => verify(&args, json),
    }
}

/// What a command made.
#[derive(Serialize)]
struct Made {
    /// The file or directory written.
    path: PathBuf,
    /// What it says; of an authority, what its root says.
    content: Inspection,
}

fn show_made(json: bool, path: &Path, content: Inspection) -> Result<()> {
    show(json, &Made { path: path.to_owned(), content }, |made| {
        format!("{}written to {}", made.content, made.path.display())
    })
}

fn now() -> Result<i64> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).wrap_err("the clock is before 1970")?;
    Ok(i64::try_from(since_epoch.as_secs())?)
}

fn parse_time(text: &str) -> Result<i64, String> {
    let unix = || OffsetDateTime::parse(text, &Rfc3339).map(OffsetDateTime::unix_timestamp);
    text.parse().or_else(|_| unix()).map_err(|_| "write 2027-01-31T12:00:00Z, or Unix seconds".to_owned())
}

/// The passphrase for a new key: from a file, or asked for twice.
fn new_passphrase(file: Option<&Path>, what: &str) -> Result<Passphrase> {
    let chosen = passphrase(file, &format!("new {what}"))?;
    if file.is_none() {
        let repeated = Passphrase::new(rpassword::prompt_password(format!("repeat the new {what}: "))?)?;
        if repeated != chosen {
            bail!("the passphrases differ; nothing was written");
        }
    }
    Ok(chosen)
}

fn open(ca: &CaArgs) -> Result<Authority> {
    let passphrase = passphrase(ca.passphrase_file.as_deref(), "passphrase of the authority")?;
    Authority::open(&ca.dir, &passphrase).wrap_err_with(|| format!("authority {}", ca.dir.display()))
}

fn write(out: &OutArgs, text: &str) -> Result<()> {
    Ok(files::write(&out.out, text.as_bytes(), files::PUBLIC_MODE, out.force)?)
}

/// The first certificate of a file.
fn certificate(path: &Path) -> Result<Certificate> {
    let der = keys::certificates(path)?.into_iter().next().ok_or_eyre("the file holds no certificate")?;
    Certificate::parse(&der).wrap_err_with(|| format!("certificate {}", path.display()))
}

fn init_ca(args: &InitCaArgs, json: bool) -> Result<()> {
    let passphrase = new_passphrase(args.passphrase_file.as_deref(), "passphrase of the authority")?;
    let options = AuthorityOptions { root_days: args.root_days, issuing_days: args.issuing_days };
    let mut authority = Authority::create(&args.org, &options, now()?)?;
    authority.save(&args.dir, &passphrase)?;
    let root = Inspection::of(authority.root_certificate().der())?;
    show_made(json, &args.dir, root)
}

/// What `pki key` made.
#[derive(Serialize)]
struct MadeKey {
    path: PathBuf,
    key_type: KeyType,
    /// Hexadecimal: `x || y` of a curve point, or the Ed25519 key.
    public_key: String,
    /// The account that the key controls, if it can control one.
    account: Option<String>,
}

fn key(args: &KeyFileArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let passphrase = new_passphrase(args.passphrase_file.as_deref(), "passphrase of the key")?;
    let key = PrivateKey::generate(args.key_type)?;
    key.write(&args.out.out, &passphrase, args.out.force)?;
    let made = MadeKey {
        path: args.out.out.clone(),
        key_type: args.key_type,
        public_key: hex::encode(key.public().as_bytes()),
        account: key.public().account_address().map(|address| format!("0x{}", hex::encode(address))),
    };
    show(json, &made, |made| {
        let account = made.account.as_ref().map(|account| format!("account {account}\n")).unwrap_or_default();
        format!("{account}{} key written to {}", made.key_type, made.path.display())
    })
}

fn csr(args: &CsrArgs, json: bool) -> Result<()> {
    let passphrase = passphrase(args.passphrase_file.as_deref(), "passphrase of the key")?;
    let key = PrivateKey::read(&args.key, &passphrase)?;
    let holder = &args.holder;
    let request = CertificateRequest::create(&key, &args.org, holder.role, &holder.name, &holder.sans)?;
    write(&args.out, &request.to_pem())?;
    show_made(json, &args.out.out, Inspection::of(request.to_pem().as_bytes())?)
}

fn hand_out(issued: &IssuedCertificate, out: &OutArgs, json: bool) -> Result<()> {
    write(out, &issued.chain_pem())?;
    show_made(json, &out.out, Inspection::of(issued.der())?)
}

/// Refuses to sign anything that could not be written afterwards.
fn require_free(path: &Path, force: bool) -> Result<()> {
    if !force && path.exists() {
        bail!("{} exists already; choose another path, or overwrite it with --force", path.display());
    }
    Ok(())
}

fn sign(args: &SignArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let request = CertificateRequest::parse(&files::read(&args.csr)?)
        .wrap_err_with(|| format!("request {}", args.csr.display()))?;
    let issued = open(&args.ca)?.issue(&request, &request.profile(args.days), now()?)?;
    hand_out(&issued, &args.out, json)
}

/// The kind of key that suits a role in most places.
fn default_key_type(role: Role) -> KeyType {
    match role.holder() {
        Holder::ConsensusKey => KeyType::Ed25519,
        Holder::Account | Holder::Node | Holder::Server => KeyType::P256,
    }
}

fn issue(args: &IssueArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    require_free(&args.key_out, args.out.force)?;
    let mut authority = open(&args.ca)?;
    let key_passphrase = new_passphrase(args.key_passphrase_file.as_deref(), "passphrase of the new key")?;
    let holder = &args.holder;
    let key = PrivateKey::generate(args.key_type.unwrap_or(default_key_type(holder.role)))?;
    let org = authority.org().clone();
    let request = CertificateRequest::create(&key, &org, holder.role, &holder.name, &holder.sans)?;
    let issued = authority.issue(&request, &request.profile(args.days), now()?)?;
    key.write(&args.key_out, &key_passphrase, args.out.force)?;
    hand_out(&issued, &args.out, json)
}

fn renew(args: &RenewArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let old = certificate(&args.cert)?;
    let issued = open(&args.ca)?.renew(&old, args.days, now()?)?;
    hand_out(&issued, &args.out, json)
}

fn replace_issuing(args: &ReplaceIssuingArgs, json: bool) -> Result<()> {
    let passphrase = passphrase(args.ca.passphrase_file.as_deref(), "passphrase of the authority")?;
    let mut authority = Authority::open(&args.ca.dir, &passphrase)
        .wrap_err_with(|| format!("authority {}", args.ca.dir.display()))?;
    let issuing = Inspection::of(authority.replace_issuing(&passphrase, args.days, now()?)?.der())?;
    show_made(json, &args.ca.dir, issuing)
}

/// What `pki revoke` did.
#[derive(Serialize)]
struct Revoked {
    serial: Serial,
    reason: RevocationReason,
    by: Tier,
}

fn revoke(args: &RevokeArgs, json: bool) -> Result<()> {
    let serial = match (&args.serial, &args.cert) {
        (Some(serial), _) => serial.clone(),
        (None, Some(path)) => certificate(path)?.serial().clone(),
        (None, None) => bail!("give --serial or --cert"),
    };
    let by = open(&args.ca)?.revoke(&serial, args.reason, now()?)?;
    show(json, &Revoked { serial, reason: args.reason, by }, |revoked| {
        let Revoked { serial, reason, by } = revoked;
        format!("revoked {serial} ({reason})\nnow publish it: concordat pki crl --tier {by}")
    })
}

fn crl(args: &CrlArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let mut authority = open(&args.ca)?;
    let issued = match args.tier {
        Tier::Issuing => authority.crl(args.days, now()?)?,
        Tier::Root => authority.root_crl(args.days, now()?)?,
    };
    write(&args.out, &issued.pem())?;
    show_made(json, &args.out.out, Inspection::of(issued.der())?)
}

fn inspect(args: &InspectArgs, json: bool) -> Result<()> {
    let inspection = Inspection::of(&files::read(&args.file)?)
        .wrap_err_with(|| format!("cannot inspect {}", args.file.display()))?;
    show(json, &inspection, ToString::to_string)
}

/// What `pki verify` established.
#[derive(Serialize)]
struct Verified {
    valid: bool,
    org: OrgId,
    role: Role,
    purpose: String,
    /// Unix seconds.
    not_after: i64,
    stale_crls: Vec<String>,
}

fn verified(path: ValidPath, purpose: Purpose) -> Verified {
    let stale = path.stale_crls.iter();
    let stale =
        stale.map(|crl| format!("CRL {} of {} is overdue since {}", crl.number, crl.issuer, crl.next_update));
    Verified {
        valid: true,
        org: path.org,
        role: path.role,
        purpose: purpose.to_string(),
        not_after: path.not_after,
        stale_crls: stale.collect(),
    }
}

fn human_verified(verified: &Verified) -> String {
    let Verified { org, role, purpose, not_after, stale_crls, .. } = verified;
    let until = OffsetDateTime::from_unix_timestamp(*not_after).ok().and_then(|at| at.format(&Rfc3339).ok());
    let until = until.unwrap_or_else(|| not_after.to_string());
    let stale: String = stale_crls.iter().map(|crl| format!("\nwarning: {crl}")).collect();
    format!("valid: {role} of {org}, as {purpose}, until {until}{stale}")
}

fn verify(args: &VerifyArgs, json: bool) -> Result<()> {
    let parse = |der: Vec<u8>| Certificate::parse(&der).map_err(|error| FoundWrong(error.to_string()));
    let chain: Vec<Certificate> =
        keys::certificates(&args.file)?.into_iter().map(parse).collect::<Result<_, _>>()?;
    let anchors = args.anchors.iter().map(|path| certificate(path)).collect::<Result<Vec<_>>>()?;
    let crls = args.crls.iter().map(|path| {
        let der = pem::decode(pem::CRL, &files::read(path)?)?;
        Crl::parse(&der).wrap_err_with(|| format!("CRL {}", path.display()))
    });
    let crls = crls.collect::<Result<Vec<_>>>()?;
    let at = args.at.map_or_else(now, Ok)?;
    let role = chain.first().and_then(Certificate::role);
    let role =
        role.ok_or_else(|| FoundWrong("the first certificate is an authority's, not a holder's".to_owned()))?;
    let purpose = Purpose::of(role.holder());
    let request = PathRequest { chain: &chain, anchors: &anchors, crls: &crls, at, purpose };
    let path = check_path(&request).map_err(|error| FoundWrong(error.to_string()))?;
    show(json, &verified(path, purpose), human_verified)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: PkiCommand,
    }

    fn pki(arguments: &[&str]) -> Result<()> {
        let arguments = std::iter::once("pki").chain(arguments.iter().copied());
        run(Cli::try_parse_from(arguments)?.command, true)
    }

    #[test]
    fn a_bank_administrators_year_works() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (ca, pass) = (path("ca"), path("pass"));
        std::fs::write(&pass, "correct horse\n").unwrap();
        let with = ["--passphrase-file", pass.as_str()];
        let pki = |arguments: &[&str]| pki(&[arguments, &with].concat());
        pki(&["init-ca", "--org", "bank-a", "--dir", &ca]).unwrap();
        let (key, csr, cert) = (path("a.key"), path("a.csr"), path("a.crt"));
        pki(&["key", "--type", "secp256k1", "--out", &key]).unwrap();
        let holder = ["--org", "bank-a", "--role", "operator", "--name", "alice", "--out", &csr];
        pki(&[&["csr", "--key", &key][..], &holder].concat()).unwrap();
        pki(&["sign", "--ca", &ca, "--csr", &csr, "--out", &cert]).unwrap();
        let (renewed, crl) = (path("b.crt"), path("crl.pem"));
        pki(&["renew", "--ca", &ca, "--cert", &cert, "--out", &renewed]).unwrap();
        let root = path("ca/root/ca.crt");
        let verify =
            |file: &str, crl: &[&str]| tests::pki(&[&["verify", "--anchor", &root, file][..], crl].concat());
        verify(&renewed, &[]).unwrap();
        pki(&["revoke", "--ca", &ca, "--cert", &cert, "--reason", "superseded"]).unwrap();
        pki(&["crl", "--ca", &ca, "--out", &crl]).unwrap();
        verify(&renewed, &["--crl", &crl]).unwrap();
        let refused = verify(&cert, &["--crl", &crl]).unwrap_err();
        assert!(refused.downcast_ref::<FoundWrong>().is_some(), "{refused}");
        assert!(refused.to_string().contains("superseded"), "{refused}");
        assert!(verify(&cert, &["--at", "2020-01-01T00:00:00Z"]).is_err());
        pki(&["replace-issuing", "--ca", &ca, "--days", "900"]).unwrap();
        for file in [&cert, &csr, &crl] {
            tests::pki(&["inspect", file]).unwrap();
        }
    }

    #[test]
    fn issuing_makes_a_key_and_a_certificate_and_overwrites_neither() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (ca, pass, key, cert) = (path("ca"), path("pass"), path("n.key"), path("n.crt"));
        std::fs::write(&pass, "correct horse\n").unwrap();
        pki(&["init-ca", "--org", "bank-a", "--dir", &ca, "--passphrase-file", &pass]).unwrap();
        let arguments = [
            "issue",
            "--ca",
            &ca,
            "--role",
            "validator",
            "--name",
            "node-1",
            "--san",
            "localhost",
            "--key-out",
            &key,
            "--out",
            &cert,
            "--passphrase-file",
            &pass,
            "--key-passphrase-file",
            &pass,
        ];
        pki(&arguments).unwrap();
        pki(&["verify", "--anchor", &path("ca/root/ca.crt"), &cert]).unwrap();
        let refused = pki(&arguments).unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
    }

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(parse_time("1800000000"), Ok(1_800_000_000));
        assert_eq!(parse_time("2027-01-15T08:00:00Z"), Ok(1_800_000_000));
        assert!(parse_time("tomorrow").is_err());
    }
}
