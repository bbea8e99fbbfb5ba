//! Throw-away network labs: namespaces joined by veth pairs, frames built by hand, floods and
//! captures, for the tests and the demo of floodwall.
//!
//! A lab never touches the network of the machine it runs on. It is told like this:
//!
//! 1. [`namespace::Namespace`] is a network namespace that is gone when the value is dropped.
//! 2. [`link::veth`] joins two of them by a virtual cable; [`pair::Pair`] does both in one go.
//! 3. [`frame::Frame`] builds the bytes to send, right by default and wrong on demand.
//! 4. [`wire::Sender`] and [`wire::Receiver`] put frames on the cable and take them off.
//! 5. [`pcap`] reads and writes captures, [`flood`] sends many frames at a bounded rate, and
//!    [`http`] is the service that suffers and the customers who notice.
//! 6. [`daemon::Daemon`] is floodwall itself, in one of the namespaces.
//! 7. [`maxmind`] writes small databases of networks and countries.
//! 8. [`fetched`] has libraries of others that single tests need, and [`alertmanager`] is a receiver of alerts.
//! 9. [`child`] has processes end with the one that started them.
//! 10. [`mod@skip`] lets a test say why it cannot run, so that it is counted and not lost.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use floodwall_lab::{frame::Frame, pair::Pair, wire::{Receiver, Sender}};
//!
//! # fn main() -> anyhow::Result<()> {
//! let lab = Pair::new("syn")?;
//! let sender = Sender::open(lab.outside.namespace(), lab.outside.name())?;
//! let receiver = Receiver::open(lab.inside.namespace(), lab.inside.name())?;
//! let syn = Frame::ipv4("198.51.100.7", "192.0.2.10").between(&lab.outside, &lab.inside).tcp(40_000, 80).syn();
//! sender.send(&syn.build())?;
//! assert_eq!(receiver.collect(1, Duration::from_secs(1), |frame| frame == syn.build())?.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Everything here blocks; there is no runtime. Most of it needs root (`CAP_NET_ADMIN`,
//! `CAP_NET_RAW`, `CAP_SYS_ADMIN`).

pub mod alertmanager;
pub mod child;
pub mod daemon;
pub mod fetched;
pub mod flood;
pub mod frame;
pub mod http;
mod interface;
pub mod link;
pub mod maxmind;
pub mod namespace;
pub mod pair;
pub mod pcap;
pub mod random;
pub mod skip;
pub mod tun;
pub mod wire;
