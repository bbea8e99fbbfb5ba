//! How the machine below the filter fares: links, CPUs, file systems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the machine fares that the filter runs on, looked at each second; file systems every ten.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MachineStatus {
    /// The ports that packets of the protected interfaces come by.
    pub links: Vec<LinkStatus>,
    /// What packets take of the CPUs; `None` if nothing has been measured yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuStatus>,
    /// File systems that the state and the services' logs are written to.
    pub disks: Vec<DiskStatus>,
}

/// A port, and whether packets are lost there before the filter sees them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkStatus {
    /// The protected interface: itself, or one that is built upon it.
    pub of: String,
    /// Its name.
    pub interface: String,
    /// Bits per second that it carries in each direction; `None` if that is not known, as with virtual devices.
    pub speed: Option<u64>,
    /// Bits per second that come in, as the wire has them; `None` if not measured yet, or it cannot be read.
    pub in_rate: Option<u64>,
    /// Likewise those that go out.
    pub out_rate: Option<u64>,
    /// Share of the speed that comes in, percent.
    pub in_percent: Option<f64>,
    /// Share of the speed that goes out, percent.
    pub out_percent: Option<f64>,
    /// Packets that the device has lost since it was set up: it had no room, no buffer, or no time.
    pub lost: u64,
    /// The same per second.
    pub lost_rate: Option<u64>,
    /// Receive queues whose packets the driver counts.
    pub queues: u64,
    /// Share of the packets that come by the busiest of them, percent.
    pub busiest_queue_percent: Option<f64>,
    /// Packets are lost before the filter sees them, since the link is full or the device cannot keep up.
    pub full: bool,
    /// What is wrong, with figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What packets take of the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuStatus {
    /// Share of its time that the busiest CPU spends on packets (softirq, and threads of NAPI), percent.
    pub busiest_percent: Option<f64>,
    /// Time that threads of NAPI take, percent of one CPU: of that, `softirq` shows nothing.
    pub napi_percent: f64,
    /// Packets that a CPU had no room for since the start (`softnet_stat`).
    pub backlog_dropped: u64,
    /// The same per second.
    pub backlog_dropped_rate: Option<u64>,
    /// How often per second a CPU had to stop before all packets were done.
    pub squeezed_rate: Option<u64>,
    /// What is wrong, with figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A file system that something is logged to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskStatus {
    /// Where it is mounted, or a directory on it.
    pub path: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// Bytes that services can still write.
    pub free_bytes: u64,
    /// Files that it has room for; 0 where there is no such limit.
    pub inodes: u64,
    /// Files that can still be made.
    pub free_inodes: u64,
    /// What is wrong, with figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl MachineStatus {
    /// All that is wrong.
    pub fn problems(&self) -> impl Iterator<Item = &String> {
        let links = self.links.iter().flat_map(|link| &link.problems);
        let cpu = self.cpu.iter().flat_map(|cpu| &cpu.problems);
        links.chain(cpu).chain(self.disks.iter().filter_map(|disk| disk.problem.as_ref()))
    }
}
