//! What lies beside the capture of an incident, so that a replay comes to the same verdicts: lists, bans and signatures.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use floodwall_incident::pcapng;

use super::exit::{Failed, Kind};
use crate::signature::naming;

/// Writes a capture, and what belongs to it, beside it; says with which options a replay takes that.
pub(super) fn write(file: &Path, capture: &[u8]) -> Result<String, Failed> {
    save(file, capture)?;
    let marks = pcapng::marks(capture);
    let by = |reasons: &[&str]| {
        let such = marks.iter().filter(|mark| reasons.contains(&mark.reason.as_str()));
        such.filter_map(|mark| mark.by.clone()).collect::<BTreeSet<_>>()
    };
    // Where it is replayed there may be no service of that name.
    let signatures = by(&["signature"]).iter().map(|text| naming::apart(text).0).collect();
    let mut options = String::new();
    for (option, ending, lines) in [
        ("--block", "block.txt", by(&["blocked", "banned"])),
        ("--allow", "allow.txt", by(&["trusted"])),
        ("--signatures", "signatures.txt", signatures),
    ] {
        if lines.is_empty() {
            continue;
        }
        let beside = beside(file, ending);
        let text: String = lines.into_iter().map(|line| line + "\n").collect();
        save(&beside, text.as_bytes())?;
        options += &format!(" {option} {}", beside.display());
    }
    Ok(options)
}

/// `incident.pcapng.block.txt`.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn save(file: &Path, bytes: &[u8]) -> Result<(), Failed> {
    std::fs::write(file, bytes)
        .map_err(|error| Failed::new(Kind::of_io(&error), format!("writing {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use floodwall_incident::Frame;

    use super::*;

    #[test]
    fn what_decides_lies_beside_the_capture() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("i.pcapng");
        let frame = |reason: &str, by: Option<&str>, dropped| Frame {
            time_us: 1,
            length: 60,
            reason: reason.into(),
            by: by.map(str::to_owned),
            dropped,
            bytes: vec![0; 60],
        };
        let frames = [
            frame("blocked", Some("203.0.113.0/24"), true),
            frame("banned", Some("198.51.100.7/32"), true),
            frame("signature", Some("tcp to web flags=syn window=0"), true),
            frame("clean", None, false),
        ];
        let options = write(&file, &pcapng::capture("a test", &frames)).unwrap();
        let name = file.display();
        assert_eq!(options, format!(" --block {name}.block.txt --signatures {name}.signatures.txt"));
        let read = |ending: &str| std::fs::read_to_string(beside(&file, ending)).unwrap();
        assert_eq!(
            read("block.txt"),
            "198.51.100.7/32
203.0.113.0/24
"
        );
        assert_eq!(
            read("signatures.txt"),
            "tcp flags=syn window=0
"
        );
    }
}
