//! Classic pcap (`draft-ietf-opsawg-pcap`): a header, then packet after packet.

use crate::{
    Fault, LinkType, MAX_CAPTURED, NANOSECONDS,
    input::{Input, Order},
};

/// The first word of a capture in microseconds; of one in nanoseconds; and of one by a Linux patch of the
/// 1990s, whose packets have 8 more bytes of header.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const IN_NANOSECONDS: u32 = 0xa1b2_3c4d;
const PATCHED: u32 = 0xa1b2_cd34;
/// The lower bits of the last word name the link type; those above tell of a frame check sequence.
const LINK_MASK: u32 = 0x03ff_ffff;

/// What the header of the capture says of every packet.
pub(crate) struct Classic {
    order: Order,
    /// Nanoseconds in a unit of a packet's fraction of a second.
    unit: u64,
    /// Bytes of a packet's header that mean nothing here.
    extra: u64,
    link: LinkType,
}

/// A packet's header.
pub(crate) struct Header {
    pub(crate) nanoseconds: u64,
    pub(crate) length: u32,
    pub(crate) captured: u32,
    pub(crate) link: LinkType,
}

impl Classic {
    /// Reads the capture's header, whose first four bytes are `magic`; `None` if it is no classic capture.
    pub(crate) fn open(magic: [u8; 4], input: &mut Input) -> Result<Option<Self>, Fault> {
        let known = |order: Order| match order.u32(&magic, 0) {
            MICROSECONDS => Some((order, 1_000, 0)),
            IN_NANOSECONDS => Some((order, 1, 0)),
            PATCHED => Some((order, 1_000, 8)),
            _ => None,
        };
        let Some((order, unit, extra)) = known(Order::Little).or_else(|| known(Order::Big)) else {
            return Ok(None);
        };
        let mut header = [0; 20];
        input.fill(&mut header, "the capture's header")?;
        let (major, minor) = (order.u16(&header, 0), order.u16(&header, 2));
        // Before 2.4 the two lengths of a packet could stand the other way round.
        if (major, minor) != (2, 4) && major != 2 {
            return Err(Fault::Version(major, minor));
        }
        let link = LinkType::from(order.u32(&header, 16) & LINK_MASK);
        Ok(Some(Self { order, unit, extra, link }))
    }

    /// The next packet's header, or nothing at the end of the capture.
    pub(crate) fn next(&self, input: &mut Input) -> Result<Option<Header>, Fault> {
        let mut header = [0; 16];
        if !input.fill_or_end(&mut header, "a packet's header")? {
            return Ok(None);
        }
        input.skip(self.extra, "a packet's header")?;
        let word = |at| self.order.u32(&header, at);
        let captured = word(8);
        if captured > MAX_CAPTURED {
            return Err(Fault::TooLong(captured));
        }
        // A fraction above a second is taken as it stands: some writers do not carry.
        let nanoseconds = u64::from(word(0)) * NANOSECONDS + u64::from(word(4)) * self.unit;
        Ok(Some(Header { nanoseconds, length: word(12), captured, link: self.link }))
    }
}
