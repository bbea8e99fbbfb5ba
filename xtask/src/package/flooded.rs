//! A flood from a blocked prefix for as long as a script in a container wants one, and what of it gets past the filter.
//!
//! Script and flood speak by files: while there is `flood`, the flood goes on, and while it goes on, there is `flooding`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use floodwall_lab::flood::{Bounds, Flood, LONGEST, Target, UdpFrom};
use floodwall_lab::frame::Frame;
use floodwall_lab::pair::{INSIDE_V4, OUTSIDE_V4, Pair};
use floodwall_lab::wire::{Receiver, Sender};

/// Two sources of the prefix that the script blocks.
const BLOCKED: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 51, 100, 7), Ipv4Addr::new(198, 51, 100, 77)];
/// Packets/s: a packet each half of a millisecond shows a gap of that length.
const RATE: u32 = 2_000;
const PORT: u16 = 4_000;
const PAYLOAD: usize = 20;
/// Bytes of a frame that hold the source, of one without a VLAN tag.
const SOURCE: std::ops::Range<usize> = 26..30;
/// How long it is waited for a frame that has to arrive.
const PATIENCE: Duration = Duration::from_secs(2);

/// The flood of a script.
pub(super) struct Flooded<'a> {
    lab: &'a Pair,
    asked: PathBuf,
    told: PathBuf,
    receiver: Receiver,
    under_way: Option<Flood>,
    sent: u64,
}

impl<'a> Flooded<'a> {
    /// Prepares one; the script's files are in `directory`.
    ///
    /// # Errors
    /// When the cable cannot be listened at.
    pub(super) fn new(lab: &'a Pair, directory: &Path) -> Result<Self> {
        let receiver = Receiver::open(lab.inside.namespace(), lab.inside.name())?;
        let [asked, told] = ["flood", "flooding"].map(|name| directory.join(name));
        Ok(Self { lab, asked, told, receiver, under_way: None, sent: 0 })
    }

    /// Begins or ends the flood, if the script wants it.
    ///
    /// # Errors
    /// When it cannot be begun, or was not what it should have been.
    pub(super) fn follow(&mut self) -> Result<()> {
        match (self.asked.exists(), self.under_way.take()) {
            (true, None) => {
                self.receiver.clear()?;
                let target = Target::behind(&self.lab.outside, &self.lab.inside, INSIDE_V4, PORT);
                let pattern = UdpFrom::new(target, BLOCKED.into(), PAYLOAD, 1);
                let bounds = Bounds { rate: RATE, duration: LONGEST };
                self.under_way = Some(Flood::start(&self.lab.outside, pattern, bounds)?);
                fs::write(&self.told, "").context("telling the script that the flood goes on")?;
            }
            (false, Some(flood)) => {
                self.sent += flood.stop()?;
                self.look()?;
                fs::remove_file(&self.told).context("telling the script that the flood is over")?;
            }
            (_, flood) => self.under_way = flood,
        }
        Ok(())
    }

    /// Holds that no packet of the flood has come past the filter, and that one of somebody else does, and so would have.
    fn look(&self) -> Result<()> {
        let (from, to) = (self.lab.outside.mac(), self.lab.inside.mac());
        let other = Frame::ipv4(OUTSIDE_V4, INSIDE_V4).macs(from, to).udp(1, PORT).build();
        Sender::open(self.lab.outside.namespace(), self.lab.outside.name())?.send(&other)?;
        let mut past = 0_u64;
        let is_blocked = |frame: &[u8]| {
            frame.get(SOURCE).is_some_and(|source| BLOCKED.iter().any(|blocked| blocked.octets() == source))
        };
        let seen = self.receiver.collect(1, PATIENCE, |frame| {
            past += u64::from(is_blocked(frame));
            frame == other
        })?;
        ensure!(past == 0, "{past} of {} packets of a blocked prefix got past the filter", self.sent);
        ensure!(!seen.is_empty(), "a packet of somebody who is not blocked does not get past the filter");
        Ok(())
    }

    /// What there was of the flood.
    ///
    /// # Errors
    /// When there was none, or the script has not waited for its end.
    pub(super) fn verdict(self) -> Result<String> {
        if self.under_way.is_some() || self.sent == 0 {
            bail!("the script has not had the flood begun and ended");
        }
        Ok(format!(" (of {} packets of a blocked prefix meanwhile none got past the filter)", self.sent))
    }
}
