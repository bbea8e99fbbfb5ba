//! What is counted, by class, and the windows that it is looked at in.

use std::fmt;

use floodwall_common::wire::Unproven;
use serde::{Deserialize, Serialize};

use super::exceeds::{Test, Window};

/// What has not proven itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Requests for a TCP connection that were answered and not completed.
    Openings,
    /// TCP segments of no connection.
    Segments,
    /// Datagrams of sources that are not known.
    Datagrams,
    /// Datagrams that nobody asked for.
    Unasked,
    /// Fragments and other protocols of sources that are not known.
    Others,
    /// Requests for a TCP connection of sources whose connections come to nothing.
    Fruitless,
    /// Questions for names that were never asked for before, less those that are found to exist.
    Names,
    /// Connections of new sources that come time and again.
    Returning,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Openings,
        Self::Segments,
        Self::Datagrams,
        Self::Unasked,
        Self::Others,
        Self::Fruitless,
        Self::Names,
        Self::Returning,
    ];

    /// Where its sources and packets are counted.
    pub(super) const fn place(self) -> Option<usize> {
        match self {
            Self::Openings | Self::Fruitless | Self::Names | Self::Returning => None,
            Self::Segments => Unproven::Segment.place(),
            Self::Datagrams => Unproven::Datagram.place(),
            Self::Unasked => Unproven::Unasked.place(),
            Self::Others => Unproven::Other.place(),
        }
    }

    /// What is tested of it: of sources, of packets up to so many each, and of all packets.
    pub(super) fn tests(self) -> Vec<Test> {
        let windows: &[&'static [Window]] = match self {
            Self::Openings => &[&OPENINGS],
            Self::Datagrams => &[&DATAGRAM_SOURCES, &DATAGRAM_PACKETS, &ALL_PACKETS],
            Self::Segments | Self::Unasked | Self::Others => &[&SOURCES, &PACKETS, &ALL_PACKETS],
            Self::Fruitless => &[&FRUITLESS],
            Self::Names => &[&NAMES],
            Self::Returning => &[&RETURNING, &RETURNING_REQUESTS],
        };
        windows.iter().map(|windows| Test::new(windows)).collect()
    }
}

/// As it stands behind a number of packets/s.
impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Openings => "requests for connections/s that nothing follows",
            Self::Segments => "segments/s of no connection",
            Self::Datagrams => "datagrams/s of unknown sources",
            Self::Unasked => "datagrams/s that nobody asked for",
            Self::Others => "fragments and other packets/s of unknown sources",
            Self::Fruitless => "requests/s of sources whose connections come to nothing",
            Self::Names => "questions/s for new names that nothing is found for",
            Self::Returning => "connections/s of new sources that come time and again",
        })
    }
}

const fn window(ticks: usize, floor: f64, times: f64, batch: f64) -> Window {
    Window { ticks, floor, times, batch: Some(batch) }
}

const OPENINGS: [Window; 3] =
    [window(10, 300.0, 6.0, 1.0), window(20, 200.0, 3.0, 1.0), window(200, 150.0, 3.0, 1.0)];
/// Of those that no signature drops: what was found is in force soon, and should show soon.
pub(super) const ANSWERED: [Window; 1] = [window(10, 300.0, 6.0, 1.0)];
/// A source counts once a second, and a window of ten touches eleven.
const SOURCES: [Window; 3] =
    [window(2, 200.0, 12.0, 1.0), window(20, 100.0, 12.0, 2.0), window(200, 50.0, 12.0, 11.0)];
const DATAGRAM_SOURCES: [Window; 3] =
    [window(2, 2_000.0, 12.0, 1.0), window(20, 1_000.0, 12.0, 2.0), window(200, 300.0, 12.0, 11.0)];
/// Up to [`Unproven::CAP`] times in each.
const PACKETS: [Window; 2] = [window(20, 400.0, 12.0, 40.0), window(200, 100.0, 12.0, 220.0)];
const DATAGRAM_PACKETS: [Window; 2] = [window(20, 2_000.0, 12.0, 40.0), window(200, 1_000.0, 12.0, 220.0)];
const ALL_PACKETS: [Window; 1] = [Window { ticks: 20, floor: 1_500.0, times: 12.0, batch: None }];
/// As many packets/s of datagrams, or of other protocols, are usual of a few sources, in the moment before they are known: half of the
/// rate that each source has by default. A tunnel, an upload by QUIC (100 Mbit/s) and a television channel come that fast.
pub(super) const STREAM: f64 = 10_000.0;
/// Few: what is usual here is a scan, or a probe.
const FRUITLESS: [Window; 2] = [window(20, 10.0, 12.0, 2.0), window(200, 5.0, 12.0, 11.0)];

/// A page that is loaded, or a mail that is sorted, asks for some at once.
const NAMES: [Window; 2] = [window(20, 100.0, 6.0, 10.0), window(200, 60.0, 6.0, 20.0)];
/// Sources once a second, of those that were seen in samples.
const RETURNING: [Window; 2] = [window(20, 50.0, 12.0, 2.0), window(200, 25.0, 12.0, 11.0)];
/// Few sources that ask for very many.
const RETURNING_REQUESTS: [Window; 1] = [Window { ticks: 200, floor: 100.0, times: 12.0, batch: None }];
