//! What the detector goes by, and what it tells.

use std::net::{Ipv4Addr, Ipv6Addr};

use floodwall_common::{
    prefix::Family,
    source::{self, Key},
    wire::{History, Reason, Verdict, standing},
};

use super::deployed::Turn;
use crate::{signature::Signature, tables::SharedTables};

/// Packets so far, those of lists and of control aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub all: u64,
    /// Those that passed.
    pub passed: u64,
}

impl Counts {
    /// From packets by reason.
    pub fn of(totals: impl Iterator<Item = (Reason, u64)>) -> Self {
        let mut counts = Self::default();
        for (reason, packets) in totals {
            if matches!(reason, Reason::NotIp | Reason::Trusted | Reason::Control | Reason::Blocked) {
                continue;
            }
            counts.all += packets;
            if reason.verdict() == Verdict::Pass {
                counts.passed += packets;
            }
        }
        counts
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// More comes than usual.
    AttackBegan {
        /// Packets/s now.
        rate: f64,
        /// Packets/s usually.
        usual: f64,
    },
    /// What comes is close to what is usual again.
    AttackEnded,
    /// A signature is tried out.
    Found {
        /// Its number.
        number: usize,
        /// The signature.
        signature: Signature,
        /// Share of the unusual packets that it covers.
        covered: f64,
        /// Share of usual packets that it hits.
        usual_share: f64,
    },
    /// What became of a signature.
    Turned {
        /// Its number.
        number: usize,
        /// The signature.
        signature: Signature,
        /// What became of it.
        turn: Turn,
    },
    /// A source was banned that made up a good part of the attack.
    Banned {
        /// The source.
        source: Key,
        /// Packets/s that it sent.
        rate: f64,
    },
}

impl Event {
    /// As a line for a log.
    pub fn in_words(&self, tables: &SharedTables) -> String {
        match self {
            Self::AttackBegan { rate, usual } => {
                format!("attack: {rate:.0} packets/s, usually {usual:.0}")
            }
            Self::AttackEnded => "attack over".to_owned(),
            Self::Found { number, signature, covered, usual_share } => format!(
                "signature {number} found: {signature} ({:.0} % of what is unusual, {:.3} % of what is usual)",
                covered * 100.0,
                usual_share * 100.0
            ),
            Self::Turned { number, turn, .. } => format!("signature {number} {turn}"),
            Self::Banned { source, rate } => {
                format!("ban {}: {rate:.0} packets/s", address_in_words(*source, tables))
            }
        }
    }
}

/// The source that a key stands for.
fn address_in_words(source: Key, tables: &SharedTables) -> String {
    let settings = &tables.settings[0];
    let is_v6 = source::way_of(tables, settings, source)
        .is_some_and(|way| History::unpack(way.history.load()).standing & standing::IPV6 != 0);
    if is_v6 {
        let address = source.address(settings, Family::V6);
        return format!("{}/64", Ipv6Addr::from_bits(u128::from(address.high) << 64));
    }
    let address = source.address(settings, Family::V4);
    Ipv4Addr::from_bits((address.high >> 32) as u32).to_string()
}
