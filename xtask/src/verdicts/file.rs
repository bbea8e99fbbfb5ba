//! A file of verdicts: what became of the packets of a capture, and why. There is none on what the host itself has sent.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use floodwall_common::wire::Reason;
use sha2::{Digest as _, Sha256};

use crate::account::Gaps;

/// The columns that are asked for; files with more are read as well.
pub(super) const COLUMNS: &str = "index,reason";

/// The reasons of a file, in the order of the packets.
pub(super) struct Reasons {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    /// Where the two columns are.
    index: usize,
    reason: usize,
    /// Packets that were read.
    read: u64,
    /// The next verdict, which is on a later packet.
    ahead: Option<(u64, Reason)>,
}

impl Reasons {
    /// Opens a file, and reads its heading.
    ///
    /// # Errors
    /// When it cannot be read, or lacks one of the two columns.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let told = || format!("reading verdicts from {}", path.display());
        let mut lines = BufReader::new(File::open(path).with_context(told)?).lines();
        let heading = lines.next().transpose().with_context(told)?.unwrap_or_default();
        let column = |wanted: &str| {
            heading
                .split(',')
                .position(|name| name == wanted)
                .with_context(|| format!("{} has no column `{wanted}`", path.display()))
        };
        let (index, reason) = (column("index")?, column("reason")?);
        Ok(Self { path: path.to_owned(), lines, index, reason, read: 0, ahead: None })
    }

    /// The next packet's, if there is a verdict on it; nothing after the last.
    ///
    /// # Errors
    /// When the file cannot be read, is not in the order of the packets, or names a reason that there is none of.
    pub(super) fn next(&mut self) -> Result<Option<Option<Reason>>> {
        let ahead = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.line()?,
        };
        let Some((packet, reason)) = ahead else { return Ok(None) };
        let is_it = packet == self.read;
        if !is_it {
            self.ahead = ahead;
        }
        self.read += 1;
        Ok(Some(is_it.then_some(reason)))
    }

    /// The next line: the packet's number, and its reason.
    fn line(&mut self) -> Result<Option<(u64, Reason)>> {
        let Some(line) = self.lines.next() else { return Ok(None) };
        let line = line.with_context(|| format!("reading verdicts from {}", self.path.display()))?;
        let column = |number: usize| line.split(',').nth(number).unwrap_or_default();
        let packet = match column(self.index).parse::<u64>() {
            Ok(packet) if packet >= self.read => packet,
            _ => bail!("{}: `{line}` is not about packet {} or a later one", self.path.display(), self.read),
        };
        let name = column(self.reason);
        let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name).with_context(|| {
            format!(
                "{}: packet {packet} left for `{name}`, which is no reason that this checkout knows",
                self.path.display(),
            )
        })?;
        Ok(Some((packet, reason)))
    }
}

/// What identifies a file of verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hashed {
    /// SHA-256, in hexadecimal digits.
    pub(super) hash: String,
    /// Up to the last one that has a verdict.
    pub(super) packets: u64,
    /// Those that have none.
    pub(super) gaps: Gaps,
}

/// The hash over a line `packet,number of the reason` for each packet that has one: a reason may get another name, and a file more
/// columns, but no packet another reason.
///
/// # Errors
/// As [`Reasons::next`], and when there is no packet.
pub(super) fn hash(path: &Path) -> Result<Hashed> {
    let mut reasons = Reasons::open(path)?;
    let (mut state, mut gaps) = (Sha256::new(), Gaps::default());
    while let Some(reason) = reasons.next()? {
        let packet = reasons.read - 1;
        match reason {
            Some(reason) => state.update(format!("{packet},{}\n", reason as u32)),
            None => gaps.add(packet),
        }
    }
    ensure!(reasons.read > 0, "{} holds no verdict", path.display());
    let hash = state.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Hashed { hash, packets: reasons.read, gaps })
}

/// Where two files part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parting {
    /// The first packet with another reason; `None` where a file has ended, or has no verdict.
    pub(super) packet: u64,
    pub(super) before: Option<Reason>,
    pub(super) now: Option<Reason>,
    /// Packets with another reason, in all.
    pub(super) packets: u64,
}

