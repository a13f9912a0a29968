//! What processes cost: processor time and memory from proc(5), the nodes' own counters from `/metrics`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use eyre::{Result, WrapErr as _, eyre};

/// Nanoseconds per clock tick of proc(5): Linux shows 100 ticks per second to programs on every
/// architecture that we run on.
const TICK_NS: u64 = 10_000_000;

/// Processor time of a process so far, in nanoseconds, by its threads' names without their numbers. Time of
/// threads that have ended counts under [`ENDED`].
pub fn cpu_by_thread(pid: u32) -> Result<BTreeMap<String, u64>> {
    let mut threads = BTreeMap::new();
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    for entry in fs::read_dir(&folder).wrap_err_with(|| format!("process {pid} does not run"))? {
        let thread = entry?.path();
        // A thread may end while we look.
        let Ok(name) = fs::read_to_string(thread.join("comm")) else { continue };
        let Ok(schedstat) = fs::read_to_string(thread.join("schedstat")) else { continue };
        *threads.entry(kind(&name)).or_default() += running_ns(&schedstat);
    }
    let living: u64 = threads.values().sum();
    let total = cpu_total(pid)?;
    threads.insert(ENDED.to_owned(), total.saturating_sub(living));
    Ok(threads)
}

/// Where [`cpu_by_thread`] counts what no living thread accounts for.
pub const ENDED: &str = "ended threads";

/// Processor time of a whole process so far, in nanoseconds, exact to 10 ms.
pub fn cpu_total(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .wrap_err_with(|| format!("process {pid} does not run"))?;
    parse_stat(&stat).ok_or_else(|| eyre!("/proc/{pid}/stat is not what proc(5) says"))
}

/// Processor time of a process so far, of the children that it has waited for, and of those that live, in nanoseconds.
pub fn cpu_of_family(pid: u32) -> Result<u64> {
    let family = fs::read_dir("/proc")?.flatten().filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (parent, spent) = parse_family(&stat)?;
        (parent == pid || entry.file_name().to_str() == Some(&pid.to_string())).then_some(spent)
    });
    Ok(family.sum())
}

/// Processor time of the children of this process that it has waited for, in nanoseconds.
pub fn cpu_of_ended_children() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (own, all) = (parse_stat(&stat), parse_family(&stat));
    let spent = own.zip(all).map(|(own, (_, all))| all.saturating_sub(own));
    spent.ok_or_else(|| eyre!("/proc/self/stat is not what proc(5) says"))
}

/// Processor time of this process' living threads so far, in nanoseconds.
pub fn own_cpu_ns() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    stats.map(|text| running_ns(&text)).sum()
}

/// Resident memory of a process, in mebibytes.
pub fn rss_mb(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib / 1024).ok_or_else(|| eyre!("/proc/{pid}/status shows no VmRSS"))
}

/// utime and stime of `/proc/PID/stat`. The name in parentheses may hold anything.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * TICK_NS)
}

/// The parent in `/proc/PID/stat`; utime, stime, cutime and cstime.
fn parse_family(stat: &str) -> Option<(u32, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: Option<Vec<u64>> = fields.get(11..15)?.iter().map(|ticks| ticks.parse().ok()).collect();
    Some((fields.get(1)?.parse().ok()?, ticks?.iter().sum::<u64>() * TICK_NS))
}

/// The first number of `schedstat`: time spent on a processor.
fn running_ns(schedstat: &str) -> u64 {
    schedstat.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// `rocksdb:low12` and `rocksdb:low3` are one kind of thread.
fn kind(name: &str) -> String {
    let name =
        name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | ':' | '#'));
    name.to_owned()
}

/// Prometheus' text format: the sum over all label sets of each name.
pub fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or(series).trim();
        if let Ok(value) = value.parse::<f64>() {
            *sums.entry(name.to_owned()).or_insert(0.0) += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 9 0 0 0 12 30 0 0 20 0 5 0 100 0 0";
        assert_eq!(parse_stat(stat), Some(42 * TICK_NS));
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn a_family_is_a_process_and_its_children_living_or_not() {
        let stat = "7 (a (b) c) S 5 7 7 0 -1 4194560 9 0 0 0 12 30 7 1 20 0 5 0 100 0 0";
        assert_eq!(parse_family(stat), Some((5, 50 * TICK_NS)));
        let pid = std::process::id();
        assert!(cpu_of_family(pid).unwrap() + TICK_NS >= cpu_total(pid).unwrap());
        assert!(cpu_of_ended_children().is_ok());
    }

    #[test]
    fn threads_of_one_pool_are_one_kind() {
        assert_eq!(kind("tokio-runtime-3\n"), "tokio-runtime");
        assert_eq!(kind("rocksdb:low12"), "rocksdb:low");
    }

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# HELP a b\na{x=\"1\"} 2\na{x=\"2 3\"} 3.5\nb_sum 1e-3\nbroken\n";
        let sums = parse_metrics(text);
        assert_eq!(sums.get("a"), Some(&5.5));
        assert_eq!(sums.get("b_sum"), Some(&0.001));
        assert_eq!(sums.len(), 2);
    }

    #[test]
    fn our_own_process_can_be_measured() {
        let pid = std::process::id();
        assert!(cpu_by_thread(pid).unwrap().contains_key(ENDED));
        assert!(rss_mb(pid).unwrap() > 0);
    }
}
