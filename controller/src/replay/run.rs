//! The loop: packet after packet, and in between what the daemon does.

use floodwall_capture::{CaptureError, LinkType, Reader};
use floodwall_common::{
    frame::Captured,
    parse::{self, Parsed},
    wire::Reason,
};

use super::{
    clock::Clock,
    controller::{Controller, Mark, Tick},
    egress::Flow,
    engine::Engine,
    host::Host,
    verdicts::RuleName,
    world::World,
};
use crate::kernel::Judged;

/// What goes into a replay beside the capture.
pub struct Replay<'a> {
    /// Judges the packets, over the tables of `world`.
    pub engine: &'a mut dyn Engine,
    /// Tables, lists and limits.
    pub world: &'a World,
    /// Acts beside the packets.
    pub controller: &'a mut dyn Controller,
    /// The protected host.
    pub host: &'a Host,
    /// Flows that it opened, in order of time.
    pub flows: &'a [Flow],
}

/// A packet that was judged.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Number in the capture, from 0.
    pub index: u64,
    /// When it was captured, ns since 1970.
    pub unix_ns: u64,
    /// Bytes on the wire.
    pub length: u32,
    /// What was made of it.
    pub judged: Judged,
    /// The rule that decided, if one did.
    pub rule: Option<RuleName>,
    /// What it started with in the capture.
    pub link: LinkType,
}

/// Is told what happens, in the order in which it does.
pub trait Observer {
    /// A packet was judged.
    ///
    /// # Errors
    ///
    /// What ends the replay, such as a full disk.
    fn packet(&mut self, seen: &Seen) -> anyhow::Result<()>;

    /// The controller has done something at this time, ns since 1970.
    fn mark(&mut self, unix_ns: u64, mark: Mark);

    /// Bytes of the capture's file were read, so many by now.
    fn read(&mut self, stored_bytes: u64);
}

/// Packets between two tellings of how much was read.
const TOLD_EVERY: u64 = 4_096;

impl Replay<'_> {
    /// Runs a capture to its end. If it is damaged, what could be read counts, and the damage is returned.
    ///
    /// # Errors
    ///
    /// If an engine, the controller or the observer fails.
    pub fn run(
        mut self,
        capture: &mut Reader,
        observer: &mut dyn Observer,
    ) -> anyhow::Result<Option<CaptureError>> {
        let mut scratch = Vec::new();
        let mut clock = None;
        let mut flows = self.flows;
        loop {
            let packet = match capture.read() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(damage) => return Ok(Some(damage)),
            };
            let clock = clock.get_or_insert_with(|| Clock::starting_at(packet.nanoseconds));
            let time_ns = clock.advance(packet.nanoseconds);
            clock.cut_silence();
            while let Some(tick) = clock.due() {
                self.open(&mut flows, tick, clock)?;
                self.tick(tick, clock, observer)?;
            }
            self.open(&mut flows, time_ns, clock)?;

            let frame = packet.ethernet(&mut scratch);
            let frame = Captured::cut(frame.bytes, frame.length);
            let judged = self.engine.judge(time_ns, &frame)?;
            if judged.sampled {
                self.controller.sampled(time_ns, &frame, &judged, self.world)?;
            }
            let rule = self.rule(&frame, &judged);
            let (index, unix_ns, length, link) =
                (packet.index, packet.nanoseconds, packet.length, packet.link);
            observer.packet(&Seen { index, unix_ns, length, judged, rule, link })?;
            if index.is_multiple_of(TOLD_EVERY) {
                observer.read(capture.stored_bytes());
            }
        }
    }

    fn tick(&mut self, time_ns: u64, clock: &Clock, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let unix_ns = clock.unix_ns(time_ns);
        let totals = self.engine.totals()?;
        let tick = Tick { time_ns, unix_ns, world: self.world, totals: &totals };
        for mark in self.controller.tick(&tick)? {
            observer.mark(unix_ns, mark);
        }
        Ok(())
    }

    /// Tells the controller of the flows that were opened by then.
    fn open(&mut self, flows: &mut &[Flow], until_ns: u64, clock: &Clock) -> anyhow::Result<()> {
        while let Some((flow, later)) = flows.split_first() {
            let epoch = self.host.epoch.unwrap_or_else(|| clock.first());
            let at = clock.at(epoch.saturating_add_signed(flow.after_epoch_ns));
            if at > until_ns {
                break;
            }
            self.controller.opened(at, flow, self.world)?;
            *flows = later;
        }
        Ok(())
    }

    /// Which rule decided: by its number, or by the prefix that covers the source.
    fn rule(&self, frame: &Captured<'_>, judged: &Judged) -> Option<RuleName> {
        match judged.reason {
            Reason::Blocked | Reason::Trusted => {
                let Parsed::Packet(packet) = parse::parse(frame) else { return None };
                let listed = self.world.prefixes.lock().matching(packet.source)?;
                Some(RuleName::Prefix(listed.prefix))
            }
            _ => judged.number.map(RuleName::Number),
        }
    }
}
