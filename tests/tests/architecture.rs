//! The dependency edges and the purity rules of ARCHITECTURE.md hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Each crate and the crates of ours that it may use. A crate that stands here may stand nowhere else.
const EDGES: &[(&str, &[&str])] = &[
    ("chain/types", &[]),
    ("pki/verify", &["types"]),
    ("permissions", &["types"]),
    ("governance", &["types"]),
    ("chain/core", &["types", "pki-verify", "permissions", "governance"]),
    ("chain/state", &["types"]),
    ("chain/consensus", &["types", "pki-verify"]),
    ("chain/rpc", &["types", "core", "state"]),
    ("monitoring", &[]),
    ("chain/node", &["types", "core", "state", "consensus", "rpc", "pki-verify", "monitoring"]),
    ("chain/light", &["types", "core"]),
    ("pki/authority", &["types", "pki-verify"]),
    ("sql", &["types", "governance", "core", "state", "surveillance"]),
    ("regulator-api/service", &["types", "sql", "light", "evidence"]),
    ("regulator-api/surveillance", &["types"]),
    ("regulator-api/reconcile", &[]),
    ("regulator-api/evidence", &["types", "core", "light", "sql", "pki-authority"]),
    (
        "cli",
        &[
            "types",
            "permissions",
            "governance",
            "core",
            "state",
            "consensus",
            "rpc",
            "node",
            "pki-verify",
            "pki-authority",
            "monitoring",
            "sql",
            "regulator-api",
            "surveillance",
            "reconcile",
            "light",
            "evidence",
        ],
    ),
    ("tests", &["sql"]),
];

/// Crates that run inside block execution, and surveillance, whose findings come out the same for everybody.
const PURE: &[&str] =
    &["chain/types", "pki/verify", "permissions", "governance", "chain/core", "regulator-api/surveillance"];

/// What a pure crate must not depend on.
const IMPURE_CRATES: &[&str] =
    &["tokio", "openssl", "rand", "rustls", "rocksdb", "actix-web", "tracing", "ureq"];

/// What must not come into a pure crate through others either.
const IMPURE_ANYWHERE: &[&str] = &[
    "tokio",
    "async-std",
    "mio",
    "socket2",
    "openssl",
    "openssl-sys",
    "native-tls",
    "rustls",
    "rocksdb",
    "librocksdb-sys",
    "actix-web",
    "hyper",
    "reqwest",
    "ureq",
];

/// What the code of a pure crate must not name, outside of its tests.
const IMPURE_NAMES: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "HashMap",
    "HashSet",
    " f32",
    " f64",
    "println!",
    "tokio::",
];

fn root() -> PathBuf {
    concordat_tests::package().parent().unwrap().to_owned()
}

fn manifest(folder: &str) -> toml::Table {
    let file = root().join(folder).join("Cargo.toml");
    fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())).parse().unwrap()
}

fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let table = manifest.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
    table.keys().cloned().collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without comments and without its test module.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The files of the pure crates, each with its code; those of tests alone are none.
fn pure_code() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in PURE {
        rust_files(&root().join(folder).join("src"), &mut files);
    }
    let of_tests =
        |file: &Path| file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests");
    assert!(files.len() > 50, "only {} files", files.len());
    files.into_iter().filter(|file| !of_tests(file)).map(|file| (file.clone(), code(&file))).collect()
}

#[test]
fn every_crate_of_the_workspace_has_its_place_in_the_architecture() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members: BTreeSet<String> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(members, EDGES.iter().map(|(folder, _)| (*folder).to_owned()).collect());
}

#[test]
fn crates_use_only_the_crates_that_they_may() {
    let mut wrong = BTreeMap::new();
    for (folder, allowed) in EDGES {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| format!("concordat-{name}")).collect();
        let ours = dependencies(folder).into_iter().filter(|name| name.starts_with("concordat-"));
        let beyond: Vec<String> = ours.filter(|name| !allowed.contains(name)).collect();
        if !beyond.is_empty() {
            wrong.insert(*folder, beyond);
        }
    }
    assert!(wrong.is_empty(), "edges that ARCHITECTURE.md does not allow: {wrong:?}");
}

