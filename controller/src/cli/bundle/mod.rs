//! `floodwall bundle`: what whoever helps has to know, in one archive, with secrets out and addresses cut.

mod archive;
mod configuration;
mod machine;

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use floodwall_incident::redacted;
use serde_json::Value;

#[cfg(test)]
pub(super) use self::archive::BundleContents;

use self::archive::Archive;
use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    setup::CONFIGURATION,
};
use crate::api::path;

/// What it holds, and what it does not.
const AFTER_HELP: &str = "\
The archive is a .tar.gz; its MANIFEST.txt says what it holds, and what is missing and why. It works without a daemon, too:
then what only that knows is missing. Addresses are cut to the /24 or /48 that they lie in, the host's name is left out, and of
the configuration comments and all of [[notify]] but names, kinds and events. Packets are not in it. Look at it before you
give it away.

  floodwall bundle
  floodwall bundle --output /tmp/for-support.tar.gz";

/// What is asked of the daemon: as which file it goes into the archive, what it is, and where it is asked.
const ASKED: [(&str, &str, &str); 9] = [
    (
        "status.json",
        "how the filter stands: interfaces, counters, lists, limits, memory, warnings",
        path::STATUS,
    ),
    ("doctor.json", "whether what is said to be filtered is", path::DOCTOR),
    ("health.json", "what tells that the host or a service suffers", path::HEALTH),
    ("overview.json", "everything that figures are drawn from, at one moment", path::OVERVIEW),
    ("rules.json", "the rules, and what they have done", path::RULE),
    ("signatures.json", "signatures in force and on trial", path::SIGNATURE),
    ("notify.json", "who is told of incidents, and how that goes", path::NOTIFY),
    ("incidents.json", "the last 20 incidents, without timelines and packets", path::INCIDENT),
    ("audit.json", "the last changes that were asked for, and by whom", path::AUDIT),
];

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Bundle {
    /// Where it is written [default: floodwall-bundle.tar.gz in the current directory].
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "floodwall-bundle.tar.gz",
        hide_default_value = true
    )]
    output: PathBuf,
    /// The configuration that goes into it.
    #[arg(long, value_name = "FILE", default_value = CONFIGURATION)]
    config: PathBuf,
}

impl Bundle {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let mut archive = Archive::default();
        for (name, what, target) in ASKED {
            match session.client.get::<Value>(target).await {
                Ok(answer) => archive.add(name, what, anonymous(answer)),
                Err(error) => archive.miss(name, what, error.to_string()),
            }
        }
        configuration::add(&self.config, &mut archive);
        machine::add(&mut archive).await;
        let written = archive.bytes().and_then(|bytes| private(&self.output)?.write_all(&bytes));
        written.map_err(|error| failed(&self.output, &error))?;
        if session.json {
            session.write_json(&archive.contents())?;
        } else {
            write!(session.out, "{}", archive.manifest())?;
            writeln!(session.out, "\nwritten: {}", self.output.display())?;
        }
        Ok(Done::Plain)
    }
}

/// A file that nobody else can read.
fn private(file: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(file)
}

fn failed(file: &Path, error: &std::io::Error) -> Failed {
    Failed::new(Kind::of_io(error), format!("writing the bundle {}: {error}", file.display()))
}

/// An answer as text, with addresses cut wherever they stand.
fn anonymous(mut answer: Value) -> String {
    cut(&mut answer);
    serde_json::to_string_pretty(&answer).unwrap_or_default()
}

fn cut(value: &mut Value) {
    match value {
        Value::String(text) => *text = redacted(text),
        Value::Array(all) => all.iter_mut().for_each(cut),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut value)| {
                    cut(&mut value);
                    (redacted(&name), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use serde_json::json;

    use super::*;
    use crate::cli::session::Session;

    #[test]
    fn addresses_are_cut_wherever_they_stand() {
        let answer = json!({"a": ["203.0.113.7", {"2001:db8::7": "from 198.51.100.9:80"}], "n": 7});
        let text = anonymous(answer);
        let expected = json!({"a": ["203.0.113.0/24", {"2001:db8::/48": "from 198.51.100.0/24:80"}], "n": 7});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[tokio::test]
    async fn without_a_daemon_it_says_what_is_missing_and_holds_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let configuration = "# token hunter2\ninterfaces = [\"eth0\"]\n[[notify]]\nname = \"chat\"\nkind = \"slack\"\n\
                             url = { file = \"/etc/s3cret\" }\n";
        std::fs::write(file("floodwall.toml"), configuration).unwrap();
        let verb = Bundle { output: file("out.tar.gz"), config: file("floodwall.toml") };
        let mut said = Vec::new();
        let mut session = Session::of_test(&file("nobody"), false, &mut said);
        verb.apply(&mut session).await.unwrap_or_else(|_| panic!("it works without a daemon"));
        drop(session);
        let packed = std::fs::File::open(file("out.tar.gz")).unwrap();
        let mut held = BTreeMap::new();
        for entry in tar::Archive::new(flate2::read::GzDecoder::new(packed)).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            held.insert(name, text);
        }
        let manifest = &held["floodwall-bundle/MANIFEST.txt"];
        assert!(
            manifest.contains("configuration.toml") && manifest.contains("status.json: missing"),
            "{manifest}"
        );
        assert!(String::from_utf8(said).unwrap().starts_with(manifest.as_str()));
        let configuration = &held["floodwall-bundle/configuration.toml"];
        assert!(configuration.contains("eth0") && configuration.contains("slack"), "{configuration}");
        let all: String = held.values().map(String::as_str).collect();
        assert!(!all.contains("hunter2") && !all.contains("s3cret"), "{all}");
        assert!(held["floodwall-bundle/machine.txt"].contains("kernel"), "{:?}", held.keys());
    }
}
