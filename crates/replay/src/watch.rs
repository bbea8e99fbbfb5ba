//! The daemon's part in a replay: it learns of flows, looks at samples, and acts.

use anyhow::Context as _;
use floodwall_common::{flow, frame::Captured, prefix::Address, tables::Tables as _};

use super::{
    controller::{Controller, Mark, Tick},
    opened_flows::OpenedFlow,
    world::World,
};
use floodwall_api::SignatureReport;
use floodwall_detect::signature::{Signature, naming};
use floodwall_detect::{Counts, Detector, Event, Moment, Sample, place_of};
use floodwall_kernel::Judged;
use floodwall_state::carry_out;

/// Detects attacks, and acts on them.
pub struct Watch {
    detector: Detector,
    samples: Vec<Sample>,
    /// To be told at the next tick.
    marks: Vec<Mark>,
    /// What the last tick has brought.
    events: Vec<Event>,
}

impl Watch {
    /// Signatures that it finds drop, unless they are only to be observed.
    pub fn new(observe: bool) -> Self {
        let mut detector = Detector::default();
        detector.observe(observe, 0);
        Self { detector, samples: Vec::new(), marks: Vec::new(), events: Vec::new() }
    }

    /// What detection has noticed at the last tick.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Takes over the signatures that a daemon has. Their numbers may be others here: the first tick tells them.
    ///
    /// # Errors
    ///
    /// If one is not understood, or there is no room for it.
    pub fn take_over(&mut self, signatures: &[SignatureReport], world: &World) -> anyhow::Result<()> {
        for report in signatures {
            let what = self
                .take_over_one(report, world)
                .with_context(|| format!("signature {} of the daemon, `{}`", report.number, report.text))?;
            self.marks.push(Mark { what });
        }
        Ok(())
    }

    fn take_over_one(&mut self, report: &SignatureReport, world: &World) -> anyhow::Result<String> {
        let SignatureReport { number: there, text, enforced, pinned, asks, .. } = report;
        if *asks {
            // Whether all have to come again hangs on what still passes, and is decided anew.
            return Ok(format!(
                "signature {there} of the daemon is left out, as it asks all of a kind to come again: {text}"
            ));
        }
        let service = |name: &str| world.placement.services.get(name).copied();
        let Ok(numbered) = naming::numbered(text, service) else {
            // No packet is for a service that is not there, so that this would match none.
            return Ok(format!(
                "signature {there} of the daemon is left out, as there is no such service here: {text}"
            ));
        };
        let signature: Signature = numbered.parse()?;
        let now_ns = world.tables.clock();
        let number = self
            .detector
            .take_over(signature, *pinned, *enforced, now_ns)
            .context("there is no room for more")?;
        carry_out(&world.tables, self.detector.take_actions(), || ());
        let state = match (enforced, pinned) {
            (true, _) => "",
            (false, true) => " (only counts)",
            (false, false) => " (rests until an attack begins)",
        };
        Ok(format!("signature {number}, as the daemon has it: {text}{state}"))
    }
}

impl Controller for Watch {
    fn tick(&mut self, tick: &Tick<'_>) -> anyhow::Result<Vec<Mark>> {
        let counts: Vec<_> = tick
            .services
            .iter()
            .map(|(number, totals)| Counts::new(*number, totals.packets, totals.dropped, totals.unproven))
            .collect();
        let moment = Moment::new(tick.time_ns, tick.unix_ns / 1_000_000_000);
        self.samples.drain(..).for_each(|sample| self.detector.sample(sample));
        let events = self.detector.tick(moment, &counts, &*tick.world.tables);
        // Packets come one at a time: none is being judged by what was in force before.
        carry_out(&tick.world.tables, self.detector.take_actions(), || ());
        let mut marks = std::mem::take(&mut self.marks);
        let World { tables, placement, .. } = tick.world;
        let name = |number| placement.service(number).map(str::to_owned);
        marks.extend(events.iter().map(|event| Mark { what: event.in_words(&**tables, name) }));
        self.events = events;
        Ok(marks)
    }

    fn sampled(
        &mut self,
        time_ns: u64,
        frame: &Captured<'_>,
        judged: &Judged,
        world: &World,
    ) -> anyhow::Result<()> {
        if let Some(sample) = Sample::read(&*world.tables, frame, time_ns, judged.reason) {
            self.samples.push(Sample { known: judged.known, answers: judged.answers, ..sample });
        }
        Ok(())
    }

    fn signature(&self, place: u32) -> u32 {
        let numbers = self.detector.signatures().map(|(number, _)| number);
        numbers
            .into_iter()
            .find(|number| place_of(*number) == place as usize)
            .map_or(place, |number| number as u32)
    }

    fn opened(&mut self, time_ns: u64, flow: &OpenedFlow, world: &World) -> anyhow::Result<()> {
        let opened = flow::Flow {
            protocol: flow.protocol,
            local: Address::canonical(flow.local),
            local_port: flow.local_port,
            remote: Address::canonical(flow.remote),
            remote_port: flow.remote_port,
        };
        flow::adopt(&*world.tables, &world.tables.settings[0], &opened, time_ns);
        Ok(())
    }
}
