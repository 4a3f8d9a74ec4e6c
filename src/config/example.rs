//! `docker/config.example.toml` holds every key with its true default.

use std::collections::BTreeSet;

use super::read::keys_of;
use super::*;

const EXAMPLE: &str = include_str!("../../docker/config.example.toml");

/// Takes the mark away from the lines that begin with it and then set a key.
fn unmarked(text: &str, mark: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix(mark) {
        Some(rest) if rest.starts_with("[[") => rest,
        Some(rest) if rest.split(" = ").next().is_some_and(is_key) && rest.contains(" = ") => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_key(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn parse(text: &str) -> Config {
    let mut root = tree::from_toml("config.example.toml", text).unwrap_or_else(|why| panic!("{why}"));
    let (config, complaints) = read::settings::<Config>(&mut root);
    assert!(complaints.is_empty(), "{complaints:?}");
    let config = config.unwrap();
    let found = config.check();
    assert!(found.is_empty(), "{found:?}");
    config
}

#[test]
fn the_example_is_a_valid_configuration_whose_commented_values_are_the_defaults() {
    let bare = parse(EXAMPLE);
    let spelt = unmarked(EXAMPLE, "#");
    assert_ne!(spelt, EXAMPLE);
    let spelt = parse(&spelt);
    assert_eq!(format!("{bare:#?}"), format!("{spelt:#?}"));
    // Its `Debug` is shy.
    assert_eq!(bare.store.connections, spelt.store.connections);
}

#[test]
fn the_example_holds_every_key_and_its_samples_are_valid() {
    let full = unmarked(&unmarked(EXAMPLE, "# e.g. "), "#");
    let root = tree::from_toml("config.example.toml", &full).unwrap_or_else(|why| panic!("{why}"));
    let tenant = ["tenant", "default"];
    for (section, known) in [
        (vec![], keys_of::<Config>()),
        (vec!["server"], keys_of::<server::Settings>()),
        (vec!["store"], keys_of::<store::Settings>()),
        (vec!["log"], keys_of::<LogSettings>()),
        (vec!["alert"], keys_of::<AlertSettings>()),
        (tenant.to_vec(), keys_of::<TenantConfig>()),
        ([&tenant[..], &["ringcx"]].concat(), keys_of::<RingCxSettings>()),
        ([&tenant[..], &["ringcentral"]].concat(), keys_of::<PlatformSettings>()),
        ([&tenant[..], &["policy"]].concat(), keys_of::<Policy>()),
        ([&tenant[..], &["group", "0"]].concat(), keys_of::<GroupMapping>()),
        ([&tenant[..], &["issuer", "0"]].concat(), keys_of::<Issuer>()),
    ] {
        let node = root.find(&owned(&section)).unwrap_or_else(|| panic!("{section:?} is missing"));
        let tree::Value::Table(entries) = &node.value else { panic!("{section:?} is no table") };
        let written: BTreeSet<&str> = entries.keys().map(String::as_str).collect();
        assert_eq!(written, known.iter().copied().collect(), "[{}]", section.join("."));
    }
    // The two credentials exclude each other, so one of them stays out.
    parse(&full.replace("\napi_token = ", "\n# api_token = "));
}
