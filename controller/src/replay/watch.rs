//! The daemon's part in a replay: it learns of flows, looks at samples, and acts.

use floodwall_common::{flow, frame::Captured};

use super::{
    controller::{Controller, Mark, Tick},
    egress::Flow,
    world::World,
};
use crate::{
    detect::{Counts, Detector, Moment, Sample},
    kernel::Judged,
    state::address_of,
};

/// Detects attacks, and acts on them.
#[derive(Default)]
pub struct Watch {
    detector: Detector,
    samples: Vec<Sample>,
}

impl Controller for Watch {
    fn tick(&mut self, tick: &Tick<'_>) -> anyhow::Result<Vec<Mark>> {
        let counts: Vec<_> = tick
            .services
            .iter()
            .map(|(number, totals)| Counts::new(*number, totals.packets, totals.dropped))
            .collect();
        let moment = Moment::new(tick.time_ns, tick.unix_ns / 1_000_000_000);
        self.samples.drain(..).for_each(|sample| self.detector.sample(sample));
        let events = self.detector.tick(moment, &counts, &tick.world.tables, &|| ());
        Ok(events.into_iter().map(|event| Mark { what: event.in_words(&tick.world.tables) }).collect())
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

    fn opened(&mut self, time_ns: u64, flow: &Flow, world: &World) -> anyhow::Result<()> {
        let opened = flow::Flow {
            protocol: flow.protocol,
            local: address_of(flow.local),
            local_port: flow.local_port,
            remote: address_of(flow.remote),
            remote_port: flow.remote_port,
        };
        flow::note(&*world.tables, &world.tables.settings[0], &opened, time_ns);
        Ok(())
    }
}
