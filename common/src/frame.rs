//! Bounded reads from a packet.

/// A packet's bytes, from the Ethernet header on, or from the IP header on where the link has none.
///
/// The kernel side reads through `data` and `data_end` of the XDP context, whose bounds the verifier wants to
/// see checked right before each access; a slice of the packet would be rejected. The host side is a slice.
pub trait Frame {
    /// A window onto a header.
    type Header: Header;

    /// Whether an Ethernet header comes first; else it is the IP header.
    const ETHERNET: bool = true;

    /// Bytes on the wire, link header included, even where only the first of them can be read.
    fn length(&self) -> u32;

    /// The `N` bytes at `offset`, or `None` where the readable part ends before.
    fn header<const N: usize>(&self, offset: u32) -> Option<Self::Header>;
}

/// The bytes of one header. Reads are big-endian (network order) and must stay inside the `N` bytes that were
/// asked for.
pub trait Header {
    /// The byte at `at`.
    fn u8(&self, at: usize) -> u8;
    /// The 16 bits at `at`.
    fn be16(&self, at: usize) -> u16;
    /// The 32 bits at `at`.
    fn be32(&self, at: usize) -> u32;
    /// The 64 bits at `at`.
    fn be64(&self, at: usize) -> u64;
}

/// A frame of a link that puts nothing before the IP header, such as a tun device.
#[derive(Clone, Copy, Debug)]
pub struct WithoutLink<F>(pub F);

impl<F: Frame> Frame for WithoutLink<F> {
    type Header = F::Header;

    const ETHERNET: bool = false;

    #[inline(always)]
    fn length(&self) -> u32 {
        self.0.length()
    }

    #[inline(always)]
    fn header<const N: usize>(&self, offset: u32) -> Option<F::Header> {
        self.0.header::<N>(offset)
    }
}

/// A frame in host memory, possibly cut short: what lies between the captured bytes and the frame's true
/// length reads as zeros.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    bytes: &'a [u8],
    length: u32,
}

impl<'a> Captured<'a> {
    /// A whole frame.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
    }

    /// Nothing at all.
    pub const NONE: Captured<'static> = Captured { bytes: &[], length: 0 };

    /// The first bytes of a frame that was `length` bytes long on the wire.
    pub fn cut(bytes: &'a [u8], length: u32) -> Self {
        let whole = Self::whole(bytes);
        Self { length: length.max(whole.length), ..whole }
    }

    /// The bytes that are there.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Enough for the longest header that is read in one piece.
const WINDOW: usize = 40;

/// A header copied out of a [`Captured`] frame.
#[derive(Clone, Copy, Debug)]
pub struct Window([u8; WINDOW]);

impl Frame for Captured<'_> {
    type Header = Window;

    fn length(&self) -> u32 {
        self.length
    }

    fn header<const N: usize>(&self, offset: u32) -> Option<Window> {
        const { assert!(N <= WINDOW) }
        if u64::from(offset) + N as u64 > u64::from(self.length) {
            return None;
        }
        let mut window = [0; WINDOW];
        let there = self.bytes.get(offset as usize..).unwrap_or_default();
        let there = &there[..there.len().min(N)];
        window[..there.len()].copy_from_slice(there);
        Some(Window(window))
    }
}

impl Window {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }
}

impl Header for Window {
    fn u8(&self, at: usize) -> u8 {
        self.0[at]
    }

    fn be16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_frame_reads_as_zeros_up_to_its_length() {
        let frame = Captured::cut(&[1, 2, 3], 6);
        assert_eq!(frame.header::<4>(1).map(|h| h.be32(0)), Some(0x0203_0000));
        assert!(frame.header::<4>(3).is_none(), "past the length on the wire");
    }
}
