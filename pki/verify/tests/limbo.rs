//! The generic path check against x509-limbo, a suite of vectors that we did not write.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use concordat_pki_verify::{
    Crl,
    rfc5280::{self, Path},
    x509::X509,
};
use openssl::x509::{X509 as OpensslX509, X509Crl};
use serde::Deserialize;

/// 2024-01-01: within the validity of every case that does not state its time.
const DEFAULT_TIME: i64 = 1_704_067_200;

#[derive(Deserialize)]
struct Case {
    id: String,
    expected: Verdict,
    at: Option<i64>,
    trusted: Vec<String>,
    intermediates: Vec<String>,
    leaf: String,
    crls: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    Success,
    Failure,
}

/// Where the generic layer's verdict differs from the suite's, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("pathlen::max-chain-depth-0-exhausted", FIXED_DEPTH),
    ("pathlen::max-chain-depth-1-exhausted", FIXED_DEPTH),
    ("rfc5280::aki::cross-signed-root-missing-aki", "who else signed an anchor does not matter here"),
    ("rfc5280::eku::ee-wrong-eku", "extended key usages are judged by the profile, not by this layer"),
    ("rfc5280::ca-as-leaf-wrong-san", "whether a server has the expected name is the TLS layer's question"),
    ("rfc5280::nc::nc-permits-email-exact", NO_EMAIL),
    ("rfc5280::nc::nc-permits-email-domain", NO_EMAIL),
    ("rfc5280::nc::nc-permits-email-literal-asterisk-exact-match", NO_EMAIL),
    ("rfc5280::nc::nc-permits-email-literal-double-asterisk", NO_EMAIL),
    ("rfc5280::nc::nc-permits-email-literal-mid-asterisk", NO_EMAIL),
];

const FIXED_DEPTH: &str = "the longest path is a constant, not an input";
const NO_EMAIL: &str = "constrained e-mail addresses are refused, which RFC 5280 section 4.2.1.10 permits";

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("data/x509-limbo.json")).expect("the fixture is valid JSON")
}

fn certificate(pem: &str) -> Option<X509> {
    let der = OpensslX509::from_pem(pem.as_bytes()).ok()?.to_der().ok()?;
    X509::parse(&der).ok()
}

fn verdict(case: &Case) -> Verdict {
    let crls: Option<Vec<Crl>> = case
        .crls
        .iter()
        .map(|pem| Crl::parse(&X509Crl::from_pem(pem.as_bytes()).ok()?.to_der().ok()?).ok())
        .collect();
    let anchors: Vec<X509> = case.trusted.iter().filter_map(|pem| certificate(pem)).collect();
    let pool: Vec<X509> = case.intermediates.iter().filter_map(|pem| certificate(pem)).collect();
    let at = case.at.unwrap_or(DEFAULT_TIME);
    match (certificate(&case.leaf), crls) {
        (Some(leaf), Some(crls)) if leads_to_anchor(&[&leaf], &pool, &anchors, &crls, at) => Verdict::Success,
        _ => Verdict::Failure,
    }
}

/// Searches the paths from `chain` onwards: building paths is the suite's assumption, not the crate's job.
fn leads_to_anchor(chain: &[&X509], pool: &[X509], anchors: &[X509], crls: &[Crl], at: i64) -> bool {
    let Some(last) = chain.last() else { return false };
    let ends = anchors.iter().any(|anchor| rfc5280::check(&Path { chain, anchor, crls, at }).is_ok());
    let continues = || {
        pool.iter().filter(|next| next.subject() == last.issuer() && !chain.contains(next)).any(|next| {
            let longer: Vec<&X509> = chain.iter().copied().chain([next]).collect();
            leads_to_anchor(&longer, pool, anchors, crls, at)
        })
    };
    ends || (chain.len() < 6 && continues())
}

#[test]
fn every_verdict_is_the_suites_or_an_explained_difference() {
    let differences: BTreeMap<&str, &str> = DIFFERENCES.iter().copied().collect();
    let mut wrong = Vec::new();
    for case in cases() {
        let agrees = verdict(&case) == case.expected;
        if agrees == differences.contains_key(case.id.as_str()) {
            wrong.push(format!("{}: expected {:?}, listed as different: {}", case.id, case.expected, agrees));
        }
    }
    assert!(wrong.is_empty(), "{} verdicts:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_listed_difference_is_a_case() {
    let ids: Vec<String> = cases().into_iter().map(|case| case.id).collect();
    for (id, _) in DIFFERENCES {
        assert!(ids.iter().any(|known| known == id), "{id} is no case");
    }
}
