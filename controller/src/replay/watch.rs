//! The daemon's part in a replay: it learns of flows, looks at samples, and acts.

use std::net::IpAddr;

use floodwall_common::{flow, frame::Captured, prefix::Address};

use super::{
    controller::{Controller, Mark, Tick},
    egress::Flow,
    world::World,
};
use crate::{
    detect::{Counts, Detector, Event, Sample},
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
        let counts = Counts::of(tick.totals.iter().map(|total| (total.reason, total.packets)));
        self.samples.drain(..).for_each(|sample| self.detector.sample(sample));
        let events = self.detector.tick(tick.time_ns, counts, &tick.world.tables);
        Ok(events.into_iter().map(|event| Mark { what: words(&event, tick.world) }).collect())
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

fn words(event: &Event, world: &World) -> String {
    match event {
        Event::AttackBegan { rate, usual } => format!("attack: {rate:.0} packets/s, usually {usual:.0}"),
        Event::AttackEnded => "attack over".to_owned(),
        Event::Found { number, signature, covered, usual_share } => format!(
            "signature {number} found: {signature} ({:.0} % of what is unusual, {:.3} % of what is usual)",
            covered * 100.0,
            usual_share * 100.0
        ),
        Event::Turned { number, turn, .. } => format!("signature {number} {turn:?}").to_lowercase(),
        Event::Banned { source, rate } => {
            let settings = &world.tables.settings[0];
            let address: Address = source.address(settings, floodwall_common::prefix::Family::V4);
            format!("ban {}: {rate:.0} packets/s", IpAddr::from(std::net::Ipv4Addr::from_bits((address.high >> 32) as u32)))
        }
    }
}
