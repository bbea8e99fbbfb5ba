//! Replaces addresses by their prefixes, to protect the privacy of their users.

use std::net::{IpAddr, Ipv4Addr};

use floodwall_api::{Incident, IncidentActor};

use crate::census::network;

/// Replaces all addresses in the record of an incident.
pub(crate) fn incident(incident: &mut Incident) {
    for line in &mut incident.timeline {
        line.text = text(&line.text);
        if let IncidentActor::Operator(who) = &mut line.by {
            *who = text(who);
        }
    }
    incident.warnings.iter_mut().for_each(|warning| *warning = text(warning));
    for prefix in incident.sources.prefixes.iter_mut().chain(&mut incident.destinations) {
        prefix.prefix = text(&prefix.prefix);
    }
    // Reduced to a prefix, the address of a proven source would accuse all its neighbours.
    incident.sources.proven.clear();
    incident.strain.iter_mut().for_each(|strain| strain.what = text(&strain.what));
}

/// Replaces the addresses in a text by their /24 or /48.
pub fn text(text: &str) -> String {
    let mut cut = String::with_capacity(text.len());
    let mut word = String::new();
    let is_of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/');
    for c in text.chars().chain(['\n']) {
        if is_of_address(c) {
            word.push(c);
            continue;
        }
        cut.push_str(&shortened(&word));
        word.clear();
        cut.push(c);
    }
    cut.pop();
    cut
}

/// Shortens a word if it is an address or a long prefix. Punctuation after it is kept.
fn shortened(word: &str) -> String {
    let core = word.trim_end_matches(['.', ':']);
    let core = if word.ends_with("::") { word } else { core };
    let end = &word[core.len()..];
    // `core` may be an IPv4 address with a port.
    if let Some((address, port)) = core.split_once(':')
        && address.parse::<Ipv4Addr>().is_ok()
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return format!("{}:{port}{end}", shortened(address));
    }
    let (address, length) = match core.split_once('/') {
        Some((address, length)) => (address, length.parse::<u8>().ok()),
        None => (core, None),
    };
    match address.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) if length.is_none_or(|length| length > 24) => {
            format!("{}/24{end}", network(address))
        }
        Ok(address @ IpAddr::V6(_)) if length.is_none_or(|length| length > 48) => {
            format!("{}/48{end}", network(address))
        }
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_shortened() {
        for (before, after) in [
            ("banned 1: 203.0.113.7/32 by web/source-syn", "banned 1: 203.0.113.0/24 by web/source-syn"),
            ("block 2001:db8:1:2::3: done.", "block 2001:db8:1::/48: done."),
            ("203.0.113.9.", "203.0.113.0/24."),
            ("from 203.0.113.9:80 to [2001:db8::1]:443.", "from 203.0.113.0/24:80 to [2001:db8::/48]:443."),
            ("10.0.0.0/8 stays, at 03:04:05, 4.5 of 1/2", "10.0.0.0/8 stays, at 03:04:05, 4.5 of 1/2"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(text(before), after);
        }
    }
}
