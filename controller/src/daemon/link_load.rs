//! Whether packets are lost before the filter sees them: the link is full, or the device or a CPU cannot keep up.
//!
//! Nobody on the host can help then, and it has to be said. It is judged by rates between two looks, a second apart; three
//! looks of five make it strained, ten in a row relieve it ([`Strain`]).

#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use self::words::{busy, loud, of_port, overflows, quiet};
use super::strain::{Look, Strain, Turn};
use crate::{
    api::{CpuStatus, LinkStatus},
    event::What,
    host::{Backlog, Port, PortCounters},
};

/// Bytes that a packet takes on the wire beside those that are counted: preamble and start (8), checksum (4), and the gap
/// behind it (12; IEEE 802.3, 4.4.2). Of the smallest packets that is more than a quarter.
const OVERHEAD: u64 = 24;
/// Use of a link above which it is full, and below which it is not any more, percent.
const FULL: f64 = 90.0;
const NOT_FULL: f64 = 80.0;
/// Packets of a thousand that came which may be lost, and packets/s below which it does not matter.
const LOST_PER_THOUSAND: f64 = 1.0;
const LOST: f64 = 100.0;
/// Use of a CPU by packets above which it is busy, and below which it is not any more, percent.
const BUSY: f64 = 95.0;
const NOT_BUSY: f64 = 85.0;
/// Share of the packets above which one queue has most of them, percent, and packets/s from which on that matters.
const LOPSIDED: f64 = 80.0;
const MANY: f64 = 10_000.0;

/// A protected interface, and the ports that its packets come by; `None` if these cannot be read.
pub(super) type Readings = BTreeMap<String, Option<Vec<Port>>>;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Aspect {
    In,
    Out,
    Lost,
}

/// What is known of links and CPUs.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    before: BTreeMap<String, PortCounters>,
    strains: BTreeMap<(String, Aspect), Strain>,
    cpu: Strain,
    backlog: Strain,
    backlog_before: Option<Backlog>,
}

/// Rates of a port between two looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rates {
    in_bits: f64,
    out_bits: f64,
    in_packets: f64,
    lost: f64,
    /// Percent of the packets that came by the queue that most came by; of one queue alone there is none.
    busiest_queue: Option<f64>,
    queues: usize,
}

impl Rates {
    /// `None` if counters have gone back: the interface is another one, or was reset.
    pub(super) fn between(before: &PortCounters, now: &PortCounters, seconds: f64) -> Option<Self> {
        let gained = |now: u64, before: u64| now.checked_sub(before).map(|gained| gained as f64 / seconds);
        let (in_packets, out_packets) =
            (gained(now.in_packets, before.in_packets)?, gained(now.out_packets, before.out_packets)?);
        let bits = |bytes: f64, packets: f64| (bytes + packets * OVERHEAD as f64) * 8.0;
        let queues: Vec<f64> = now
            .queues
            .iter()
            .zip(&before.queues)
            .map(|(now, before)| gained(*now, *before).unwrap_or(0.0))
            .collect();
        let all: f64 = queues.iter().sum();
        let most = queues.iter().copied().fold(0.0, f64::max);
        Some(Self {
            in_bits: bits(gained(now.in_bytes, before.in_bytes)?, in_packets),
            out_bits: bits(gained(now.out_bytes, before.out_bytes)?, out_packets),
            in_packets,
            lost: gained(now.lost, before.lost)?,
            busiest_queue: (queues.len() > 1 && all > 0.0).then(|| most * 100.0 / all),
            queues: queues.len(),
        })
    }

    fn lost_per_thousand(&self) -> f64 {
        // Some devices count what they lose among what came, some do not: the smaller share is sure.
        let came = self.in_packets + self.lost;
        if came > 0.0 { self.lost * 1_000.0 / came } else { 0.0 }
    }

    /// How an aspect of it looks, at this speed.
    fn look(&self, aspect: Aspect, speed: Option<u64>) -> Look {
        let used = |bits: f64| match speed {
            None => Look::Within,
            Some(speed) => compare(bits * 100.0 / speed as f64, FULL, NOT_FULL),
        };
        match aspect {
            Aspect::In => used(self.in_bits),
            Aspect::Out => used(self.out_bits),
            Aspect::Lost if self.lost >= LOST && self.lost_per_thousand() > LOST_PER_THOUSAND => Look::Over,
            Aspect::Lost if self.lost > 0.0 => Look::Near,
            Aspect::Lost => Look::Within,
        }
    }

    /// That one queue has most of the packets, if it is so and there are many.
    fn lopsided(&self) -> Option<String> {
        let share = self.busiest_queue.filter(|share| *share >= LOPSIDED && self.in_packets >= MANY)?;
        Some(format!("{share:.0} % of the packets come by one of its {} queues", self.queues))
    }
}

fn compare(value: f64, over: f64, within: f64) -> Look {
    if value >= over {
        Look::Over
    } else if value >= within {
        Look::Near
    } else {
        Look::Within
    }
}

