//! The flood: requests for connections, each from another forged address, of a tool that nobody has seen before.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use floodwall_lab::flood::{Bounds, Fingerprint, Flood, SpoofedSyn, Target};
use floodwall_units::unix;

use super::site::{SITE, SITE_PORT, Site};

/// Packets per second.
pub(super) const RATE: u32 = 40_000;

/// A fingerprint for this show.
pub(super) fn draw() -> Fingerprint {
    let now = unix::time(SystemTime::now());
    // Whatever part of it is left tells shows apart.
    Fingerprint::draw(now.as_nanos() as u64)
}

/// Starts it; it stops when dropped.
pub(super) fn start(site: &Site, fingerprint: Fingerprint, longest: Duration) -> Result<Flood> {
    let target = Target::behind(&site.attacker, &site.from_attacker, SITE, SITE_PORT);
    // Other addresses and ports in each show.
    let seed = u64::from(std::process::id()) + u64::from(fingerprint.window);
    let pattern = SpoofedSyn::with_fingerprint(target, fingerprint, seed);
    Flood::start(&site.attacker, pattern, Bounds { rate: RATE, duration: longest })
}
