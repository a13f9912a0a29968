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

/// How it is asked: all paths, a few requests each; and paths of every form, each parameter up to its bounds.
const RUNS: [&[&str]; 2] = [
    &["--phases", "fuzzing", "--max-examples", "3"],
    &["--phases", "coverage", "--include-path-regex", FORMS],
];

/// A path of each form.
const FORMS: &str =
    "^/v1/(token|status|flows|transactions|balances|seats|blocks/.*|accounts/.*|export/transfers|reads.*)$";

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
    let (postgres, pki) = (database(Size { blocks: 200, transactions: 10 }), Pki::new());
    let alice = pki.give("regulator", "alice", &[]);
    supervise(&postgres, 100, &alice.supervisor("regulator", Some(EVERYTHING)));
    let service = Service::start(&postgres, &pki, "requests_per_second = 10000\n");
    let token = service.token(&alice);
    let document = service.read(&alice, "", "/v1/openapi.json");
    std::fs::write(pki.path("openapi.json"), answerable(document).to_string()).unwrap();
    for run in RUNS {
        let output = judged(&program, &pki, &service, (&alice, &token), run);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The document without what no schema can say: a cursor is of the page before; flows begin at one of two; what may be read
/// for, the service's configuration says.
fn answerable(mut document: Value) -> Value {
    for operation in document["paths"].as_object_mut().unwrap().values_mut() {
        if let Some(parameters) = operation.pointer_mut("/get/parameters").and_then(Value::as_array_mut) {
            parameters.retain(|parameter| parameter["name"] != "cursor");
        }
    }
    let flows = document["paths"]["/v1/flows"]["get"]["parameters"].as_array_mut().unwrap();
    flows.retain(|parameter| parameter["name"] != "organisation");
    let account = flows.iter_mut().find(|parameter| parameter["name"] == "account").unwrap();
    account["required"] = true.into();
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
