//! The loop: packet after packet, and in between what the daemon does.

use floodwall_capture::{CaptureError, LinkType, Packet, Reader};
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

impl<'a> Replay<'a> {
    /// Runs a capture to its end. If it is damaged, what could be read counts, and the damage is returned.
    ///
    /// # Errors
    ///
    /// If an engine, the controller or the observer fails.
    pub fn run(
        self,
        capture: &mut Reader,
        observer: &mut dyn Observer,
    ) -> anyhow::Result<Option<CaptureError>> {
        let mut player = self.start();
        each_packet(capture, &mut |packet, stored_bytes| {
            let seen = player.play(packet, &mut |unix_ns, mark| observer.mark(unix_ns, mark))?;
            observer.packet(&seen)?;
            if packet.index.is_multiple_of(TOLD_EVERY) {
                observer.read(stored_bytes);
            }
            Ok(())
        })
    }

    /// Ready for the first packet.
    pub fn start(self) -> Player<'a> {
        Player { flows: self.flows, parts: self, clock: None, scratch: Vec::new() }
    }
}

/// Hands out the packets of a capture, each with the bytes of the file that were read by then. Returns what ended the
/// reading, if the capture is damaged.
pub(super) fn each_packet(
    capture: &mut Reader,
    work: &mut dyn FnMut(&Packet<'_>, u64) -> anyhow::Result<()>,
) -> anyhow::Result<Option<CaptureError>> {
    loop {
        let stored_bytes = capture.stored_bytes();
        match capture.read() {
            Ok(Some(packet)) => work(&packet, stored_bytes)?,
            Ok(None) => return Ok(None),
            Err(damage) => return Ok(Some(damage)),
        }
    }
}

/// A replay that is under way.
pub struct Player<'a> {
    parts: Replay<'a>,
    clock: Option<Clock>,
    /// Those that are still to be opened.
    flows: &'a [Flow],
    scratch: Vec<u8>,
}

impl Player<'_> {
    /// Lets time go on to the packet, and judges it. `told` hears what the controller did meanwhile, and when, ns
    /// since 1970.
    ///
    /// # Errors
    ///
    /// If the engine or the controller fails.
    pub fn play(&mut self, packet: &Packet<'_>, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<Seen> {
        let time_ns = self.advance(packet.nanoseconds, told)?;
        let frame = packet.ethernet(&mut self.scratch);
        let frame = Captured::cut(frame.bytes, frame.length);
        let judged = self.parts.engine.judge(time_ns, &frame)?;
        if judged.sampled {
            self.parts.controller.sampled(time_ns, &frame, &judged, self.parts.world)?;
        }
        let rule = rule(self.parts.world, &frame, &judged);
        let Packet { index, nanoseconds: unix_ns, length, link, .. } = *packet;
        Ok(Seen { index, unix_ns, length, judged, rule, link })
    }

    /// Lets time go on, and the controller act; returns the virtual time.
    fn advance(&mut self, unix_ns: u64, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<u64> {
        let mut clock = self.clock.take().unwrap_or_else(|| Clock::starting_at(unix_ns));
        let time_ns = clock.advance(unix_ns);
        clock.cut_silence();
        while let Some(tick) = clock.due() {
            self.open(tick, &clock)?;
            self.tick(tick, &clock, told)?;
        }
        self.open(time_ns, &clock)?;
        self.clock = Some(clock);
        Ok(time_ns)
    }

    fn tick(&mut self, time_ns: u64, clock: &Clock, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<()> {
        let unix_ns = clock.unix_ns(time_ns);
        let services = self.parts.engine.services()?;
        let tick = Tick { time_ns, unix_ns, world: self.parts.world, services: &services };
        for mark in self.parts.controller.tick(&tick)? {
            told(unix_ns, mark);
        }
        Ok(())
    }

    /// Tells the controller of the flows that were opened by then.
    fn open(&mut self, until_ns: u64, clock: &Clock) -> anyhow::Result<()> {
        while let Some((flow, later)) = self.flows.split_first() {
            let epoch = self.parts.host.epoch.unwrap_or_else(|| clock.first());
            let at = clock.at(epoch.saturating_add_signed(flow.after_epoch_ns));
            if at > until_ns {
                break;
            }
            self.parts.controller.opened(at, flow, self.parts.world)?;
            self.flows = later;
        }
        Ok(())
    }
}

/// Which rule decided: by its number, or by the prefix that covers the source.
fn rule(world: &World, frame: &Captured<'_>, judged: &Judged) -> Option<RuleName> {
    match judged.reason {
        Reason::Blocked | Reason::Trusted => {
            let Parsed::Packet(packet) = parse::parse(frame) else { return None };
            let listed = world.prefixes.lock().matching(packet.source)?;
            Some(RuleName::Prefix(listed.prefix))
        }
        _ => judged.number.map(RuleName::Number),
    }
}
