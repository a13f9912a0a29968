//! A compiler as a process that speaks solc's standard JSON: bounded in time and in what it says.

use std::{
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use eyre::{Report, Result, WrapErr as _, bail, eyre};
use serde_json::Value;

/// What is looked for on the path.
const PROGRAMS: [&str; 2] = ["solc", "solcjs"];

/// The most that a compiler may say.
const MAX_OUTPUT_BYTES: u64 = 256 << 20;

/// The most that it may complain.
const MAX_COMPLAINT_BYTES: u64 = 4 << 10;

/// A compiler.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    /// Its whole version, `0.8.37+commit.f401782d.Emscripten.clang` for example.
    pub version: String,
    limit: Duration,
}

impl Compiler {
    /// The compiler of this name, or the first on the path; it must be of the version that is named.
    pub fn find(program: Option<&Path>, named: Option<&str>, limit: Duration) -> Result<Self> {
        let compiler = match program {
            Some(program) => Self::ask(program, limit)?,
            None => Self::on_path(limit)?,
        };
        match named {
            Some(named) if !is_version(named, &compiler.version) => bail!(
                "{} is version {}, but {named:?} is named: have the compiler that is named, and show it with --solc",
                compiler.program.display(),
                compiler.version
            ),
            _ => Ok(compiler),
        }
    }

    fn on_path(limit: Duration) -> Result<Self> {
        for program in PROGRAMS {
            match Self::ask(Path::new(program), limit) {
                Err(error) if is_missing(&error) => {}
                found => return found,
            }
        }
        bail!("there is no {} on the path: install one, or name it with --solc", PROGRAMS.join(" and no "))
    }

    fn ask(program: &Path, limit: Duration) -> Result<Self> {
        // A path is taken from here, since the compiler runs elsewhere; a bare name is looked up on the path.
        let program = match program.components().count() {
            1 => program.to_owned(),
            _ => std::path::absolute(program)?,
        };
        let said = run(&program, "--version", Vec::new(), limit)?;
        let said = String::from_utf8_lossy(&said);
        let version = version_in(&said).ok_or_else(|| eyre!("{} tells no version", program.display()))?;
        Ok(Self { version: version.to_owned(), program, limit })
    }

    /// Whether this is the compiler in JavaScript, which has solvers run by others.
    pub fn is_javascript(&self) -> bool {
        self.version.contains("Emscripten")
    }

    /// Compiles standard JSON input. What the compiler finds wrong with the source is an error.
    pub fn compile(&self, input: &Value) -> Result<Value> {
        let said = run(&self.program, "--standard-json", serde_json::to_vec(input)?, self.limit)?;
        let output = json_in(&said)
            .wrap_err_with(|| format!("{} answers no standard JSON", self.program.display()))?;
        let errors = output["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        match errors.iter().find(|error| error["severity"] == "error") {
            None => Ok(output),
            Some(error) => {
                let text = error["formattedMessage"].as_str().or(error["message"].as_str());
                bail!("it does not compile: {}", text.unwrap_or("the compiler does not say why").trim())
            }
        }
    }
}

/// The version in what `--version` prints: alone, or in a line of its own behind `Version:`.
fn version_in(said: &str) -> Option<&str> {
    let numbers =
        |word: &&str| word.split(['.', '+']).take(3).filter(|part| part.parse::<u32>().is_ok()).count() == 3;
    said.split_whitespace().find(numbers)
}

/// Whether a compiler that is named, `solc 0.8.37` or with the build behind it, is of this version.
fn is_version(named: &str, version: &str) -> bool {
    let named = named.trim().trim_start_matches("solc").trim().trim_start_matches('v');
    let (wanted, wanted_build) = named.split_once('+').unwrap_or((named, ""));
    let (number, build) = version.split_once('+').unwrap_or((version, ""));
    let same_build = match build.strip_prefix(wanted_build) {
        Some(rest) => wanted_build.is_empty() || rest.is_empty() || rest.starts_with('.'),
        None => false,
    };
    wanted == number && same_build
}

/// The document in what a compiler prints. solcjs says in lines of its own, before, that it has no solvers.
fn json_in(said: &[u8]) -> Result<Value> {
    let mut rest = said;
    while rest.starts_with(b">>>") {
        let line = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| eyre!("nothing but remarks"))?;
        rest = &rest[line + 1..];
    }
    Ok(serde_json::from_slice(rest)?)
}

fn is_missing(error: &Report) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Runs a program in an empty folder, where it finds no file that its input does not hold.
fn run(program: &Path, argument: &str, input: Vec<u8>, limit: Duration) -> Result<Vec<u8>> {
    let until = Instant::now() + limit;
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(program)
        .arg(argument)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("cannot run {}", program.display()))?;
    let mut stdin = child.stdin.take();
    // Who reads nothing may end early: then what it says tells why, not that it could not be written to.
    thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&input)));
    let said = reader(child.stdout.take(), MAX_OUTPUT_BYTES);
    let complained = reader(child.stderr.take(), MAX_COMPLAINT_BYTES);
    let outcome = wait(&mut child, &said, until);
    if outcome.is_err() {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let said = outcome.wrap_err_with(|| program.display().to_string())?;
    if !status.success() {
        let complaint = complained.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
        bail!("{} ended with {status}: {complaint}", program.display());
    }
    Ok(said)
}

