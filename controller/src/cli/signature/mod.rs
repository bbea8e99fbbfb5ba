//! `floodwall signature`: what tells an attack's packets from others.

mod render;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    arguments,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    trial::OnTrial,
};
use crate::{
    api::{Changed, SignatureList, SignatureNumber, SignatureReport, SignatureRequest, path},
    signature::{Signature as Terms, export, naming},
};

/// What a signature is made of.
const TERMS: &str = "\
A signature is a list of terms that must all hold: a protocol (tcp, udp, icmp, icmpv6) or FIELD=VALUES, where values
are numbers, ranges (1024-65535) or several of these with commas, hexadecimal with 0x.

  proto service flags ttl form odd header byte0 … byte15    numbers of 8 bits
  len sport dport window options mss data                   numbers of 16 bits

  to SERVICE                      packets for this service
  new-sources                     spares sources that have taken part in conversations before

  floodwall signature add tcp flags=syn window=0 len=40 ttl=240-250 to web
  floodwall signature add udp sport=123 byte0=0xd7,0x97 --monitor

flags are those of TCP (syn, psh+ack, none; syn/syn+ack: of these two, just SYN), or the type of ICMP, whose code is
dport. form and odd are named likewise: df+offered, same-port. len is the length of the IP
packet, data that of what stands behind the transport header, byte0 its first byte; header is the length of the TCP
header in units of 4 bytes, options the kinds of the first two TCP options (0x0204: a maximum segment size, and then
permission of selective acknowledgements). Try one against a capture before: floodwall replay --help.";

#[derive(Debug, Subcommand)]
pub(super) enum Signature {
    /// Signatures in force and on trial, and how much they match.
    List,
    /// One signature, in full.
    Show(Number),
    /// Deploy a signature written by hand; it stays until it is dropped, or for a time.
    #[command(after_help = TERMS)]
    Add(Add),
    /// Keep a signature that was found as it is: it is no longer withdrawn or retired by itself.
    Pin(Number),
    /// Take a signature back.
    Drop(Number),
    /// Write a signature in the terms of another tool.
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Number {
    /// Its number, as `signature list` shows it.
    number: u32,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Terms, such as `tcp flags=syn window=0`.
    #[arg(required = true, value_name = "TERM")]
    terms: Vec<String>,
    /// Only count what it matches.
    #[arg(long)]
    monitor: bool,
    /// Take it back after this time, such as 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
    /// Do it even if it takes all packets of a kind, or nearly.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trial: OnTrial,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Its number, as `signature list` shows it.
    number: u32,
    /// The terms of which tool.
    #[arg(long = "as", value_enum)]
    tool: Tool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tool {
    /// An nftables rule.
    Nftables,
    /// A filter expression of tcpdump.
    Tcpdump,
    /// A BGP FlowSpec rule, as GoBGP and ExaBGP read it.
    Flowspec,
}

impl Signature {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::List => {
                let list = list(session).await?;
                session.answer(&list, render::list)?;
            }
            Self::Show(Number { number }) => {
                let report = find(session, number).await?;
                session.answer(&report, render::one)?;
            }
            Self::Add(Add { terms, monitor, lifetime, force, trial }) => {
                let seconds = lifetime.map(|lifetime| lifetime.as_secs());
                let request = SignatureRequest { text: terms.join(" "), monitor, seconds, force };
                let target = trial.target(path::SIGNATURE_ADD);
                let changed: Changed<SignatureReport> = session.client.post(&target, &request).await?;
                session.changed(&changed, render::one)?;
            }
            Self::Pin(Number { number }) => {
                let request = SignatureNumber { number };
                let report: SignatureReport = session.client.post(path::SIGNATURE_PIN, &request).await?;
                session.answer(&report, render::one)?;
            }
            Self::Drop(Number { number }) => {
                let request = SignatureNumber { number };
                let report: SignatureReport = session.client.post(path::SIGNATURE_DROP, &request).await?;
                session.answer(&report, |report, out, _| {
                    writeln!(out, "dropped {}: {}", report.number, report.text)
                })?;
            }
            Self::Export(Export { number, tool }) => {
                let report = find(session, number).await?;
                let (text, service) = naming::apart(&report.text);
                let terms: Terms = text.parse().map_err(|error| {
                    Failed::new(Kind::Internal, format!("the daemon's signature is not understood: {error}"))
                })?;
                let exported = match tool {
                    Tool::Nftables => export::nftables(&terms, service),
                    Tool::Tcpdump => export::tcpdump(&terms, service),
                    Tool::Flowspec => export::flowspec(&terms, service),
                };
                let exported = exported.map_err(|error| {
                    let message = format!("signature {number} is not exported: {error}");
                    Failed::new(Kind::Refused, message)
                })?;
                session.answer(&exported, |exported, out, _| {
                    writeln!(out, "{}", exported.text)?;
                    let left_out = exported.left_out.join(", ");
                    if left_out.is_empty() {
                        Ok(())
                    } else {
                        writeln!(out, "# wider than the signature: {left_out} cannot be said")
                    }
                })?;
            }
        }
        Ok(Done::Plain)
    }
}

async fn list(session: &mut Session<'_>) -> Result<SignatureList, Stop> {
    Ok(session.client.get(path::SIGNATURE).await?)
}

async fn find(session: &mut Session<'_>, number: u32) -> Result<SignatureReport, Stop> {
    let found = list(session).await?.signatures.into_iter().find(|report| report.number == number);
    found.ok_or_else(|| {
        let message =
            format!("there is no signature {number}; `floodwall signature list` names those there are");
        Failed::new(Kind::NotFound, message).into()
    })
}
