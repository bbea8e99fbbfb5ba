//! The loop: packet after packet, and in between what the daemon does.

use anyhow::Context as _;
use floodwall_capture::{CaptureError, Direction, LinkType, Packet, Reader};
use floodwall_common::{
    frame::Captured,
    parse::{self, Parsed},
    wire::Reason,
};

use super::{
    asking::Asking,
    clock::Clock,
    controller::{Controller, Mark, Tick},
    cut::is_cut_in_headers,
    direction::Compass,
    egress::Flow,
    engine::Engine,
    host::Host,
    verdicts::RuleName,
    world::World,
};
use crate::{config::Config, kernel::Judged};

/// What goes into a replay beside the capture.
pub struct Replay<'a> {
    /// Judges the packets, over the tables of `world`.
    pub engine: &'a mut dyn Engine,
    /// Tables, lists and limits.
    pub world: &'a World,
    /// What is in force there.
    pub config: &'a Config,
    /// Acts beside the packets.
    pub controller: &'a mut dyn Controller,
    /// The protected host.
    pub host: &'a Host,
    /// Flows that it opened, in order of time; `None` if that is not told. Then they are taken to be known from the first
    /// packet on that the host is seen to send.
    pub flows: Option<&'a [Flow]>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Played {
    /// It came in, and was judged.
    Judged(Seen),
    /// There is no verdict on it.
    Apart(Apart),
}

/// A packet that was not judged.
#[derive(Clone, Copy, Debug)]
pub struct Apart {
    /// Number in the capture, from 0.
    pub index: u64,
    /// When it was captured, ns since 1970.
    pub unix_ns: u64,
    /// Why there is no verdict.
    pub why: Why,
}

/// Why there is no verdict on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The host has sent it: it was only looked at.
    Outgoing,
    /// The capture has cut it off within its headers.
    Cut,
}

impl Played {
    /// Number in the capture, from 0.
    pub fn index(&self) -> u64 {
        match self {
            Self::Judged(seen) => seen.index,
            Self::Apart(apart) => apart.index,
        }
    }

    /// When it was captured, ns since 1970.
    pub fn unix_ns(&self) -> u64 {
        match self {
            Self::Judged(seen) => seen.unix_ns,
            Self::Apart(apart) => apart.unix_ns,
        }
    }
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
    /// Whether it is known to have come in; else it was taken to.
    pub came_in: bool,
}

/// Is told what happens, in the order in which it does.
pub trait Observer {
    /// A packet was played.
    ///
    /// # Errors
    ///
    /// What ends the replay, such as a full disk.
    fn packet(&mut self, played: &Played) -> anyhow::Result<()>;

    /// The controller has done something at this time, ns since 1970.
    fn mark(&mut self, unix_ns: u64, mark: Mark);

    /// Bytes of the capture's file were read, so many by now.
    fn read(&mut self, stored_bytes: u64);
}

/// No interface: a capture does not say where a packet that leaves has come in by, if it has.
const MADE_HERE: u32 = 0;

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
            let played = player.play(packet, &mut |unix_ns, mark| observer.mark(unix_ns, mark))?;
            observer.packet(&played)?;
            if packet.index.is_multiple_of(TOLD_EVERY) {
                observer.read(stored_bytes);
            }
            Ok(())
        })
    }

    /// Ready for the first packet.
    pub fn start(self) -> Player<'a> {
        Player {
            flows: self.flows.unwrap_or_default(),
            knows_flows: self.flows.is_some(),
            compass: Compass::new(self.host),
            parts: self,
            clock: None,
            asking: Asking::default(),
            scratch: Vec::new(),
        }
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
    /// Whether packets are held against the flows that the host has opened.
    knows_flows: bool,
    compass: Compass,
    asking: Asking,
    scratch: Vec<u8>,
}

