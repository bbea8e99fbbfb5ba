//! What `floodwall status --json` says about packets.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Packets that were dropped since the filter was loaded, for whatever reason.
pub(super) fn dropped(status: &str) -> Result<u64> {
    let status: Value =
        serde_json::from_str(status).context("reading the answer of `floodwall status --json`")?;
    let counters =
        status["counters"].as_array().context("`floodwall status --json` has no list `counters`")?;
    let drops = counters.iter().filter(|counter| counter["verdict"] == "drop");
    Ok(drops.filter_map(|counter| counter["packets"].as_u64()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{"version":"0.1.0","counters":[
        {"reason":"clean","verdict":"pass","packets":10,"bytes":600},
        {"reason":"signature","verdict":"drop","packets":70,"bytes":4200,"more":1},
        {"reason":"odd","verdict":"drop","packets":2},{"reason":"odd"}]}"#;

    #[test]
    fn drops_are_added_up() {
        assert_eq!(dropped(STATUS).unwrap(), 72);
    }

    #[test]
    fn another_answer_is_an_error() {
        assert!(dropped("no").is_err());
        assert!(dropped("{}").unwrap_err().to_string().contains("counters"));
    }
}
