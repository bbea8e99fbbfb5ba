//! The loop: packet after packet, and in between what the daemon does.

use anyhow::Context as _;
use floodwall_capture::{CaptureError, Direction, LinkType, Packet, Reader};
use floodwall_common::{
    frame::Captured,
    parse::{self, Parsed},
    wire::Reason,
};

use super::{
    capture_context::CaptureContext,
    clock::Clock,
    controller::{Controller, Mark, Tick},
    direction::Compass,
    engine::Engine,
    opened_flows::OpenedFlow,
    retries::Retries,
    truncated::is_cut_in_headers,
    verdicts::RuleName,
    world::World,
};
use floodwall_config::Config;
use floodwall_kernel::Judged;

/// What goes into a replay beside the captures.
pub struct Replay<'a> {
    /// Judges the packets, over the tables of `world`.
    pub engine: &'a mut dyn Engine,
    /// Tables, lists and limits.
    pub world: &'a World,
    /// What is in force there.
    pub config: &'a Config,
    /// Acts beside the packets.
    pub controller: &'a mut dyn Controller,
    /// The protected host, and flows that it opened. The first of the hosts is in force there.
    pub context: &'a CaptureContext,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Played {
    /// It came in, and was judged.
    Judged(Seen),
    /// There is no verdict on it.
    NotJudged(NotJudged),
}

/// A packet that was not judged.
#[derive(Clone, Copy, Debug)]
pub struct NotJudged {
    /// Place of its capture, from 0.
    pub capture: usize,
    /// Number in the capture, from 0.
    pub index: u64,
    /// When it was captured, ns since 1970; of a capture that was moved in time, moved.
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
    /// Place of its capture, from 0.
    pub fn capture(&self) -> usize {
        match self {
            Self::Judged(seen) => seen.capture,
            Self::NotJudged(packet) => packet.capture,
        }
    }

    /// Number in the capture, from 0.
    pub fn index(&self) -> u64 {
        match self {
            Self::Judged(seen) => seen.index,
            Self::NotJudged(packet) => packet.index,
        }
    }

    /// When it was captured, ns since 1970.
    pub fn unix_ns(&self) -> u64 {
        match self {
            Self::Judged(seen) => seen.unix_ns,
            Self::NotJudged(packet) => packet.unix_ns,
        }
    }
}

/// A packet that was judged.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Place of its capture, from 0.
    pub capture: usize,
    /// Number in the capture, from 0.
    pub index: u64,
    /// When it was captured, ns since 1970; of a capture that was moved in time, moved.
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
    /// A capture, by its place, begins, at this time, ns since 1970; what its times are moved by, ns.
    fn begins(&mut self, capture: usize, unix_ns: u64, moved: i128);

    /// A packet was played.
    ///
    /// # Errors
    ///
    /// What ends the replay, such as a full disk.
    fn packet(&mut self, played: &Played) -> anyhow::Result<()>;

    /// The controller has done something at this time, ns since 1970.
    fn mark(&mut self, unix_ns: u64, mark: Mark);

    /// Bytes of the captures' files were read, so many by now.
    fn read(&mut self, stored_bytes: u64);
}

/// No interface: a capture does not say where a packet that leaves has come in by, if it has.
const MADE_HERE: u32 = 0;

/// Packets between two tellings of how much was read.
const TOLD_EVERY: u64 = 4_096;

