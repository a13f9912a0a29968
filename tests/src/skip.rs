//! Tests that a machine does not permit. The runner hides what tests print, so they are also noted in a file, which
//! `scripts/test` shows at its end.

use std::{fs::File, io::Write as _, path::Path};

/// Notes that something is left out: what it needs in a word, such as `mount`, and the reason.
pub fn note(needs: &str, reason: &str) {
    eprintln!("SKIPPED, needs {needs}: {reason}");
    if let Some(file) = std::env::var_os("CONCORDAT_SKIPS") {
        note_in(Path::new(&file), needs, reason);
    }
}

fn note_in(file: &Path, needs: &str, reason: &str) {
    let mut file = File::options().create(true).append(true).open(file).unwrap();
    // One write: other tests note theirs at the same time.
    file.write_all(format!("{needs}: {}\n", reason.replace('\n', " ")).as_bytes()).unwrap();
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    /// `scripts/skips` after these tests were left out, where only `allowed` may be.
    fn judged(skipped: &[(&str, &str)], allowed: Option<&str>) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skips");
        File::create(&file).unwrap();
        skipped.iter().for_each(|(needs, reason)| note_in(&file, needs, reason));
        let script = crate::package().parent().unwrap().join("scripts/skips");
        let mut command = Command::new(script);
        command.arg(&file).env_remove("CONCORDAT_MAY_SKIP");
        if let Some(allowed) = allowed {
            command.env("CONCORDAT_MAY_SKIP", allowed);
        }
        command.output().unwrap()
    }

    #[test]
    fn what_was_left_out_is_shown_and_lets_a_run_fail_unless_it_is_allowed_by_name() {
        let skipped = [("mount", "not permitted\nhere"), ("npm", "it is missing")];
        let judge = |skipped, allowed| {
            let output = judged(skipped, allowed);
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        // Who says nothing of it sees it, no more.
        let (passes, said) = judge(&skipped, None);
        assert!(passes && said.contains("mount: not permitted here") && said.contains("npm: it is missing"));
        assert!(judge(&skipped, Some("npm mount")).0);
        let (passes, said) = judge(&skipped, Some("mount"));
        assert!(!passes && said.contains("npm may not be left out here"), "{said}");
        assert!(!judge(&skipped, Some("")).0);
        assert!(!judge(&[("mountains", "")], Some("mount")).0);
        assert_eq!(judge(&[], Some("")), (true, String::new()));
    }
}
