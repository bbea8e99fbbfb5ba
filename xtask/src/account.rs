//! Whether a file of verdicts is whole: a packet whose line was lost must not be taken for one that was not judged.
//!
//! Replay judges what came in, and leaves out what the host itself has sent and what the capture has cut off within its
//! headers; of these there is no line. Its summary says how many they are, and so how many lines there have to be.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// What replay says that it has done with the packets of a capture.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account {
    /// Packets that were judged.
    #[serde(rename = "packets")]
    judged: u64,
    /// Packets that were not, as the host itself has sent them.
    outgoing: u64,
    /// Packets that were not, as the capture has cut them off.
    cut: u64,
}

/// Packets that a file has no verdict on, up to the last one that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) packets: u64,
    /// The first of them, by its number in the capture.
    pub(crate) first: Option<u64>,
}

impl Gaps {
    /// There is no verdict on this packet; packets come in order.
    pub(crate) fn add(&mut self, packet: u64) {
        self.packets += 1;
        self.first.get_or_insert(packet);
    }
}

impl Account {
    /// Reads the summary.
    ///
    /// # Errors
    /// When it is none, or does not say how many packets there were.
    pub(crate) fn read(summary: &[u8]) -> Result<Self> {
        serde_json::from_slice(summary).context("reading the summary")
    }

    /// Packets of the capture.
    pub(crate) fn packets(&self) -> u64 {
        self.judged + self.left_out()
    }

    fn left_out(&self) -> u64 {
        self.outgoing + self.cut
    }

    /// Holds a file of verdicts against it: one that ends after so many packets, and lacks some of them.
    ///
    /// # Errors
    /// When a packet that was judged has no line, which the first one without is named for; or there are lines on more
    /// packets than there are.
    pub(crate) fn hold(&self, ended: u64, gaps: Gaps) -> Result<()> {
        let packets = self.packets();
        ensure!(ended <= packets, "there is a verdict on packet {}, and replay saw {packets}", ended - 1);
        let lacking = gaps.packets + packets - ended;
        if lacking == self.left_out() {
            return Ok(());
        }
        let first = gaps.first.or((ended < packets).then_some(ended));
        let named = first.map_or("no packet is without a verdict".to_owned(), |first| {
            format!("packet {first} has no verdict: {lacking} of {packets} packets have none")
        });
        let Self { outgoing, cut, .. } = self;
        anyhow::bail!("{named}, and replay left out {outgoing} as the host's own and {cut} as cut off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(packets: &[u64]) -> Gaps {
        let mut gaps = Gaps::default();
        packets.iter().for_each(|packet| gaps.add(*packet));
        gaps
    }

    #[test]
    fn a_summary_says_what_was_left_out() {
        let account = Account::read(br#"{"packets": 7, "outgoing": 2, "cut": 1, "bytes": 9}"#).unwrap();
        assert_eq!((account.packets(), account.left_out()), (10, 3));
        assert!(Account::read(br#"{"packets": 7}"#).is_err() && Account::read(b"").is_err());
    }

    #[test]
    fn what_was_left_out_may_be_lacking_and_nothing_else() {
        let account = |judged, outgoing, cut| Account { judged, outgoing, cut };
        for (account, ended, lacking) in [
            (account(4, 0, 0), 4, &[][..]),
            (account(4, 1, 0), 5, &[2]),
            // The last two were left out.
            (account(3, 1, 1), 3, &[]),
            (account(0, 2, 0), 0, &[]),
        ] {
            account.hold(ended, gaps(lacking)).unwrap();
        }
        for (account, ended, lacking, expected) in [
            (account(4, 0, 0), 4, &[2][..], "packet 2 has no verdict: 1 of 4 packets have none"),
            (account(4, 0, 0), 3, &[], "packet 3 has no verdict: 1 of 4 packets have none"),
            (account(4, 0, 0), 3, &[1], "packet 1 has no verdict: 2 of 4"),
            (account(4, 1, 0), 5, &[2, 3], "left out 1 as the host's own and 0 as cut off"),
            (account(4, 0, 0), 0, &[], "packet 0 has no verdict: 4 of 4"),
            (account(4, 0, 1), 5, &[], "no packet is without a verdict, and replay left out 0"),
            (account(4, 0, 0), 6, &[], "a verdict on packet 5, and replay saw 4"),
        ] {
            let error = account.hold(ended, gaps(lacking)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
