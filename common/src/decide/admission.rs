//! Is the service closed to whom the packet is from? In a lockdown only [clients](crate::client) get in that have proven to
//! be there; others may prove it by answering a [challenge](crate::challenge), and a share of them gets in on trial.
//!
//! Who opens nothing is left alone: segments of connections that are open, and what answers the host.

use super::{CONTINUE, NONE, OutOfLine, PacketContext, Step, challenge, dns_question, found};
use crate::{
    client,
    frame::Frame,
    memo, source,
    tables::Tables,
    traits::Traits,
    unproven::{self, Once},
    wire::{History, Lockdown, Reason, Service, Settings, standing},
};

/// Nanoseconds after which another share of the others is on trial, as a shift: 69 s.
const TURN_SHIFT: u32 = 36;

/// Objects to what asks for something of a service that is closed to whom it is from.
#[inline(always)]
pub(super) fn judge<O: OutOfLine>(parts: &O, context: &mut PacketContext, service: &Service) -> Step {
    if service.lockdown.load() == 0 {
        return CONTINUE;
    }
    parts.admit(context)
}

/// As [`judge`], for a service that is closed. Of a question the name has been measured.
#[inline(always)]
pub fn admit<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &mut PacketContext,
) -> Step {
    let service = context.judgement.service;
    let lockdown = Lockdown::unpack(found(tables.service(service))?.lockdown.load());
    let opens = !context.traits.meets(Traits::TCP) || context.traits.meets(Traits::SYN);
    if !opens || context.judgement.answers || !lockdown.is_closed(settings.lapsed(context.time_ns)) {
        return CONTINUE;
    }
    if found(client::is_known(tables, settings, context.packet.source, context.time_ns))?
        || is_spared(tables, settings, context)
    {
        return CONTINUE;
    }
    let (key, time_ns) = (context.key, context.time_ns);
    let first = found(unproven::first_this_second(tables, settings, service, key, Once::Knocking, time_ns))?;
    found(tables.service_counter(service))?.knocking.add_local(first);
    if is_on_trial(settings, context, lockdown) {
        found(tables.service_counter(service))?.admitted.add_local(1);
        return CONTINUE;
    }
    let step = context.object(settings, Reason::Lockdown, NONE);
    if step.is_break() {
        context.challenged = if dns_question::is_asked(context) {
            found(dns_question::is_due(tables, settings, frame, context))?
        } else {
            challenge::is_due(settings, context)
        };
    }
    step
}

/// Whether somebody is logged in from there; or it is a datagram, or of another protocol, of a source that was there for half a
/// minute before an attack, or a lockdown without one: what asks for nothing can't prove more.
#[inline(always)]
fn is_spared<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> bool {
    let Some(way) = source::way_of(tables, settings, context.key) else { return false };
    let history = History::unpack(way.history.load());
    if history.standing & standing::SPARED != 0 {
        return true;
    }
    !context.traits.meets(Traits::TCP)
        && history.standing & standing::KNOWN != 0
        && (!context.is_attacked(settings)
            || source::was_there_at(history.entered, settings.attacked_since.load()))
}

