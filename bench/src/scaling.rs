//! What a second processor brings: the same programs on one processor, and on two at once.
//!
//! What two processors write to is passed to and fro between their caches. How much that costs is seen where both handle
//! packets of the same source, or the same connection; packets of different sources share the tables only. An empty program
//! beside says what the machine itself takes: two processors may be one that pretends to be two.

use std::{collections::HashMap, fmt::Write as _, sync::Barrier, thread};

use anyhow::{Context as _, anyhow, ensure};
use floodwall::tables::Capacity;
use floodwall_common::{prefix::Family, wire::Reason};
use floodwall_lab::random::Random;
use serde::Serialize;

use crate::{
    candidate::Candidate::{self, Empty, Floodwall},
    floodwall::{Floodwall as Filter, Limits},
    frames::Frame,
    measure::{median, processors, stay_on},
    report::Machine,
    situation::{self, Situation, Spares},
    sources::{self, Window},
    stand::Stand,
};

/// Sources for each processor where these differ.
const EACH: usize = 1_000_000;
/// Packets in a measurement.
const PACKETS: u32 = 1_000_000;

/// Everything that came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scaling {
    machine: Machine,
    rounds: usize,
    rows: Vec<Row>,
}

/// Packets that both processors are shown.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: &'static str,
    /// By a program that only drops.
    empty: Times,
    floodwall: Times,
}

/// What a packet takes, wrapper included; medians over the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Times {
    /// On one processor while the other is idle, ns.
    alone_ns: f64,
    /// On each of two at once, ns.
    together_ns: f64,
    /// How many times as many packets/s two handle as one.
    speedup: f64,
}

/// What both processors are shown.
struct Case {
    name: &'static str,
    frame: Frame,
    situation: Situation,
    limits: Limits,
    connected: bool,
    expected: Reason,
    /// One for each processor.
    windows: [Window; 2],
}

/// One window for both, or the halves of one.
fn cases() -> Vec<Case> {
    let clean = |count| Window::clean(Family::V4, count);
    let second = |count| Window { first: clean(count).first + count, ..clean(count) };
    let peace = |name, connected, windows| Case {
        name,
        frame: Frame::Ack,
        situation: Situation::Peace,
        limits: Limits::OutOfReach,
        connected,
        expected: Reason::Clean,
        windows,
    };
    let fresh = |name, windows| Case { situation: Situation::FreshInstall, ..peace(name, false, windows) };
    vec![
        fresh("the same source, charged for each packet", [clean(1), clean(1)]),
        Case {
            limits: Limits::Default,
            expected: Reason::PacketRate,
            ..fresh("the same source, over its limit", [clean(1), clean(1)])
        },
        fresh("the same 100 k sources", [clean(100_000), clean(100_000)]),
        fresh("1 M sources each", [clean(EACH), second(EACH)]),
        Case { limits: Limits::Sparing, ..peace("the same connection", true, [clean(1), clean(1)]) },
        peace("100 k connections each", true, [clean(100_000), second(100_000)]),
        Case {
            frame: Frame::Syn,
            situation: Situation::Signed(Spares::Nobody),
            expected: Reason::Signature,
            ..fresh("SYN, signature, 1 M sources each", [clean(EACH), second(EACH)])
        },
    ]
}

/// Measures all cases, so many times.
pub(crate) fn run(rounds: usize) -> anyhow::Result<Scaling> {
    let processors = processors()?;
    let [.., a, b] = processors[..] else {
        anyhow::bail!("there is one processor, and two are needed");
    };
    let filter = Filter::load(Capacity::default())?;
    let stand = Stand::load(&[])?;
    stand.set(Floodwall, filter.program()?)?;
    let window = Window::clean(Family::V4, 2 * EACH);
    sources::fill_any(&stand.sources, window, &mut Random::new(1))?;
    let mut rows = Vec::new();
    for case in cases() {
        eprintln!("bench: {}", case.name);
        rows.push(case.measure(&stand, &filter, [a, b], rounds)?);
    }
    Ok(Scaling { machine: Machine::this()?, rounds, rows })
}

