//! The two-level authority of one organisation.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use concordat_pki_verify::{
    Certificate, Crl, KeyType, PathRequest, Purpose, RevocationReason, Serial, TrustAnchors,
    name::GeneralName,
    path::{CrlRequest, check_crl, check_path},
};
use concordat_types::identity::OrgId;
use openssl::{
    pkey::{HasPublic, PKey, PKeyRef},
    x509::X509,
};

use crate::{
    CRL_DAYS, CRL_ENTRIES, ISSUING_DAYS, ROOT_DAYS,
    builder::{self, CrlContent, Holding, Validity},
    error::AuthorityError,
    files::{self, PUBLIC_MODE},
    key::PrivateKey,
    log::{self, LogEntry, Tier},
    passphrase::Passphrase,
    pem,
    profile::{self, Profile, San},
    request::CertificateRequest,
};

/// How long the authorities of an organisation shall be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityOptions {
    /// The root's validity, in days.
    pub root_days: u32,
    /// The issuing authority's validity, in days.
    pub issuing_days: u32,
}

impl Default for AuthorityOptions {
    fn default() -> Self {
        Self { root_days: ROOT_DAYS, issuing_days: ISSUING_DAYS }
    }
}

/// A certificate of the authority in both of its forms.
#[derive(Debug)]
struct AuthorityCertificate {
    parsed: Certificate,
    x509: X509,
}

impl AuthorityCertificate {
    fn new(x509: X509) -> Result<Self, AuthorityError> {
        Ok(Self { parsed: Certificate::parse(&x509.to_der()?)?, x509 })
    }

    fn read(path: &Path) -> Result<Self, AuthorityError> {
        let der = pem::decode(pem::CERTIFICATE, &files::read(path)?)?;
        Self::new(X509::from_der(&der)?)
    }
}

/// An organisation's certificate authority, in memory, and on disk if it was saved or opened.
///
/// While it is on disk, everything it signs is logged durably before it is handed out, and the directory
/// is locked against other processes.
#[derive(Debug)]
pub struct Authority {
    root: AuthorityCertificate,
    root_key: Option<PrivateKey>,
    issuing: AuthorityCertificate,
    issuing_key: PrivateKey,
    log: Vec<LogEntry>,
    home: Option<Home>,
}

/// Where an authority lives on disk.
#[derive(Debug)]
struct Home {
    dir: PathBuf,
    /// Open for appending, and locked.
    log: File,
}

/// A holder's certificate with the issuing authority's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The path without its root: the holder's certificate, then the issuing authority's.
    pub chain: Vec<Certificate>,
}

impl IssuedCertificate {
    /// The holder's certificate.
    pub fn certificate(&self) -> &Certificate {
        self.chain.first().expect("an issued chain begins with the holder's certificate")
    }

    /// The holder's certificate as DER.
    pub fn der(&self) -> &[u8] {
        self.certificate().der()
    }

    /// The holder's certificate as PEM.
    pub fn pem(&self) -> String {
        pem::encode(pem::CERTIFICATE, self.der())
    }

    /// The path without its root as PEM, holder first.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem::encode(pem::CERTIFICATE, certificate.der())).collect()
    }
}

/// The CRLs that an authority has signed at once. Together they are complete: revocation on the ledger is for
/// good, so that each may list a part. Mostly it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCrls {
    /// At least one, in the order of their numbers, in which the ledger takes them. The newest revocations stand in
    /// the first.
    pub lists: Vec<Crl>,
}

impl IssuedCrls {
    /// The CRLs as PEM, one block after the other.
    pub fn pem(&self) -> String {
        self.lists.iter().map(|crl| pem::encode(pem::CRL, crl.der())).collect()
    }
}

// The layout of an authority's directory.
fn certificate_path(dir: &Path, tier: Tier) -> PathBuf {
    dir.join(tier.to_string()).join("ca.crt")
}

fn key_path(dir: &Path, tier: Tier) -> PathBuf {
    dir.join(tier.to_string()).join("ca.key")
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("index.jsonl")
}