/// Holds two files against each other, and says where they part, if they do.
///
/// # Errors
/// As [`Reasons::next`].
pub(super) fn part(before: &Path, now: &Path) -> Result<Option<Parting>> {
    let (mut before, mut now) = (Reasons::open(before)?, Reasons::open(now)?);
    let mut parting: Option<Parting> = None;
    for packet in 0.. {
        let pair = (before.next()?, now.next()?);
        if pair == (None, None) {
            break;
        }
        let (before, now) = (pair.0.flatten(), pair.1.flatten());
        if before != now {
            parting.get_or_insert(Parting { packet, before, now, packets: 0 }).packets += 1;
        }
    }
    Ok(parting)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_hash_is_of_packets_and_numbers_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let plain = written(&folder, "plain", "index,reason\n0,clean\n1,blocked\n2,service-rate\n");
        // printf '0,0\n1,6\n2,16\n' | sha256sum
        let expected = "9707bdaa268d9d2d66ff7b10b02a713c293a2b5893bb0c85bebe33fe92a1eb80";
        let (of_plain, gaps) = (hash(&plain).unwrap(), Gaps::default());
        assert_eq!(of_plain, Hashed { hash: expected.to_owned(), packets: 3, gaps });
        let more = written(
            &folder,
            "more",
            "index,time,verdict,reason,rule\n0,1.5,pass,clean,\n1,2,drop,blocked,192.0.2.0/24\n2,3,drop,service-rate,4\n",
        );
        assert_eq!(hash(&more).unwrap().hash, expected);
        let other = written(&folder, "other", "index,reason\n0,clean\n1,banned\n2,service-rate\n");
        assert_ne!(hash(&other).unwrap().hash, expected);
        let shorter = written(&folder, "shorter", "index,reason\n0,clean\n1,blocked\n");
        assert_ne!(hash(&shorter).unwrap().hash, expected);
    }

    #[test]
    fn what_is_no_whole_file_of_verdicts_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("", "no column `index`"),
            ("index,verdict\n0,pass\n", "no column `reason`"),
            ("index,reason\n", "holds no verdict"),
            ("index,reason\n1,clean\n1,clean\n", "`1,clean` is not about packet 2 or a later one"),
            ("index,reason\n0,clean\nx,clean\n", "`x,clean` is not about packet 1"),
            ("index,reason\n0,whim\n", "packet 0 left for `whim`"),
            ("index,reason\n0\n", "packet 0 left for ``"),
        ] {
            let error = hash(&written(&folder, "verdicts", text)).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        assert!(hash(&folder.path().join("nothing")).is_err());
    }

    #[test]
    fn the_first_packet_that_differs_is_named_and_all_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let before = written(&folder, "before", "index,reason\n0,clean\n1,clean\n2,out-of-state\n3,clean\n");
        let now = written(&folder, "now", "index,reason\n0,clean\n1,banned\n2,out-of-state\n3,banned\n");
        let (clean, banned) = (Some(Reason::Clean), Some(Reason::Banned));
        assert_eq!(
            part(&before, &now).unwrap(),
            Some(Parting { packet: 1, before: clean, now: banned, packets: 2 })
        );
        assert_eq!(part(&before, &before).unwrap(), None);
        let own = written(&folder, "own", "index,reason\n0,clean\n2,out-of-state\n3,clean\n");
        assert_eq!(
            part(&before, &own).unwrap(),
            Some(Parting { packet: 1, before: clean, now: None, packets: 1 })
        );
        assert_eq!(part(&own, &own).unwrap(), None, "packets of the host have no verdict");
        let hashed = hash(&own).unwrap();
        assert_eq!((hashed.packets, hashed.gaps), (4, Gaps { packets: 1, first: Some(1) }));
        let cut = written(&folder, "cut", "index,reason\n0,clean\n1,clean\n2,out-of-state\n");
        assert_eq!(
            part(&before, &cut).unwrap(),
            Some(Parting { packet: 3, before: clean, now: None, packets: 1 })
        );
    }
}
