//! The service does what its own document says: schemathesis makes requests of it, right and wrong ones, and judges the answers.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use concordat_tests::{
    imagined::{EVERYTHING, Size, supervise},
    skip,
    supervision::{Holder, Pki, Service, database},
};
use openssl::pkey::PKey;
use serde_json::{Value, json};

/// A way in which it is asked.
struct Run {
    args: &'static [&'static str],
    /// Whether requests follow from answers: then cursors are those of pages.
    follows: bool,
    /// At what flows begin.
    flows_of: &'static str,
}

/// How it is asked: all paths, a few requests each; paths of every form, each parameter up to its bounds; streams, which end
/// at a height; and from answers to what they lead to. What follows from an answer is not judged by whether it is accepted:
/// the first requests have cursors of nothing.
const RUNS: [Run; 4] = [
    Run {
        args: &["--phases", "fuzzing", "--max-examples", "3", "--exclude-path-regex", "^/v1/stream/"],
        follows: false,
        flows_of: "account",
    },
    Run {
        args: &["--phases", "coverage", "--include-path-regex", FORMS],
        follows: false,
        flows_of: "organisation",
    },
    Run {
        args: &[
            "--phases",
            "fuzzing",
            "--max-examples",
            "2",
            "--mode",
            "positive",
            "--include-path-regex",
            "^/v1/stream/",
        ],
        follows: false,
        flows_of: "account",
    },
    Run {
        args: &[
            "--phases",
            "stateful",
            "--max-examples",
            "20",
            "--mode",
            "positive",
            "--include-path-regex",
            LINKED,
            "--exclude-checks",
            "positive_data_acceptance",
        ],
        follows: true,
        flows_of: "account",
    },
];

/// A path of each form.
const FORMS: &str = "^/v1/(token|status|findings.*|flows|transactions|balances|seats|blocks/.*|accounts/.*|export/transfers|reads.*)$";

/// Paths that lead to one another.
const LINKED: &str = "^/v1/(transactions|accounts|blocks|organisations|proposals|contracts)(/\\{[a-z]+\\})?$";

/// How far the imagined chain has come.
const BLOCKS: u64 = 200;

/// What requests are drawn from.
const SEED: &str = "20261126";

/// How it is to judge.
const CONFIG: &str = include_str!("../clients/schemathesis.toml");

/// The program, where there is one.
fn schemathesis() -> Option<PathBuf> {
    let named = std::env::var_os("CONCORDAT_SCHEMATHESIS").map(PathBuf::from);
    let program = named.unwrap_or_else(|| "schemathesis".into());
    Command::new(&program)
        .arg("--version")
        .output()
        .ok()
        .filter(|told| told.status.success())
        .map(|_| program)
}

#[test]
fn schemathesis_finds_no_answer_that_is_not_in_the_document() {
    let Some(program) = schemathesis() else {
        return skip::note("schemathesis", "there is no schemathesis; scripts/test fetches it from PyPI");
    };
    let (postgres, pki) = (database(Size { blocks: BLOCKS, transactions: 10 }), Pki::new());
    let alice = pki.give("regulator", "alice", &[]);
    supervise(&postgres, 100, &alice.supervisor("regulator", Some(EVERYTHING)));
    let service = Service::start(&postgres, &pki, "requests_per_second = 10000\n");
    let token = service.token(&alice);
    let document = service.read(&alice, "", "/v1/openapi.json");
    for run in RUNS {
        let document = answerable(document.clone(), &run);
        std::fs::write(pki.path("openapi.json"), document.to_string()).unwrap();
        let output = judged(&program, &pki, &service, (&alice, &token), run.args);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The document with what no schema of the service's can say: that a cursor is of the page before, how far the chain has
/// come, that flows begin at one of two, that a stream without an end has none, and what its configuration lets be read for.
fn answerable(mut document: Value, run: &Run) -> Value {
    let height = json!({ "type": "integer", "minimum": 0, "maximum": BLOCKS });
    for (path, operation) in document["paths"].as_object_mut().unwrap() {
        let Some(parameters) = operation.pointer_mut("/get/parameters").and_then(Value::as_array_mut) else {
            continue;
        };
        parameters.retain(|parameter| run.follows || parameter["name"] != "cursor");
        let is_stream = path.starts_with("/v1/stream/");
        for parameter in parameters {
            // Lists take any end of a period.
            match parameter["name"].as_str().unwrap() {
                "to" if is_stream || path.starts_with("/v1/export/") => {
                    parameter["required"] = is_stream.into()
                }
                "at" => {}
                _ => continue,
            }
            parameter["schema"] = height.clone();
        }
    }
    let flows = document["paths"]["/v1/flows"]["get"]["parameters"].as_array_mut().unwrap();
    let other = if run.flows_of == "account" { "organisation" } else { "account" };
    flows.retain(|parameter| parameter["name"] != other);
    let begin = flows.iter_mut().find(|parameter| parameter["name"] == run.flows_of).unwrap();
    begin["required"] = true.into();
    let body = &mut document["paths"]["/v1/token"]["post"]["requestBody"]["content"]["application/json"];
    body["schema"]["properties"]["purpose"] = json!({ "type": "string", "enum": ["audit", "supervision"] });
    document
}

fn judged(
    program: &Path,
    pki: &Pki,
    service: &Service,
    (holder, token): (&Holder, &str),
    run: &[&str],
) -> Output {
    std::fs::write(pki.path("schemathesis.toml"), CONFIG).unwrap();
    // It opens no encrypted keys.
    let pem = std::fs::read(&holder.key).unwrap();
    let secret = std::fs::read_to_string(pki.path("passphrase")).unwrap();
    let key = PKey::private_key_from_pem_passphrase(&pem, secret.trim().as_bytes()).unwrap();
    std::fs::write(pki.path("open.key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let (config, key) = (pki.name("schemathesis.toml"), pki.name("open.key"));
    let (root, url) = (pki.name("ca/root/ca.crt"), format!("https://127.0.0.1:{}", service.port));
    let bearer = format!("Authorization: Bearer {token}");
    let mut command = Command::new(program);
    command.args(["--config-file", &config, "run", &pki.name("openapi.json"), "--url", &url]);
    command.args(["--header", &bearer, "--tls-verify", &root]);
    command.args(["--request-cert", &holder.certificate, "--request-cert-key", &key]);
    command.args(["--seed", SEED, "--generation-database", "none", "--no-shrink", "--no-color"]).args(run);
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(pki.path("")).output().unwrap()
}
