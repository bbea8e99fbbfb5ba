//! Any bytes as a request that changes something: it is carried out, or refused with words.
//!
//! The first byte says which request it is, and the rest is its body, as the daemon's server gets it.
#![no_main]

use std::sync::{Arc, OnceLock};

use floodwall_api::{LockdownRequest, RuleChange, SignatureRequest};
use floodwall_fuzz::{directory_in_memory, filter};
use floodwall_state::Filter;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FILTER: OnceLock<(Arc<Filter>, TempDir)> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    let (filter, _) = FILTER.get_or_init(|| kept().unwrap_or_else(|error| panic!("{error:#}")));
    match kind % 4 {
        0 => {
            let Ok(change) = serde_json::from_slice::<RuleChange>(body) else { return };
            drop(filter.set_rule(&change));
        }
        1 => {
            let Ok(request) = serde_json::from_slice::<LockdownRequest>(body) else { return };
            drop(filter.lock_down(&request));
        }
        2 => {
            let Ok(request) = serde_json::from_slice::<SignatureRequest>(body) else { return };
            let Ok(signature) = filter.signature_of(&request.text) else { return };
            let words = filter.signature_in_words(&signature);
            let again = filter.signature_of(&words);
            assert_eq!(again.ok(), Some(signature), "`{words}` is another signature");
        }
        _ => {
            let Ok(text) = str::from_utf8(body) else { return };
            drop(filter.reopen(text));
        }
    }
});

fn kept() -> anyhow::Result<(Arc<Filter>, TempDir)> {
    let directory = directory_in_memory()?;
    Ok((filter(directory.path())?, directory))
}