/// Whether its source is of the share that is on trial now. Whoever is stays so for a minute.
#[inline(always)]
fn is_on_trial(settings: &Settings, context: &PacketContext, lockdown: Lockdown) -> bool {
    let turn = (context.time_ns >> TURN_SHIFT) << 8 | u64::from(context.judgement.service);
    let drawn = memo::hash(memo::seed(settings), context.key.0, turn) >> 32;
    drawn < u64::from(lockdown.admitted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::Proof,
        decide::{
            DECIDED, Direct, End,
            testing::{Memory, NOW, SECOND, SOURCE, syn, tcp, udp},
        },
        frame::Captured,
        parse::{Packet, tcp_flag},
        prefix::Address,
        wire::knowledge,
    };

    const CLOSED: Lockdown = Lockdown { by_operator: true, by_itself: false, admitted: 0 };

    fn closed(lockdown: Lockdown) -> Memory {
        let memory = Memory::new();
        memory.set().knowledge.store(knowledge::CHALLENGES);
        memory.services[0].lockdown.store(lockdown.pack());
        memory
    }

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let mut context = memory.classified(packet);
        let frame = Captured::NONE;
        let step = judge(&Direct(memory, &frame), &mut context, &memory.services[0]);
        (step, context)
    }

    #[test]
    fn only_known_clients_get_in_and_others_are_challenged() {
        let memory = closed(CLOSED);
        let (step, context) = judged(&memory, syn());
        assert_eq!((step, context.reason(), context.challenged), (DECIDED, Reason::Lockdown, true));
        for proof in [Proof::Served, Proof::Challenged] {
            let memory = closed(CLOSED);
            client::note(&memory, memory.set(), SOURCE, proof, NOW).expect("the memory is there");
            assert_eq!(judged(&memory, syn()).0, CONTINUE);
            assert_eq!(judged(&memory, udp()).0, CONTINUE, "whatever it asks for");
        }
        assert_eq!(judged(&Memory::new(), syn()).0, CONTINUE, "it is open");
    }

    #[test]
    fn who_knocks_is_counted_once_a_second() {
        let memory = closed(Lockdown { admitted: u32::MAX / 2, ..CLOSED });
        for number in 0..30 {
            let packet = Packet { source: Address::v4(0xc633_0000 + number % 10), ..syn() };
            assert_ne!(judged(&memory, packet).0, Step::Break(End::Fault));
        }
        assert_eq!(memory.service_counters[0].knocking.load(), 10, "let in or not");
        client::note(&memory, memory.set(), SOURCE, Proof::Served, NOW).expect("the memory is there");
        assert_eq!(judged(&memory, syn()).0, CONTINUE);
        assert_eq!(memory.service_counters[0].knocking.load(), 10, "clients do not knock");
    }

    #[test]
    fn what_opens_nothing_goes_on() {
        let memory = closed(CLOSED);
        for flags in [tcp_flag::ACK, tcp_flag::FIN | tcp_flag::ACK, tcp_flag::RST] {
            assert_eq!(judged(&memory, tcp(flags)).0, CONTINUE);
        }
        let mut context = memory.classified(udp());
        context.judgement.answers = true;
        let frame = Captured::NONE;
        assert_eq!(admit(&memory, memory.set(), &frame, &mut context), CONTINUE, "it answers the host");
    }

    #[test]
    fn datagrams_of_who_was_there_before_the_attack_go_on() {
        let memory = closed(CLOSED);
        assert_eq!(judged(&memory, udp()).0, DECIDED);
        source::make_known(memory.entered_at(udp(), NOW - 60 * SECOND).1.way);
        assert_eq!(judged(&memory, udp()).0, CONTINUE);
        assert_eq!(judged(&memory, syn()).0, DECIDED, "who can prove more has to");
        memory.set().attacked.store(1);
        memory.set().attacked_since.store(NOW - 50 * SECOND);
        assert_eq!(judged(&memory, udp()).0, DECIDED, "it came right before");
    }

    #[test]
    fn who_is_logged_in_is_not_locked_out() {
        let memory = closed(CLOSED);
        source::spare(memory.entered(syn()).1.way, true);
        assert_eq!(judged(&memory, syn()).0, CONTINUE);
    }

    #[test]
    fn a_lockdown_that_began_by_itself_ends_with_the_lease_and_an_operators_does_not() {
        for (lockdown, expected) in
            [(Lockdown { by_operator: false, by_itself: true, ..CLOSED }, CONTINUE), (CLOSED, DECIDED)]
        {
            let memory = closed(lockdown);
            assert_eq!(judged(&memory, syn()).0, DECIDED);
            memory.set().lease_until.store(NOW - 1);
            assert_eq!(judged(&memory, syn()).0, expected);
        }
    }

    #[test]
    fn a_share_of_the_others_is_on_trial_and_another_one_later() {
        let memory = closed(Lockdown { admitted: u32::MAX / 5, ..CLOSED });
        let admitted = |minutes: u64| -> Vec<bool> {
            memory.set().clock.store(NOW + minutes * 70 * SECOND);
            let source = |number: u32| Address::v4(0xc633_0000 + number);
            (0..2_000)
                .map(|number| judged(&memory, Packet { source: source(number), ..syn() }).0 == CONTINUE)
                .collect()
        };
        let [now, again, later] = [0, 0, 1].map(admitted);
        let count = now.iter().filter(|admitted| **admitted).count();
        assert!((330..470).contains(&count), "{count} of 2,000, of which a fifth is 400");
        assert_eq!(now, again, "whoever is on trial stays so for a while");
        let both = now.iter().zip(&later).filter(|(now, later)| **now && **later).count();
        assert!(both < 130, "{both} of both, of which a fifth of a fifth is 80");
        assert_eq!(
            memory.service_counters[0].admitted.load() as usize,
            2 * count + later.iter().filter(|is| **is).count()
        );
    }

    #[test]
    fn what_is_only_monitored_passes_unasked() {
        let memory = closed(CLOSED);
        memory.monitor(Reason::Lockdown);
        let (step, context) = judged(&memory, syn());
        assert_eq!((step, context.judgement.would, context.challenged), (CONTINUE, Reason::Lockdown, false));
    }

    #[test]
    fn a_memory_that_is_out_of_reach_is_a_fault() {
        let memory = Memory { clients: Vec::new(), ..closed(CLOSED) };
        assert_eq!(judged(&memory, syn()).0, Step::Break(End::Fault));
    }
}
