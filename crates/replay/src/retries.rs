//! Clients that ask again. A capture does not show how a client would have reacted when its request for a connection, or its
//! first datagram, is dropped. If its flow goes on in the capture, it is taken to have asked again: the packet that was dropped is
//! judged once more just before, as if it had come again after the shortest wait that passes. Where the request was challenged,
//! the client is taken to have answered that first.

use std::collections::{HashMap, VecDeque};

use anyhow::Context as _;

use floodwall_common::{
    client::{self, Proof},
    flow::Flow,
    frame::{Captured, Frame as _},
    memo,
    parse::{self, Packet, Parsed},
    retransmission,
    tables::{REQUEST_LINES, Tables as _},
    traits::Traits,
};

use floodwall_kernel::Judged;
use floodwall_tables::SharedTables;

/// Requests that are kept until their connections go on: of those that do, half go on within a tenth of a second.
const MOST: usize = 65_536;

/// A request as the capture has it.
struct Request {
    bytes: Vec<u8>,
    length: u32,
    challenged: bool,
}

/// Requests that were dropped, and would pass if they came again.
#[derive(Default)]
pub(super) struct Retries {
    requests: HashMap<u64, Request>,
    /// In the order in which they came.
    order: VecDeque<u64>,
}

impl Retries {
    /// Takes a packet that was judged.
    pub(super) fn note(&mut self, tables: &SharedTables, frame: &Captured<'_>, judged: &Judged) {
        if !judged.once && !judged.challenged {
            return;
        }
        let Some((packet, hash)) = read(tables, frame) else { return };
        // Who would have come over TCP, no datagram shows.
        if judged.challenged && !asks(&packet) {
            return;
        }
        // Of a flow of datagrams, the first is asked again.
        if !asks(&packet) && self.requests.contains_key(&hash) {
            return;
        }
        if self.order.len() == MOST {
            self.order.pop_front().map(|oldest| self.requests.remove(&oldest));
        }
        let (bytes, length) = (frame.bytes().to_vec(), frame.length());
        let request = Request { bytes, length, challenged: judged.challenged };
        if self.requests.insert(hash, request).is_none() {
            self.order.push_back(hash);
        }
    }

    /// Before a packet is judged: if its connection was asked for by a request that was dropped, has `judge` judge that once
    /// more, as one that comes again after long enough.
    pub(super) fn precede(
        &mut self,
        tables: &SharedTables,
        frame: &Captured<'_>,
        time_ns: u64,
        judge: &mut dyn FnMut(&Captured<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let Some((packet, hash)) = read(tables, frame) else { return Ok(()) };
        if asks(&packet) {
            return Ok(());
        }
        let Some(request) = self.requests.remove(&hash) else { return Ok(()) };
        if request.challenged {
            let settings = &tables.settings[0];
            client::note(tables, settings, packet.source, Proof::Challenged, time_ns)
                .context("noting who has answered a challenge")?;
        } else if let Some(line) = tables.request_line(memo::line(hash, REQUEST_LINES)) {
            retransmission::backdate(line, hash, retransmission::Wait::OF_REQUESTS, time_ns);
        }
        judge(&Captured::cut(&request.bytes, request.length))
    }
}

/// Whether it is a request for a connection: any other packet of its flow shows that the flow goes on.
fn asks(packet: &Packet) -> bool {
    Traits::of(packet).meets(Traits::SYN)
}

fn read(tables: &SharedTables, frame: &Captured<'_>) -> Option<(Packet, u64)> {
    let Parsed::Packet(packet) = parse::parse(frame) else { return None };
    Some((packet, Flow::answered_by(&packet).hash(&tables.settings[0])))
}
