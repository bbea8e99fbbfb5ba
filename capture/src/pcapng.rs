//! pcapng (`draft-ietf-opsawg-pcapng`): blocks, of which some are packets.

use crate::{
    Direction, Fault, LinkType, MAX_CAPTURED, NANOSECONDS,
    classic::Header,
    input::{Input, Order},
};

/// The block that begins a section, in either order of bytes, and the word in it that tells the order.
const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Other blocks.
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Options of an interface: units of its clock, and what to add to it in seconds.
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;
/// Option of a packet, new or old: its flags, whose lowest two bits say which way it went.
const FLAGS: u16 = 2;
const WAY: u32 = 3;
const CAME_IN: u32 = 1;
const WENT_OUT: u32 = 2;

/// Type and both lengths of a block.
const FRAME: u32 = 12;
/// Longest description of an interface that is read.
const MAX_DESCRIPTION: u32 = 1 << 20;
/// Most interfaces of a section, so that a capture cannot fill the memory with them.
const MAX_INTERFACES: usize = 65_536;

const BLOCK: &str = "a block";

/// What the section has said so far.
pub(crate) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    /// Time of the last packet that had one, nanoseconds.
    last: u64,
    /// What is behind the bytes of the packet that was handed out last.
    behind: Option<Behind>,
    /// What is wrong behind the last packet, which was whole.
    broken: Option<Fault>,
}

/// What stands behind a packet's bytes in its block, before the closing length.
struct Behind {
    /// Of the block.
    length: u32,
    /// Bytes that fill up the last word of the packet.
    padding: u32,
    /// Bytes of options.
    options: u32,
}

/// What is said once for all packets of an interface.
struct Interface {
    link: LinkType,
    snap_length: u32,
    /// Ticks per second, and whole seconds to add.
    ticks: u64,
    offset: i64,
}

impl Pcapng {
    /// Reads the header of the first section, whose first four bytes are `magic`; `None` if it is none.
    pub(crate) fn open(magic: [u8; 4], input: &mut Input) -> Result<Option<Self>, Fault> {
        if Order::Little.u32(&magic, 0) != SECTION {
            return Ok(None);
        }
        let mut pcapng =
            Self { order: Order::Little, interfaces: Vec::new(), last: 0, behind: None, broken: None };
        let mut length = [0; 4];
        input.fill(&mut length, BLOCK)?;
        pcapng.section(length, input)?;
        Ok(Some(pcapng))
    }

    /// The next packet's header, or nothing at the end of the capture. The caller reads the captured bytes, and then calls
    /// [`Self::end_packet`].
    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Header>, Fault> {
        if let Some(fault) = self.broken.take() {
            return Err(fault);
        }
        loop {
            let mut start = [0; 8];
            if !input.fill_or_end(&mut start, BLOCK)? {
                return Ok(None);
            }
            let kind = self.order.u32(&start, 0);
            if kind == SECTION {
                self.section([start[4], start[5], start[6], start[7]], input)?;
                continue;
            }
            let length = self.order.u32(&start, 4);
            let body = body(length)?;
            match kind {
                INTERFACE => self.interface(length, body, input)?,
                ENHANCED_PACKET | OBSOLETE_PACKET => {
                    return self.packet(kind, length, body, input).map(Some);
                }
                SIMPLE_PACKET => return self.simple_packet(length, body, input).map(Some),
                _ => self.close(length, u64::from(body), input)?,
            }
        }
    }

    /// Reads what stands behind the captured bytes, which have been read, and says which way the packet went, if it is said.
    /// What is wrong there ends the reading only after the packet.
    pub(crate) fn end_packet(&mut self, input: &mut Input) -> Option<Direction> {
        let behind = self.behind.take()?;
        self.read_behind(&behind, input).unwrap_or_else(|fault| {
            self.broken = Some(fault);
            None
        })
    }

    fn read_behind(&self, behind: &Behind, input: &mut Input) -> Result<Option<Direction>, Fault> {
        input.skip(u64::from(behind.padding), BLOCK)?;
        let mut left = behind.options;
        let mut direction = None;
        while left >= 4 {
            let mut head = [0; 4];
            input.fill(&mut head, BLOCK)?;
            left -= 4;
            let (code, size) = (self.order.u16(&head, 0), self.order.u16(&head, 2));
            let padded = u32::from(size).next_multiple_of(4);
            if code == 0 || padded > left {
                break;
            }
            left -= padded;
            if code != FLAGS || size != 4 {
                input.skip(u64::from(padded), BLOCK)?;
                continue;
            }
            let mut flags = [0; 4];
            input.fill(&mut flags, BLOCK)?;
            direction = match self.order.u32(&flags, 0) & WAY {
                CAME_IN => Some(Direction::Inbound),
                WENT_OUT => Some(Direction::Outbound),
                _ => None,
            };
            break;
        }
        self.close(behind.length, u64::from(left), input)?;
        Ok(direction)
    }

    /// Passes over what is left of a block's body, and holds its closing length against its first.
    fn close(&self, length: u32, rest: u64, input: &mut Input) -> Result<(), Fault> {
        input.skip(rest, BLOCK)?;
        let mut again = [0; 4];
        input.fill(&mut again, BLOCK)?;
        if self.order.u32(&again, 0) == length {
            return Ok(());
        }
        Err(Fault::Block("a block ends with another length than it began with"))
    }

