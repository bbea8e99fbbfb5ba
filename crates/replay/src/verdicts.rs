//! The verdicts, a line of CSV for each packet.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    str::FromStr,
};

use anyhow::Context as _;
use flate2::{Compression, write::GzEncoder};
use floodwall_common::wire::{Reason, Verdict};

use super::run::Seen;
use floodwall_tables::Prefix;

/// What a rule is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleName {
    /// A listed prefix.
    Prefix(Prefix),
    /// A rule with a number.
    Number(u32),
}

impl fmt::Display for RuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
        }
    }
}

/// What a verdict is called.
pub fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
    }
}

/// What the verdict is called of a request for a connection that is dropped only once: sent again after a second, as clients
/// do, it passes.
const RETRY: &str = "retry";

/// What the verdict is called of one that is answered with a challenge: its sender gets in once it has answered that.
const CHALLENGE: &str = "tx";

/// A column of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Number of the capture, from 1.
    Capture,
    /// Number of the packet in the capture, from 0.
    Index,
    /// When it was captured: seconds since 1970, to the nanosecond.
    Time,
    /// `pass`, `drop`, [`RETRY`] or [`CHALLENGE`].
    Verdict,
    /// Why.
    Reason,
    /// The rule that decided, or would have.
    Rule,
    /// What it would have been dropped for, were that not monitored.
    Would,
}

impl Column {
    /// All of them, in the order that the file has them. The first is left out where there is one capture, and the last
    /// where nothing is monitored.
    pub const ALL: [Self; 7] =
        [Self::Capture, Self::Index, Self::Time, Self::Verdict, Self::Reason, Self::Rule, Self::Would];

    const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Index => "index",
            Self::Time => "time",
            Self::Verdict => "verdict",
            Self::Reason => "reason",
            Self::Rule => "rule",
            Self::Would => "would",
        }
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|column| column.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no column; there are {names}")
        })
    }
}

/// Writes verdicts.
pub struct Verdicts {
    sink: Box<dyn Sink>,
    columns: Vec<Column>,
}

impl Verdicts {
    /// Creates the file; one whose name ends in `.gz` is gzipped.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(path: &Path, columns: &[Column]) -> anyhow::Result<Self> {
        let told = || format!("writing verdicts to {}", path.display());
        let file = BufWriter::with_capacity(1 << 18, File::create(path).with_context(told)?);
        let sink: Box<dyn Sink> = if path.extension().is_some_and(|extension| extension == "gz") {
            Box::new(GzEncoder::new(file, Compression::fast()))
        } else {
            Box::new(file)
        };
        let mut verdicts = Self { sink, columns: columns.to_vec() };
        let names: Vec<_> = columns.iter().map(|column| column.name()).collect();
        writeln!(verdicts.sink, "{}", names.join(",")).with_context(told)?;
        Ok(verdicts)
    }

    /// Writes a packet's line.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&mut self, seen: &Seen) -> anyhow::Result<()> {
        self.line(seen).context("writing verdicts")
    }

    fn line(&mut self, seen: &Seen) -> io::Result<()> {
        let Self { sink, columns } = self;
        for (number, column) in columns.iter().enumerate() {
            if number > 0 {
                sink.write_all(b",")?;
            }
            match column {
                Column::Capture => write!(sink, "{}", seen.capture + 1)?,
                Column::Index => write!(sink, "{}", seen.index)?,
                Column::Time => {
                    write!(sink, "{}.{:09}", seen.unix_ns / 1_000_000_000, seen.unix_ns % 1_000_000_000)?;
                }
                Column::Verdict if seen.judged.challenged => sink.write_all(CHALLENGE.as_bytes())?,
                Column::Verdict if seen.judged.once => sink.write_all(RETRY.as_bytes())?,
                Column::Verdict => sink.write_all(verdict_name(seen.judged.verdict).as_bytes())?,
                Column::Reason => sink.write_all(seen.judged.reason.name().as_bytes())?,
                Column::Rule => {
                    if let Some(rule) = seen.rule {
                        write!(sink, "{rule}")?;
                    }
                }
                Column::Would => sink.write_all(seen.judged.would.map_or("", Reason::name).as_bytes())?,
            }
        }
        sink.write_all(b"\n")
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        self.sink.end().context("writing the last verdicts")
    }
}

/// Something that is written to, and ended.
trait Sink: Write {
    fn end(self: Box<Self>) -> io::Result<()>;
}

impl Sink for BufWriter<File> {
    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

impl Sink for GzEncoder<BufWriter<File>> {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.finish()?.flush()
    }
}
