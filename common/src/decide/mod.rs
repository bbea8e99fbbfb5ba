//! The order of the stages.

mod count;
mod judgement;
mod prefix_list;
mod rates;
mod rule_table;
pub mod rules;
mod sample;
mod signature;
mod unsolicited;

pub use judgement::{Judgement, NONE};
pub use rates::{approach, judge as rates};
pub use rule_table::Place;

use crate::{
    features::{self, Features},
    flow,
    frame::Frame,
    parse::{self, Fragment, Kind, Packet},
    source::Key,
    tables::Tables,
    traits::Traits,
    wire::{Port, RULES_PER_SERVICE, Reason, Service, Settings, Verdict},
};

/// What is known of the packet at hand: what was read from it, and what was found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketContext {
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
    /// The time is the one that the controller has set (replay, tests), not the clock's.
    pub virtual_time: bool,
    /// The time it is judged at, ns.
    pub time_ns: u64,
}

impl PacketContext {
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
    fn read_features(&self, context: &mut PacketContext);
    /// [`rules::place`].
    fn place_rule(&self, context: &mut PacketContext, number: u32) -> Option<()>;
    /// [`rules::judge`].
    fn apply_rule(&self, context: &mut PacketContext, number: u32) -> Option<bool>;
}

/// The parts as ordinary functions.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a, T, F>(pub &'a T, pub &'a F);

impl<T: Tables, F: Frame> OutOfLine for Direct<'_, T, F> {
    fn read_features(&self, context: &mut PacketContext) {
        context.read_features(self.1);
    }

    fn place_rule(&self, context: &mut PacketContext, number: u32) -> Option<()> {
        rules::place(self.0, self.0.settings()?, context, number)
    }

    fn apply_rule(&self, context: &mut PacketContext, number: u32) -> Option<bool> {
        rules::judge(self.0, self.0.settings()?, context, number)
    }
}

/// Judges one frame, and counts it. What was found is left in the context.
pub fn decide_on<T: Tables, F: Frame>(tables: &T, frame: &F, context: &mut PacketContext) {
    decide(tables, frame, &Direct(tables, frame), context);
}

/// Judges one frame, and counts it. What was found is left in the context.
///
/// Malformed → trusted → blocked → control → suspect (fragments, answers to nothing) → signature → sender (bans,
/// strays, rates, rules) → clean: the first stage that objects decides. A stage that is monitored only says what it
/// would have done. Time is read once, here.
#[inline(always)]
pub fn decide<T: Tables, F: Frame, O: OutOfLine>(
    tables: &T,
    frame: &F,
    parts: &O,
    context: &mut PacketContext,
) {
    context.judgement = Judgement::default();
    context.is_packet = false;
    context.known = false;
    context.sampled = false;
    let Some(settings) = tables.settings() else {
        context.judgement.reason = Reason::Fault;
        return;
    };
    let told = settings.clock.load();
    context.virtual_time = told != 0;
    context.time_ns = if context.virtual_time { told } else { tables.clock() };
    match parse::parse_network(frame, &mut context.packet) {
        _ if settings.bypass_until.load() > context.time_ns => context.judgement.reason = Reason::Bypass,
        Kind::NotIp => context.judgement.reason = Reason::NotIp,
        Kind::Malformed => {
            context.judgement.object(settings, Reason::Malformed, NONE);
        }
        Kind::Ip => {
            if context.parse_transport(frame).is_none() {
                context.judgement.object(settings, Reason::Malformed, NONE);
            } else if judge(tables, settings, parts, context).is_none() {
                context.judgement.reason = Reason::Fault;
            }
        }
    }
    context.sampled = count::count(tables, settings, context, frame.length()).unwrap_or(false);
}

#[inline(always)]
fn judge<T: Tables, O: OutOfLine>(
    tables: &T,
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
) -> Option<()> {
    if prefix_list::judge(tables, settings, context)? {
        return Some(());
    }
    // A host that cannot resolve its neighbours is cut off by itself.
    if context.packet.is_neighbour_discovery() {
        context.judgement.reason = Reason::Control;
        return Some(());
    }
    let set = approach(tables, settings, context)?;
    if unsolicited::judge(tables, settings, context)? {
        return Some(());
    }
    let service = tables.service(context.judgement.service)?;
    if !context.judgement.answers && settings.signatures.load() != 0 {
        parts.read_features(context);
        if signature::judge(tables, settings, context, set)? {
            return Some(());
        }
    }
    if self::rates::judge(tables, settings, context, set, service)
        || is_ruled_out(tables, parts, context, service)?
    {
        return Some(());
    }
    if context.packet.fragment as u8 == Fragment::First as u8
        && context.reason().verdict() as u8 == Verdict::Pass as u8
    {
        flow::first_passed(tables, settings, &context.packet, context.time_ns)?;
    }
    Some(())
}

/// Holds the packet against the rules of its service, in their order, up to the first that decides; says whether one
/// has.
#[inline(always)]
pub fn is_ruled_out<T: Tables, O: OutOfLine>(
    tables: &T,
    parts: &O,
    context: &mut PacketContext,
    service: &Service,
) -> Option<bool> {
    if !context.traits.meets(Traits::from_bits(service.traits.load() as u32)) {
        return Some(false);
    }
    let rules = service.rules.load();
    for place in 0..RULES_PER_SERVICE {
        let number = (rules >> (8 * place)) as u32 & 0xff;
        if number == 0 {
            break;
        }
        if rules::concerns(tables, context, number - 1)? {
            parts.place_rule(context, number - 1)?;
            if parts.apply_rule(context, number - 1)? {
                return Some(true);
            }
        }
    }
    Some(false)
}
