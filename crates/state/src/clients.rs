//! Saves the known clients for after a reboot, and restores them.

use std::time::SystemTime;

use floodwall_common::{
    client::SERVED_FOR,
    memo,
    tables::{CLIENTS_SERVED, Tables as _},
};
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use floodwall_tables::SharedTables;
use floodwall_units::unix;

/// The known clients: keyed hashes of their addresses, and the keys.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    seed: [u64; 3],
    /// For each client the line of the table, the rest of the hash, and when it was noted, Unix time in s.
    noted: Vec<(u32, u64, u64)>,
}

impl Clients {
    /// Their number.
    pub fn len(&self) -> usize {
        self.noted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }
}

impl Filter {
    /// The clients that are known because they were served.
    pub fn clients(&self) -> Clients {
        let (now_ns, now) = (self.tables.clock(), unix::seconds(SystemTime::now()));
        let seed = std::array::from_fn(|place| self.tables.settings[0].client_seed[place].load());
        let lines = self.tables.clients.iter().take(CLIENTS_SERVED as usize).enumerate();
        let noted = lines.flat_map(|(line, words)| {
            let words = words.iter().map(|word| word.load()).filter(|word| *word != 0);
            words.map(move |word| (line as u32, memo::tag_of(word), memo::age_of(word, now_ns)))
        });
        let valid = noted.filter(|(.., age)| *age <= SERVED_FOR);
        let noted = valid.map(|(line, tag, age)| (line, tag, now.saturating_sub(memo::seconds(age))));
        Clients { seed, noted: noted.collect() }
    }

    /// How many clients were served within a day.
    pub fn clients_of_a_day(&self) -> u64 {
        let now_ns = self.tables.clock();
        let words = self.tables.clients.iter().take(CLIENTS_SERVED as usize).flatten();
        let noted = words.map(|word| word.load()).filter(|word| *word != 0);
        noted.filter(|word| memo::age_of(*word, now_ns) <= memo::ticks(86_400)).count() as u64
    }

    /// Restores saved clients, and returns how many. If the tables hold clients already, nothing is done.
    pub fn recall_clients(&self, kept: &Clients) -> usize {
        recall(&self.tables, kept, unix::seconds(SystemTime::now()))
    }
}

fn recall(tables: &SharedTables, kept: &Clients, now: u64) -> usize {
    let is_fresh = tables.clients.iter().flatten().all(|word| word.load() == 0);
    let is_sound = kept.seed.iter().all(|seed| *seed != 0);
    if !is_fresh || !is_sound {
        return 0;
    }
    for (seed, kept) in tables.settings[0].client_seed.iter().zip(kept.seed) {
        seed.store(kept);
    }
    let now_ns = tables.clock();
    let mut taken = 0;
    for &(line, tag, noted) in &kept.noted {
        let age = memo::ticks(now.saturating_sub(noted));
        let Some(words) = tables.client_line(line).filter(|_| line < CLIENTS_SERVED && age <= SERVED_FOR)
        else {
            continue;
        };
        // A line that is full already means that the file was changed by hand.
        if let Some(free) = words.iter().find(|word| word.load() == 0) {
            free.store(memo::word(tag, age, now_ns));
            taken += 1;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use floodwall_common::{
        client::{self, Proof},
        prefix::Address,
    };
    use floodwall_tables::Capacity;

    use super::*;

    const DAY: u64 = 86_400;

    fn tables() -> SharedTables {
        let tables =
            SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }).unwrap();
        for (place, seed) in tables.settings[0].client_seed.iter().enumerate() {
            seed.store(0x9e37_79b9_7f4a_7c15 ^ place as u64);
        }
        tables
    }

    #[test]
    fn restored_clients_are_forgotten_when_they_would_have_been() {
        let before = tables();
        let (old, young) = (Address::v4(0xc000_0201), Address::v6(0x2001_0db8, 7));
        let now_ns = before.clock();
        let noted = |address, days: u64| {
            let hash = client::hash(&before.settings[0], address);
            let line = memo::line(hash, CLIENTS_SERVED);
            client::note(&before, &before.settings[0], address, Proof::Served, now_ns).unwrap();
            let word = before.clients[line as usize].iter().map(|word| word.load()).find(|word| *word != 0);
            (line, memo::tag_of(word.unwrap()), 1_000 * DAY - days * DAY)
        };
        let seed = std::array::from_fn(|place| before.settings[0].client_seed[place].load());
        let kept =
            Clients { seed, noted: vec![noted(old, 29), noted(young, 1), (CLIENTS_SERVED, 1 << 30, 0)] };
        let known_after = |days: u64| {
            let after =
                SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }).unwrap();
            let taken = recall(&after, &kept, (1_000 + days) * DAY);
            let known = [old, young]
                .map(|address| client::is_known(&after, &after.settings[0], address, after.clock()));
            (taken, known.map(Option::unwrap))
        };
        assert_eq!(known_after(0), (2, [true, true]));
        assert_eq!(known_after(3), (1, [false, true]));
        assert_eq!(known_after(60), (0, [false, false]));
        assert_eq!(recall(&before, &kept, 1_000 * DAY), 0, "where some are known, they stay");
    }
}
