//! What tells that the host suffers before it is down.

use std::fs;

/// What the kernel has counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Connections that listen queues had no room for.
    pub listen_overflows: Option<u64>,
    /// Connection requests that were dropped.
    pub listen_drops: Option<u64>,
    /// SYN cookies sent.
    pub syn_cookies: Option<u64>,
    /// Datagrams that receive queues of sockets had no room for.
    pub udp_overflows: Option<u64>,
    /// How full the table of tracked connections is, percent; `None` without one.
    pub conntrack: Option<u64>,
    /// By CPU: ticks in softirq, and in all.
    pub softirq: Vec<(u64, u64)>,
    /// Of all CPUs together: ticks in which they were idle, and all.
    pub idle: Option<(u64, u64)>,
}

impl Vitals {
    /// As they are now.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let netstat = read("/proc/thread-self/net/netstat");
        let (snmp, snmp6) = (read("/proc/thread-self/net/snmp"), read("/proc/thread-self/net/snmp6"));
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let count = number("/proc/sys/net/netfilter/nf_conntrack_count");
        let most = number("/proc/sys/net/netfilter/nf_conntrack_max").filter(|most| *most > 0);
        let stat = read("/proc/stat");
        Self {
            listen_overflows: counter(&netstat, "TcpExt:", "ListenOverflows"),
            listen_drops: counter(&netstat, "TcpExt:", "ListenDrops"),
            syn_cookies: counter(&netstat, "TcpExt:", "SyncookiesSent"),
            udp_overflows: udp_overflows(&snmp, &snmp6),
            conntrack: count.zip(most).map(|(count, most)| count * 100 / most),
            softirq: softirq(&stat),
            idle: idle(&stat),
        }
    }

    /// Share of its time that the busiest CPU has spent in softirq since `before`, percent.
    pub fn softirq_since(&self, before: &Self) -> Option<u64> {
        let shares = self.softirq.iter().zip(&before.softirq).filter_map(
            |((busy, all), (busy_before, all_before))| {
                let all = all.checked_sub(*all_before).filter(|all| *all > 0)?;
                Some(busy.saturating_sub(*busy_before) * 100 / all)
            },
        );
        shares.max()
    }

    /// Share of their time that all CPUs together were idle since `before`, percent.
    pub fn idle_since(&self, before: &Self) -> Option<u64> {
        let ((idle, all), (idle_before, all_before)) = self.idle.zip(before.idle)?;
        let all = all.checked_sub(all_before).filter(|all| *all > 0)?;
        Some(idle.saturating_sub(idle_before) * 100 / all)
    }
}

/// Of all CPUs together, out of `/proc/stat`; they are idle as well while they wait for a disk.
fn idle(stat: &str) -> Option<(u64, u64)> {
    let ticks = ticks(stat.lines().find(|line| line.starts_with("cpu "))?);
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().sum()))
}

/// `cpu0 user nice system idle iowait irq softirq steal …`. What guests take stands in `user` already.
fn ticks(line: &str) -> Vec<u64> {
    line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect()
}

/// A counter of a group such as `TcpExt:`: a line of names, and a line of numbers below it.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|named| named == name)?;
    numbers.split_whitespace().nth(place)?.parse().ok()
}

/// Over both families; that of IPv6 has a line for each counter.
fn udp_overflows(snmp: &str, snmp6: &str) -> Option<u64> {
    let of_v4 = counter(snmp, "Udp:", "RcvbufErrors");
    let of_v6 =
        snmp6.lines().find_map(|line| line.strip_prefix("Udp6RcvbufErrors")?.trim().parse::<u64>().ok());
    Some(of_v4? + of_v6.unwrap_or(0))
}

/// By CPU, out of `/proc/stat`.
fn softirq(stat: &str) -> Vec<(u64, u64)> {
    let cpus = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    cpus.filter_map(|line| {
        let ticks = ticks(line);
        Some((*ticks.get(6)?, ticks.iter().sum()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name() {
        let netstat =
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 7 8 9\nIpExt: A\nIpExt: 1\n";
        let values = ["SyncookiesSent", "ListenOverflows", "ListenDrops", "Other"]
            .map(|name| counter(netstat, "TcpExt:", name));
        assert_eq!(values, [Some(7), Some(8), Some(9), None]);
        assert_eq!(counter("", "TcpExt:", "ListenDrops"), None);
        let snmp = "Tcp: A\nTcp: 5\nUdp: InErrors RcvbufErrors\nUdp: 9 4\n";
        assert_eq!(udp_overflows(snmp, "Udp6InErrors  7\nUdp6RcvbufErrors                \t3\n"), Some(7));
        assert_eq!((udp_overflows(snmp, ""), udp_overflows("", "")), (Some(4), None));
    }

    #[test]
    fn the_busiest_cpu_counts() {
        let at = |a: u64, b: u64| Vitals {
            softirq: softirq(&format!(
                "cpu  9 9 9 9 9 9 9 9\ncpu0 0 0 0 100 0 0 {a} 0 5 5\ncpu1 0 0 0 100 0 0 {b} 0\nintr 5"
            )),
            ..Vitals::default()
        };
        assert_eq!(at(100, 50).softirq, [(100, 200), (50, 150)]);
        assert_eq!(at(100, 200).softirq_since(&at(0, 0)), Some(100));
        assert_eq!(at(0, 0).softirq_since(&at(0, 0)), None);
    }

    #[test]
    fn cpus_are_idle_together() {
        let at = |user: u64, idle: u64, iowait: u64| Vitals {
            idle: idle_of(user, idle, iowait),
            ..Vitals::default()
        };
        let idle = at(130, 160, 10).idle_since(&at(100, 100, 0));
        assert_eq!(idle, Some(70), "guests are counted once, and who waits for a disk is idle");
        assert_eq!(at(1, 1, 1).idle_since(&at(1, 1, 1)), None, "no time has passed");
        assert_eq!(Vitals::default().idle_since(&at(1, 1, 1)), None);
    }

    fn idle_of(user: u64, all_idle: u64, iowait: u64) -> Option<(u64, u64)> {
        idle(&format!("cpu  {user} 0 0 {all_idle} {iowait} 0 0 0 {user} 0\ncpu0 5 5 5 5 5 5 5 5\n"))
    }
}
