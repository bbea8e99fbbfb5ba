//! The configuration, without what is secret in it.

use std::{fs, path::Path};

use floodwall_incident::redacted;
use toml::{Table, Value};

use super::archive::Archive;

const NAME: &str = "configuration.toml";
const WHAT: &str = "the configuration, without comments and secrets";
/// What is told of a `[[notify]]`: where it leads, and by which secret, is nobody's business.
const OF_NOTIFY: [&str; 6] = ["name", "kind", "events", "services", "severity", "min-severity"];
/// In the place of what is left out.
const LEFT_OUT: &str = "(left out)";

/// Puts it into an archive.
pub(super) fn add(path: &Path, archive: &mut Archive) {
    match read(path) {
        Ok(text) => archive.add(NAME, WHAT, text),
        Err(why) => archive.miss(NAME, WHAT, why),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    // Where it cannot be understood it cannot be told what is secret in it.
    let table: Table =
        text.parse().map_err(|_| format!("{} is no TOML; `floodwall check` says why", path.display()))?;
    let text = toml::to_string_pretty(&without_secrets(table)).map_err(|error| error.to_string())?;
    Ok(redacted(&text))
}

fn without_secrets(mut table: Table) -> Table {
    let Some(Value::Array(targets)) = table.get_mut("notify") else { return table };
    for target in targets.iter_mut().filter_map(Value::as_table_mut) {
        for (key, value) in target.iter_mut() {
            if !OF_NOTIFY.contains(&key.as_str()) {
                *value = Value::String(LEFT_OUT.to_owned());
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_and_what_was_noted_is_left_out() {
        let text = "# call 555-123\ninterfaces = [\"eth0\"]\n[[service]]\nname = \"web\"\ndestinations = [\"203.0.113.7\"]\n\
                    [[notify]]\nname = \"a\"\nkind = \"command\"\npath = \"/opt/secret\"\nargs = [\"--key\", \"hunter2\"]\n";
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("floodwall.toml");
        fs::write(&file, text).expect("written");
        let told = read(&file).expect("sound");
        for gone in ["555", "hunter2", "/opt/secret", "203.0.113.7"] {
            assert!(!told.contains(gone), "{gone}: {told}");
        }
        assert!(
            told.contains("203.0.113.0/24") && told.contains("command") && told.contains(LEFT_OUT),
            "{told}"
        );
        fs::write(&file, "key = hunter2").expect("written");
        assert!(!read(&file).expect_err("no TOML").contains("hunter2"));
    }
}
