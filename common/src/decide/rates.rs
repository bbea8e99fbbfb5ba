//! Is the source within its rates, and is it one that should be here?

use super::{
    Judgement, NONE, PacketContext,
    unsolicited::{self, Claim},
};
use crate::{
    parse::Packet,
    source::{self, Charge, ENTERED_SHIFT, Key, Standing},
    tables::Tables,
    traits::Traits,
    wire::{
        BucketSpec, History, Port, Reason, Service, Settings, SourceSet, Suspicion, WAYS, Way, knowledge,
        service_flag, standing,
    },
};

/// Time after which a source is known even in times that are not calm, in units of [`History::entered`]: half a minute.
const ACQUAINTANCE: u16 = 28;

/// Finds the set that holds the source, and asks memory for it: it arrives while other stages are at work.
#[inline(always)]
pub fn approach<'t, T: Tables>(
    tables: &'t T,
    settings: &Settings,
    context: &mut PacketContext,
) -> Option<&'t SourceSet> {
    context.key = Key::of(settings, context.packet.source);
    let set = source::set_of(tables, settings, context.key)?;
    // Each cache line of the two.
    set.ways[0].key.load();
    set.ways[WAYS / 2].key.load();
    Some(set)
}

/// Says whether the source's conduct has decided.
#[inline(always)]
pub fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    set: &SourceSet,
    service: &Service,
) -> bool {
    let PacketContext { packet, judgement, port, traits, key, time_ns: now_ns, .. } = context;
    let (packet, port, traits, key, now_ns) = (&*packet, *port, *traits, *key, *now_ns);
    let family = if packet.source.family as u32 == 0 { 0 } else { standing::IPV6 };
    let (way, was_there) = source::visit(set, key, family, now_ns);
    judgement.new_source = !was_there;
    if source::is_banned(way, now_ns) && judgement.object(settings, Reason::Banned, NONE) {
        return true;
    }
    let history = History::unpack(way.history.load());
    let known = history.standing & standing::KNOWN != 0;
    context.known = known;
    if is_stray(settings, port, traits, known, history) {
        let belongs = belongs(tables, settings, packet);
        if !belongs
            && let Claim::Refused(reason) =
                unsolicited::weigh(settings, Suspicion::Stray, Reason::Stray, now_ns)
            && judgement.object(settings, reason, NONE)
        {
            return true;
        }
        // In an attack, being one of few makes nobody known.
        if belongs || settings.knowledge.load() & knowledge::CALM != 0 {
            source::make_known(way);
        }
    } else if !known && is_acquainted(settings, traits, was_there, history, now_ns) {
        source::make_known(way);
    }
    let syn = traits.meets(Traits::SYN);
    source::count(way, Charge { bytes: packet.length, syn }, !was_there);
    // A service may have limits of its own in place of those that hold for every source; and only a SYN costs one.
    let flags = service.flags.load();
    let packet_bucket = unless(flags & service_flag::NO_SOURCE_PACKETS, settings.packet_bucket.load());
    let syn_bucket =
        unless(flags & service_flag::NO_SOURCE_SYN | u64::from(!syn), settings.syn_bucket.load());
    let met = source::meter(way, packet_bucket, syn_bucket, now_ns, !was_there);
    let over = match met {
        Standing::Within => None,
        Standing::OverPackets => Some((Reason::PacketRate, settings.packet_ban.load())),
        Standing::OverSyn => Some((Reason::SynRate, settings.syn_ban.load())),
    };
    if let Some((reason, ban_ns)) = over
        && judgement.object(settings, reason, NONE)
    {
        ban(way, ban_ns, now_ns, judgement);
        return true;
    }
    false
}

/// Whether a segment may belong to a connection all the same: one that was open before floodwall was there, or that the
/// host's sockets tell of.
#[inline(always)]
fn belongs<T: Tables>(tables: &T, settings: &Settings, packet: &Packet) -> bool {
    let known = settings.knowledge.load();
    known & knowledge::CONNECTIONS == 0 || known & knowledge::SOCKETS != 0 && tables.has_socket(packet)
}

/// A TCP segment from a source that never asked for a connection, to a port where something listens.
#[inline(always)]
fn is_stray(settings: &Settings, port: Port, traits: Traits, known: bool, history: History) -> bool {
    settings.knowledge.load() & knowledge::PORTS != 0
        && port.offered
        && !known
        && history.syns == 0
        && traits.meets(Traits::SEGMENT.and(Traits::RST))
}

/// Whether a source has by now shown that it takes part in conversations: TCP goes on after it has asked for a
/// connection, anything else after a second. In times that are not calm it takes longer, whatever it sends.
#[inline(always)]
fn is_acquainted(
    settings: &Settings,
    traits: Traits,
    was_there: bool,
    history: History,
    now_ns: u64,
) -> bool {
    let age = ((now_ns >> ENTERED_SHIFT) as u16).wrapping_sub(history.entered);
    let talks =
        if traits.meets(Traits::TCP) { traits.meets(Traits::SEGMENT) && history.syns > 0 } else { age > 1 };
    let calm = settings.knowledge.load() & knowledge::CALM != 0;
    was_there && talks && (calm || age > ACQUAINTANCE)
}

/// The bucket that a word describes, or, if a condition is not 0, one from which nothing is taken.
#[inline(always)]
fn unless(condition: u64, word: u64) -> BucketSpec {
    BucketSpec::unpack(if condition == 0 { word } else { BucketSpec::UNTOUCHED.pack() })
}

#[inline(always)]
fn ban(way: &Way, ban_ns: u64, now_ns: u64, judgement: &mut Judgement) {
    if ban_ns != 0 && source::ban(way, now_ns + ban_ns) {
        judgement.banned_until = now_ns + ban_ns;
    }
}
