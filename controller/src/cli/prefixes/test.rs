//! `floodwall block test`, `floodwall allow test`.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use clap::Args;

use super::{fate, name};
use crate::{
    api::{Covering, ListName, TestResponse, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        style::Style,
        units,
    },
    client::target,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// An address.
    #[arg(value_name = "ADDR", value_parser = arguments::address)]
    address: IpAddr,
    /// End with 0 if this list decides, 10 if the other one does, 11 if the address is in neither.
    #[arg(long)]
    exit_code: bool,
}

impl Test {
    pub(super) async fn apply(self, list: ListName, session: &mut Session<'_>) -> Result<Done, Stop> {
        let target = target(&path::of_list(path::TEST, list), [("address", &self.address as _)]);
        let response: TestResponse = session.client.get(&target).await?;
        let now = units::now();
        session.answer(&response, |response, out, style| render(response, now, out, style))?;
        Ok(match response.decided_by {
            _ if !self.exit_code => Done::Plain,
            Some(decided) if decided == list => Done::Plain,
            Some(_) => Done::OtherList,
            None => Done::Unlisted,
        })
    }
}

fn render(response: &TestResponse, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let verdict = match response.decided_by {
        Some(ListName::Block) => style.bad(fate(ListName::Block)),
        Some(ListName::Allow) => style.good(fate(ListName::Allow)),
        None => style.strong("not listed"),
    };
    writeln!(out, "{} is {verdict}", response.address)?;
    writeln!(out, "{}", units::printable(&response.why))?;
    for Covering { list, entry } in &response.covering {
        write!(
            out,
            "  {} {}, {} packets, listed {}",
            name(*list),
            entry.prefix,
            units::count(entry.hits),
            units::ago(entry.since, now)
        )?;
        if let Some(import) = &entry.import {
            write!(out, " by import {}", units::printable(import))?;
        }
        if let Some(expires) = entry.expires {
            write!(out, ", expires {}", units::within(expires, now))?;
        }
        match &entry.note {
            Some(note) => writeln!(out, ": {}", units::printable(note))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Entry;

    #[test]
    fn a_test_in_words() {
        let entry = |prefix: &str, import: Option<&str>, note: Option<&str>, expires| Entry {
            prefix: prefix.into(),
            hits: 1_000,
            import: import.map(Into::into),
            since: 40,
            expires,
            note: note.map(Into::into),
        };
        let response = TestResponse {
            address: "203.0.113.7".into(),
            decided_by: Some(ListName::Allow),
            prefix: Some("203.0.113.7/32".into()),
            why: "203.0.113.7/32 is on the allowlist, which always wins.".into(),
            covering: vec![
                Covering {
                    list: ListName::Allow,
                    entry: entry("203.0.113.7/32", None, Some("office"), None),
                },
                Covering {
                    list: ListName::Block,
                    entry: entry("203.0.113.0/24", Some("ipsum"), None, Some(700)),
                },
            ],
        };
        let mut out = Vec::new();
        render(&response, 100, &mut out, Style::plain()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "203.0.113.7 is allowed\n\
             203.0.113.7/32 is on the allowlist, which always wins.\n\
             \x20 allow 203.0.113.7/32, 1,000 packets, listed 1m ago: office\n\
             \x20 block 203.0.113.0/24, 1,000 packets, listed 1m ago by import ipsum, expires in 10m\n"
        );
    }
}
