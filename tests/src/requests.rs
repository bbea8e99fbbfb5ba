//! What tests of rules send, and wait for.

use std::{
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::frame::Frame;

use crate::protected::{PATIENCE, Protected, SILENCE};

/// What the host's IPv6 address is.
pub const INSIDE_V6: &str = "2001:db8:5::10";

/// A SYN to port 80 from an address of either family.
pub fn syn(host: &Protected, source: &str, port: u16) -> Vec<u8> {
    if source.contains(':') {
        return Frame::ipv6(source, INSIDE_V6)
            .between(&host.lab.outside, &host.lab.inside)
            .tcp(port, 80)
            .syn()
            .build();
    }
    host.from(source).tcp(port, 80).syn().build()
}

/// How many of these frames get past the filter.
pub fn passing(host: &Protected, frames: &[Vec<u8>]) -> anyhow::Result<usize> {
    host.receiver.clear()?;
    host.sender.send_batch(frames)?;
    Ok(host.receiver.collect(frames.len(), SILENCE, |seen| frames.iter().any(|frame| frame == seen))?.len())
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        anyhow::ensure!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