impl Player<'_> {
    /// Lets time go on to the packet, and judges it; or learns from it, if the host has sent it. `told` hears what the
    /// controller did meanwhile, and when, ns since 1970.
    ///
    /// # Errors
    ///
    /// If the engine or the controller fails.
    pub fn play(&mut self, packet: &Packet<'_>, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<Played> {
        let time_ns = self.advance(packet.nanoseconds, told)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let frame = packet.ethernet(&mut scratch);
        let played = self.play_at(time_ns, packet, &Captured::cut(frame.bytes, frame.length), told);
        self.scratch = scratch;
        played
    }

    fn play_at(
        &mut self,
        time_ns: u64,
        packet: &Packet<'_>,
        frame: &Captured<'_>,
        told: &mut dyn FnMut(u64, Mark),
    ) -> anyhow::Result<Played> {
        let direction = self.compass.direction(packet, frame);
        let is_cut = is_cut_in_headers(frame);
        let apart = |why| Ok(Played::Apart(Apart { index: packet.index, unix_ns: packet.nanoseconds, why }));
        if direction == Some(Direction::Outbound) {
            if !is_cut {
                self.know_flows(packet.nanoseconds, told)?;
                self.parts.engine.observe(time_ns, frame, MADE_HERE)?;
            }
            return apart(Why::Outgoing);
        }
        if is_cut {
            return apart(Why::Cut);
        }
        let tables = self.parts.engine.tables();
        let mut asking = std::mem::take(&mut self.asking);
        let asked =
            asking.precede(&tables, frame, time_ns, &mut |request| self.judge(time_ns, request).map(drop));
        self.asking = asking;
        asked?;
        let judged = self.judge(time_ns, frame)?;
        self.asking.note(&tables, frame, &judged);
        let rule = rule(self.parts.world, &*self.parts.controller, frame, &judged);
        let Packet { index, nanoseconds: unix_ns, length, link, .. } = *packet;
        let came_in = direction.is_some();
        Ok(Played::Judged(Seen { index, unix_ns, length, judged, rule, link, came_in }))
    }

    /// Judges a packet; the controller gets to see it, if it is sampled.
    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged> {
        let judged = self.parts.engine.judge(time_ns, frame)?;
        if judged.sampled {
            self.parts.controller.sampled(time_ns, frame, &judged, self.parts.world)?;
        }
        Ok(judged)
    }

    /// At the first packet that the host is seen to send: from there on, what comes in can be held against what has left.
    fn know_flows(&mut self, unix_ns: u64, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<()> {
        if self.knows_flows {
            return Ok(());
        }
        let Replay { world, config, host, .. } = &self.parts;
        world.describe(config, host, true).context("taking into account what the host sends")?;
        self.knows_flows = true;
        told(
            unix_ns,
            Mark { what: "the host sends, too: the flows that it opens are known from here on".to_owned() },
        );
        Ok(())
    }

    /// Lets time go on, and the controller act; returns the virtual time.
    fn advance(&mut self, unix_ns: u64, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<u64> {
        let mut clock = self.clock.take().unwrap_or_else(|| Clock::starting_at(unix_ns));
        let steps = clock.steps();
        let time_ns = clock.advance(unix_ns);
        if clock.steps() != steps {
            told(
                unix_ns,
                Mark { what: "the capture's clock was set back; time goes on from here".to_owned() },
            );
        }
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
fn rule(
    world: &World,
    controller: &dyn Controller,
    frame: &Captured<'_>,
    judged: &Judged,
) -> Option<RuleName> {
    match judged.reason {
        Reason::Signature => judged.number.map(|place| RuleName::Number(controller.signature(place))),
        Reason::Blocked | Reason::Trusted => {
            let Parsed::Packet(packet) = parse::parse(frame) else { return None };
            let listed = world.prefixes.lock().matching(packet.source)?;
            Some(RuleName::Prefix(listed.prefix))
        }
        _ => judged.number.map(RuleName::Number),
    }
}
