//! What is told of captures beside their packets.

use super::{host::Host, opened_flows::OpenedFlow};

/// What is told of captures that are played one after the other.
#[derive(Clone, Debug)]
pub struct CaptureContext {
    /// The protected host: one for all of them, or one for each.
    pub hosts: Vec<Host>,
    /// Flows that it opened, in order of time: one list for all, on the clock of the first, or one for each; none, if
    /// that is not told. Then they are taken to be known from the first packet on that the host is seen to send.
    pub flows: Vec<Vec<OpenedFlow>>,
}

impl Default for CaptureContext {
    fn default() -> Self {
        Self { hosts: vec![Host::default()], flows: Vec::new() }
    }
}

impl CaptureContext {
    /// Whether the flows that the host opens are known from the start.
    pub fn tells_flows(&self) -> bool {
        !self.flows.is_empty()
    }

    /// Which of the hosts that of a capture is, by its place.
    pub fn place_of_host(&self, capture: usize) -> usize {
        if self.hosts.len() > 1 { capture } else { 0 }
    }

    /// The flows that begin to count with a capture: all of one list with whichever is played `first`.
    pub fn flows_with(&self, capture: usize, first: bool) -> Option<&[OpenedFlow]> {
        let place = if self.flows.len() > 1 { capture } else { 0 };
        self.flows.get(place).filter(|_| first || self.flows.len() > 1).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(after_epoch_ns: i64) -> OpenedFlow {
        let address = "192.0.2.10".parse().unwrap();
        let (local, remote) = (address, address);
        OpenedFlow { after_epoch_ns, protocol: 6, local, local_port: 1, remote, remote_port: 2 }
    }

    #[test]
    fn what_is_given_once_is_for_all() {
        let once = CaptureContext { flows: vec![vec![flow(1)]], ..CaptureContext::default() };
        assert_eq!([0, 1].map(|capture| once.place_of_host(capture)), [0, 0]);
        // The first capture may have no packets: then the second is the first that is played.
        for (capture, first, expected) in [(0, true, 1), (1, true, 1), (1, false, 0)] {
            let flows = once.flows_with(capture, first).map_or(0, <[OpenedFlow]>::len);
            assert_eq!(flows, expected, "{capture} {first}");
        }
        assert!(once.tells_flows() && !CaptureContext::default().tells_flows());
        assert_eq!(CaptureContext::default().flows_with(0, true), None);
    }

    #[test]
    fn what_is_given_for_each_goes_with_each() {
        let hosts = vec![Host::default(), Host::default()];
        let each = CaptureContext { hosts, flows: vec![vec![flow(1)], vec![flow(2)]] };
        assert_eq!([0, 1].map(|capture| each.place_of_host(capture)), [0, 1]);
        assert_eq!(each.flows_with(0, true), Some(&[flow(1)][..]));
        assert_eq!(each.flows_with(1, false), Some(&[flow(2)][..]));
    }
}