fn crl_path(dir: &Path, tier: Tier) -> PathBuf {
    match tier {
        Tier::Root => dir.join("root").join("crl.pem"),
        Tier::Issuing => dir.join("crl.pem"),
    }
}

impl Authority {
    /// Makes an organisation's root and issuing authority with new P-256 keys. `now` is in Unix seconds.
    pub fn create(org: &OrgId, options: &AuthorityOptions, now: i64) -> Result<Self, AuthorityError> {
        let root_key = PrivateKey::generate(KeyType::P256)?;
        let issuing_key = PrivateKey::generate(KeyType::P256)?;
        let root_validity = Validity::of_days(now, options.root_days)?;
        let issuing_validity = Validity::of_days(now, options.issuing_days)?;
        require_within(Tier::Root, issuing_validity, root_validity.not_after)?;
        let root = AuthorityCertificate::new(builder::root(org, &root_key, root_validity)?)?;
        let signer = (&root.x509, &root_key);
        let issuing =
            AuthorityCertificate::new(builder::issuing(org, &issuing_key, signer, issuing_validity)?)?;
        TrustAnchors::new().add(root.parsed.clone())?;
        let log =
            vec![issued_entry(&root.parsed, Tier::Root, now), issued_entry(&issuing.parsed, Tier::Root, now)];
        Ok(Self { root, root_key: Some(root_key), issuing, issuing_key, log, home: None })
    }

    /// Writes a new authority into a directory, which becomes its home.
    ///
    /// Refuses a directory that holds an authority already. Private keys are encrypted.
    pub fn save(&mut self, dir: &Path, passphrase: &Passphrase) -> Result<(), AuthorityError> {
        for tier in [Tier::Root, Tier::Issuing] {
            files::create_dir(&dir.join(tier.to_string()))?;
        }
        for (tier, certificate) in [(Tier::Root, &self.root), (Tier::Issuing, &self.issuing)] {
            let text = pem::encode(pem::CERTIFICATE, certificate.parsed.der());
            files::write(&certificate_path(dir, tier), text.as_bytes(), PUBLIC_MODE, false)?;
        }
        if let Some(root_key) = &self.root_key {
            root_key.write(&key_path(dir, Tier::Root), passphrase, false)?;
        }
        self.issuing_key.write(&key_path(dir, Tier::Issuing), passphrase, false)?;
        files::write(&log_path(dir), lines(&self.log).as_bytes(), PUBLIC_MODE, false)?;
        self.home = Some(Home { dir: dir.to_owned(), log: open_log(&log_path(dir))? });
        Ok(())
    }

    /// Opens the authority in a directory. The root's key may be absent, as it should be.
    pub fn open(dir: &Path, passphrase: &Passphrase) -> Result<Self, AuthorityError> {
        let path = log_path(dir);
        let file = open_log(&path)?;
        let root = AuthorityCertificate::read(&certificate_path(dir, Tier::Root))?;
        let issuing = AuthorityCertificate::read(&certificate_path(dir, Tier::Issuing))?;
        let root_key_path = key_path(dir, Tier::Root);
        let root_key =
            root_key_path.exists().then(|| PrivateKey::read(&root_key_path, passphrase)).transpose()?;
        if let Some(root_key) = &root_key {
            require_pair(Tier::Root, &root, root_key)?;
        }
        let issuing_key = PrivateKey::read(&key_path(dir, Tier::Issuing), passphrase)?;
        require_pair(Tier::Issuing, &issuing, &issuing_key)?;
        let log = read_log(&path)?;
        let home = Some(Home { dir: dir.to_owned(), log: file });
        Ok(Self { root, root_key, issuing, issuing_key, log, home })
    }

