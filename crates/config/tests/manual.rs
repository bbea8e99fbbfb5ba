//! The manual names every key that there is: those that a refusal of another one names.

use floodwall_config::Config;

const PAGE: &str = include_str!("../../../packaging/man/floodwall.toml.5");

/// Keys that are allowed where this text has one that is not.
fn allowed(text: &str) -> Vec<String> {
    let fault = Config::parse(text).expect_err(text).message;
    let (_, named) = fault.split_once("expected").unwrap_or_else(|| panic!("`{text}`: {fault}"));
    let keys: Vec<_> = named.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(keys.len() > 1, "`{text}`: {fault}");
    keys
}

#[test]
fn every_key_stands_in_the_manual() {
    for text in [
        "nonsense = 1",
        "[incidents]\nnonsense = 1",
        "[suspects]\nrate = 1\nnonsense = 1",
        "[[notify]]\nnonsense = 1",
        "[bans]\nnonsense = 1",
        "[limit]\nnonsense = 1",
        "[[service]]\nname = \"a\"\nnonsense = 1",
        "[[service]]\nname = \"a\"\n[[service.rule]]\nnonsense = 1",
    ] {
        for key in allowed(text) {
            let key = key.replace('-', "\\-");
            let is_told = PAGE.lines().any(|line| {
                let line = line.trim_start_matches(".SH ").trim_start_matches('[');
                let line =
                    line.trim_start_matches(".BR ").trim_start_matches(".B ").trim_start_matches("service.");
                line.split([' ', ']']).any(|word| word == key)
            });
            assert!(is_told, "{key}, allowed in `{text}`");
        }
    }
}

#[test]
fn the_example_of_the_manual_is_sound() {
    let example = PAGE.split("is first looked at:").nth(1).and_then(|text| text.split(".fi").next()).unwrap();
    let example: Vec<_> = example.lines().filter(|line| !line.starts_with('.')).collect();
    let config = Config::parse(&example.join("\n").replace("\\-", "-")).unwrap();
    assert_eq!(config.interfaces, ["eth0"]);
    assert!(config.observe && config.policy.service("web").is_some());
}

#[test]
fn what_the_package_brings_filters_nothing() {
    let config = Config::parse(include_str!("../../../packaging/floodwall.toml")).unwrap();
    assert!(config.interfaces.is_empty() && config.observe);
}
