//! What the detector wants done, put in force.

use floodwall_common::source;
use floodwall_common::tables::Tables as _;
use floodwall_common::wire::{MAX_SERVICES, signature::HALF_WORDS, standing};

use floodwall_detect::{Action, Deployment};
use floodwall_tables::SharedTables;

/// Does what a detector wants done, in its order; all of it is in force when this returns.
///
/// `grace` returns once no packet is judged any more by what was not in force when it was called; no lock may be held.
pub fn carry_out(tables: &SharedTables, actions: Vec<Action>, grace: impl Fn()) {
    for action in actions {
        match action {
            Action::Sample { service, every } => {
                let in_force = &tables.services[usize::from(service)].sample_every;
                if in_force.load() != every {
                    in_force.store(every);
                }
            }
            Action::Attacked { service, attacked } => {
                let bit = 1 << (u32::from(service) & (MAX_SERVICES - 1));
                if attacked && tables.settings[0].attacked.load() == 0 {
                    tables.settings[0].attacked_since.store(tables.clock());
                }
                tables.settings[0].attacked.store_bits(bit, if attacked { bit } else { 0 });
            }
            Action::RefuseFruitless { service, refuse } => {
                let bit = 1 << (u32::from(service) & (MAX_SERVICES - 1));
                tables.settings[0].refuses_fruitless.store_bits(bit, if refuse { bit } else { 0 });
            }
            Action::Return { sources, returns } => {
                // Whom the table holds no more has to come time and again once more.
                for way in sources.iter().filter_map(|key| source::way_of(tables, &tables.settings[0], *key))
                {
                    if returns {
                        source::mark(way, standing::RETURNS);
                    } else {
                        source::unmark(way, standing::RETURNS);
                    }
                }
            }
            Action::LimitNames { service, limit } => {
                let bit = 1 << (u32::from(service) & (MAX_SERVICES - 1));
                tables.settings[0].limits_names.store_bits(bit, if limit { bit } else { 0 });
            }
            Action::Know { what, known } => {
                tables.settings[0].knowledge.store_bits(what, if known { what } else { 0 });
            }
            Action::Deploy(deployment) => deploy(tables, &deployment, &grace),
        }
    }
}

/// Writes signatures beside those that are in force, and then has all of them in force at once. Packets may still be
/// judged by the half that is written, which was in force before: hence the wait.
fn deploy(tables: &SharedTables, Deployment { image, is_empty }: &Deployment, grace: &impl Fn()) {
    let settings = &tables.settings[0];
    let other = if settings.signatures.load() == 1 { 2 } else { 1 };
    grace();
    let start = (other as usize - 1) * HALF_WORDS as usize;
    image.write(&tables.signatures[start..start + HALF_WORDS as usize]);
    settings.signatures.store(if *is_empty { 0 } else { other });
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use floodwall_common::wire::{History, knowledge};

    use super::*;
    use floodwall_detect::Detector;
    use floodwall_tables::Capacity;

    #[test]
    fn what_is_known_is_set_and_cleared_bit_by_bit() {
        let tables =
            SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }).unwrap();
        let told = |what, known| carry_out(&tables, vec![Action::Know { what, known }], || ());
        told(knowledge::PORTS, true);
        told(knowledge::CONNECTIONS, true);
        told(knowledge::PORTS, false);
        assert_eq!(tables.settings[0].knowledge.load(), knowledge::CONNECTIONS);
        for (service, attacked, expected) in [(5, true, 1 << 5), (0, true, 1 << 5 | 1), (5, false, 1)] {
            carry_out(&tables, vec![Action::Attacked { service, attacked }], || ());
            assert_eq!(tables.settings[0].attacked.load(), expected);
        }
        let settings = &tables.settings[0];
        for (yes, expected) in [(true, 1 << 5), (false, 0)] {
            let refuse = Action::RefuseFruitless { service: 5, refuse: yes };
            carry_out(&tables, vec![refuse, Action::LimitNames { service: 5, limit: yes }], || ());
            assert_eq!(
                (settings.refuses_fruitless.load(), settings.limits_names.load()),
                (expected, expected)
            );
        }
        let key = source::Key(7);
        let way = source::visit(source::set_of(&tables, settings, key).unwrap(), key, standing::PROVEN, 1).0;
        for (returns, expected) in [(true, standing::PROVEN | standing::RETURNS), (false, standing::PROVEN)] {
            let sources = vec![key, source::Key(8)];
            carry_out(&tables, vec![Action::Return { sources, returns }], || ());
            assert_eq!(History::unpack(way.history.load()).standing, expected);
        }
        carry_out(&tables, vec![Action::Sample { service: 3, every: 17 }], || ());
        assert_eq!(tables.services[3].sample_every.load(), 17);
    }

    #[test]
    fn signatures_take_turns_in_the_two_halves_and_each_waits_for_the_packets_before() {
        let tables =
            SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }).unwrap();
        let mut detector = Detector::default();
        let waited = Cell::new(0);
        let mut halves = Vec::new();
        for text in ["udp sport=7 len=28", "udp sport=9 len=28"] {
            detector.pin(text.parse().unwrap(), true, 1).unwrap();
            // What is wanted is not in force before it is carried out.
            let before = tables.settings[0].signatures.load();
            assert_eq!(halves.last().copied().unwrap_or(0), before);
            carry_out(&tables, detector.take_actions(), || waited.set(waited.get() + 1));
            halves.push(tables.settings[0].signatures.load());
        }
        assert_eq!((halves, waited.get()), (vec![1, 2], 2));
        assert!(detector.take_actions().is_empty(), "nothing is done twice");
        for number in 0..2 {
            detector.remove(number, 2).unwrap();
        }
        carry_out(&tables, detector.take_actions(), || ());
        assert_eq!(tables.settings[0].signatures.load(), 0, "none is left");
    }
}
