//! What is known of the packet at hand.

use super::{Judgement, Place, Step};
use crate::{
    dns_names::{self, Message},
    features::{self, Features},
    frame::Frame,
    parse::{self, Packet, Quoted, parse_quoted},
    source::{self, Key},
    tables::Tables,
    token_bucket,
    traits::Traits,
    wire::{Port, Reason, Settings},
};

/// What is known of the packet at hand: what was read from it, and what was found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketContext {
    /// The packet, if [`Self::is_packet`].
    pub packet: Packet,
    /// What would answer the packet that it quotes, if it is an ICMP error and [`Self::quotation`] says so.
    pub quoted: Packet,
    /// What it quotes, if it is an ICMP error.
    pub quotation: Quoted,
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
    /// Where the name ends that it asks for, as an offset in the frame; 0 if it asks for none, or that was not read.
    pub name_end: u32,
    /// Where the rule at hand counts it.
    pub place: Place,
    /// Its source is known.
    pub known: bool,
    /// Its source becomes known by it.
    pub acquainted: bool,
    /// Of where it goes, nothing is seen that leaves: that it answers the host can be neither proven nor disproven.
    pub unprovable: bool,
    /// Likewise, and it is a datagram, or answers a request for a connection, and goes on with nothing that came before.
    pub stands_alone: bool,
    /// When its source was entered, as [`History::entered`](crate::wire::History::entered) has it.
    pub entered: u16,
    /// What claims to belong to something does so, as far as was asked.
    pub belongs: bool,
    /// Its source is one of those to which the service refuses connections, see [`crate::fruitless_sources`].
    pub refused: bool,
    /// Its source comes time and again, as detection says.
    pub returns: bool,
    /// Its source is over the rule at hand with what it has really sent, as far as that bans.
    pub offends: bool,
    /// Whether it is dropped only until it comes again.
    pub request: Request,
    /// Whether it is answered with a [challenge](crate::challenge), if it is dropped.
    pub challenged: bool,
    /// Whether there is a packet: it is not, if the frame is not IP or malformed.
    pub is_packet: bool,
    /// The controller is to see this packet.
    pub sampled: bool,
    /// The time is one that the controller has set (replay, tests), and not the clock's.
    pub virtual_time: bool,
    /// The time it is judged at, ns.
    pub time_ns: u64,
    /// Packets that this CPU has judged by the clock, which stands still between two ticks of the scheduler.
    pub serial: u64,
}

impl PacketContext {
    /// Makes room for the next packet.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.judgement = Judgement::default();
        self.is_packet = false;
        self.known = false;
        self.acquainted = false;
        self.unprovable = false;
        self.stands_alone = false;
        self.sampled = false;
        self.request = Request::Other;
        self.challenged = false;
    }

    /// Reads the time.
    #[inline(always)]
    pub(super) fn read_time<T: Tables>(&mut self, tables: &T, settings: &Settings) {
        let set = settings.clock.load();
        self.virtual_time = set != 0;
        self.time_ns = if self.virtual_time { set } else { tables.clock() };
        self.serial = if self.virtual_time { 0 } else { self.serial.wrapping_add(1) };
    }

    /// A number below 2¹⁶ that is another one for each packet, by which fractions of what it costs are rounded.
    #[inline(always)]
    pub(super) fn dither(&self) -> u32 {
        token_bucket::dither(self.time_ns.wrapping_add(self.serial))
    }

    /// A stage objects to the packet: that decides, unless the stage only counts.
    #[inline(always)]
    pub(super) fn object(&mut self, settings: &Settings, reason: Reason, number: u32) -> Step {
        let lapsing = if settings.lapsed(self.time_ns) { settings.lapsing.load() } else { 0 };
        self.judgement.object(settings.monitored.load() | lapsing, reason, number)
    }

    /// Whether the service that it is for is attacked, as far as somebody still answers for that.
    #[inline(always)]
    pub(super) fn is_attacked(&self, settings: &Settings) -> bool {
        settings.is_attacked(self.judgement.service) && !settings.lapsed(self.time_ns)
    }

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

    /// Reads where the name ends that a DNS question is about.
    #[inline(always)]
    pub fn measure_name<F: Frame>(&mut self, frame: &F) {
        self.name_end = dns_names::end(frame, self.packet.transport, Message::Question).unwrap_or(0);
    }

    /// Reads what an ICMP error quotes.
    #[inline(always)]
    pub fn read_quotation<F: Frame>(&mut self, frame: &F) {
        self.quotation = parse_quoted(frame, &self.packet, &mut self.quoted);
    }

    /// Whether its source is known, and may do what known sources may: while its service is attacked, those only that were
    /// there for half a minute before.
    #[inline(always)]
    pub fn is_trusted(&self, settings: &Settings) -> bool {
        self.known
            && (!self.is_attacked(settings)
                || source::was_there_at(self.entered, settings.attacked_since.load()))
    }

    /// Why the packet leaves as it does.
    #[inline(always)]
    pub const fn reason(&self) -> Reason {
        self.judgement.reason
    }

    /// All that a test run answers, in 24 bits: reason (5 bits), what else it would have been (5), whether the packet
    /// is sampled (1), rule or signature (8; all ones: none), whether the source is known (1), whether the packet
    /// answers the host (1), whether it is dropped only this once (1), whether it is challenged (1).
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
            | (self.request.is_dropped_once() as u32) << 21
            | (self.challenged as u32) << 22
    }
}

/// What is known of a packet that is dropped only until it comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Request {
    /// It is not one.
    #[default]
    Other = 0,
    /// It came for the first time, and was dropped, since it looks like an attack.
    Noted = 1,
    /// It comes again, and passes.
    Again = 2,
    /// It came for the first time, and was dropped, since nothing tells an attack from what is usual: all are asked to repeat.
    Asked = 3,
}

impl Request {
    /// Whether it was dropped, and passes once it comes again.
    #[inline(always)]
    pub const fn is_dropped_once(self) -> bool {
        self as u8 & 1 != 0
    }
}

const _: () = assert!(Reason::COUNT <= 32);
