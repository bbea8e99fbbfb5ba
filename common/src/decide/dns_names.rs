//! Is a name asked for that was never asked for before, while there are too many such questions? See [`crate::dns_names`].

use super::{CONTINUE, NONE, OutOfLine, PacketContext, Request, Step, found};
use crate::{
    dns_names,
    frame::Frame,
    memo, name_memory,
    parse::Fragment,
    retransmission::{self, Wait},
    tables::{NAME_LINES, REQUEST_LINES, Tables},
    token_bucket,
    traits::Traits,
    wire::{BucketSpec, Reason, Settings},
};

/// Questions/s for new names that pass in a flood of them, for each service.
const NEW_NAMES: BucketSpec = match BucketSpec::new(20, 20) {
    Some(spec) => spec,
    None => BucketSpec::UNTOUCHED,
};

/// Looks at questions that come for a name server of the host's.
#[inline(always)]
pub(super) fn judge<O: OutOfLine>(parts: &O, context: &mut PacketContext) -> Step {
    let PacketContext { packet, port, traits, .. } = context;
    let asks = u8::from(traits.meets(Traits::UDP))
        & u8::from(packet.destination_port == dns_names::PORT)
        & u8::from(port.offered)
        & u8::from(packet.fragment as u8 == Fragment::Whole as u8);
    if asks != 0 {
        parts.measure_name(context);
        return parts.judge_name(context);
    }
    CONTINUE
}

/// Remembers the name that is asked for. Counts a question for a new one, and objects to it while its service limits these:
/// a few pass, and who asks again. What is no plain question is one for a new name, each time.
#[inline(always)]
pub fn look_up<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &mut PacketContext,
) -> Step {
    let (service, now_ns) = (context.judgement.service, context.time_ns);
    let (end, datagram) = (context.name_end, context.packet.transport);
    let hash = if end == 0 { None } else { dns_names::hash(frame, datagram, end, memo::seed(settings)) };
    let (is_name, hash) = (hash.is_some(), hash.unwrap_or(0));
    let line = found(tables.name_line(memo::line(hash, NAME_LINES)))?;
    let (word, is_there) = name_memory::find(line, hash, now_ns);
    let is_known = is_name && is_there;
    if !is_known {
        let limits = settings.limits_names(service);
        let requests = found(tables.request_line(memo::line(hash, REQUEST_LINES)))?;
        if limits && is_name && retransmission::again(requests, hash, Wait::OF_QUESTIONS, now_ns) {
            // It was counted when it was dropped.
            context.request = Request::Again;
        } else {
            found(tables.service_counter(service))?.unproven.names.add_local(1);
            let full_at = &found(tables.service(service))?.names;
            if limits && !token_bucket::take_long(full_at, NEW_NAMES, NEW_NAMES.increment, now_ns) {
                let step = context.object(settings, Reason::NewName, NONE);
                if step.is_break() {
                    context.request = Request::Noted;
                    return step;
                }
            }
        }
    }
    if is_name {
        name_memory::note(word, is_known, hash, now_ns);
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{
            decide_on,
            testing::{Memory, NOW, frame, udp},
        },
        frame::Captured,
        parse::{Packet, protocol},
        wire::Port,
    };

    fn server(limits: bool) -> Memory {
        let mut memory = Memory::new();
        memory.set().limits_names.store(u64::from(limits) << 1);
        memory.assign(protocol::UDP, dns_names::PORT, Port { service: 1, offered: true, carried: false });
        memory
    }

    /// What becomes of a question for a name of one label, at a millisecond.
    fn ask(memory: &Memory, label: &str, milliseconds: u64) -> (Reason, Request) {
        memory.set().clock.store(NOW + milliseconds * 1_000_000);
        let mut payload = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8];
        payload.extend(label.as_bytes());
        payload.extend([0, 0, 1, 0, 1]);
        let headers = 14 + 20 + 8;
        let length = headers + payload.len() as u32;
        let mut bytes = frame(&Packet { destination_port: dns_names::PORT, length, ..udp() });
        bytes[headers as usize..].copy_from_slice(&payload);
        let mut context = PacketContext::default();
        decide_on(memory, &Captured::whole(&bytes), &mut context);
        assert_eq!(context.packet.destination_port, dns_names::PORT);
        (context.reason(), context.request)
    }

    fn counted(memory: &Memory) -> u64 {
        memory.service_counters[1].unproven.names.load()
    }

    #[test]
    fn new_names_are_counted_once_and_pass_in_peace() {
        let memory = server(false);
        for name in 0..100 {
            for _ in 0..3 {
                assert_eq!(ask(&memory, &format!("n{name}"), 0).0, Reason::Clean);
            }
        }
        assert_eq!(counted(&memory), 100);
    }

    #[test]
    fn while_they_are_limited_a_few_new_names_pass_and_all_that_were_asked_for_before() {
        let memory = server(false);
        assert_eq!(ask(&memory, "known", 0).0, Reason::Clean);
        memory.set().limits_names.store(1 << 1);
        let passed = (0..400).filter(|name| ask(&memory, &format!("n{name}"), 10).0 == Reason::Clean).count();
        assert_eq!(passed, 20);
        assert_eq!(ask(&memory, "other", 10), (Reason::NewName, Request::Noted));
        assert_eq!(ask(&memory, "KNOWN", 10), (Reason::Clean, Request::Other), "in either case");
        assert_eq!(ask(&memory, "other", 40), (Reason::NewName, Request::Noted), "too soon");
        assert_eq!(ask(&memory, "other", 800), (Reason::Clean, Request::Again), "a resolver asks again");
        assert_eq!(ask(&memory, "other", 810), (Reason::Clean, Request::Other), "and then it is known");
    }

    #[test]
    fn another_service_and_what_is_monitored_are_left_alone() {
        let memory = server(true);
        memory.monitor(Reason::NewName);
        assert!((0..100).all(|name| ask(&memory, &format!("n{name}"), 0).0 == Reason::Clean));
        let memory = server(false);
        memory.set().limits_names.store(1 << 2);
        assert!((0..100).all(|name| ask(&memory, &format!("n{name}"), 0).0 == Reason::Clean));
    }
}
