//! The order of the stages.

mod judgement;
mod listed;
mod ruled;
mod sender;
mod signed;
mod suspect;
mod tally;

pub use judgement::{Judgement, NONE};
pub use listed::judge as listed;
pub use ruled::{concerns, judge as ruled, place};
pub use sender::{approach, judge as sender};
pub use signed::judge as signed;
pub use suspect::judge as suspect;
pub use tally::count as tally;

use crate::{
    features::{self, Features},
    flow,
    frame::Frame,
    parse::{self, Fragment, Kind, Packet},
    rules::Place,
    source::Key,
    tables::Tables,
    traits::Traits,
    wire::{Port, RULES_PER_SERVICE, Reason, Service, Settings, Verdict},
};

/// Where a packet is worked on: what was read from it, and what was found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desk {
    /// The packet, if [`Self::is_packet`].
    pub packet: Packet,
    /// Its features, if there are signatures to hold them against.
    pub features: Features,
    /// What was found.
    pub judgement: Judgement,
    /// What kind of packet it is.
    pub traits: Traits,
    /// What the port says that it is for.
    pub port: Port,
    /// Whose it is.
    pub key: Key,
    /// Where the rule at hand counts it.
    pub place: Place,
    /// Its source is known.
    pub known: bool,
    /// Whether there is a packet: it is not, if the frame is not IP or malformed.
    pub is_packet: bool,
    /// The controller is to see this packet.
    pub sampled: bool,
    /// The time is the controller's word, and not the clock's.
    pub clock_was_told: bool,
    /// The time it is judged at, ns.
    pub time_ns: u64,
}

impl Desk {
    /// Adds what the transport header says; then there is a packet. `None` if it is malformed.
    #[inline(always)]
    pub fn parse_transport<F: Frame>(&mut self, frame: &F) -> Option<()> {
        parse::parse_transport(frame, &mut self.packet)?;
        self.is_packet = true;
        Some(())
    }

    /// Reads the features of the packet.
    #[inline(always)]
    pub fn read_features<F: Frame>(&mut self, frame: &F) {
        let Self { packet, port, features, .. } = self;
        features::read(frame, packet, port.service, port.offered, features);
    }

    /// Why the packet leaves as it does.
    #[inline(always)]
    pub const fn reason(&self) -> Reason {
        self.judgement.reason
    }

    /// All that a test run is told, in 24 bits: reason (5 bits), what else it would have been (5), whether the packet
    /// is sampled (1), rule or signature (8; all ones: none), whether the source is known (1), whether the packet
    /// answers the host (1).
    #[inline(always)]
    pub const fn code(&self) -> u32 {
        let number = if self.judgement.reason as u32 == Reason::Clean as u32 {
            self.judgement.would_number
        } else {
            self.judgement.number
        };
        self.judgement.reason as u32
            | (self.judgement.would as u32) << 5
            | (self.sampled as u32) << 10
            | (number & 0xff) << 11
            | (self.known as u32) << 19
            | (self.judgement.answers as u32) << 20
    }
}

const _: () = assert!(Reason::COUNT <= 32);

/// How the largest parts are called. On the host they are ordinary functions. In the kernel each is a function of its
/// own for the verifier, too: it then looks at each once, and not once for each way that leads there. A call costs
/// some ten nanoseconds where the kernel guards returns (SRSO), as much as a stage does: so these parts are only those
/// that most packets have no need of.
pub trait OutOfLine {
    /// [`features::read`].
    fn read_features(&self, desk: &mut Desk);
    /// [`place`].
    fn place(&self, desk: &mut Desk, number: u32) -> Option<()>;
    /// [`ruled`].
    fn ruled(&self, desk: &mut Desk, number: u32) -> Option<bool>;
}

/// The parts as ordinary functions.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a, T, F>(pub &'a T, pub &'a F);

impl<T: Tables, F: Frame> OutOfLine for Direct<'_, T, F> {
    fn read_features(&self, desk: &mut Desk) {
        desk.read_features(self.1);
    }

    fn place(&self, desk: &mut Desk, number: u32) -> Option<()> {
        place(self.0, self.0.settings()?, desk, number)
    }

    fn ruled(&self, desk: &mut Desk, number: u32) -> Option<bool> {
        ruled(self.0, self.0.settings()?, desk, number)
    }
}