    /// Begins a section; its type has been read, and its length not yet understood.
    fn section(&mut self, length: [u8; 4], input: &mut Input) -> Result<(), Fault> {
        let mut fixed = [0; 16];
        input.fill(&mut fixed, BLOCK)?;
        self.order = [Order::Little, Order::Big]
            .into_iter()
            .find(|order| order.u32(&fixed, 0) == BYTE_ORDER)
            .ok_or(Fault::Block("a section tells no order of bytes"))?;
        let (major, minor) = (self.order.u16(&fixed, 4), self.order.u16(&fixed, 6));
        if major != 1 {
            return Err(Fault::Version(major, minor));
        }
        let length = self.order.u32(&length, 0);
        let rest = within(body(length)?, 16, "a section's header is too short")?;
        self.interfaces.clear();
        self.close(length, u64::from(rest), input)
    }

    /// Takes in the description of an interface.
    fn interface(&mut self, length: u32, body: u32, input: &mut Input) -> Result<(), Fault> {
        within(body, 8, "an interface's description is too short")?;
        if body > MAX_DESCRIPTION || self.interfaces.len() == MAX_INTERFACES {
            return Err(Fault::Block("more is said of interfaces than is read"));
        }
        let mut description = vec![0; body as usize];
        input.fill(&mut description, BLOCK)?;
        let order = self.order;
        let mut interface = Interface {
            link: LinkType::from(u32::from(order.u16(&description, 0))),
            snap_length: order.u32(&description, 4),
            ticks: 1_000_000,
            offset: 0,
        };
        let mut options = &description[8..];
        while options.len() >= 4 {
            let (code, size) = (order.u16(options, 0), usize::from(order.u16(options, 2)));
            let Some(value) = options[4..].get(..size) else { break };
            match (code, value) {
                (0, _) => break,
                (RESOLUTION, &[exponent, ..]) => {
                    interface.ticks = ticks_per_second(exponent)
                        .ok_or(Fault::Block("an interface's clock is finer than can be counted"))?;
                }
                (OFFSET, &[_, _, _, _, _, _, _, _, ..]) => {
                    interface.offset = order.u64(value, 0).cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + size.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        self.close(length, 0, input)
    }

    /// A packet's header: enhanced, or what was written before there was that.
    fn packet(&mut self, kind: u32, length: u32, body: u32, input: &mut Input) -> Result<Header, Fault> {
        let rest = within(body, 20, "a packet's block is too short")?;
        let mut fixed = [0; 20];
        input.fill(&mut fixed, "a packet's header")?;
        let word = |at| self.order.u32(&fixed, at);
        let number = if kind == ENHANCED_PACKET { word(0) } else { u32::from(self.order.u16(&fixed, 0)) };
        let interface = self.described(number)?;
        let nanoseconds = interface.nanoseconds(u64::from(word(4)) << 32 | u64::from(word(8)));
        let header = Header { nanoseconds, length: word(16), captured: word(12), link: interface.link };
        self.last = nanoseconds;
        let padding = header.captured.wrapping_neg() & 3;
        self.hand_out(header, length, rest, padding)
    }

    /// The header of a packet that has neither time nor interface.
    fn simple_packet(&mut self, length: u32, body: u32, input: &mut Input) -> Result<Header, Fault> {
        let rest = within(body, 4, "a packet's block is too short")?;
        let mut fixed = [0; 4];
        input.fill(&mut fixed, "a packet's header")?;
        let original = self.order.u32(&fixed, 0);
        let interface = self.described(0)?;
        // It has no captured length of its own: the rest is padding (section 4.4).
        let snapped = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
        let captured = original.min(snapped).min(rest);
        let header = Header { nanoseconds: self.last, length: original, captured, link: interface.link };
        // It has no options either.
        self.hand_out(header, length, rest, rest)
    }

    fn described(&self, number: u32) -> Result<&Interface, Fault> {
        let interface = usize::try_from(number).ok().and_then(|number| self.interfaces.get(number));
        interface.ok_or(Fault::Block("a packet is of an interface that was not described"))
    }

    /// Remembers what comes behind the captured bytes: at most `padding` bytes that mean nothing, and options.
    fn hand_out(&mut self, header: Header, length: u32, rest: u32, padding: u32) -> Result<Header, Fault> {
        if header.captured > MAX_CAPTURED {
            return Err(Fault::TooLong(header.captured));
        }
        let behind = within(rest, header.captured, "a packet claims more bytes than its block holds")?;
        let padding = padding.min(behind);
        self.behind = Some(Behind { length, padding, options: behind - padding });
        Ok(header)
    }
}

/// Bytes of a block between its first and its closing length.
fn body(length: u32) -> Result<u32, Fault> {
    if length < FRAME || !length.is_multiple_of(4) {
        return Err(Fault::Block("a block claims a length that none can have"));
    }
    Ok(length - FRAME)
}

/// What is left of `bytes` after so many.
fn within(bytes: u32, taken: u32, otherwise: &'static str) -> Result<u32, Fault> {
    bytes.checked_sub(taken).ok_or(Fault::Block(otherwise))
}

impl Interface {
    fn nanoseconds(&self, ticks: u64) -> u64 {
        let (seconds, rest) = (ticks / self.ticks, ticks % self.ticks);
        let fraction = u128::from(rest) * u128::from(NANOSECONDS) / u128::from(self.ticks);
        // A fraction of a second is below 10⁹; absurd clocks wrap instead of failing.
        let seconds = seconds.wrapping_add_signed(self.offset);
        seconds.wrapping_mul(NANOSECONDS).wrapping_add(fraction as u64)
    }
}

/// `if_tsresol` (section 4.2): a negative power of ten, or of two if the highest bit is set.
fn ticks_per_second(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 1_u64.checked_shl(exponent) }
}
