//! A network that is there already. What it was made with stands in its genesis document and its nodes' configurations,
//! and no flag changes that any more.

use std::{fs, path::Path};

use concordat_types::{Genesis, Role};
use eyre::{Result, WrapErr as _, bail};

use super::{NetArgs, Network};

/// Reads the network of a home. Refuses flags that say otherwise than it was made with.
pub fn load(args: &NetArgs) -> Result<Network> {
    let network = Network::load(&args.home)?;
    let others = differences(args, &Made::of(&network)?);
    if others.is_empty() {
        return Ok(network);
    }
    bail!(
        "the network in {} is there already and was made otherwise: {}; choose another --home for a new network, or \
         leave out what differs",
        args.home.display(),
        others.join(", ")
    )
}

/// What a network was made with.
struct Made {
    validators: u8,
    observers: u8,
    base_port: u16,
    empty_block_interval_ms: u64,
    log: String,
}

impl Made {
    fn of(network: &Network) -> Result<Self> {
        let count = |role| u8::try_from(network.nodes.iter().filter(|node| node.role == role).count());
        let genesis = Genesis::from_json(&read(&network.genesis)?)
            .wrap_err_with(|| network.genesis.display().to_string())?;
        let Some(first) = network.nodes.first() else { bail!("network.json names no node") };
        let config: toml::Table =
            toml::from_str(&read(&first.config)?).wrap_err_with(|| first.config.display().to_string())?;
        let filter = config.get("log").and_then(|log| log.get("filter")).and_then(|filter| filter.as_str());
        Ok(Self {
            validators: count(Role::Validator)?,
            observers: count(Role::Observer)?,
            base_port: first.p2p.port(),
            empty_block_interval_ms: genesis.params.empty_block_interval_ms,
            log: filter.unwrap_or_default().to_owned(),
        })
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).wrap_err_with(|| file.display().to_string())
}

/// Each flag that differs, with both values.
fn differences(args: &NetArgs, made: &Made) -> Vec<String> {
    let text = |value: Option<u64>| value.map(|value| value.to_string());
    let flags = [
        ("--validators", text(args.validators.map(u64::from)), made.validators.to_string()),
        ("--observers", text(args.observers.map(u64::from)), made.observers.to_string()),
        ("--base-port", text(args.base_port.map(u64::from)), made.base_port.to_string()),
        (
            "--empty-block-interval-ms",
            text(args.empty_block_interval_ms),
            made.empty_block_interval_ms.to_string(),
        ),
        ("--log", args.log.clone(), made.log.clone()),
    ];
    let differs = |(flag, asked, made): (&str, Option<String>, String)| {
        let asked = asked.filter(|asked| *asked != made)?;
        Some(format!("{flag} {asked}, where it has {made}"))
    };
    flags.into_iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn made() -> Made {
        Made {
            validators: 4,
            observers: 1,
            base_port: 28_000,
            empty_block_interval_ms: 100,
            log: "info".into(),
        }
    }

    /// No flag but the home.
    fn none() -> NetArgs {
        NetArgs {
            validators: None,
            observers: None,
            home: PathBuf::from("net"),
            base_port: None,
            empty_block_interval_ms: None,
            log: None,
        }
    }

    #[test]
    fn flags_that_are_left_out_or_say_the_same_differ_from_nothing() {
        assert_eq!(differences(&none(), &made()), [""; 0]);
        let same = NetArgs {
            validators: Some(4),
            observers: Some(1),
            base_port: Some(28_000),
            empty_block_interval_ms: Some(100),
            log: Some("info".into()),
            ..none()
        };
        assert_eq!(differences(&same, &made()), [""; 0]);
    }

    #[test]
    fn each_flag_that_differs_is_named_with_both_values() {
        let other = NetArgs {
            validators: Some(5),
            observers: Some(0),
            base_port: Some(29_000),
            empty_block_interval_ms: Some(10_000),
            log: Some("debug".into()),
            ..none()
        };
        let named = [
            "--validators 5, where it has 4",
            "--observers 0, where it has 1",
            "--base-port 29000, where it has 28000",
            "--empty-block-interval-ms 10000, where it has 100",
            "--log debug, where it has info",
        ];
        assert_eq!(differences(&other, &made()), named);
    }
}
