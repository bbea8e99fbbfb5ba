//! A service under a flood: who keeps it answering?
//!
//! Attacker, host and client are network namespaces, joined by veth pairs ([`stage`]). The host gets one filter after
//! the other ([`contender`]), each told to drop the same sources; XDP programs run in the driver. All of it shares one
//! processor, so what a filter spends on the flood the service goes without.

mod contender;
mod stage;

use std::time::Duration;

use floodwall::tables::Capacity;
use serde::Serialize;

use self::{contender::Contender, stage::Stage};
use crate::{floodwall::Floodwall, measure, report::Machine, xdp_filter::XdpFilter};

/// Packets/s that are sent beside the client; the last is as many as the sender can.
const RATES: [u32; 4] = [50_000, 100_000, 200_000, stage::AS_MANY_AS_CAN_BE];

/// Everything that came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Live {
    machine: Machine,
    /// Addresses that the flood comes from, each of them listed.
    sources: usize,
    contenders: Vec<Survival>,
}

/// How the service fared behind a filter.
#[derive(Clone, Debug, Serialize)]
struct Survival {
    contender: &'static str,
    /// Why it did not take part, if it did not.
    absent: Option<String>,
    /// Requests/s answered without a flood.
    calm: f64,
    /// Packets/s that were sent and dropped while nothing else ran.
    dropped: f64,
    floods: Vec<Flooded>,
}

/// The service under one flood.
#[derive(Clone, Copy, Debug, Serialize)]
struct Flooded {
    /// Packets/s that were to be sent.
    wanted: u32,
    /// Packets/s that were sent.
    sent: f64,
    /// Requests/s answered.
    answered: f64,
}

/// Measures all contenders, each for `time` at every rate.
pub(crate) fn run(time: Duration) -> anyhow::Result<Live> {
    measure::stay_on_one_processor()?;
    let floodwall = Floodwall::load(Capacity::default())?;
    let xdp_filter = XdpFilter::load();
    let sources = stage::sources();
    floodwall.block(&[&sources])?;
    let mut contenders = Vec::new();
    for contender in Contender::ALL {
        eprintln!("bench: {}", contender.name());
        let stage = Stage::build()?;
        let mut survival = Survival {
            contender: contender.name(),
            absent: None,
            calm: 0.0,
            dropped: 0.0,
            floods: Vec::new(),
        };
        match contender.install(&stage, &floodwall, xdp_filter.as_ref()) {
            Ok(_installed) => {
                survival.dropped = stage.flood(stage::AS_MANY_AS_CAN_BE, time)?;
                survival.calm = stage.visit(None, time)?.1;
                for wanted in RATES {
                    let (sent, answered) = stage.visit(Some(wanted), time)?;
                    survival.floods.push(Flooded { wanted, sent, answered });
                }
            }
            Err(error) => survival.absent = Some(format!("{error:#}")),
        }
        contenders.push(survival);
    }
    Ok(Live { machine: Machine::this()?, sources: sources.len(), contenders })
}

/// As text.
pub(crate) fn render(live: &Live) -> String {
    let machine = &live.machine;
    let mut text = String::new();
    let mut line = |line: String| text.extend([line.as_str(), "\n"]);
    line(format!("{}, Linux {}; everything on one processor", machine.processor, machine.kernel));
    line(format!("a SYN flood from {} listed sources over veth; XDP in native mode", live.sources));
    line(String::new());
    let heads = RATES.map(|rate| match rate {
        stage::AS_MANY_AS_CAN_BE => format!("{:>16}", "no limit"),
        rate => format!("{:>16}", format!("{} k/s", rate / 1_000)),
    });
    line(format!("{:22} {:>10} {:>10} {}", "", "dropped/s", "calm", heads.concat()));
    for survival in &live.contenders {
        if let Some(why) = &survival.absent {
            line(format!("{:22} did not take part: {why}", survival.contender));
            continue;
        }
        let cells = survival.floods.iter().map(|flood| {
            format!("{:>16}", format!("{:.0} at {:.0} k", flood.answered, flood.sent / 1_000.0))
        });
        line(format!(
            "{:22} {:>10.0} {:>10.0} {}",
            survival.contender,
            survival.dropped,
            survival.calm,
            cells.collect::<String>()
        ));
    }
    line(String::new());
    line(
        "dropped/s: packets of the flood alone; the rest: requests/s answered, at the flood's true rate"
            .to_owned(),
    );
    text
}
