//! `floodwall block test`, `floodwall allow test`.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use clap::Args;

use super::{fate, name};
use crate::{
    api::{Covering, ListName, Outcome, RuleState, TestResponse, path},
    cli::{
        applied, arguments,
        exit::{Done, Stop},
        session::Session,
        style::Style,
        units, why,
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
        Ok(match response.lists.decided_by {
            _ if !self.exit_code => Done::Plain,
            Some(decided) if decided == list => Done::Plain,
            Some(_) => Done::OtherList,
            None => Done::Unlisted,
        })
    }
}

fn render(response: &TestResponse, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let TestResponse { address, lists, .. } = response;
    let said = match lists.decided_by {
        Some(ListName::Block) => style.bad(fate(ListName::Block)),
        Some(ListName::Allow) => style.good(fate(ListName::Allow)),
        None => style.strong("not listed"),
    };
    writeln!(out, "{address} is {said}")?;
    writeln!(out, "{}", units::printable(&lists.why))?;
    lists.covering.iter().try_for_each(|listed| covering(listed, now, out))?;
    beyond(response, now, out, style)
}

/// What is considered beyond the lists: nothing that matters, where these decide.
fn beyond(response: &TestResponse, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let TestResponse { address, outcome: Some(outcome), verdict: Some(verdict), .. } = response else {
        return Ok(());
    };
    if matches!(outcome, Outcome::Allowed | Outcome::Blocked) {
        return Ok(());
    }
    writeln!(out, "{}", why::verdict(*outcome, verdict, style))?;
    response.bans.iter().try_for_each(|ban| applied::ban(ban, now, out, style))?;
    for signature in response.signatures.iter().filter(|signature| signature.drops && signature.may_match) {
        writeln!(out, "  signature {} drops: {}", signature.number, units::printable(&signature.text))?;
    }
    let count = |enforced| {
        let those = response.rules.iter().filter(|rule| (rule.state == RuleState::Enforce) == enforced);
        units::count(those.count() as u64)
    };
    writeln!(
        out,
        "  limits and rules that count its packets: {} drop, {} only count",
        count(true),
        count(false)
    )?;
    writeln!(out, "see `floodwall why {address}`")
}

/// A prefix that covers the address, in a line.
pub(in crate::cli) fn covering(covering: &Covering, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let Covering { list, wanted_by, entry } = covering;
    write!(
        out,
        "  {} {}, {} packets, listed {}",
        name(*list),
        entry.prefix,
        units::count(entry.hits),
        units::ago(entry.since, now)
    )?;
    if !wanted_by.is_empty() {
        write!(out, " by {}", units::printable(&wanted_by.join(" and ")))?;
    }
    if let Some(expires) = entry.expires {
        write!(out, ", expires {}", units::within(expires, now))?;
    }
    match &entry.note {
        Some(note) => writeln!(out, ": {}", units::printable(note)),
        None => writeln!(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AppliedSignature, Entry, Lists};

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
        let mut response = TestResponse {
            address: "203.0.113.7".into(),
            lists: Lists {
                decided_by: Some(ListName::Allow),
                prefix: Some("203.0.113.7/32".into()),
                why: "203.0.113.7/32 is on the allowlist, which always wins.".into(),
                covering: vec![
                    Covering {
                        list: ListName::Allow,
                        wanted_by: vec!["hand".into()],
                        entry: entry("203.0.113.7/32", None, Some("office"), None),
                    },
                    Covering {
                        list: ListName::Block,
                        wanted_by: vec!["import ipsum".into(), "rule web/strict".into()],
                        entry: entry("203.0.113.0/24", Some("ipsum"), None, Some(700)),
                    },
                ],
                only_counts: false,
            },
            outcome: Some(Outcome::Allowed),
            verdict: Some("203.0.113.7 passes, whatever else is said of it".into()),
            bans: Vec::new(),
            signatures: Vec::new(),
            rules: Vec::new(),
        };
        let text = |response: &TestResponse| {
            let mut out = Vec::new();
            render(response, 100, &mut out, Style::plain()).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text(&response),
            "203.0.113.7 is allowed\n\
             203.0.113.7/32 is on the allowlist, which always wins.\n\
             \x20 allow 203.0.113.7/32, 1,000 packets, listed 1m ago by hand: office\n\
             \x20 block 203.0.113.0/24, 1,000 packets, listed 1m ago by import ipsum and rule web/strict, expires in 10m\n"
        );
        response.lists = Lists {
            decided_by: None,
            prefix: None,
            why: "no listed prefix".into(),
            covering: vec![],
            only_counts: false,
        };
        response.outcome = Some(Outcome::Passes);
        response.verdict = Some("203.0.113.7 passes as far as its address goes".into());
        let signature = |number, may_match: bool| AppliedSignature {
            number,
            text: "udp sport=7".into(),
            drops: true,
            new_sources_only: !may_match,
            may_match,
            packets: 0,
        };
        response.signatures = vec![signature(1, true), signature(2, false)];
        response.rules = vec![applied::rule_of_test()];
        assert_eq!(
            text(&response),
            "203.0.113.7 is not listed\n\
             no listed prefix\n\
             203.0.113.7 passes as far as its address goes\n\
             \x20 signature 1 drops: udp sport=7\n\
             \x20 limits and rules that count its packets: 1 drop, 0 only count\n\
             see `floodwall why 203.0.113.7`\n"
        );
    }
}