    /// Replaces the issuing authority: a new key, certified by the root. Needs the root's key.
    ///
    /// Certificates of the old one stay valid until it is revoked or expires. At home, the old certificate
    /// is kept beside the new one, under its serial number; the old key is overwritten.
    pub fn replace_issuing(
        &mut self,
        passphrase: &Passphrase,
        days: u32,
        now: i64,
    ) -> Result<&Certificate, AuthorityError> {
        let root_key = self.root_key.as_ref().ok_or(AuthorityError::RootOffline)?;
        let validity = Validity::of_days(now, days)?;
        require_within(Tier::Root, validity, self.root.parsed.not_after())?;
        let key = PrivateKey::generate(KeyType::P256)?;
        let x509 = builder::issuing(self.org(), &key, (&self.root.x509, root_key), validity)?;
        let issuing = AuthorityCertificate::new(x509)?;
        self.record(issued_entry(&issuing.parsed, Tier::Root, now))?;
        if let Some(Home { dir, .. }) = &self.home {
            let path = certificate_path(dir, Tier::Issuing);
            let archive = path.with_file_name(format!("ca-{}.crt", self.issuing.parsed.serial()));
            let text = |certificate: &Certificate| pem::encode(pem::CERTIFICATE, certificate.der());
            files::write(&archive, text(&self.issuing.parsed).as_bytes(), PUBLIC_MODE, true)?;
            key.write(&key_path(dir, Tier::Issuing), passphrase, true)?;
            files::write(&path, text(&issuing.parsed).as_bytes(), PUBLIC_MODE, true)?;
        }
        (self.issuing, self.issuing_key) = (issuing, key);
        Ok(&self.issuing.parsed)
    }

    /// The organisation.
    pub fn org(&self) -> &OrgId {
        self.root.parsed.org()
    }

    /// The root's certificate, which the ledger's members admit as the organisation's anchor.
    pub fn root_certificate(&self) -> &Certificate {
        &self.root.parsed
    }

    /// The issuing authority's certificate, the intermediate in every holder's path.
    pub fn issuing_certificate(&self) -> &Certificate {
        &self.issuing.parsed
    }

    /// The root's certificate as PEM.
    pub fn root_pem(&self) -> String {
        pem::encode(pem::CERTIFICATE, self.root.parsed.der())
    }

    /// Everything that the authority ever signed or revoked, in order.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// Certifies the key of a request under a profile, usually the one that it asks for.
    pub fn issue(
        &mut self,
        request: &CertificateRequest,
        profile: &Profile,
        now: i64,
    ) -> Result<IssuedCertificate, AuthorityError> {
        if request.org() != self.org() {
            let (requested, own) = (request.org().clone(), self.org().clone());
            return Err(AuthorityError::WrongOrganization { requested, own });
        }
        profile::check(profile, request.public_key())?;
        self.certify(request.pkey(), profile, now)
    }

    /// Certifies the key of an earlier certificate of this authority again, for the same holder.
    ///
    /// The new certificate has a new serial number and validity; the old one may have expired already, but
    /// must not be revoked.
    pub fn renew(
        &mut self,
        certificate: &Certificate,
        days: u32,
        now: i64,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let serial = certificate.serial().clone();
        let digest = hex::encode(certificate.sha256());
        // The log knows every certificate by its hash, those of replaced issuing authorities included.
        let is_ours = self.log.iter().any(
            |entry| matches!(entry, LogEntry::Issued { by: Tier::Issuing, sha256, .. } if *sha256 == digest),
        );
        let (true, Some(role)) = (is_ours, certificate.role()) else {
            return Err(AuthorityError::NotIssuedHere { serial });
        };
        self.require_not_revoked(&serial, Tier::Issuing)?;
        let names = certificate.extensions().subject_alt_names.iter();
        let sans = names.filter_map(|name| match name {
            GeneralName::Dns(host) => Some(San::Dns(host.clone())),
            GeneralName::Ip(address) => Some(San::Ip(*address)),
            _ => None,
        });
        let common_name = certificate.common_name().to_owned();
        let profile = Profile { role, common_name, sans: sans.collect(), days };
        let key = PKey::public_key_from_der(certificate.spki_der())?;
        self.certify(&key, &profile, now)
    }

