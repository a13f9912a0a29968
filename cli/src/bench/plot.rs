//! The run as a picture: throughput above, latency below, over the same seconds.

use std::fmt::Write as _;

use super::{
    report::{Phase, Report},
    stats::Second,
};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 190.0;
const TOP: f64 = 60.0;
const GAP: f64 = 50.0;
const HEIGHT: f64 = TOP + 2.0 * PANEL + GAP + 40.0;

/// The plot as an SVG document.
pub fn svg(report: &Report) -> String {
    let end = report.seconds.len().max(1) as f64;
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{LEFT}" y="20" font-size="15">{} validators, {} accounts: {} transfers/s sustained</text>
"#,
        report.validators, report.accounts, report.throughput_tps
    );
    for (phase, index) in report.phases.iter().zip(0..) {
        out.push_str(&shade(phase, index, end));
    }
    let series = |of: fn(&Second) -> f64| report.seconds.iter().map(of).collect::<Vec<f64>>();
    let confirmed = [series(|second| second.tps as f64)];
    let throughput = Panel::new(TOP, "transfers/s", &confirmed);
    out.push_str(&throughput.draw(&["#1f5fa8"], &["confirmed"]));
    let latencies = [series(|second| second.latency_ms.p50), series(|second| second.latency_ms.p99)];
    let latency = Panel::new(TOP + PANEL + GAP, "latency, ms", &latencies);
    out.push_str(&latency.draw(&["#2a8a4a", "#c0392b"], &["p50", "p99"]));
    out.push_str(&time_axis(end));
    out.push_str("</svg>\n");
    out
}

fn x(second: f64, end: f64) -> f64 {
    LEFT + second / end * (WIDTH - LEFT - RIGHT)
}

fn shade(phase: &Phase, index: usize, end: f64) -> String {
    let (from, to) = (x(phase.from, end), x(phase.to.min(end), end));
    let fill = if index.is_multiple_of(2) { "#f2f4f7" } else { "#e6eaf0" };
    let height = 2.0 * PANEL + GAP;
    // Narrow parts follow each other: their names stand in two rows.
    let row = if index.is_multiple_of(2) { TOP - 20.0 } else { TOP - 6.0 };
    format!(
        "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{height}\" fill=\"{fill}\"/>\n<text x=\"{from:.1}\" y=\"{row}\" fill=\"#556\">{}</text>\n",
        (to - from).max(0.0),
        escape(&phase.name)
    )
}

fn time_axis(end: f64) -> String {
    let y = TOP + 2.0 * PANEL + GAP;
    let step = nice(end / 10.0).max(1.0);
    let mut out = String::new();
    let mut at = 0.0;
    while at <= end {
        let _ = writeln!(
            out,
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{at} s</text>"#,
            x(at, end),
            y + 18.0
        );
        at += step;
    }
    out
}

/// One diagram.
struct Panel<'a> {
    top: f64,
    title: &'a str,
    series: &'a [Vec<f64>],
    /// The value at the upper edge.
    ceiling: f64,
}

impl<'a> Panel<'a> {
    fn new(top: f64, title: &'a str, series: &'a [Vec<f64>]) -> Self {
        let highest = series.iter().flatten().copied().fold(0.0, f64::max);
        Self { top, title, series, ceiling: (nice(highest / 4.0) * 4.0).max(highest) }
    }

    fn y(&self, value: f64) -> f64 {
        self.top + PANEL * (1.0 - value / self.ceiling)
    }

    fn draw(&self, colours: &[&str], names: &[&str]) -> String {
        let mut out = String::new();
        for tick in 0..=4 {
            let value = self.ceiling * f64::from(tick) / 4.0;
            let y = self.y(value);
            let _ = writeln!(
                out,
                r##"<line x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}" stroke="#ccc"/>"##,
                WIDTH - RIGHT
            );
            let _ = writeln!(
                out,
                r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#,
                LEFT - 6.0,
                y + 4.0
            );
        }
        let _ = writeln!(
            out,
            r#"<text x="14" y="{:.1}" transform="rotate(-90 14 {:.1})" text-anchor="middle">{}</text>"#,
            self.top + PANEL / 2.0,
            self.top + PANEL / 2.0,
            self.title
        );
        for (index, ((values, colour), name)) in self.series.iter().zip(colours).zip(names).enumerate() {
            let end = values.len().max(1) as f64;
            // A second's value stands in its middle.
            let points = values.iter().zip(0..).map(|(value, t)| (f64::from(t) + 0.5, *value));
            let points: Vec<String> =
                points.map(|(t, value)| format!("{:.1},{:.1}", x(t, end), self.y(value))).collect();
            let _ = writeln!(
                out,
                r#"<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{}"/>"#,
                points.join(" ")
            );
            let at = WIDTH - RIGHT - 70.0 * (index + 1) as f64;
            let _ = writeln!(
                out,
                r#"<text x="{at}" y="{:.1}" fill="{colour}">{name}</text>"#,
                self.top - 6.0 + 20.0
            );
        }
        out
    }
}

/// The next of 1, 2, 5, 10, 20, 50, ...; 1 for nothing.
fn nice(number: f64) -> f64 {
    if number <= 0.0 {
        return 1.0;
    }
    let magnitude = 10f64.powf(number.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.iter().map(|step| step * magnitude).find(|step| *step >= number).unwrap_or(number)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stats::Latency;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!([0.0, 0.7, 1.0, 3.0, 730.0].map(nice), [1.0, 1.0, 1.0, 5.0, 1_000.0]);
    }

    #[test]
    fn every_second_is_a_point_of_every_line() {
        let second =
            |t| Second { t, tps: 100, latency_ms: Latency { p50: 5.0, p99: 9.0, max: 9.0, count: 100 } };
        let phases = vec![Phase { name: "a<b".into(), from: 0.0, to: 3.0 }];
        let picture = svg(&Report { seconds: (0..3).map(second).collect(), phases, ..Report::default() });
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        assert!(picture.contains("a&lt;b"));
        let lines: Vec<&str> = picture.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.matches(',').count() == 3), "{lines:?}");
    }

    #[test]
    fn nothing_measured_is_still_a_picture() {
        assert!(!svg(&Report::default()).contains("NaN"));
    }
}
