//! The bench measures a network of real processes and writes what its readers rely on: the fields of the report by name, and a
//! plot. How large the figures are is nobody's business here.

use std::fs;

use concordat_tests::run;
use serde_json::Value;

/// What a report has at least, each above zero.
const FIGURES: [&str; 20] = [
    "throughput_tps",
    "bound_tps",
    "bound_ratio",
    "cpu_us_per_tx_per_node",
    "cpu_split.signatures",
    "cpu_split.execution",
    "cpu_split.commit",
    "unit_costs.signature_us",
    "latency_ms.light.p50",
    "latency_ms.light.p99",
    "latency_ms.loaded.p50",
    "latency_ms.loaded.p99",
    "latency_ms.one_down.p50",
    "latency_ms.one_down.p99",
    "one_down_tps",
    "validators",
    "accounts",
    "duration_s",
    "rss_mb",
    "sync_ratio",
];

#[test]
fn a_short_run_reports_every_figure_and_loses_no_transfer() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    let output = run(&[
        "bench",
        "--quick",
        "--accounts",
        "8",
        "--in-flight",
        "200",
        "--duration-s",
        "2",
        "--out",
        out.to_str().unwrap(),
    ]);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the bench ended with {}: {complained}", output.status);

    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(printed, report, "what is printed is what is kept");
    let figure = |name: &str| report.pointer(&format!("/{}", name.replace('.', "/"))).and_then(Value::as_f64);
    let wanting: Vec<&str> =
        FIGURES.into_iter().filter(|name| figure(name).is_none_or(|figure| figure <= 0.0)).collect();
    assert!(wanting.is_empty(), "{wanting:?} of {report:#}");
    assert!(figure("idle_cpu_percent").is_some(), "{report:#}");
    let lost = ["failed", "unconfirmed"].map(|name| (name, figure(name)));
    assert_eq!(lost, [("failed", Some(0.0)), ("unconfirmed", Some(0.0))]);
    assert_eq!((report["validators"].as_u64(), report["accounts"].as_u64()), (Some(4), Some(8)));

    let plot = fs::read_to_string(out.join("plot.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"), "{plot}");
    assert!(plot.contains("transfers/s") && plot.contains(" ms"), "it says what its axes are");
}
