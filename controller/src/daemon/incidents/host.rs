//! The load on the host, as the record has it.

use floodwall_incident::{Reading, Snapshot};

use crate::api::{HealthReport, MachineStatus, SignalReport};

/// The load on the host, as a snapshot without counters.
pub(super) fn of_host(machine: &MachineStatus, health: Option<&HealthReport>) -> Snapshot {
    let percents = machine.links.iter().filter_map(|link| link.in_percent);
    let cpu = machine.cpu.as_ref().and_then(|cpu| cpu.busiest_percent);
    let full = machine.links.iter().filter(|link| link.full);
    let full_links = full.map(|link| match link.problems.first() {
        Some(problem) => problem.clone(),
        None => format!("{} is full", link.interface),
    });
    let of_links = machine.links.iter().flat_map(|link| {
        let used = link.in_percent.map(|percent| Reading {
            what: format!("use of link {}", link.interface),
            value: percent,
            text: format!("{percent:.0} %"),
        });
        let lost = link.lost_rate.filter(|lost| *lost > 0).map(|lost| Reading {
            what: format!("packets lost by {}", link.interface),
            value: lost as f64,
            text: format!("{lost}/s"),
        });
        used.into_iter().chain(lost)
    });
    let of_cpu = cpu.map(|percent| Reading {
        what: "share of the busiest CPU that packets took".to_owned(),
        value: percent,
        text: format!("{percent:.0} %"),
    });
    let signals = health.map_or(&[][..], |health| &health.signals);
    let of_signals = signals.iter().filter_map(|SignalReport { signal, service, value, text, .. }| {
        let what = match service {
            Some(service) => format!("{signal} of {service}"),
            None => signal.clone(),
        };
        // A probe that fails has no value, and is worse than any.
        let value = match value {
            Some(0) => return None,
            Some(value) => *value as f64,
            None if service.is_some() => f64::MAX,
            None => return None,
        };
        Some(Reading { what, value, text: text.clone() })
    });
    Snapshot {
        link_percent: percents.reduce(f64::max),
        cpu_percent: cpu,
        full_links: full_links.collect(),
        readings: of_links.chain(of_cpu).chain(of_signals).collect(),
        ..Snapshot::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CpuStatus, LinkStatus};

    #[test]
    fn what_the_host_tells_is_in_a_look() {
        let link = LinkStatus {
            interface: "eth0".into(),
            in_percent: Some(97.0),
            lost_rate: Some(5_000),
            full: true,
            ..LinkStatus::default()
        };
        let cpu = CpuStatus { busiest_percent: Some(40.0), ..CpuStatus::default() };
        let machine = MachineStatus { links: vec![link], cpu: Some(cpu), disks: Vec::new() };
        let signal = |signal: &str, service: Option<&str>, value| SignalReport {
            signal: signal.to_owned(),
            service: service.map(str::to_owned),
            value,
            text: "as it is told".to_owned(),
            over: false,
        };
        let signals = vec![
            signal("listen-overflows", None, Some(0)),
            signal("syn-cookies", None, None),
            signal("probe", Some("web"), None),
        ];
        let look = of_host(&machine, Some(&HealthReport { signals, active: Vec::new() }));
        assert_eq!((look.link_percent, look.cpu_percent), (Some(97.0), Some(40.0)));
        assert_eq!(look.full_links, ["eth0 is full"]);
        let told: Vec<_> = look.readings.iter().map(|reading| reading.what.as_str()).collect();
        let expected = [
            "use of link eth0",
            "packets lost by eth0",
            "share of the busiest CPU that packets took",
            "probe of web",
        ];
        assert_eq!(told, expected, "what is as it should be is not told");
    }
}
