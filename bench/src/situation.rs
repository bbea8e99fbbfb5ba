//! What goes on at the host while packets are shown.
//!
//! The other groups are judged as on a fresh install of which nothing is known but limits and lists; here the tables say what
//! a daemon says: what listens, what has left, which service is attacked, and by what.

use std::time::Duration;

use anyhow::Context as _;
use floodwall::signature::{Effect, Image, Signature};
use floodwall_common::{
    entry::Event,
    flow::{self, Flow},
    parse::protocol,
    prefix::{Address, Family},
    service,
    source::{self, Key},
    wire::{BucketSpec, Port, knowledge, signature::HALF_WORDS, standing},
};
use nix::time::{ClockId, clock_gettime};

use crate::{
    floodwall::Floodwall,
    frames::{CLIENT_PORT, host},
};

/// The half of the table of signatures that an attack's are written to, as the settings tell it; the other one holds those
/// of [`signatures`](crate::signatures).
const HALF: u64 = 2;

/// The service that is attacked.
pub(crate) const SERVICE: u8 = 1;
/// Where it listens, by TCP.
pub(crate) const PORT: u16 = 443;

/// What a daemon knows of its host.
const KNOWN: u64 = knowledge::PORTS
    | knowledge::FLOWS
    | knowledge::ANSWERS
    | knowledge::SOCKETS
    | knowledge::CONNECTIONS
    | knowledge::CHALLENGES;

/// What goes on at the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// Nothing is known of the host.
    FreshInstall,
    /// It is known what listens, and what has left; nothing is attacked.
    Peace,
    /// Likewise; all services are attacked, and nothing was found.
    Attack,
    /// Likewise, by requests for connections that a signature tells.
    Signed(Spares),
}

/// Whom a signature spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spares {
    /// Nobody.
    Nobody,
    /// Sources that are known.
    Known,
    /// Who asks again, or answers the challenge that it is sent.
    WhoIsThere,
}

impl Spares {
    fn image(self) -> anyhow::Result<Image> {
        let new_sources = if self == Self::Known { " new-sources" } else { "" };
        let signature: Signature = format!("tcp flags=syn dport={PORT} ttl=60-70{new_sources}")
            .parse()
            .context("making the signature of an attack")?;
        let effect = if self == Self::WhoIsThere { Effect::DropOnce } else { Effect::DropFound };
        Image::new(&[Some((&signature, effect))]).context("laying the signature of an attack out")
    }
}

impl Situation {
    /// Says in the tables what goes on.
    pub(crate) fn arrange(self, floodwall: &Floodwall) -> anyhow::Result<()> {
        let tables = &floodwall.tables;
        let settings = &tables.settings[0];
        let attacked = matches!(self, Self::Attack | Self::Signed(_));
        if attacked {
            // Of other rows' packets: an attack comes from sources that nobody knows, and asks for the first time.
            let sets = tables.sources.iter().flat_map(|set| &set.ways);
            let ways = sets.flat_map(|way| [&way.key, &way.history, &way.volume, &way.buckets]);
            ways.chain(tables.requests.iter().flatten()).for_each(|word| word.store(0));
        }
        settings.attacked.store(if attacked { u64::MAX } else { 0 });
        settings.signatures.store(0);
        settings.knowledge.store(if self == Self::FreshInstall { 0 } else { KNOWN });
        let suspects = floodwall::policy::defaults::SUSPECTS;
        let suspects = BucketSpec::new(suspects.rate, suspects.burst).context("limiting suspects")?;
        settings.suspect_bucket.store(suspects.pack());
        let byte = service::byte_of(protocol::TCP, PORT);
        let port = match self {
            Self::FreshInstall => Port::default(),
            _ => Port { service: SERVICE, offered: true, carried: false },
        };
        tables.ports[(byte / 8) as usize].store(u64::from(port.pack()) << (byte % 8 * 8));
        if let Self::Signed(spares) = self {
            spares.image()?.write(&tables.signatures[HALF_WORDS as usize..]);
            settings.signatures.store(HALF);
        }
        Ok(())
    }
}

/// Notes that each of the sources has opened a connection to the service, which goes on and bears fruit.
pub(crate) fn open_connections(
    floodwall: &Floodwall,
    family: Family,
    sources: impl Iterator<Item = Address>,
) -> anyhow::Result<()> {
    let tables = &*floodwall.tables;
    let settings = &tables.settings[0];
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the clock")?;
    let now_ns = Duration::from(now).as_nanos() as u64;
    for source in sources {
        let flow = Flow {
            protocol: protocol::TCP,
            local: host(family),
            local_port: PORT,
            remote: source,
            remote_port: CLIENT_PORT,
        };
        let hash = flow.hash(settings);
        for event in [Event::Open, Event::Confirm] {
            flow::note(tables, settings, hash, event, now_ns).context("noting a connection")?;
        }
        let key = Key::of(settings, source);
        let set = source::set_of(tables, settings, key).context("finding a source")?;
        let (way, _) = source::visit(set, key, 0, now_ns);
        source::mark(way, standing::KNOWN | standing::PROVEN | standing::FRUITFUL);
    }
    Ok(())
}
