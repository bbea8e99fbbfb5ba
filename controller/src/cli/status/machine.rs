//! How the machine below the filter fares.

use std::io::{self, Write};

use crate::{
    api::{CpuStatus, DiskStatus, LinkStatus, MachineStatus},
    cli::{style::Style, units},
};

/// Width of what the facts of a status are called.
const NAME: usize = 11;

pub(super) fn write(machine: &MachineStatus, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut fact = |name: &str, lines: Vec<String>| {
        let mut name = style.strong(format_args!("{name:<NAME$}")).to_string();
        for line in lines {
            writeln!(out, "{name} {line}")?;
            name = " ".repeat(NAME);
        }
        io::Result::Ok(())
    };
    fact("links", machine.links.iter().map(|status| link(status, style)).collect())?;
    fact("cpu", machine.cpu.iter().map(cpu).collect())?;
    fact("disks", machine.disks.iter().map(|status| disk(status, style)).collect())
}

fn link(link: &LinkStatus, style: Style) -> String {
    let LinkStatus {
        of, interface, speed, in_rate, out_rate, in_percent, out_percent, lost, lost_rate, ..
    } = link;
    let name = match of == interface {
        true => units::printable(interface),
        false => format!("{} (below {})", units::printable(interface), units::printable(of)),
    };
    let speed = speed.map_or_else(|| "speed not known".to_owned(), bits);
    let (Some(came), Some(went)) = (in_rate, out_rate) else { return format!("{name}: not measured") };
    let percent = |share: &Option<f64>| share.map_or_else(String::new, |share| format!(" ({share:.0} %)"));
    let lost = format!("{} lost ({}/s)", units::count(*lost), units::count(lost_rate.unwrap_or(0)));
    let text = format!(
        "{name}, {speed}: in {}{}, out {}{}, {lost}",
        bits(*came),
        percent(in_percent),
        bits(*went),
        percent(out_percent)
    );
    if link.full || !link.problems.is_empty() {
        style.bad(format_args!("{text}, FULL")).to_string()
    } else {
        text
    }
}

fn cpu(cpu: &CpuStatus) -> String {
    let busiest = cpu.busiest_percent.map_or_else(|| "?".to_owned(), |percent| format!("{percent:.0}"));
    format!(
        "{busiest} % of the busiest one for packets (threads of NAPI {:.0} %), backlogs drop {}/s",
        cpu.napi_percent,
        units::count(cpu.backlog_dropped_rate.unwrap_or(0))
    )
}

fn disk(disk: &DiskStatus, style: Style) -> String {
    let DiskStatus { path, bytes, free_bytes, inodes, free_inodes, problem } = disk;
    let files = match *inodes {
        0 => String::new(),
        all => format!(", {} % of the files", free_inodes * 100 / all),
    };
    let text = format!(
        "{}: {} free ({} %{files})",
        units::printable(path),
        units::bytes(*free_bytes),
        free_bytes * 100 / (*bytes).max(1)
    );
    if problem.is_some() { style.bad(text).to_string() } else { text }
}

/// Bits per second.
fn bits(rate: impl std::borrow::Borrow<u64>) -> String {
    units::bit_rate(*rate.borrow() as f64, units::Digits::OneDecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_each() {
        let link = LinkStatus {
            of: "bond0".into(),
            interface: "eth0".into(),
            speed: Some(1_000_000_000),
            in_rate: Some(940_800_000),
            out_rate: Some(1_000),
            in_percent: Some(94.08),
            out_percent: Some(0.0001),
            lost: 84_000,
            lost_rate: Some(14_000),
            full: true,
            problems: vec!["full".into()],
            ..LinkStatus::default()
        };
        let unknown = LinkStatus { of: "v0".into(), interface: "v0".into(), ..LinkStatus::default() };
        let quiet = LinkStatus { in_rate: Some(0), out_rate: Some(0), ..unknown.clone() };
        let machine = MachineStatus {
            links: vec![link, unknown, quiet],
            cpu: Some(CpuStatus { busiest_percent: Some(12.4), napi_percent: 3.0, ..CpuStatus::default() }),
            disks: vec![DiskStatus {
                path: "/var/log".into(),
                bytes: 100 << 30,
                free_bytes: 25 << 30,
                inodes: 1_000,
                free_inodes: 990,
                problem: None,
            }],
        };
        let mut out = Vec::new();
        write(&machine, &mut out, Style::plain()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "links       eth0 (below bond0), 1.0 Gbit/s: in 940.8 Mbit/s (94 %), out 1.0 kbit/s (0 %), 84,000 lost (14,000/s), FULL\n\
             \x20           v0: not measured\n\
             \x20           v0, speed not known: in 0 bit/s, out 0 bit/s, 0 lost (0/s)\n\
             cpu         12 % of the busiest one for packets (threads of NAPI 3 %), backlogs drop 0/s\n\
             disks       /var/log: 25.0 GiB free (25 %, 99 % of the files)\n"
        );
        let mut out = Vec::new();
        write(&MachineStatus::default(), &mut out, Style::plain()).unwrap();
        assert!(out.is_empty());
    }
}