#[test]
fn only_the_state_crate_touches_the_database() {
    for (folder, _) in EDGES.iter().filter(|(folder, _)| *folder != "chain/state") {
        assert!(!dependencies(folder).contains("rocksdb"), "{folder} depends on rocksdb");
    }
}

#[test]
fn pure_crates_depend_on_nothing_impure() {
    for folder in PURE {
        let found: Vec<String> =
            dependencies(folder).into_iter().filter(|name| IMPURE_CRATES.contains(&name.as_str())).collect();
        assert!(found.is_empty(), "{folder} depends on {found:?}");
    }
}

/// All that is linked with a crate, by name, with the features that it alone asks for.
fn linked_with(folder: &str) -> BTreeSet<String> {
    let name = manifest(folder)["package"]["name"].as_str().unwrap().to_owned();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--offline", "--edges", "normal,no-proc-macro", "--prefix", "none"])
        .args(["--format", "{p}", "--package", &name])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree of {name}: {said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect()
}

#[test]
fn nothing_impure_comes_into_pure_crates_through_others() {
    for folder in PURE {
        let linked = linked_with(folder);
        assert!(linked.contains("sha2"), "{folder} is linked with {linked:?}?");
        let found: Vec<&&str> = IMPURE_ANYWHERE.iter().filter(|name| linked.contains(**name)).collect();
        assert!(found.is_empty(), "{folder} is linked with {found:?}; `cargo tree -i` says through what");
    }
    let linked = linked_with("chain/node");
    assert!(linked.contains("tokio") && linked.contains("librocksdb-sys"), "{linked:?}");
}

#[test]
fn pure_crates_name_no_clock_file_socket_environment_randomness_or_unordered_map() {
    let mut wrong = Vec::new();
    for (file, code) in pure_code() {
        let named = IMPURE_NAMES.iter().filter(|name| code.contains(**name));
        wrong.extend(named.map(|name| format!("{} names {name}", file.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The lints that a crate refuses everywhere outside of its tests.
fn denied(folder: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(folder).join("src/lib.rs")).unwrap();
    let attributes =
        text.lines().filter(|line| line.starts_with("#![deny(") || line.starts_with("#![cfg_attr(not(test)"));
    let named =
        attributes.filter_map(|line| line.split_once("deny(")?.1.split(')').next().map(ToOwned::to_owned));
    named.flat_map(|names| names.split(", ").map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn pure_crates_refuse_whatever_could_panic_or_overflow() {
    let shared: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let shared = &shared["workspace"]["lints"]["clippy"];
    for lint in ["panic", "todo", "unimplemented", "unreachable", "unwrap_used"] {
        // A warning fails `make test`.
        assert_eq!(shared[lint].as_str(), Some("warn"), "{lint}");
    }
    let own = ["clippy::indexing_slicing", "clippy::arithmetic_side_effects"];
    for folder in PURE {
        assert_eq!(manifest(folder)["lints"]["workspace"].as_bool(), Some(true), "{folder}");
        let denied = denied(folder);
        assert!(own.iter().all(|lint| denied.contains(*lint)), "{folder} denies {denied:?}");
    }
}

#[test]
fn no_code_of_a_pure_crate_takes_a_lint_back_that_keeps_it_from_panicking() {
    let kept = ["indexing_slicing", "arithmetic_side_effects", "unwrap_used", "panic", "unreachable", "todo"];
    let mut wrong = Vec::new();
    for (file, code) in pure_code() {
        let taken_back = |lint: &&&str| {
            ["allow", "expect"].iter().any(|way| code.contains(&format!("{way}(clippy::{lint}")))
        };
        wrong.extend(kept.iter().filter(taken_back).map(|lint| format!("{}: {lint}", file.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_crate_says_what_it_is_for() {
    for (folder, _) in EDGES {
        let src = root().join(folder).join("src");
        let file = [src.join("lib.rs"), src.join("main.rs")].into_iter().find(|file| file.exists()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! ") && text.lines().next().unwrap().len() > 20, "{folder} has no `//!`");
    }
}
