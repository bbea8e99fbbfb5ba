//! `floodwall why`: what becomes of an address's packets, and why.

mod brief;
mod full;
mod subject;

use clap::Args;

use self::subject::{Subject, Word};
use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::api::{Outcome, WhyReport};

/// What the answer says, and what it does not.
const AFTER_HELP: &str = "\
The first line is the verdict: what would become of its packets now. Then follow what decides, what is recorded of the
last hour, and how to undo it; with --all, everything that a packet is held against, in that order. Signatures and checks go
by what a packet says, and not by its address; asked of a packet, those are left out that its protocol, ports or service
rule out. What became of packets is known of samples only: of a source that was not sampled there is no record.
`floodwall events --kind drop` shows a sample of what is dropped, and why.

  floodwall why 203.0.113.7
  floodwall why tcp 203.0.113.7:40000 192.0.2.10:443
  floodwall why 2001:db8::7 --all
  floodwall why 2001:db8::7 --json";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Why {
    /// An address; of an IPv6 source, which is a /64, any of its addresses. Or a packet: tcp or udp, where it comes from, and
    /// where it goes, each with a port.
    #[arg(value_name = "ADDR", required = true, num_args = 1..=3, value_parser = clap::value_parser!(Word))]
    subject: Vec<Word>,
    /// Everything that was considered.
    #[arg(long)]
    all: bool,
}

impl Why {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let subject = Subject::of(&self.subject).map_err(|message| Failed::new(Kind::Invalid, message))?;
        let report: WhyReport = session.client.get(&subject.target()).await?;
        let now = units::now();
        session.answer(&report, |report, out, style| {
            if self.all {
                full::render(report, now, out, style)
            } else {
                brief::render(report, now, out, style)
            }
        })?;
        Ok(Done::Plain)
    }
}

/// The verdict in its colour.
pub(super) fn verdict(outcome: Outcome, verdict: &str, style: Style) -> String {
    let verdict = units::printable(verdict);
    match outcome {
        Outcome::Blocked | Outcome::Banned | Outcome::Limited => style.bad(verdict).to_string(),
        Outcome::Bypassed => style.loud(verdict).to_string(),
        Outcome::Allowed | Outcome::Passes => style.good(verdict).to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        api::{AppliedSignature, CheckStatus, Lists, SourceReport, WhyPast},
        cli::applied::rule_of_test,
    };

    /// Of an address that passes, in an attack.
    pub(super) fn report() -> WhyReport {
        WhyReport {
            address: "203.0.113.7".into(),
            outcome: Outcome::Passes,
            verdict: "203.0.113.7 passes as far as its address goes; 1 signature drops by headers".into(),
            problems: vec!["eth1 is not filtered".into()],
            bypass_seconds: None,
            lists: Lists {
                decided_by: None,
                prefix: None,
                why: "no listed prefix covers 203.0.113.7".into(),
                covering: vec![],
                only_counts: false,
            },
            spared: vec!["no rule bans it: somebody is logged in from 203.0.113.7".into()],
            checks: [("malformed", true), ("out-of-state", false)]
                .map(|(check, enforced)| CheckStatus { check: check.into(), enforced, why: vec![] })
                .into(),
            signatures: vec![AppliedSignature {
                number: 3,
                text: "udp sport=7".into(),
                drops: true,
                new_sources_only: false,
                may_match: true,
                packets: 7,
            }],
            bans: vec![],
            source: SourceReport {
                source: "203.0.113.7".into(),
                tracked: false,
                known: false,
                packets: 0,
                bytes: 0,
                syns: 0,
                packet_tokens: None,
                syn_tokens: None,
                idle_seconds: None,
                banned_seconds: None,
                spared: false,
                limits: vec![rule_of_test()],
                origin: None,
            },
            rules: vec![],
            closed: vec![],
            attacked: vec!["web".into()],
            past: WhyPast::default(),
            undo: vec![],
            packet: None,
        }
    }
}