/// Judges one frame, and counts it. What was found is left on the desk.
pub fn decide_on<T: Tables, F: Frame>(tables: &T, frame: &F, desk: &mut Desk) {
    decide(tables, frame, &Direct(tables, frame), desk);
}

/// Judges one frame, and counts it. What was found is left on the desk.
///
/// Malformed → trusted → blocked → control → suspect (fragments, answers to nothing) → signature → sender (bans,
/// strays, rates, rules) → clean: the first stage that objects decides. A stage that is monitored only says what it
/// would have done. Time is read once, here.
#[inline(always)]
pub fn decide<T: Tables, F: Frame, O: OutOfLine>(tables: &T, frame: &F, parts: &O, desk: &mut Desk) {
    desk.judgement = Judgement::default();
    desk.is_packet = false;
    desk.known = false;
    desk.sampled = false;
    let Some(settings) = tables.settings() else {
        desk.judgement.reason = Reason::Fault;
        return;
    };
    let told = settings.clock.load();
    desk.clock_was_told = told != 0;
    desk.time_ns = if desk.clock_was_told { told } else { tables.clock() };
    match parse::parse_network(frame, &mut desk.packet) {
        _ if settings.bypass_until.load() > desk.time_ns => desk.judgement.reason = Reason::Bypass,
        Kind::NotIp => desk.judgement.reason = Reason::NotIp,
        Kind::Malformed => {
            desk.judgement.object(settings, Reason::Malformed, NONE);
        }
        Kind::Ip => {
            if desk.parse_transport(frame).is_none() {
                desk.judgement.object(settings, Reason::Malformed, NONE);
            } else if judge(tables, settings, parts, desk).is_none() {
                desk.judgement.reason = Reason::Fault;
            }
        }
    }
    desk.sampled = tally(tables, settings, desk, frame.length()).unwrap_or(false);
}

#[inline(always)]
fn judge<T: Tables, O: OutOfLine>(tables: &T, settings: &Settings, parts: &O, desk: &mut Desk) -> Option<()> {
    if listed(tables, settings, desk)? {
        return Some(());
    }
    // A host that cannot resolve its neighbours is cut off by itself.
    if desk.packet.is_neighbour_discovery() {
        desk.judgement.reason = Reason::Control;
        return Some(());
    }
    let set = approach(tables, settings, desk)?;
    if suspect(tables, settings, desk)? {
        return Some(());
    }
    let service = tables.service(desk.judgement.service)?;
    if !desk.judgement.answers && settings.signatures.load() != 0 {
        parts.read_features(desk);
        if signed(tables, settings, desk, set)? {
            return Some(());
        }
    }
    if sender(tables, settings, desk, set, service) || is_ruled_out(tables, parts, desk, service)? {
        return Some(());
    }
    if desk.packet.fragment as u8 == Fragment::First as u8
        && desk.reason().verdict() as u8 == Verdict::Pass as u8
    {
        flow::first_passed(tables, settings, &desk.packet, desk.time_ns)?;
    }
    Some(())
}

/// Holds the packet against the rules of its service, in their order, up to the first that decides; says whether one
/// has.
#[inline(always)]
pub fn is_ruled_out<T: Tables, O: OutOfLine>(
    tables: &T,
    parts: &O,
    desk: &mut Desk,
    service: &Service,
) -> Option<bool> {
    if !desk.traits.meets(Traits::from_bits(service.traits.load() as u32)) {
        return Some(false);
    }
    let rules = service.rules.load();
    for place in 0..RULES_PER_SERVICE {
        let number = (rules >> (8 * place)) as u32 & 0xff;
        if number == 0 {
            break;
        }
        if concerns(tables, desk, number - 1)? {
            parts.place(desk, number - 1)?;
            if parts.ruled(desk, number - 1)? {
                return Some(true);
            }
        }
    }
    Some(false)
}
