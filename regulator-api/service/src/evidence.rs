//! Packages for a court: everything that somebody did between two heights, proven to be all of it, signed by the service.
//!
//! What is proven needs nobody's word; of the other tables the signer is whoever says them: the service, whose operator
//! answers for the database. A supervisor's own key never comes here.

use std::sync::Arc;

use concordat_evidence::{ActivityFile, Checked, EvidenceError, Limits, Package, Wanted, obtain};
use concordat_light::Rpc;
use concordat_sql::{
    export::{Bounds, ExportError, Records, records},
    read::Tip,
};
use concordat_types::activity::Subject;

use crate::{
    answer::Ask,
    body::nothing,
    node::{Node, Sealer, check_chain, failed},
    params::Parameters,
    problem::{Kind, Problem},
    service::Service,
    subject,
};

/// Its parameters.
pub(crate) const TAKES: &[&str] = &["subject", "from", "to", "since", "until"];

/// How much a package holds at most: what a request may take of memory.
const LIMITS: Limits = Limits { transactions: 10_000, bytes: 64 << 20 };

/// How many rows beside the proven ones, and how long one statement may take.
const BOUNDS: Bounds = Bounds { rows: 100_000, statement_ms: 30_000 };

/// What the log of operations says first.
const UNMADE: &str = "a package cannot be made";

/// A file that is sent whole.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: usize,
}

/// The package of a subject that the mandate covers, under the case that the token names.
pub(crate) async fn of(service: &Service, mut ask: Ask<'_>, case: &str) -> Result<File, Problem> {
    let tip = &ask.admitted.tip;
    let wanted = wanted(service, &mut ask.parameters, tip).await?;
    if !subject::covers(service, &wanted.subject, &ask.admitted.caller.scope, tip).await? {
        return Err(nothing());
    }
    let (node, sealer, permit) = service.beside.packs()?;
    check_chain(&node.genesis.chain_id, &tip.chain_id)?;
    let of_node = node.clone();
    // Whoever has hung up does not end a thread: the permit goes with the work.
    let asked = tokio::task::spawn_blocking(move || (proven(&of_node, &wanted), permit));
    let (proof, permit) = asked.await.map_err(ended)?;
    let proof = proof?;
    let (range, places) = ((proof.0.from, proof.0.to), proof.1.places());
    let told = records(&service.database, &proof.0.subject, range, &places, Some(BOUNDS)).await;
    let told = told.map_err(unread)?;
    let case = case.to_owned();
    let packed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        packed(&case, &node, (&proof.0, &proof.1), told, &sealer)
    });
    packed.await.map_err(ended)?
}

/// An activity with what was found right in it.
type Proof = (ActivityFile, Checked);

/// Asks the node, on a thread that may wait.
fn proven(node: &Arc<Node>, wanted: &Wanted) -> Result<Proof, Problem> {
    let interfaces = (&node.ethereum as &dyn Rpc, node.comet.clone());
    obtain(wanted, &node.genesis, interfaces, LIMITS, &mut |_| ()).map_err(|error| refused(&error))
}

fn packed(
    case: &str,
    node: &Node,
    (proof, checked): (&ActivityFile, &Checked),
    told: Records,
    sealer: &Sealer,
) -> Result<File, Problem> {
    let made = Package::make(case, &node.genesis, (proof, checked), told, (&sealer.seal, &sealer.roots));
    let package = made.map_err(|error| refused(&error))?;
    let bytes = package.to_zip().map_err(|error| refused(&error))?;
    let name = format!("evidence-{}-{}-{}.zip", proof.subject, proof.from, proof.to);
    Ok(File { name, bytes, rows: package.found.records })
}

/// Whose activity, between which heights that the database has.
async fn wanted(service: &Service, parameters: &mut Parameters, tip: &Tip) -> Result<Wanted, Problem> {
    let wrong = |detail: &str| Problem::new(Kind::Malformed, detail);
    let (from, to) = parameters.period(&service.reader, tip).await?;
    let kind = "an address (0x and 40 hexadecimal digits) or the id of an organisation";
    let subject: Option<Subject> = parameters.parsed("subject", kind)?;
    parameters.end(TAKES)?;
    let subject = subject.ok_or_else(|| wrong("subject is missing: whom the package is about"))?;
    let (from, to) = (from.unwrap_or(1).max(1), to.unwrap_or(tip.height));
    if to > tip.height {
        return Err(Problem::new(Kind::Ahead, format!("the newest block is {}", tip.height)));
    }
    if from > to {
        return Err(wrong("there is no block from `from` to `to`"));
    }
    let height = |height: i64| u64::try_from(height).unwrap_or_default();
    Ok(Wanted { subject, from: height(from), to: Some(height(to)) })
}

/// What comes of evidence that cannot be made. Why, the log of operations says.
fn refused(error: &EvidenceError) -> Problem {
    let told = |kind, detail: &str| {
        tracing::error!(%error, "{UNMADE}");
        Problem::new(kind, detail)
    };
    match error {
        EvidenceError::TooLarge(what) => Problem::new(Kind::TooWide, what.clone()),
        EvidenceError::Light(error) => failed(error),
        EvidenceError::Wrong(_) => told(
            Kind::Contradiction,
            "node and database do not say the same; whoever operates the service runs `concordat audit verify-projection`",
        ),
        EvidenceError::Signer(_) => told(
            Kind::NotConfigured,
            "the certificate of [seal] does not vouch for a package now; whoever operates the service renews it",
        ),
        EvidenceError::Unable(_) | EvidenceError::Malformed { .. } => {
            told(Kind::NodeAway, "its answer is not understood; the service's log says why")
        }
        _ => Problem::internal(UNMADE, error),
    }
}

fn unread(error: ExportError) -> Problem {
    match error {
        ExportError::Sql(error) => error.into(),
        ExportError::TooManyRows { rows } => {
            let detail = format!("there are more than {rows} rows about the subject: ask for one with fewer");
            Problem::new(Kind::TooWide, detail)
        }
        other => Problem::internal(UNMADE, other),
    }
}

fn ended(error: tokio::task::JoinError) -> Problem {
    Problem::internal(UNMADE, error)
}

#[cfg(test)]
mod tests {
    use concordat_light::LightError;

    use super::*;

    #[test]
    fn every_reason_why_there_is_no_package_is_a_problem_that_tells_nothing_of_the_inside() {
        let secret = || "row of 0x5b38".to_owned();
        let kinds = [
            (EvidenceError::TooLarge("the range has more".into()), Kind::TooWide),
            (EvidenceError::Wrong(secret()), Kind::Contradiction),
            (EvidenceError::Signer(secret()), Kind::NotConfigured),
            (EvidenceError::Unable(secret()), Kind::NodeAway),
            (EvidenceError::Light(LightError::Unable(secret())), Kind::NodeAway),
            (EvidenceError::Light(LightError::Wrong(secret())), Kind::Contradiction),
        ];
        for (error, kind) in kinds {
            let problem = refused(&error);
            assert_eq!(problem.kind, kind, "{error}");
            assert!(!problem.detail.contains("0x5b38"), "{}", problem.detail);
        }
        assert_eq!(unread(ExportError::TooManyRows { rows: 7 }).kind, Kind::TooWide);
        let behind = ExportError::Behind { to: 9, height: 8 };
        assert_eq!(unread(behind).kind, Kind::Internal);
    }
}