impl Pipe {
    /// Looks at links, so many seconds after the last look: how they are, and what is to be told.
    pub(super) fn links(&mut self, readings: &Readings, seconds: f64) -> (Vec<LinkStatus>, Vec<What>) {
        let (mut links, mut told) = (Vec::new(), Vec::new());
        let mut seen = BTreeMap::new();
        for (interface, ports) in readings {
            let Some(ports) = ports else {
                links.push(LinkStatus {
                    of: interface.clone(),
                    interface: interface.clone(),
                    ..LinkStatus::default()
                });
                continue;
            };
            for port in ports {
                // A port may be below several protected interfaces: it is looked at once.
                if seen.insert(port.name.clone(), port.counters.clone()).is_some() {
                    continue;
                }
                let before = self.before.get(&port.name);
                let rates = before.and_then(|before| Rates::between(before, &port.counters, seconds));
                let (link, news) = self.port(interface, port, rates.as_ref());
                links.push(link);
                told.extend(news);
            }
        }
        self.strains.retain(|(name, _), _| seen.contains_key(name));
        self.before = seen;
        (links, told)
    }

    fn port(&mut self, of: &str, port: &Port, rates: Option<&Rates>) -> (LinkStatus, Vec<What>) {
        let Port { name, speed, counters } = port;
        let mut told = Vec::new();
        if let Some(rates) = rates {
            for aspect in [Aspect::In, Aspect::Out, Aspect::Lost] {
                let strain = self.strains.entry((name.clone(), aspect)).or_default();
                if let Some(turn) = strain.look(rates.look(aspect, *speed)) {
                    let text = of_port(name, aspect, turn, *speed, rates);
                    told.push(What::Strain { text, begins: turn == Turn::Strained });
                }
            }
        }
        let strained = |aspect| self.strains.get(&(name.clone(), aspect)).is_some_and(Strain::is_strained);
        let known = rates.cloned().unwrap_or_default();
        let percent = |bits: f64| speed.map(|speed| bits * 100.0 / speed as f64);
        let problems = [Aspect::In, Aspect::Out, Aspect::Lost]
            .into_iter()
            .filter(|aspect| strained(*aspect))
            .map(|aspect| of_port(name, aspect, Turn::Strained, *speed, &known))
            .collect();
        let link = LinkStatus {
            of: of.to_owned(),
            interface: name.clone(),
            speed: *speed,
            in_rate: rates.map(|rates| rates.in_bits as u64),
            out_rate: rates.map(|rates| rates.out_bits as u64),
            in_percent: rates.and_then(|rates| percent(rates.in_bits)),
            out_percent: rates.and_then(|rates| percent(rates.out_bits)),
            lost: counters.lost,
            lost_rate: rates.map(|rates| rates.lost as u64),
            queues: counters.queues.len() as u64,
            busiest_queue_percent: rates.and_then(|rates| rates.busiest_queue),
            full: strained(Aspect::In) || strained(Aspect::Lost),
            problems,
        };
        (link, told)
    }

    /// Looks at the CPUs: by CPU the share of its time that softirqs and threads of NAPI took, percent.
    pub(super) fn cpus(
        &mut self,
        shares: &BTreeMap<usize, f64>,
        napi: f64,
        backlog: Backlog,
        seconds: f64,
    ) -> (CpuStatus, Vec<What>) {
        let mut told = Vec::new();
        let busiest = shares.values().copied().reduce(f64::max);
        let before = self.backlog_before.replace(backlog.clone());
        let rate = |of: fn(&Backlog) -> u64| {
            let before = before.as_ref().map(of)?;
            Some(of(&backlog).saturating_sub(before) as f64 / seconds)
        };
        let dropped = rate(|backlog| backlog.dropped);
        let processed = rate(|backlog| backlog.processed).unwrap_or(0.0);
        if let Some(busiest) = busiest {
            match self.cpu.look(compare(busiest, BUSY, NOT_BUSY)) {
                Some(Turn::Strained) => told.push(loud(busy(busiest))),
                Some(Turn::Relieved) => {
                    told.push(quiet("no CPU is busy with packets alone any more".to_owned()));
                }
                None => {}
            }
        }
        if let Some(dropped) = dropped {
            let is_much = dropped >= LOST && dropped * 1_000.0 > (processed + dropped) * LOST_PER_THOUSAND;
            let look = match dropped {
                _ if is_much => Look::Over,
                dropped if dropped > 0.0 => Look::Near,
                _ => Look::Within,
            };
            match self.backlog.look(look) {
                Some(Turn::Strained) => told.push(loud(overflows(dropped))),
                Some(Turn::Relieved) => told.push(quiet("the CPUs take in all packets again".to_owned())),
                None => {}
            }
        }
        let mut problems = Vec::new();
        if self.cpu.is_strained() {
            problems.push(busy(busiest.unwrap_or(0.0)));
        }
        if self.backlog.is_strained() {
            problems.push(overflows(dropped.unwrap_or(0.0)));
        }
        let status = CpuStatus {
            busiest_percent: busiest,
            napi_percent: napi,
            backlog_dropped: backlog.dropped,
            backlog_dropped_rate: dropped.map(|dropped| dropped as u64),
            squeezed_rate: rate(|backlog| backlog.squeezed).map(|squeezed| squeezed as u64),
            problems,
        };
        (status, told)
    }
}
