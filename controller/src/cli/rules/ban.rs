//! `floodwall ban`: who is banned, and for how long.

use std::{collections::VecDeque, time::Duration};

use clap::{Args, Subcommand};
use ipnetwork::IpNetwork;

use crate::{
    api::{BanCount, BanEntry, BanPage, KeepRequest, LiftRequest, MAX_PAGE, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        table::{Lean, Table},
        units,
    },
    client::target,
};

/// Entries that are asked for at once.
const PAGE: u64 = MAX_PAGE as u64;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ban {
    /// Show who is banned, in order of address.
    ///
    /// With --json, one ban a line.
    List(List),
    /// Lift bans before their time, and forget the offences.
    ///
    /// All or none of them: if one is not banned, nothing is lifted, and the exit code is 3.
    Lift(Lift),
    /// Make bans entries of the blocklist, which stay until they are removed.
    Keep(Keep),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Show only the first of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Lift {
    /// Addresses or prefixes, as they are listed; of an IPv6 source any address of its /64.
    #[arg(required_unless_present = "all", value_name = "PREFIX", value_parser = arguments::prefix)]
    prefixes: Vec<IpNetwork>,
    /// Lift all bans.
    #[arg(long, conflicts_with = "prefixes")]
    all: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Keep {
    /// Addresses or prefixes, as they are listed.
    #[arg(required = true, value_name = "PREFIX", value_parser = arguments::prefix)]
    prefixes: Vec<IpNetwork>,
    /// Take the entries back after so long, such as 90s, 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
}

impl Ban {
    pub(in crate::cli) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::List(list) => list.apply(session).await,
            Self::Lift(Lift { prefixes, all }) => {
                let prefixes = prefixes.iter().map(ToString::to_string).collect();
                let lifted: BanCount =
                    session.client.post(path::LIFT, &LiftRequest { prefixes, all }).await?;
                session.answer(&lifted, |lifted, out, _| writeln!(out, "lifted {}", bans(lifted.bans)))?;
                Ok(Done::Plain)
            }
            Self::Keep(Keep { prefixes, lifetime }) => {
                let prefixes = prefixes.iter().map(ToString::to_string).collect();
                let request = KeepRequest { prefixes, seconds: lifetime.map(|lifetime| lifetime.as_secs()) };
                let kept: BanCount = session.client.post(path::KEEP, &request).await?;
                session.answer(&kept, |kept, out, _| {
                    writeln!(out, "{} moved to the blocklist", bans(kept.bans))
                })?;
                Ok(Done::Plain)
            }
        }
    }
}

impl List {
    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let mut table = Table::new([
            ("SOURCE", Lean::Left),
            ("PACKETS", Lean::Right),
            ("BANNED", Lean::Left),
            ("ENDS", Lean::Left),
            ("TIMES", Lean::Right),
            ("RULE", Lean::Left),
        ]);
        let (mut left, mut shown) = (self.limit.unwrap_or(u64::MAX), 0);
        let mut after = VecDeque::from([None::<String>]);
        let mut total = 0;
        while let Some(from) = after.pop_front() {
            let limit = left.min(PAGE);
            let path = match &from {
                None => target(path::BAN, [("limit", &limit as _)]),
                Some(from) => target(path::BAN, [("after", from as _), ("limit", &limit as _)]),
            };
            let page: BanPage = session.client.get(&path).await?;
            total = page.total;
            shown += page.entries.len() as u64;
            left = left.saturating_sub(page.entries.len() as u64);
            if session.json {
                page.entries.iter().try_for_each(|entry| session.write_json(entry))?;
            } else if !page.entries.is_empty() {
                let rows: Vec<_> = page.entries.iter().map(|entry| row(entry, units::now())).collect();
                table.write(&rows, &mut *session.out, session.style)?;
            }
            if left > 0 && page.next.is_some() && page.next != from {
                after.push_back(page.next);
            }
        }
        if !session.json {
            match (shown, total) {
                (0, _) => writeln!(session.out, "nobody is banned")?,
                (shown, total) if shown < total => {
                    writeln!(session.out, "the first {} of {}", units::count(shown), bans(total))?;
                }
                (shown, _) => writeln!(session.out, "{}", bans(shown))?,
            }
        }
        Ok(Done::Plain)
    }
}

fn bans(number: u64) -> String {
    format!("{} ban{}", units::count(number), if number == 1 { "" } else { "s" })
}

fn row(entry: &BanEntry, now: u64) -> [String; 6] {
    let BanEntry { prefix, since, until, count, rule, hits } = entry;
    [
        prefix.clone(),
        units::count(*hits),
        units::ago(*since as u64, now),
        units::within(until.ceil() as u64, now),
        units::count(u64::from(*count)),
        rule.clone().unwrap_or_default(),
    ]
}