/// What the program says until it closes its output.
fn wait(child: &mut Child, said: &Receiver<Vec<u8>>, until: Instant) -> Result<Vec<u8>> {
    let left = || until.saturating_duration_since(Instant::now());
    let said =
        said.recv_timeout(left()).map_err(|_| eyre!("takes too long; --timeout gives it more time"))?;
    if said.len() as u64 > MAX_OUTPUT_BYTES {
        bail!("says more than {MAX_OUTPUT_BYTES} bytes");
    }
    // It has said all; now it has to end.
    while child.try_wait()?.is_none() {
        if left().is_zero() {
            bail!("does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(said)
}

/// Reads up to a limit, and one byte beyond, on a thread of its own; the rest is thrown away.
fn reader(source: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut source) = source else { return };
        let mut said = Vec::new();
        // A pipe that breaks ends what can be read.
        let _ = source.by_ref().take(limit.saturating_add(1)).read_to_end(&mut said);
        let _ = sender.send(said);
        let _ = io::copy(&mut source, &mut io::sink());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use serde_json::json;

    use super::*;

    /// A compiler of the test's making, which answers `--version` and does `work` otherwise.
    fn compiler(work: &str) -> (tempfile::TempDir, Compiler) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("compiler");
        let version = "[ \"$1\" = --version ] && echo 0.8.37+commit.ab.Emscripten.clang && exit";
        fs::write(&program, format!("#!/bin/sh\n{version}\n{work}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let found = Compiler::find(Some(&program), None, PATIENCE).unwrap();
        (folder, found)
    }

    fn compiled(work: &str, limit: Duration) -> Result<Value> {
        let (_folder, compiler) = compiler(work);
        Compiler { limit, ..compiler }.compile(&json!({ "language": "Solidity" }))
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn versions_are_read_from_both_compilers() {
        let native =
            "solc, the solidity compiler commandline interface\nVersion: 0.8.37+commit.ab.Linux.g++\n";
        assert_eq!(version_in(native), Some("0.8.37+commit.ab.Linux.g++"));
        assert_eq!(
            version_in("0.8.37+commit.ab.Emscripten.clang\n"),
            Some("0.8.37+commit.ab.Emscripten.clang")
        );
        assert_eq!(version_in("no compiler"), None);
    }

    #[test]
    fn the_compiler_that_is_named_must_be_the_one_that_is_there() {
        let have = "0.8.37+commit.ab.Emscripten.clang";
        for named in ["0.8.37", "solc 0.8.37", "v0.8.37", "solc 0.8.37+commit.ab", have] {
            assert!(is_version(named, have), "{named}");
        }
        for named in ["0.8.3", "0.8", "0.8.36", "0.8.37+commit.a", "0.8.37+commit.cd", "vyper 0.8.37", ""] {
            assert!(!is_version(named, have), "{named}");
        }
        let (_folder, found) = compiler("");
        let found = Compiler::find(Some(&found.program), Some("solc 0.8.36"), PATIENCE);
        let told = found.unwrap_err().to_string();
        assert!(told.contains("0.8.37+commit.ab") && told.contains("0.8.36"), "{told}");
    }

    #[test]
    fn what_the_compiler_finds_wrong_is_told() {
        let error =
            r#"{"errors":[{"severity":"warning"},{"severity":"error","formattedMessage":"no semicolon"}]}"#;
        let told = compiled(&format!("cat >/dev/null; echo '{error}'"), PATIENCE).unwrap_err();
        assert_eq!(told.to_string(), "it does not compile: no semicolon");
        let remark = compiled("cat >/dev/null; echo '>>> no solvers'; echo '{\"contracts\":{}}'", PATIENCE);
        assert_eq!(remark.unwrap(), json!({ "contracts": {} }));
    }

    #[test]
    fn a_compiler_that_fails_or_says_nonsense_or_takes_too_long_is_an_error() {
        let told = |work: &str, limit| format!("{:#}", compiled(work, limit).unwrap_err());
        assert!(told("echo no memory >&2; exit 3", PATIENCE).contains("no memory"));
        assert!(told("cat >/dev/null; echo what", PATIENCE).contains("no standard JSON"));
        let begun = Instant::now();
        // `exec`: what is killed is what waits.
        assert!(told("exec sleep 60", Duration::from_millis(500)).contains("takes too long"));
        assert!(begun.elapsed() < PATIENCE);
        let missing = Compiler::find(Some(Path::new("/nowhere/solc")), None, PATIENCE).unwrap_err();
        assert!(format!("{missing:#}").contains("/nowhere/solc"), "{missing:#}");
    }
}
