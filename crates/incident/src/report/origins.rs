//! Networks and countries that sampled packets claim to come from, as rows.

use floodwall_api::IncidentSources;
use floodwall_units as units;

/// Attribution, and how many of the sampled packets were dropped and passed.
pub(super) type Row = [String; 3];

/// What a database has told, the networks first; nothing without one.
pub(super) fn rows(sources: &IncidentSources, most: usize) -> Vec<Row> {
    let networks = sources.networks.iter().take(most).map(|network| {
        let name = network.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        (format!("AS{}{name}", network.asn), network.dropped, network.passed)
    });
    let countries = sources.countries.iter().take(most);
    let countries = countries.map(|country| (country.country.clone(), country.dropped, country.passed));
    networks
        .chain(countries)
        .map(|(who, dropped, passed)| [who, units::count(dropped), units::count(passed)])
        .collect()
}
