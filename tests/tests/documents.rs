//! The tables of docs/testing.md name tests that exist, and every target of the fuzzer.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where a file without a folder is looked for.
const FOLDERS: &[&str] =
    &["chain/core/tests/ledger", "chain/rpc/tests/interfaces", "governance/tests/committee"];

fn root() -> PathBuf {
    concordat_tests::package().parent().unwrap().to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/testing.md")).unwrap()
}

/// The rows of the first table below a heading: of each row its cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|'));
    let rows =
        lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
    // Neither the titles nor the line below them.
    rows.skip(2).collect()
}

/// What stands between backquotes, in order.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The files of a name: from the root, or in one of the folders that need not be named.
fn files(name: &str) -> Vec<PathBuf> {
    let below = |folder: &&str| root().join(folder).join(name);
    let all = if name.contains('/') { vec![root().join(name)] } else { FOLDERS.iter().map(below).collect() };
    all.into_iter().filter(|file| file.exists()).flat_map(with_modules).collect()
}

/// A file and the modules that it is split into.
fn with_modules(file: PathBuf) -> Vec<PathBuf> {
    let folder = fs::read_dir(file.with_extension("")).into_iter().flatten();
    let modules = folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some());
    let mut all: Vec<PathBuf> = modules.collect();
    all.push(file);
    all
}

/// Whether a file has a test of a name, or of names that begin so, or a step of one of its tests.
fn has_test(file: &Path, name: &str) -> bool {
    let text = fs::read_to_string(file).unwrap();
    let (start, end) = name.strip_suffix('…').map_or((name, "("), |start| (start, ""));
    let mut tested = false;
    for line in text.lines().map(str::trim_start) {
        if line.strip_prefix("async ").unwrap_or(line).starts_with(&format!("fn {start}{end}")) {
            // A step is called by a test.
            return tested || text.matches(&format!("{start}(")).count() > 1;
        }
        tested = line.contains("test]") || (tested && line.starts_with("#["));
    }
    false
}

/// What a cell names and nobody finds: each test belongs to the file before it.
fn missing(cell: &str) -> Vec<String> {
    let (mut missing, mut last) = (Vec::new(), Vec::new());
    for word in quoted(cell) {
        if word.ends_with(".rs") || (word.contains('/') && !word.contains(' ')) {
            last = files(word);
            missing.extend(last.is_empty().then(|| word.to_owned()));
        } else if word.matches('_').count() > 1 || word.ends_with("_…") {
            let found = last.iter().any(|file| has_test(file, word));
            missing.extend((!found).then(|| word.to_owned()));
        }
    }
    missing
}

#[test]
fn what_the_tables_name_is_there() {
    let page = page();
    let headings = [
        "Defects of FISCO BCOS",
        "Promises of FISCO BCOS",
        "Who may do what",
        "Decoders that face strangers",
    ];
    for heading in headings {
        let rows = rows(&page, heading);
        assert!(rows.len() > 2, "{heading}: a table of {} rows?", rows.len());
        let missing: Vec<String> = rows.iter().flatten().flat_map(|cell| missing(cell)).collect();
        assert!(missing.is_empty(), "docs/testing.md, {heading}: not found: {missing:#?}");
    }
}

#[test]
fn each_defect_and_each_promise_names_what_shows_it_or_what_is_not_there_yet() {
    let page = page();
    for row in rows(&page, "Defects of FISCO BCOS") {
        assert!(quoted(&row[1]).iter().any(|word| word.contains(".rs") || word.contains('/')), "{row:?}");
    }
    let promises = rows(&page, "Promises of FISCO BCOS");
    for (number, row) in (1..).zip(&promises) {
        assert!(row[0].starts_with(&format!("{number}. ")), "{row:?}");
        let shown = quoted(&row[1]).iter().any(|word| word.ends_with(".rs"));
        assert!(shown || !row[2].is_empty(), "{row:?}");
        assert_eq!(shown, !row[1].is_empty(), "{row:?}");
    }
    assert_eq!(promises.len(), 15);
}

#[test]
fn the_tests_of_real_processes_in_the_table_exist() {
    let rows = rows(&page(), "What is done to real processes");
    let names: Vec<&str> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "chaos") {
        let file = if name.contains('/') { name.to_owned() } else { format!("tests/tests/{name}.rs") };
        assert!(root().join(&file).exists(), "docs/testing.md names {name}, and there is no {file}");
    }
}

#[test]
fn every_target_of_the_fuzzer_stands_in_the_table_of_decoders() {
    let manifest: toml::Table = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap().parse().unwrap();
    let targets = manifest["bin"].as_array().unwrap().iter();
    let targets: BTreeSet<String> = targets.map(|bin| bin["name"].as_str().unwrap().to_owned()).collect();
    let rows = rows(&page(), "Decoders that face strangers");
    let told: BTreeSet<String> = rows.iter().flat_map(|row| quoted(&row[2])).map(ToOwned::to_owned).collect();
    assert_eq!(told, targets);
    for target in &targets {
        let seeds = root().join("fuzz/seeds").join(target);
        assert!(
            fs::read_dir(&seeds).is_ok_and(|mut all| all.next().is_some()),
            "{} is empty",
            seeds.display()
        );
    }
}
