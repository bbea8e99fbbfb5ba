//! What imports hold, and what that has decided.

use std::collections::BTreeMap;

use floodwall_api::{ImportTraffic, ListName};
use floodwall_store::records::Origin;
use floodwall_tables::{
    Prefix,
    prefixes::{List, PrefixTable},
};

use super::Filter;

/// Prefixes that are looked at before others are let at the table: about a millisecond.
const SLICE: usize = 4_096;

impl Filter {
    /// What imports are called, and when each is taken back, Unix seconds.
    pub fn import_names(&self) -> Vec<(String, Option<u64>)> {
        let records = self.records.lock();
        records.imports().map(|(_, record)| (record.name.clone(), record.expires)).collect()
    }

    /// The prefixes that are listed by hand with a note: the note, and when each is taken back, Unix seconds.
    pub fn with_notes(&self, list: ListName) -> Vec<(Prefix, String, Option<u64>)> {
        let records = self.records.lock();
        let of_list = records.noted().filter(|(of, _)| *of == list);
        let noted = of_list.filter_map(|(list, prefix)| {
            let record = records.note(list, prefix)?;
            Some((prefix, record.note.clone()?, record.expires))
        });
        noted.collect()
    }

    /// How many prefixes each import holds, and how many packets these have decided since they were listed. What several
    /// imports want is told of each. Looks at the whole blocklist, which takes about half a second for a million prefixes, and
    /// lets others at the table in between; nothing is looked at where there is no import.
    pub fn imports(&self) -> Vec<ImportTraffic> {
        let mut found: BTreeMap<Origin, ImportTraffic> = {
            let records = self.records.lock();
            let named = records.imports().map(|(origin, record)| {
                (origin, ImportTraffic { import: record.name.clone(), ..ImportTraffic::default() })
            });
            named.collect()
        };
        if found.is_empty() {
            return Vec::new();
        }
        for slot in (0..PrefixTable::SLOTS).step_by(SLICE) {
            self.table.lock().harvest(slot..slot + SLICE);
        }
        let mut after = None;
        loop {
            let page = self.table.lock().range_after(List::Block, after, SLICE);
            for listed in &page {
                for origin in self.origins(listed.owner) {
                    if let Some(traffic) = found.get_mut(&origin) {
                        traffic.prefixes += 1;
                        traffic.packets += listed.hits;
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == SLICE => after = Some(last.prefix),
                _ => break,
            }
        }
        found.into_values().collect()
    }
}
