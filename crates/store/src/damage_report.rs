//! What is wrong with a state directory.

use std::{fmt, path::PathBuf};

use super::open::Lock;

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
    /// A list, and nothing that could be read tells of its import.
    Unclaimed {
        /// Name of the import that it is taken for.
        name: String,
    },
    /// Records of it are not as they were written; the others are.
    Records {
        /// Number of the first of them.
        first: u64,
        /// How many there are.
        count: u64,
    },
    /// Records of it are not there.
    Lost {
        /// Number of the first of them.
        first: u64,
        /// Number of the last.
        last: u64,
    },
    /// A record of it is not the one that came after those before it.
    Exchanged {
        /// Its number.
        record: u64,
    },
    /// It does not begin as it should.
    Beginning,
    /// It is not of the state that the witness tells of.
    Foreign,
    /// It tells of an earlier time than the database: it is an old one.
    Old,
    /// Prefixes of an import cannot be read; the others were.
    Prefixes {
        /// Name of the import.
        name: String,
        /// How many there were.
        of: u64,
        /// How many could be read.
        read: u64,
    },
    /// What is wrong in it with what no record is read by.
    Structure {
        /// What SQLite says.
        why: String,
    },
    /// It is sound, and cannot be written.
    Unwritable {
        /// Why.
        why: String,
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
            Flaw::Unclaimed { .. } => "restore what tells of it",
            Flaw::Records { .. }
            | Flaw::Lost { .. }
            | Flaw::Exchanged { .. }
            | Flaw::Beginning
            | Flaw::Foreign
            | Flaw::Prefixes { .. }
            | Flaw::Structure { .. } => "restore it together with the witness of the same time",
            Flaw::Old => "put back the one of the database's time",
            Flaw::Unwritable { .. } => "make room, or make it writable, and start the daemon again",
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
            Flaw::Records { first, count: 1 } => {
                write!(formatter, "record {first} of {file} is not as it was written")
            }
            Flaw::Records { first, count } => {
                write!(
                    formatter,
                    "record {first} of {file} and {} more are not as they were written",
                    count - 1
                )
            }
            Flaw::Lost { first, last } if first == last => {
                write!(formatter, "record {first} of {file} is missing")
            }
            Flaw::Lost { first, last } => {
                write!(formatter, "records {first} to {last} of {file} are missing")
            }
            Flaw::Exchanged { record } => {
                write!(formatter, "record {record} of {file} is not the one that followed those before it")
            }
            Flaw::Beginning => {
                write!(formatter, "{file} does not begin with the record that it has to begin with")
            }
            Flaw::Foreign => write!(formatter, "{file} is not the database that the witness tells of"),
            Flaw::Old => write!(formatter, "{file} tells of an earlier time than the database does"),
            Flaw::Prefixes { name, of, read } => {
                write!(formatter, "of the {of} prefixes of import {name} in {file} {read} can be read")
            }
            Flaw::Structure { why } => write!(formatter, "{file} is damaged ({why})"),
            Flaw::Unwritable { why } => write!(formatter, "{file} cannot be written ({why})"),
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
    pub(super) _lock: Lock,
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
             `floodwall state repair`, or `floodwall run --accept-state`",
        )
    }
}
