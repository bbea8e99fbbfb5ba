//! The presets in `examples`: sound, harmless to try, and as the documentation names them.

use std::{collections::BTreeSet, fs, path::Path};

use floodwall_config::Config;

const PRESETS: [&str; 6] = [
    "dns-server",
    "game-server",
    "hosting-node",
    "router-with-containers",
    "shop-behind-cdn",
    "small-web-host",
];

#[test]
fn every_preset_is_sound_names_an_interface_and_drops_nothing_by_itself() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        // What watches floodwall lies in a folder beside.
        if path.is_dir() {
            continue;
        }
        let config = Config::read(&path).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(!config.interfaces.is_empty() && config.observe, "{}", path.display());
        assert_eq!(config.policy.warnings(), Vec::<String>::new(), "{}", path.display());
        let services: Vec<_> = config.policy.services.iter().map(|service| service.name.as_str()).collect();
        assert!(services.len() > 2, "{}: {services:?}", path.display());
        found.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    assert_eq!(found, PRESETS.map(str::to_owned).into());
}

#[test]
fn behind_a_cdn_no_source_is_limited_at_the_shop() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop-behind-cdn.toml");
    let policy = Config::read(&path).unwrap().policy;
    let shop = policy.service("shop").unwrap();
    for gone in ["source-syn", "prefix-syn"] {
        assert!(shop.rules.iter().all(|rule| rule.name != gone), "{gone}");
    }
    assert!(policy.service("ssh").unwrap().rules.iter().any(|rule| rule.name == "source-syn"));
}
