//! Any bytes as a list of prefixes: what is read of it is read again from its own words.
#![no_main]

use floodwall_policy::lists::{parse, parse_prefix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = parse(bytes, bytes.len() as u64, &mut |_, _| ()) else { return };
    for prefix in &list.prefixes {
        assert_eq!(parse_prefix(&prefix.to_string()).ok(), Some(*prefix));
    }
    let text: String = list.prefixes.iter().map(|prefix| format!("{prefix}\n")).collect();
    let again = parse(text.as_bytes(), text.len() as u64, &mut |_, _| ());
    assert_eq!(again.map(|again| again.prefixes).ok(), Some(list.prefixes));
});
