//! In which form lines go out.

use std::{io, os::fd::AsFd};

use clap::ValueEnum;
use nix::sys::stat::fstat;

/// Names the device and inode of what systemd has connected to the journal (systemd.exec(5)).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// In which form lines go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, on standard error.
    Text,
    /// One document a line, on standard error.
    Json,
    /// Entries of the journal, with priorities and fields, by its native protocol
    /// (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
    Journal,
}

impl Format {
    /// That of standard error as it is: the journal's, if it goes there.
    pub(super) fn of_stderr() -> Self {
        let stream = std::env::var(JOURNAL_STREAM).unwrap_or_default();
        if is_journal(&stream, io::stderr()) { Self::Journal } else { Self::Text }
    }
}

/// Whether this is what the variable names. It may be inherited by a program whose output goes elsewhere.
fn is_journal(stream: &str, file: impl AsFd) -> bool {
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else { return false };
    fstat(file).is_ok_and(|found| (found.st_dev, found.st_ino) == (device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_error_goes_to_the_journal_if_it_is_what_systemd_connected() {
        let (ours, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let found = fstat(&ours).unwrap();
        let stream = format!("{}:{}", found.st_dev, found.st_ino);
        assert!(is_journal(&stream, &ours));
        assert!(!is_journal(&stream, &other), "it was connected elsewhere since");
        for nonsense in ["", "7", "x:y", "1:"] {
            assert!(!is_journal(nonsense, &ours), "{nonsense}");
        }
    }
}
