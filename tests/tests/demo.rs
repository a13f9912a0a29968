//! The README's second command: the demo tells its whole story and ends, so that a newcomer's first minutes never break unseen.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use concordat_tests::{free_ports, package, program};

#[test]
fn the_demo_tells_its_whole_story_and_ends_by_itself() {
    let root = package().parent().map(Path::to_path_buf).unwrap();
    let script = root.join("scripts/demo");
    // Its ports lie between round numbers.
    let port = free_ports(120).next_multiple_of(10);
    let output = Command::new("timeout")
        .args(["--signal=TERM", "400"])
        .arg(&script)
        .arg(program())
        .current_dir(&root)
        .env("ONCE", "1")
        .env("BASE_PORT", port.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (told, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the demo ended with {}:\n{told}\n{complained}", output.status);
    let scripts = ["demo", "demo-supervisor"]
        .map(|name| std::fs::read_to_string(root.join("scripts").join(name)).unwrap());
    let steps: Vec<&str> = scripts.iter().flat_map(|text| text.lines()).filter_map(step).collect();
    assert!(steps.len() >= 17, "{steps:?}");
    let untold: Vec<&&str> = steps.iter().filter(|step| !told.contains(**step)).collect();
    assert!(untold.is_empty(), "not told: {untold:?}\n{told}");
}

/// The title of a step, which begins with its number.
fn step(line: &str) -> Option<&str> {
    let title = line.trim().strip_prefix("bold \"")?.strip_suffix('"')?;
    title.starts_with(|first: char| first.is_ascii_digit()).then_some(title)
}
