//! An image into the tables: only what differs, and in an order that no packet can stumble over.

use floodwall_common::{
    tables::Tables as _,
    wire::{MAX_DESTINATIONS, PORT_WORDS, Settings, Word, knowledge, service_flag},
};

use super::{SAMPLE_EVERY, destinations, image::Image};
use floodwall_tables::SharedTables;

/// What the facts of the host say; whether times are calm, say, is not theirs.
const OF_HOST: u64 = knowledge::PORTS | knowledge::FLOWS | knowledge::ANSWERS | knowledge::SOCKETS;

/// Rules first, then the services that name them, then the ports that name those; what is no longer named is emptied
/// last.
pub(super) fn install(image: &Image, tables: &SharedTables) {
    let Some(settings) = tables.settings() else { return };
    put_rules(image, tables);
    for (service, wanted) in
        tables.services.iter().zip(&image.services).filter(|(_, wanted)| wanted.flags != 0)
    {
        // A packet that finds one of these new and another old is held against too few rules, or asked in vain.
        put(&service.rules, wanted.rules);
        put(&service.traits, wanted.traits);
        if service.flags.load() & service_flag::USED == 0 {
            service.sample_every.store(SAMPLE_EVERY);
        }
        put(&service.flags, wanted.flags);
        put(&service.lockdown, wanted.lockdown);
    }
    put_settings(image, settings, tables.judging_cpus());
    put_destinations(&image.map, tables, settings);
    // Only now is what the ports say worth something.
    settings.knowledge.store_bits(OF_HOST, image.settings.knowledge);
    for (service, _) in tables.services.iter().zip(&image.services).filter(|(_, wanted)| wanted.flags == 0) {
        put(&service.lockdown, 0);
        put(&service.rules, 0);
        put(&service.traits, 0);
        put(&service.flags, 0);
        put(&service.sample_every, 0);
    }
    for (rule, _) in tables.rules.iter().zip(&image.rules).filter(|(_, wanted)| wanted.is_none()) {
        put(&rule.bucket, 0);
        put(&rule.terms, 0);
        put(&rule.ban, 0);
    }
}

fn put_rules(image: &Image, tables: &SharedTables) {
    for (rule, wanted) in tables.rules.iter().zip(&image.rules) {
        let Some(wanted) = wanted else { continue };
        // Its number was unused: nobody asks it yet, and its bucket is to be full. That is so of one that was full at the
        // beginning of time, on whichever clock packets are judged: a replay has its own.
        if rule.terms.load() == 0 {
            put(&rule.full_at, 0);
        }
        put(&rule.ban, wanted.ban);
        put(&rule.bucket, wanted.bucket);
        put(&rule.terms, wanted.terms);
    }
}

fn put_settings(image: &Image, settings: &Settings, cpus: u64) {
    let wanted = &image.settings;
    put(&settings.packet_ban, wanted.packet_ban);
    put(&settings.packet_bucket, wanted.packet_bucket);
    put(&settings.syn_ban, wanted.syn_ban);
    put(&settings.syn_bucket, wanted.syn_bucket);
    put(&settings.suspect_bucket, wanted.suspect_bucket);
    put(&settings.spared, wanted.spared);
    put(&settings.monitored, wanted.monitored);
    put(&settings.lapsing, wanted.lapsing);
    put(&settings.unprovable, wanted.unprovable);
    let interval = (cpus * 1_000_000_000).checked_div(wanted.samples_per_second).unwrap_or(0);
    put(&settings.sample_interval, interval);
}

fn put_destinations(map: &destinations::Map, tables: &SharedTables, settings: &Settings) {
    let pages = tables.ports.chunks(PORT_WORDS as usize);
    for (words, page) in pages.zip(&map.pages) {
        for (word, wanted) in words.iter().zip(&page.0) {
            put(word, *wanted);
        }
    }
    for place in 0..MAX_DESTINATIONS as usize {
        let range = map.ranges.get(place);
        let first = range.map_or(u128::MAX, |range| range.first);
        let Some(entry) = tables.destinations.get(place) else { return };
        put(&entry.class, range.map_or(0, |range| u64::from(range.class)));
        put(&entry.high, (first >> 64) as u64);
        put(&entry.low, first as u64);
    }
    let count = if map.ranges.len() > 1 { map.ranges.len() as u64 } else { 0 };
    put(&settings.destinations, count);
}

/// Words that stay are left alone: a store takes the line from all other CPUs.
fn put(word: &Word, value: u64) {
    if word.load() != value {
        word.store(value);
    }
}