impl<'a> Replay<'a> {
    /// Runs captures to their ends, one after the other. If one is damaged, what could be read counts, and the damage is
    /// returned.
    ///
    /// # Errors
    ///
    /// If an engine, the controller or the observer fails.
    pub fn run(
        self,
        captures: &mut [Reader],
        observer: &mut dyn Observer,
    ) -> anyhow::Result<Vec<CaptureError>> {
        let mut player = self.start();
        each_packet(captures, &mut |capture, packet, stored_bytes| {
            if packet.index == 0 {
                let told = &mut |unix_ns, mark| observer.mark(unix_ns, mark);
                let unix_ns = player.begin(capture, packet.nanoseconds, told)?;
                observer.begins(capture, unix_ns, player.moved);
            }
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
            flows: &[],
            flows_epoch: 0,
            knows_flows: self.context.tells_flows(),
            host: 0,
            compass: Compass::default(),
            parts: self,
            clock: None,
            retries: Retries::default(),
            capture: 0,
            moved: 0,
            scratch: Vec::new(),
        }
    }
}

/// Hands out the packets of captures, each with the place of its capture and the bytes of the files that were read by then.
/// Returns what ended the reading of those that are damaged.
pub(super) fn each_packet(
    captures: &mut [Reader],
    work: &mut dyn FnMut(usize, &Packet<'_>, u64) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<CaptureError>> {
    let (mut damages, mut stored_before) = (Vec::new(), 0);
    for (place, capture) in captures.iter_mut().enumerate() {
        loop {
            let stored_bytes = stored_before + capture.stored_bytes();
            match capture.read() {
                Ok(Some(packet)) => work(place, &packet, stored_bytes)?,
                Ok(None) => break,
                Err(damage) => {
                    damages.push(damage);
                    break;
                }
            }
        }
        stored_before += capture.stored_bytes();
    }
    Ok(damages)
}

/// A replay that is under way.
pub struct Player<'a> {
    parts: Replay<'a>,
    clock: Option<Clock>,
    /// Those that are still to be opened.
    flows: &'a [OpenedFlow],
    /// What their times are counted from, ns since 1970.
    flows_epoch: u64,
    /// Whether packets are held against the flows that the host has opened.
    knows_flows: bool,
    /// Place of the host that is in force.
    host: usize,
    compass: Compass,
    retries: Retries,
    /// Place of the capture at hand.
    capture: usize,
    /// What its times are moved by, ns.
    moved: i128,
    scratch: Vec<u8>,
}

impl<'a> Player<'a> {
    /// Lets time go on to the first packet of a capture, and takes up what is told of that; returns the packet's time, moved
    /// so that it comes after all that was played.
    ///
    /// # Errors
    ///
    /// If the rules do not fit the tables, or the engine or the controller fails.
    pub fn begin(
        &mut self,
        capture: usize,
        unix_ns: u64,
        told: &mut dyn FnMut(u64, Mark),
    ) -> anyhow::Result<u64> {
        let first = self.clock.is_none();
        self.moved = self.clock.as_ref().map_or(0, |clock| clock.moves(unix_ns, self.moved));
        self.capture = capture;
        let unix_ns = self.moved(unix_ns);
        let context: &'a CaptureContext = self.parts.context;
        let place = context.place_of_host(capture);
        let host = &context.hosts[place];
        if let Some(flows) = context.flows_with(capture, first) {
            self.flows = flows;
            self.flows_epoch = host.epoch.map_or(unix_ns, |epoch| self.moved(epoch));
        }
        let time_ns = self.advance(unix_ns, told)?;
        if self.host != place {
            self.parts.world.describe(self.parts.config, host, self.knows_flows).with_context(|| {
                format!("taking into account what is told of the host of capture {}", capture + 1)
            })?;
        }
        if first || self.host != place {
            self.compass = Compass::new(host);
            for connection in &host.connections {
                self.parts.controller.opened(time_ns, connection, self.parts.world)?;
            }
        }
        self.host = place;
        Ok(unix_ns)
    }

    /// A time of the capture at hand, ns since 1970, on the clock of all of them.
    fn moved(&self, unix_ns: u64) -> u64 {
        (i128::from(unix_ns) + self.moved).clamp(0, i128::from(u64::MAX)) as u64
    }

    /// Lets time go on to the packet, and judges it; or learns from it, if the host has sent it. `told` hears what the
    /// controller did meanwhile, and when, ns since 1970.
    ///
    /// # Errors
    ///
    /// If the engine or the controller fails.
    pub fn play(&mut self, packet: &Packet<'_>, told: &mut dyn FnMut(u64, Mark)) -> anyhow::Result<Played> {
        let packet = &Packet { nanoseconds: self.moved(packet.nanoseconds), ..*packet };
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
        let Packet { index, nanoseconds: unix_ns, length, link, .. } = *packet;
        let capture = self.capture;
        let not_judged = |why| Ok(Played::NotJudged(NotJudged { capture, index, unix_ns, why }));
        if direction == Some(Direction::Outbound) {
            if !is_cut {
                self.know_flows(packet.nanoseconds, told)?;
                self.parts.engine.observe(time_ns, frame, MADE_HERE)?;
            }
            return not_judged(Why::Outgoing);
        }
        if is_cut {
            return not_judged(Why::Cut);
        }
        let tables = self.parts.engine.tables();
        let mut retries = std::mem::take(&mut self.retries);
        let asked =
            retries.precede(&tables, frame, time_ns, &mut |request| self.judge(time_ns, request).map(drop));
        self.retries = retries;
        asked?;
        let judged = self.judge(time_ns, frame)?;
        self.retries.note(&tables, frame, &judged);
        let rule = rule(self.parts.world, &*self.parts.controller, frame, &judged);
        let came_in = direction.is_some();
        Ok(Played::Judged(Seen { capture, index, unix_ns, length, judged, rule, link, came_in }))
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
        let Replay { world, config, context, .. } = &self.parts;
        world
            .describe(config, &context.hosts[self.host], true)
            .context("taking into account what the host sends")?;
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
            let at = clock.at(self.flows_epoch.saturating_add_signed(flow.after_epoch_ns));
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