    fn certify<T: HasPublic>(
        &mut self,
        key: &PKeyRef<T>,
        profile: &Profile,
        now: i64,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let validity = Validity::of_days(now, profile.days)?;
        require_within(Tier::Issuing, validity, self.issuing.parsed.not_after())?;
        let holding = Holding {
            org: self.org(),
            role: profile.role,
            common_name: &profile.common_name,
            sans: &profile.sans,
            validity,
        };
        let x509 = builder::holder(&holding, key, (&self.issuing.x509, &self.issuing_key))?;
        let chain = vec![Certificate::parse(&x509.to_der()?)?, self.issuing.parsed.clone()];
        let issued = IssuedCertificate { chain };
        self.lint(&issued, Purpose::of(profile.role.holder()), now)?;
        self.record(issued_entry(issued.certificate(), Tier::Issuing, now))?;
        Ok(issued)
    }

    /// Asks the ledger's own verifier, before anyone sees the certificate.
    fn lint(&self, issued: &IssuedCertificate, purpose: Purpose, at: i64) -> Result<(), AuthorityError> {
        let anchors = [self.root.parsed.clone()];
        check_path(&PathRequest { chain: &issued.chain, anchors: &anchors, crls: &[], at, purpose })?;
        Ok(())
    }

    fn require_not_revoked(&self, serial: &Serial, tier: Tier) -> Result<(), AuthorityError> {
        match log::revocations(&self.log, tier).find(|(revoked, ..)| *revoked == serial) {
            Some((_, reason, _)) => Err(AuthorityError::AlreadyRevoked { serial: serial.clone(), reason }),
            None => Ok(()),
        }
    }

    /// Revokes a certificate that this authority has issued. It takes effect with the next CRL.
    ///
    /// The issuing authority's own certificate is revoked by the root: its CRL is [`Authority::root_crl`].
    pub fn revoke(
        &mut self,
        serial: &Serial,
        reason: RevocationReason,
        now: i64,
    ) -> Result<Tier, AuthorityError> {
        let (by, issuer) = log::signers(&self.log)
            .remove(serial)
            .filter(|_| serial != self.root.parsed.serial())
            .ok_or_else(|| AuthorityError::NotIssuedHere { serial: serial.clone() })?;
        let issuer = issuer.filter(|issuer| by == Tier::Issuing && *issuer != self.issuing.parsed.serial());
        if let Some(issuer) = issuer {
            return Err(AuthorityError::IssuerReplaced { serial: serial.clone(), issuer: issuer.clone() });
        }
        self.require_not_revoked(serial, by)?;
        self.record(LogEntry::Revoked { at: now, by, serial: serial.clone(), reason })?;
        Ok(by)
    }

    /// Signs the issuing authority's next CRL, due again after `days`; also writes it to `crl.pem` at home. What is
    /// too long for the ledger is signed as several.
    pub fn crl(&mut self, days: u32, now: i64) -> Result<IssuedCrls, AuthorityError> {
        self.sign_crls(Tier::Issuing, days, now)
    }

    /// Signs the root's next CRL, which lists revoked issuing authorities. Needs the root's key.
    pub fn root_crl(&mut self, days: u32, now: i64) -> Result<IssuedCrls, AuthorityError> {
        self.sign_crls(Tier::Root, days, now)
    }

    /// Signs the issuing authority's next CRL with the default validity.
    pub fn default_crl(&mut self, now: i64) -> Result<IssuedCrls, AuthorityError> {
        self.crl(CRL_DAYS, now)
    }

    fn sign_crls(&mut self, tier: Tier, days: u32, now: i64) -> Result<IssuedCrls, AuthorityError> {
        let next_update = Validity::of_days(now, days)?.not_after;
        let revoked = self.to_list(tier);
        let mut parts: Vec<&[log::Revoked<'_>]> = revoked.chunks(CRL_ENTRIES).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let numbered = parts.into_iter().zip(log::next_crl_number(&self.log, tier)..);
        let lists = numbered.map(|(revoked, number)| {
            self.sign_list(tier, &CrlContent { number, this_update: now, next_update, revoked })
        });
        let issued = IssuedCrls { lists: lists.collect::<Result<_, _>>()? };
        for list in &issued.lists {
            self.record(LogEntry::CrlIssued { at: now, by: tier, number: list.number(), next_update })?;
        }
        if let Some(home) = &self.home {
            files::write(&crl_path(&home.dir, tier), issued.pem().as_bytes(), PUBLIC_MODE, true)?;
        }
        Ok(issued)
    }

    /// What a tier's CRLs must list, the newest first.
    fn to_list(&self, tier: Tier) -> Vec<log::Revoked<'_>> {
        // A replaced issuing authority's revocations stand on its own CRLs.
        let signers = log::signers(&self.log);
        let in_office = self.issuing.parsed.serial();
        let is_ours = |serial: &Serial| match signers.get(serial) {
            Some((Tier::Issuing, issuer)) => *issuer == Some(in_office),
            signer => signer.is_some(),
        };
        let mut revoked = log::still_listed(&self.log, tier);
        revoked.retain(|(serial, ..)| is_ours(serial));
        revoked.reverse();
        revoked
    }

