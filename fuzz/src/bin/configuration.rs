//! Any text as a configuration: it is understood, or refused with words.
#![no_main]

use floodwall_config::Config;
use floodwall_policy::difference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => {
            // Values that the tables cannot hold are told later.
            drop(config.check());
            assert!(difference(&config.policy, &config.policy).is_empty(), "a policy differs from itself");
            assert_eq!(Config::parse(text).ok(), Some(config), "the same text is understood otherwise");
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
