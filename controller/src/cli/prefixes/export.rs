//! `floodwall block export`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::pages::Pages;
use crate::{
    api::{Entry, ListName, Status, path},
    cli::{
        exit::{Done, Stop},
        session::Session,
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// A prefix a line, or what `ipset restore` reads: the sets floodwall4 and floodwall6.
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Plain,
    Ipset,
}

/// Fewest entries that a set is made for; ipset's default.
const MIN_ENTRIES: u64 = 65_536;
/// Longest timeout that ipset knows, seconds (ipset(8)).
const MAX_TIMEOUT: u64 = 2_147_483;

impl Export {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let now = units::now();
        if self.format == Format::Ipset && !session.json {
            let status: Status = session.client.get(path::STATUS).await?;
            create(4, status.block.ipv4, &mut *session.out)?;
            create(6, status.block.ipv6, &mut *session.out)?;
        }
        let mut pages = Pages::new(ListName::Block, None);
        while let Some(page) = pages.next(session).await? {
            for entry in &page.entries {
                match self.format {
                    _ if session.json => session.write_json(entry)?,
                    Format::Plain => writeln!(session.out, "{}", entry.prefix)?,
                    Format::Ipset => add(entry, now, &mut *session.out)?,
                }
            }
            session.out.flush()?;
        }
        Ok(Done::Plain)
    }
}

/// A set with room to spare for what is listed while the list is read. A timeout of 0 is none.
fn create(family: u8, entries: u64, out: &mut dyn Write) -> io::Result<()> {
    let room = (entries + entries / 8).max(MIN_ENTRIES);
    let inet = if family == 4 { "inet" } else { "inet6" };
    writeln!(out, "create floodwall{family} hash:net family {inet} maxelem {room} timeout 0")
}

fn add(entry: &Entry, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let halves;
    // hash:net has no prefix of length 0.
    let (family, prefixes): (u8, &[&str]) = match entry.prefix.as_str() {
        "0.0.0.0/0" => (4, &["0.0.0.0/1", "128.0.0.0/1"]),
        "::/0" => (6, &["::/1", "8000::/1"]),
        prefix => {
            halves = [prefix];
            (if prefix.contains(':') { 6 } else { 4 }, &halves)
        }
    };
    for prefix in prefixes {
        write!(out, "add floodwall{family} {prefix}")?;
        match entry.expires {
            Some(expires) => writeln!(out, " timeout {}", expires.saturating_sub(now).clamp(1, MAX_TIMEOUT))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists;

    #[test]
    fn what_is_exported_can_be_imported() {
        let mut out = Vec::new();
        create(4, 100_000, &mut out).unwrap();
        create(6, 0, &mut out).unwrap();
        let entry = |prefix: &str, expires| Entry {
            prefix: prefix.into(),
            hits: 0,
            import: None,
            since: 0,
            expires,
            note: None,
        };
        for entry in
            [entry("192.0.2.0/24", None), entry("2001:db8::/32", Some(160)), entry("0.0.0.0/0", Some(10))]
        {
            add(&entry, 100, &mut out).unwrap();
        }
        assert_eq!(
            String::from_utf8_lossy(&out),
            "create floodwall4 hash:net family inet maxelem 112500 timeout 0\n\
             create floodwall6 hash:net family inet6 maxelem 65536 timeout 0\n\
             add floodwall4 192.0.2.0/24\n\
             add floodwall6 2001:db8::/32 timeout 60\n\
             add floodwall4 0.0.0.0/1 timeout 1\n\
             add floodwall4 128.0.0.0/1 timeout 1\n"
        );
        let list = lists::parse(out.as_slice(), 0, &mut |_, _| {}).unwrap();
        assert_eq!((list.prefixes.len(), list.refused), (4, 0));
    }
}