    /// Signs one CRL, and asks the ledger's own verifier.
    fn sign_list(&self, tier: Tier, content: &CrlContent<'_>) -> Result<Crl, AuthorityError> {
        let (issuer, key) = match tier {
            Tier::Root => (&self.root, self.root_key.as_ref().ok_or(AuthorityError::RootOffline)?),
            Tier::Issuing => (&self.issuing, &self.issuing_key),
        };
        let crl = Crl::parse(&builder::crl(content, &issuer.x509, key)?)?;
        let issuer_chain: &[Certificate] = match tier {
            Tier::Root => &[],
            Tier::Issuing => std::slice::from_ref(&self.issuing.parsed),
        };
        let anchors = [self.root.parsed.clone()];
        let at = content.this_update;
        check_crl(&CrlRequest { crl: &crl, issuer_chain, anchors: &anchors, crls: &[], at })?;
        Ok(crl)
    }

    /// Logs an act: durably at home, before the caller can hand anything out.
    fn record(&mut self, entry: LogEntry) -> Result<(), AuthorityError> {
        if let Some(home) = &mut self.home {
            let line = lines(std::slice::from_ref(&entry));
            let appended = home.log.write_all(line.as_bytes()).and_then(|()| home.log.sync_data());
            appended.map_err(files::error(&log_path(&home.dir), "append"))?;
        }
        self.log.push(entry);
        Ok(())
    }
}

fn require_within(tier: Tier, validity: Validity, limit: i64) -> Result<(), AuthorityError> {
    if validity.not_after > limit {
        return Err(AuthorityError::OutlivesAuthority { tier, requested: validity.not_after, limit });
    }
    Ok(())
}

fn require_pair(
    tier: Tier,
    certificate: &AuthorityCertificate,
    key: &PrivateKey,
) -> Result<(), AuthorityError> {
    if certificate.parsed.public_key() == key.public() {
        Ok(())
    } else {
        Err(AuthorityError::KeyMismatch(tier))
    }
}

fn issued_entry(certificate: &Certificate, by: Tier, at: i64) -> LogEntry {
    LogEntry::Issued {
        at,
        by,
        serial: certificate.serial().clone(),
        subject: certificate.subject().to_string(),
        not_after: certificate.not_after(),
        sha256: hex::encode(certificate.sha256()),
    }
}

fn lines(entries: &[LogEntry]) -> String {
    let line = |entry| serde_json::to_string(entry).expect("a log entry has only strings and numbers") + "\n";
    entries.iter().map(line).collect()
}

fn open_log(path: &Path) -> Result<File, AuthorityError> {
    let file = OpenOptions::new().append(true).open(path).map_err(files::error(path, "open"))?;
    file.try_lock().map_err(|_| AuthorityError::Busy(path.to_owned()))?;
    Ok(file)
}

fn read_log(path: &Path) -> Result<Vec<LogEntry>, AuthorityError> {
    let text = String::from_utf8_lossy(&files::read(path)?).into_owned();
    let damaged = |index: usize, error: serde_json::Error| AuthorityError::Log {
        path: path.to_owned(),
        line: index.saturating_add(1),
        detail: error.to_string(),
    };
    let parse = |(index, line)| serde_json::from_str(line).map_err(|error| damaged(index, error));
    text.lines().enumerate().map(parse).collect()
}
