//! What is told of links and CPUs, with the figures, and what can be done.

use floodwall_units::{Digits, bit_rate};

use super::{Aspect, Rates, Turn};
use crate::event::What;

pub(super) fn loud(text: String) -> What {
    What::Strain { text, begins: true }
}

pub(super) fn quiet(text: String) -> What {
    What::Strain { text, begins: false }
}

pub(super) fn busy(percent: f64) -> String {
    format!(
        "A CPU IS BUSY WITH PACKETS ALONE: {percent:.0} % of its time; spread them over more queues and CPUs (`ethtool -L`, \
         `ethtool -X`), or have the provider drop some"
    )
}

pub(super) fn overflows(dropped: f64) -> String {
    format!(
        "THE CPUS HAVE NO ROOM for {dropped:.0} packets/s that the devices have handed over (softnet_stat); raise \
         net.core.netdev_max_backlog, or spread them over more CPUs"
    )
}

/// What is told of an aspect of a port.
pub(super) fn of_port(name: &str, aspect: Aspect, turn: Turn, speed: Option<u64>, rates: &Rates) -> String {
    let used = |bits: f64| match speed {
        None => format!("{}, speed not known", amount(bits)),
        Some(speed) => {
            format!("{} of {} ({:.0} %)", amount(bits), amount(speed as f64), bits * 100.0 / speed as f64)
        }
    };
    let lost = || {
        format!(
            "{:.0} packets/s of {:.0} that come ({:.1} of a thousand)",
            rates.lost,
            rates.in_packets + rates.lost,
            rates.lost_per_thousand()
        )
    };
    match (aspect, turn) {
        (Aspect::In, Turn::Strained) => {
            let lost = if rates.lost > 0.0 { format!(", and loses {}", lost()) } else { String::new() };
            format!(
                "THE LINK {name} IS FULL before floodwall sees the packets: {} come in{lost}; nothing on this host can help: ask \
                 your provider",
                used(rates.in_bits)
            )
        }
        (Aspect::Out, Turn::Strained) => format!(
            "THE LINK {name} IS FULL on the way out: {}; answers wait or are lost, which no filter of what comes in sees",
            used(rates.out_bits)
        ),
        (Aspect::Lost, Turn::Strained) => {
            let why = rates.lopsided().map_or_else(
                || "the device or its CPU cannot keep up: larger rings (`ethtool -G`), more queues (`ethtool -L`), or ask your \
                    provider"
                    .to_owned(),
                |queue| format!("{queue}: spread them (`ethtool -X`), or ask your provider"),
            );
            format!(
                "{name} LOSES PACKETS before floodwall sees them: {}, at {} in; {why}",
                lost(),
                used(rates.in_bits)
            )
        }
        (Aspect::In, Turn::Relieved) => {
            format!("the link {name} is not full any more: {} come in", used(rates.in_bits))
        }
        (Aspect::Out, Turn::Relieved) => {
            format!("the link {name} is not full on the way out any more: {}", used(rates.out_bits))
        }
        (Aspect::Lost, Turn::Relieved) => format!("{name} loses no packets any more"),
    }
}

/// Bits a second, for people.
pub(super) fn amount(bits: f64) -> String {
    bit_rate(bits, Digits::UpToTwoDecimals)
}
