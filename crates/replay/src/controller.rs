//! What acts beside the packets, as the daemon does beside the kernel program.

use floodwall_common::frame::Captured;

use super::{opened_flows::OpenedFlow, world::World};
use floodwall_kernel::{Judged, ServiceTotals};

/// What acts beside the packets. All of its time is virtual.
pub trait Controller {
    /// Acts, before the first packet and then every [`TICK`](super::clock::TICK); returns what it began or ended,
    /// for summary and chart.
    ///
    /// # Errors
    ///
    /// What ends the replay.
    fn tick(&mut self, tick: &Tick<'_>) -> anyhow::Result<Vec<Mark>>;

    /// Looks at a packet that the engine has marked as sampled, right after it was judged.
    ///
    /// # Errors
    ///
    /// What ends the replay.
    fn sampled(
        &mut self,
        time_ns: u64,
        frame: &Captured<'_>,
        judged: &Judged,
        world: &World,
    ) -> anyhow::Result<()>;

    /// Hears of a flow that the host itself opened at this time, before the packets that come after it.
    ///
    /// # Errors
    ///
    /// What ends the replay.
    fn opened(&mut self, time_ns: u64, flow: &OpenedFlow, world: &World) -> anyhow::Result<()>;

    /// The number of the signature that a bit stands for.
    fn signature(&self, place: u32) -> u32 {
        place
    }
}

/// A moment at which the controller acts.
pub struct Tick<'a> {
    /// The time that packets are judged at, ns.
    pub time_ns: u64,
    /// The same moment in the time of the capture, ns since 1970.
    pub unix_ns: u64,
    /// Tables, lists and limits.
    pub world: &'a World,
    /// What came so far for each service, by its number.
    pub services: &'a [(u8, ServiceTotals)],
}

/// Something that the controller did, to be shown beside the packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// In a few words: `ban 203.0.113.7`.
    pub what: String,
}

/// A controller that does nothing: lists and limits stay as they were set up.
#[derive(Debug)]
pub struct Idle;

impl Controller for Idle {
    fn tick(&mut self, _: &Tick<'_>) -> anyhow::Result<Vec<Mark>> {
        Ok(Vec::new())
    }

    fn sampled(&mut self, _: u64, _: &Captured<'_>, _: &Judged, _: &World) -> anyhow::Result<()> {
        Ok(())
    }

    fn opened(&mut self, _: u64, _: &OpenedFlow, _: &World) -> anyhow::Result<()> {
        Ok(())
    }
}
