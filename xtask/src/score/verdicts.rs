//! A file of verdicts, `index,verdict,reason`: a line for every packet that was judged.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::scenario::Label;
use crate::account::{Account, Gaps};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passed,
    Dropped,
    /// Dropped, and the same packet passes if its sender repeats it, or answers the challenge that was sent.
    Repeat,
}

impl Fate {
    /// As floodwall names verdicts.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "pass" => Some(Self::Passed),
            "drop" => Some(Self::Dropped),
            "retry" | "tx" => Some(Self::Repeat),
            _ => None,
        }
    }
}

/// What became of a packet, and why.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) fate: Fate,
    pub(super) reason: String,
}

/// Reads what became of the packets with these labels.
///
/// # Errors
///
/// When the file cannot be read, is not in the order of the packets, or lacks a packet that was judged. Also when a packet
/// that is to be scored was not judged, as the host itself has sent it, or the capture has cut it off within its headers:
/// of such a one it is not known what the filter would have made of it.
pub(super) fn read(path: &Path, labels: &[Label], account: &Account) -> Result<Vec<Option<Verdict>>> {
    let (seen, packets) = (account.packets(), labels.len());
    ensure!(seen == packets as u64, "replay saw {seen} packets, and {packets} have labels");
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let (mut verdicts, mut gaps) = (Vec::with_capacity(packets), Gaps::default());
    for line in BufReader::new(file).lines().skip(1) {
        let line = line?;
        let (index, verdict) = parsed(&line)?;
        let expected = verdicts.len()..packets;
        ensure!(expected.contains(&index), "`{line}` is on none of the packets {expected:?}");
        (verdicts.len()..index).for_each(|packet| gaps.add(packet as u64));
        verdicts.resize(index, None);
        verdicts.push(Some(verdict));
    }
    account.hold(verdicts.len() as u64, gaps)?;
    verdicts.resize(packets, None);
    for (packet, (verdict, label)) in verdicts.iter().zip(labels).enumerate() {
        ensure!(
            verdict.is_some() || *label == Label::Other,
            "packet {packet} is labelled {label:?}, and was not judged: it cannot be scored"
        );
    }
    Ok(verdicts)
}

fn parsed(line: &str) -> Result<(usize, Verdict)> {
    let mut columns = line.split(',');
    let mut column = || columns.next().unwrap_or_default();
    let index = column().parse().with_context(|| format!("`{line}` is on no packet"))?;
    let fate =
        Fate::named(column()).with_context(|| format!("`{line}` is none of pass, drop, retry and tx"))?;
    Ok((index, Verdict { fate, reason: column().to_owned() }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &str, labels: &[Label], summary: &str) -> Result<Vec<Option<Verdict>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verdicts.csv");
        fs::write(&path, format!("index,verdict,reason\n{text}")).unwrap();
        read(&path, labels, &Account::read(summary.as_bytes()).unwrap())
    }

    #[test]
    fn packets_without_a_verdict_keep_their_numbers() {
        use Label::{Attack, Legit, Other};
        let labels = [Legit, Other, Other, Attack, Attack, Other];
        let text = "0,pass,clean\n3,drop,blocked\n4,retry,unproven\n";
        let verdicts = read_text(text, &labels, r#"{"packets": 3, "outgoing": 2, "cut": 1}"#).unwrap();
        let fates: Vec<_> = verdicts.iter().map(|one| one.as_ref().map(|one| one.fate)).collect();
        let expected = [Some(Fate::Passed), None, None, Some(Fate::Dropped), Some(Fate::Repeat), None];
        assert_eq!(fates, expected);
    }

    #[test]
    fn a_packet_that_is_lacking_is_named() {
        let labels = [Label::Legit; 3];
        let all = r#"{"packets": 3, "outgoing": 0, "cut": 0}"#;
        for (text, summary, expected) in [
            ("0,pass,clean\n2,pass,clean\n", all, "packet 1 has no verdict"),
            ("0,pass,clean\n1,pass,clean\n", all, "packet 2 has no verdict"),
            ("0,pass,clean\n1,pass,clean\n2,pass,clean\n3,pass,clean\n", all, "none of the packets 3..3"),
            ("1,pass,clean\n0,pass,clean\n", all, "`0,pass,clean` is on none of the packets 2..3"),
            ("x,pass,clean\n", all, "`x,pass,clean` is on no packet"),
            ("0,maybe,clean\n", all, "`0,maybe,clean` is none of pass"),
            (
                "0,pass,clean\n2,pass,clean\n",
                r#"{"packets": 2, "outgoing": 0, "cut": 1}"#,
                "packet 1 is labelled Legit, and was not judged",
            ),
            ("0,pass,clean\n", r#"{"packets": 1, "outgoing": 0, "cut": 0}"#, "saw 1 packets, and 3"),
        ] {
            let error = read_text(text, &labels, summary).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
