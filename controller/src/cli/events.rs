//! `floodwall events`: what happens, as it happens: a sample of drops, and all that an operator may want to know of.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use clap::Args;
use floodwall_common::parse::protocol;

use super::{
    exit::{self, Done, Failed, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::{
    api::{DropReport, Event, InterfaceReport, Notice, path},
    client::Lines,
};

/// Protocols that are only told of (IANA, Assigned Internet Protocol Numbers).
const GRE: u8 = 47;
const ESP: u8 = 50;
const SCTP: u8 = 132;

#[derive(Debug, Args)]
pub(super) struct Events {
    /// End after so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Only these kinds: drop, attack, signature, would-ban, ban, list, rule, interface, health, command, task.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<Kind>,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Drop,
    Attack,
    Signature,
    WouldBan,
    Ban,
    List,
    Rule,
    Interface,
    Health,
    Command,
    Task,
}

impl Kind {
    /// That of an event; the end of the stream has none.
    fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Drop(_) => Self::Drop,
            Event::Interface(_) => Self::Interface,
            Event::Attack(_) => Self::Attack,
            Event::Signature(_) => Self::Signature,
            Event::WouldBan(_) => Self::WouldBan,
            Event::Ban(_) => Self::Ban,
            Event::List(_) => Self::List,
            Event::Rule(_) => Self::Rule,
            Event::Health(_) => Self::Health,
            Event::Command(_) => Self::Command,
            Event::Task(_) => Self::Task,
            Event::End(_) => return None,
        })
    }
}

/// Flags of a TCP header, lowest bit first (RFC 9293, 3.1).
const FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

impl Events {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let mut events: Lines<Event> = session.client.lines(path::EVENTS).await?;
        let mut left = self.count;
        while left != Some(0) {
            let Some(event) = events.next().await? else { break };
            if let Event::End(Notice { text, .. }) = &event {
                return Err(Failed::new(exit::Kind::Busy, units::printable(text)).into());
            }
            if !self.kind.is_empty() && !Kind::of(&event).is_some_and(|kind| self.kind.contains(&kind)) {
                continue;
            }
            session.answer(&event, render)?;
            // Somebody is watching.
            session.out.flush()?;
            left = left.map(|left| left - 1);
        }
        Ok(Done::Plain)
    }
}

fn render(event: &Event, out: &mut dyn Write, style: Style) -> io::Result<()> {
    match event {
        Event::Drop(report) => render_drop(report, out, style),
        Event::Attack(notice)
        | Event::Signature(notice)
        | Event::WouldBan(notice)
        | Event::Ban(notice)
        | Event::List(notice)
        | Event::Rule(notice)
        | Event::Health(notice)
        | Event::Command(notice)
        | Event::Task(notice)
        | Event::End(notice) => {
            let Notice { time_ms, severity, text } = notice;
            let (clock, text) = (units::clock(*time_ms), units::printable(text));
            match severity.as_str() {
                "error" => writeln!(out, "{clock} {}", style.bad(text)),
                "warning" => writeln!(out, "{clock} {}", style.loud(text)),
                _ => writeln!(out, "{clock} {text}"),
            }
        }
        Event::Interface(InterfaceReport { time_ms, filtered, text, .. }) => {
            let text = units::printable(text);
            let text = if *filtered { style.good(text) } else { style.bad(text) };
            writeln!(out, "{} {text}", units::clock(*time_ms))
        }
    }
}

/// `14:03:05.123 eth0 blocked 203.0.113.7:40000 > 192.0.2.1:443 TCP SYN 60 B`.
fn render_drop(event: &DropReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let DropReport {
        time_ms,
        reason,
        interface,
        source,
        destination,
        protocol: number,
        source_port,
        destination_port,
        ..
    } = event;
    let mut what = match *number {
        protocol::TCP => "TCP".to_owned(),
        protocol::UDP => "UDP".to_owned(),
        protocol::ICMP | protocol::ICMPV6 => {
            let family = if *number == protocol::ICMP { "ICMP" } else { "ICMPv6" };
            format!("{family} type {} code {}", destination_port >> 8, destination_port & 0xff)
        }
        GRE => "GRE".to_owned(),
        ESP => "ESP".to_owned(),
        other => format!("protocol {other}"),
    };
    if *number == protocol::TCP {
        let set = (0..).zip(FLAGS).filter(|(bit, _)| event.tcp_flags >> bit & 1 == 1).map(|(_, name)| name);
        set.for_each(|name| _ = write!(what, " {name}"));
    }
    let ports = matches!(*number, protocol::TCP | protocol::UDP | SCTP);
    let end = |address: &Option<String>, port: u16| match address {
        None => "?".to_owned(),
        Some(address) if !ports => address.clone(),
        Some(address) if address.contains(':') => format!("[{address}]:{port}"),
        Some(address) => format!("{address}:{port}"),
    };
    let (source, destination) = (end(source, *source_port), end(destination, *destination_port));
    write!(
        out,
        "{} {} {} {source} > {destination} {what} {} B",
        units::clock(*time_ms),
        units::printable(interface),
        style.bad(units::printable(reason)),
        event.length,
    )?;
    match event.untold {
        0 => writeln!(out),
        untold => writeln!(out, " ({} more before)", units::count(untold.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: &DropReport) -> String {
        let mut out = Vec::new();
        render_drop(event, &mut out, Style::plain()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_in_a_line() {
        let mut event = DropReport {
            time_ms: 1_000_000_000_123,
            reason: "blocked".into(),
            interface: "eth0".into(),
            source: Some("203.0.113.7".into()),
            destination: Some("192.0.2.1".into()),
            protocol: 6,
            source_port: 40_000,
            destination_port: 443,
            tcp_flags: 0x12,
            length: 60,
            untold: 0,
            origin: None,
        };
        assert_eq!(
            text(&event),
            "01:46:40.123 eth0 blocked 203.0.113.7:40000 > 192.0.2.1:443 TCP SYN ACK 60 B\n"
        );
        event.protocol = 17;
        event.source = Some("2001:db8::1".into());
        event.untold = 1_200;
        assert_eq!(
            text(&event),
            "01:46:40.123 eth0 blocked [2001:db8::1]:40000 > 192.0.2.1:443 UDP 60 B (1,200 more before)\n"
        );
        event.protocol = 58;
        event.destination_port = 128 << 8;
        event.untold = 0;
        assert!(text(&event).ends_with("2001:db8::1 > 192.0.2.1 ICMPv6 type 128 code 0 60 B\n"));
        event.protocol = 0;
        (event.source, event.destination) = (None, None);
        assert!(text(&event).ends_with("? > ? protocol 0 60 B\n"));
    }
}