impl Case {
    fn measure(
        &self,
        stand: &Stand,
        filter: &Filter,
        processors: [usize; 2],
        rounds: usize,
    ) -> anyhow::Result<Row> {
        let mut times: HashMap<Candidate, [Vec<f64>; 2]> = HashMap::new();
        for _ in 0..rounds {
            for candidate in [Empty, Floodwall] {
                filter.limit(self.limits)?;
                self.situation.arrange(filter)?;
                if self.connected {
                    for window in self.windows {
                        situation::open_connections(filter, window.family, stand.sources_of(window))?;
                    }
                }
                let before = filter.counters()?;
                let alone = self.alone(stand, candidate, processors)?;
                let together = self.together(stand, candidate, processors)?;
                if candidate == Floodwall {
                    let share = crate::measure::share(&before, &filter.counters()?, self.expected);
                    // A source has a burst before it is over its limit.
                    ensure!(share > 0.95, "{}: {share} of the packets were judged as expected", self.name);
                }
                let [one, two] = times.entry(candidate).or_default();
                one.push(alone);
                two.push(together);
            }
        }
        let times = |candidate| -> anyhow::Result<Times> {
            let [alone, together] = times.get(&candidate).context("nothing was measured")?;
            let [alone_ns, together_ns] = [alone, together].map(|all| median(all).unwrap_or(f64::NAN));
            Ok(Times { alone_ns, together_ns, speedup: 2.0 * alone_ns / together_ns })
        };
        Ok(Row { name: self.name, empty: times(Empty)?, floodwall: times(Floodwall)? })
    }

    /// ns a packet, the mean of both processors, one after the other.
    fn alone(&self, stand: &Stand, candidate: Candidate, processors: [usize; 2]) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for place in [0, 1] {
            let barrier = Barrier::new(1);
            sum += thread::scope(|scope| {
                let one = scope.spawn(|| self.show(stand, candidate, place, processors[place], &barrier));
                one.join().map_err(|_| anyhow!("the thread that measures panicked"))?
            })?;
        }
        Ok(sum / 2.0)
    }

    /// ns a packet, the mean of both processors, at once.
    fn together(&self, stand: &Stand, candidate: Candidate, processors: [usize; 2]) -> anyhow::Result<f64> {
        let barrier = Barrier::new(2);
        let times = thread::scope(|scope| {
            let both = [0, 1].map(|place| {
                let barrier = &barrier;
                scope.spawn(move || self.show(stand, candidate, place, processors[place], barrier))
            });
            both.map(|one| one.join().map_err(|_| anyhow!("a thread that measures panicked"))?)
                .into_iter()
                .collect::<anyhow::Result<Vec<f64>>>()
        })?;
        Ok(times.iter().sum::<f64>() / times.len() as f64)
    }

    /// ns a packet on one processor, once all who share the barrier are ready.
    fn show(
        &self,
        stand: &Stand,
        candidate: Candidate,
        place: usize,
        processor: usize,
        barrier: &Barrier,
    ) -> anyhow::Result<f64> {
        let ready = stay_on(processor)
            .and_then(|()| stand.run_on(processor, candidate, self.frame, self.windows[place], PACKETS / 4));
        barrier.wait();
        ready?;
        Ok(stand.run_on(processor, candidate, self.frame, self.windows[place], PACKETS)?.nanoseconds)
    }
}

/// The report as text.
pub(crate) fn render(scaling: &Scaling) -> String {
    let machine = &scaling.machine;
    let mut text = format!(
        "{} × {}, Linux {}\nns per packet on one processor, and on each of two at once; medians of {} rounds\n\n",
        machine.processors, machine.processor, machine.kernel, scaling.rounds
    );
    let width = scaling.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    // A string takes all that is written to it.
    let _ = writeln!(text, "{:width$}      empty dropper              floodwall", "");
    let _ = writeln!(text, "{:width$}   one    two  speedup        one    two  speedup", "");
    for row in &scaling.rows {
        let Row { name, empty, floodwall } = row;
        let _ = write!(text, "{name:width$} ");
        for times in [empty, floodwall] {
            let Times { alone_ns, together_ns, speedup } = times;
            let _ = write!(text, "{alone_ns:>5.0}  {together_ns:>5.0}  {speedup:>7.2}     ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
