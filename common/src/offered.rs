//! Where something is offered, as what goes out shows: an address and port that has sent a SYN-ACK, or has answered a
//! datagram that nobody here had asked for. It is known so wherever the service lives: in a container, behind a bridge, on
//! a machine that this one routes for.
//!
//! Beside it, which addresses have lately sent anything out by here. Of another one nothing can be proven, since its
//! answers may leave by another way.

use crate::{
    entry::{self, Event, State, ticks},
    memo,
    parse::protocol,
    prefix::Address,
    tables::{OFFERED_LINES, Tables},
    wire::Settings,
};

/// How long a TCP service is known after it last answered a request, ticks: a day.
const TCP: u64 = ticks(24 * 3_600);
/// How long a service of datagrams is known after it last answered, ticks: an hour.
const DATAGRAMS: u64 = ticks(3_600);
/// How long that is known which a packet from outside has shown, and that an address sends by here, ticks.
const HEARSAY: u64 = ticks(600);

/// Where something may be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    protocol: u8,
    address: Address,
    port: u16,
}

impl Offer {
    /// A port of a protocol at an address.
    #[inline(always)]
    pub const fn new(protocol: u8, address: Address, port: u16) -> Self {
        Self { protocol, address, port }
    }

    /// That the address has sent anything.
    #[inline(always)]
    const fn of(address: Address) -> Self {
        Self { protocol: 0, address, port: 0 }
    }

    #[inline(always)]
    fn hash(&self, settings: &Settings) -> u64 {
        let which = u64::from(self.protocol) << 16 | u64::from(self.port);
        let seed = memo::seed(settings);
        memo::hash(seed, self.address.high ^ which, self.address.low.wrapping_add(which << 40))
    }

    #[inline(always)]
    fn note<T: Tables>(self, tables: &T, settings: &Settings, event: Event, now_ns: u64) -> Option<bool> {
        let hash = self.hash(settings);
        let line = tables.offered_line(memo::line(hash, OFFERED_LINES))?;
        Some(entry::note(line, hash, event, now_ns).changed)
    }

    #[inline(always)]
    fn is_known<T: Tables>(self, tables: &T, settings: &Settings, now_ns: u64) -> Option<bool> {
        let hash = self.hash(settings);
        let line = tables.offered_line(memo::line(hash, OFFERED_LINES))?;
        Some(match entry::recall(line, hash) {
            None => false,
            Some(entry) => {
                let life = match entry.state {
                    State::Confirmed if self.protocol == protocol::TCP => TCP,
                    State::Confirmed => DATAGRAMS,
                    _ => HEARSAY,
                };
                entry.age(now_ns) <= life
            }
        })
    }
}

/// Notes that something is offered; `hearsay`: a packet that came from outside shows it. `None` if the table could not be
/// reached.
#[inline(always)]
pub fn note<T: Tables>(
    tables: &T,
    settings: &Settings,
    offer: Offer,
    hearsay: bool,
    now_ns: u64,
) -> Option<bool> {
    let event = if hearsay { Event::Open } else { Event::Confirm };
    offer.note(tables, settings, event, now_ns)
}

/// Whether something is offered.
#[inline(always)]
pub fn is<T: Tables>(tables: &T, settings: &Settings, offer: Offer, now_ns: u64) -> Option<bool> {
    offer.is_known(tables, settings, now_ns)
}

/// Notes that an address sends by here.
#[inline(always)]
pub fn note_sender<T: Tables>(
    tables: &T,
    settings: &Settings,
    address: Address,
    now_ns: u64,
) -> Option<bool> {
    Offer::of(address).note(tables, settings, Event::Open, now_ns)
}

/// Whether an address has sent by here lately.
#[inline(always)]
pub fn sends<T: Tables>(tables: &T, settings: &Settings, address: Address, now_ns: u64) -> Option<bool> {
    Offer::of(address).is_known(tables, settings, now_ns)
}
