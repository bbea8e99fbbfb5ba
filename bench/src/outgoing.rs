//! What a packet that leaves costs: the program at the egress of interfaces, above one that does nothing.
//!
//! Each packet belongs to the next of so many flows. Of one whose entry in the table is of this second nothing is written;
//! for the others, the programs are shown a clock on which two seconds go by each time that all flows have had a packet.

use std::fmt::Write as _;

use floodwall::tables::Capacity;
use floodwall_common::{parse::protocol, prefix::Family, service, wire::Port};
use floodwall_lab::{
    frame::{Frame as Builder, Network},
    random::Random,
};
use serde::Serialize;

use crate::{
    floodwall::Floodwall,
    frames::{CLIENT_PORT, HOST_V4},
    measure::{median, stay_on_one_processor},
    report::Machine,
    situation::{PORT, SERVICE, Situation},
    sources::{self, Window},
    stand::{Outgoing, Stand},
};

/// Flows at once.
const FLOWS: [usize; 3] = [8_000, 100_000, 1_000_000];
/// Packets in a measurement.
const PACKETS: usize = 1_000_000;
/// Two seconds of the table, ns.
const TWO_SECONDS: u64 = 1 << 31;

/// Everything that came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leaving {
    machine: Machine,
    rounds: usize,
    rows: Vec<Row>,
}

/// Packets of so many flows.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: &'static str,
    flows: usize,
    /// By a program that does nothing, wrapper included; medians over the rounds, ns.
    empty_ns: f64,
    /// What floodwall's takes beyond that where nothing is written, ns.
    read_ns: f64,
    /// The same where each packet's flow is written, ns.
    written_ns: f64,
}

/// What leaves.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    frame: fn() -> Vec<u8>,
}

const CASES: [Case; 3] = [
    Case { name: "ACK of a connection", frame: || of().tcp(443, CLIENT_PORT).ack().build() },
    Case { name: "UDP of a service", frame: || of().udp(443, CLIENT_PORT).payload(&[0; 512]).build() },
    Case { name: "UDP of a client", frame: || of().udp(50_000, 443).payload(&[0; 512]).build() },
];

/// A packet of the host's; the wrapper writes where to.
fn of() -> Builder<impl Network> {
    Builder::ipv4(HOST_V4, "198.51.100.7")
}

/// Measures all cases, so many times.
pub(crate) fn run(rounds: usize) -> anyhow::Result<Leaving> {
    let machine = Machine::this()?;
    stay_on_one_processor()?;
    let filter = Floodwall::load(Capacity::default())?;
    Situation::Peace.arrange(&filter)?;
    let byte = service::byte_of(protocol::UDP, PORT);
    let port = Port { service: SERVICE, offered: true, carried: false };
    filter.tables.ports[(byte / 8) as usize].store(u64::from(port.pack()) << (byte % 8 * 8));
    let stand = Stand::load(&[])?;
    stand.set_outgoing(filter.outgoing_program()?)?;
    let all = Window::clean(Family::V4, FLOWS[FLOWS.len() - 1]);
    sources::fill_any(&stand.sources, all, &mut Random::new(1))?;
    let mut rows = Vec::new();
    for case in CASES {
        for flows in FLOWS {
            eprintln!("bench: {}, {flows} flows", case.name);
            rows.push(case.measure(&stand, &filter, flows, rounds)?);
        }
    }
    Ok(Leaving { machine, rounds, rows })
}

impl Case {
    fn measure(self, stand: &Stand, filter: &Floodwall, flows: usize, rounds: usize) -> anyhow::Result<Row> {
        let frame = (self.frame)();
        let window = Window::clean(Family::V4, flows);
        let clock = &filter.tables.settings[0].clock;
        // A second that no other row has shown.
        clock.store(clock.load() + TWO_SECONDS);
        let show = |outgoing, packets: usize| stand.leave(outgoing, &frame, window, packets as u32);
        let [mut empty, mut read, mut written] = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            show(Outgoing::Empty, flows)?;
            empty.push(show(Outgoing::Empty, PACKETS)?);
            show(Outgoing::Floodwall, flows)?;
            read.push(show(Outgoing::Floodwall, PACKETS)?);
            let mut sum = 0.0;
            let turns = PACKETS / flows;
            for _ in 0..turns {
                clock.store(clock.load() + TWO_SECONDS);
                sum += show(Outgoing::Floodwall, flows)?;
            }
            written.push(sum / turns as f64);
        }
        let [empty_ns, read, written] = [empty, read, written].map(|all| median(&all).unwrap_or(f64::NAN));
        let (read_ns, written_ns) = (read - empty_ns, written - empty_ns);
        Ok(Row { name: self.name, flows, empty_ns, read_ns, written_ns })
    }
}

/// The report as text.
pub(crate) fn render(leaving: &Leaving) -> String {
    let Leaving { machine, rounds, rows } = leaving;
    let mut text = format!(
        "{} × {}, Linux {}\nns per packet that leaves, above a program that does nothing; medians of {rounds} rounds\n\n",
        machine.processors, machine.processor, machine.kernel
    );
    // A string takes all that is written to it.
    let _ = writeln!(text, "{:20} {:>9}   empty   nothing written   written", "", "flows");
    for Row { name, flows, empty_ns, read_ns, written_ns } in rows {
        let _ = writeln!(text, "{name:20} {flows:>9} {empty_ns:>7.0} {read_ns:>17.0} {written_ns:>9.0}");
    }
    text
}
