//! What is wrong with a state directory.

use std::{fmt, fs::File, path::PathBuf};

use nix::fcntl::Flock;

/// A file of the state directory that is not as it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its name.
    pub file: String,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a file of the state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Other files show that there was one.
    Missing,
    /// The system does not give it out.
    Unreadable {
        /// What the system says.
        why: String,
    },
    /// There is nothing in it, not even a header.
    Empty,
    /// Its first line should say which journal follows.
    Header {
        /// What is wrong with that line.
        why: String,
    },
    /// Lines of it cannot be read; the others were.
    Lines {
        /// The first of them, from 1.
        first: u64,
        /// What is wrong with that one.
        why: String,
        /// How many there are.
        count: u64,
    },
    /// A journal with lines that is later than the snapshot's: the snapshot is an old one.
    Ahead,
    /// A list, and no line that could be read tells of its import.
    Unclaimed {
        /// Name of the import that it is taken for.
        name: String,
    },
}

impl Damage {
    /// What whoever has a copy of the state can do.
    pub fn remedy(&self) -> &'static str {
        match self.flaw {
            Flaw::Missing => "put it back",
            Flaw::Unreadable { .. } => "make it readable, or restore it",
            Flaw::Empty | Flaw::Header { .. } => "restore it",
            Flaw::Lines { .. } => "restore it, or put the lines right",
            Flaw::Ahead => "put back the snapshot that this journal belongs to",
            Flaw::Unclaimed { .. } => "restore the file that tells of it",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, flaw } = self;
        match flaw {
            Flaw::Missing => write!(formatter, "{file} is missing"),
            Flaw::Unreadable { why } => write!(formatter, "{file} cannot be read ({why})"),
            Flaw::Empty => write!(formatter, "{file} is empty"),
            Flaw::Header { why } => write!(formatter, "{file} does not say which journal follows it ({why})"),
            Flaw::Lines { first, why, count } => {
                write!(formatter, "{file} line {first} cannot be read ({why})")?;
                if *count > 1 { write!(formatter, ", and {} more of its lines", count - 1) } else { Ok(()) }
            }
            Flaw::Ahead => write!(formatter, "{file} follows a later snapshot than there is"),
            Flaw::Unclaimed { name } => {
                write!(
                    formatter,
                    "{file} is of an import that nothing tells of; it is taken for one named {name}"
                )
            }
        }
    }
}

/// Lines that cannot be read, as they are met.
#[derive(Debug, Default)]
pub(super) struct BadLines {
    first: Option<(u64, String)>,
    count: u64,
}

impl BadLines {
    pub(super) fn add(&mut self, line: u64, why: impl fmt::Display) {
        self.count += 1;
        self.first.get_or_insert_with(|| (line, why.to_string()));
    }

    pub(super) fn flaw(self) -> Option<Flaw> {
        let (first, why) = self.first?;
        Some(Flaw::Lines { first, why, count: self.count })
    }
}

/// A state directory that was damaged when it was opened. It is held, and left as it is.
pub struct Damaged {
    pub(super) report: DamageReport,
    pub(super) _lock: Flock<File>,
}

/// What is wrong with a state directory.
#[derive(Clone, Debug)]
pub struct DamageReport {
    /// The directory.
    pub directory: PathBuf,
    /// What is wrong, the first thing that was found first.
    pub damage: Vec<Damage>,
}

impl Damaged {
    /// What is wrong.
    pub fn report(&self) -> DamageReport {
        self.report.clone()
    }
}

/// Why nothing can be kept there, and what can be done.
impl fmt::Display for DamageReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the state in {} is damaged", self.directory.display())?;
        if let Some(first) = self.damage.first() {
            write!(formatter, ": {first}")?;
        }
        if self.damage.len() > 1 {
            write!(formatter, "; `floodwall status` names {} more", self.damage.len() - 1)?;
        }
        formatter.write_str(
            ". Stop the daemon, restore the file and start it again, or have it go on with what could be read: \
             `floodwall run --accept-state`",
        )
    }
}
