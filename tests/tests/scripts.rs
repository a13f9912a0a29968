//! What the project's scripts do where something is missing, or is not what it should be.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use concordat_tests::skip;

/// What the demo's first step runs besides npm and Node.js.
const TOOLS: [&str; 8] = ["bash", "date", "dirname", "env", "mktemp", "python3", "realpath", "rm"];

fn root() -> PathBuf {
    concordat_tests::package().parent().unwrap().to_owned()
}

fn script(file: &Path, text: &str) {
    fs::write(file, format!("#!/usr/bin/env bash\n{text}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists())
}

/// Python itself: what is on the path may be a script that looks for it.
fn python() -> Option<PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().into())
}

/// The demo up to where it needs the program, of which a stand-in says that it was asked.
struct Demo(tempfile::TempDir);

impl Demo {
    /// On a machine that has nothing but these tools, and has never fetched an npm package.
    fn new() -> Self {
        let demo = Self(tempfile::tempdir().unwrap());
        for folder in ["bin", "clients"] {
            fs::create_dir(demo.0.path().join(folder)).unwrap();
        }
        TOOLS.iter().for_each(|tool| demo.has(tool));
        for file in ["package.json", "package-lock.json"] {
            let from = root().join("tests/clients").join(file);
            fs::copy(from, demo.0.path().join("clients").join(file)).unwrap();
        }
        script(&demo.0.path().join("concordat"), "echo goes on >&2; exit 9");
        demo
    }

    fn has(&self, tool: &str) {
        let file = if tool == "python3" { python() } else { found(tool) };
        let file = file.unwrap_or_else(|| panic!("{tool} is missing"));
        symlink(file, self.0.path().join("bin").join(tool)).unwrap();
    }

    /// A stand-in for a program.
    fn has_instead(&self, tool: &str, text: &str) {
        script(&self.0.path().join("bin").join(tool), text);
    }

    fn has_the_compiler(&self) {
        for package in ["solc", "@openzeppelin/contracts"] {
            fs::create_dir_all(self.0.path().join("clients/node_modules").join(package)).unwrap();
        }
    }

    fn run(&self) -> Output {
        let folder = self.0.path();
        Command::new(root().join("scripts/demo"))
            .arg(folder.join("concordat"))
            .env("PATH", folder.join("bin"))
            .env("TMPDIR", folder)
            .env("CONCORDAT_CLIENTS", folder.join("clients"))
            // Nothing listens there.
            .env("npm_config_registry", "http://127.0.0.1:9/")
            .env("npm_config_cache", folder.join("cache"))
            .output()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn goes_on_with_the_checked_in_artefact(demo: &Demo, because: &str) {
    let output = demo.run();
    let said = said(&output);
    for words in [because, "the checked-in artefact serves", "goes on"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(output.status.code(), Some(9), "the stand-in's: {said}");
}

#[test]
fn the_demo_goes_on_with_the_checked_in_artefact_where_npm_is_missing() {
    let demo = Demo::new();
    goes_on_with_the_checked_in_artefact(&demo, "node is missing");
    demo.has_instead("node", "exit 1");
    goes_on_with_the_checked_in_artefact(&demo, "npm is missing");
}

#[test]
fn the_demo_goes_on_with_the_checked_in_artefact_where_the_registry_is_out_of_reach() {
    let demo = Demo::new();
    if found("npm").is_none() {
        return skip::note("npm", "npm is missing; scripts/setup installs it");
    }
    ["node", "npm", "timeout"].iter().for_each(|tool| demo.has(tool));
    goes_on_with_the_checked_in_artefact(&demo, "npm's packages cannot be had");
}

#[test]
fn the_demo_ends_where_its_artefact_is_not_what_the_compiler_makes() {
    let demo = Demo::new();
    demo.has_the_compiler();
    demo.has_instead("node", "echo BankToken.json differs from its sources; exit 1");
    let output = demo.run();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("differs from its sources") && !said.contains("goes on"), "{said}");
}

#[test]
fn artefacts_are_what_the_compiler_makes_of_their_sources() {
    if std::env::var_os("CONCORDAT_WITHOUT_NPM").is_some() {
        return skip::note(
            "npm",
            "npm or its packages are missing; scripts/setup and scripts/clients install them",
        );
    }
    let compiled = |folder: &str, arguments: &[&str]| {
        let output = Command::new("node")
            .arg("compile.cjs")
            .args(arguments)
            .current_dir(root().join(folder))
            .env("NODE_PATH", root().join("tests/clients/node_modules"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{folder}: {}; run scripts/clients --omit=dev", said(&output));
        output.stdout
    };
    for folder in ["tests/contracts", "chain/core/contracts"] {
        compiled(folder, &["--check"]);
    }
    // This one prints them.
    let folder = "chain/core/tests/data/contracts";
    let kept = fs::read(root().join(folder).join("artefacts.json")).unwrap();
    assert!(compiled(folder, &[]) == kept, "{folder}/artefacts.json differs from its sources");
}
