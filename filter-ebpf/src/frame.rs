//! A packet on the NIC as a [`Frame`].

use aya_ebpf::{helpers::generated::bpf_xdp_get_buff_len, programs::XdpContext};
use floodwall_common::frame::{Frame, Header};

/// The linear part of the packet, and the length of all of it.
pub struct XdpFrame {
    data: usize,
    data_end: usize,
    length: u32,
}

impl XdpFrame {
    #[inline(always)]
    pub fn new(xdp: &XdpContext) -> Self {
        // SAFETY: the context is the one the kernel handed to the program.
        let length = unsafe { bpf_xdp_get_buff_len(xdp.ctx) };
        Self { data: xdp.data(), data_end: xdp.data_end(), length: length as u32 }
    }
}

impl Frame for XdpFrame {
    type Header = Pointer;

    #[inline(always)]
    fn length(&self) -> u32 {
        self.length
    }

    #[inline(always)]
    fn header<const N: usize>(&self, offset: u32) -> Option<Pointer> {
        Pointer::within(self.data, self.data_end, offset, N)
    }
}

/// A place in the packet behind which as many bytes are known to be there as [`Frame::header`] was asked for.
#[derive(Clone, Copy)]
pub struct Pointer(*const u8);

impl Pointer {
    /// The place at `offset` of a packet, if so many bytes are there.
    #[inline(always)]
    pub fn within(data: usize, data_end: usize, offset: u32, bytes: usize) -> Option<Self> {
        // The verifier follows a packet pointer only if what is added to it is known to be small.
        let start = data + (offset & 0x7fff) as usize;
        if start + bytes > data_end { None } else { Some(Self(start as *const u8)) }
    }
}

impl Header for Pointer {
    #[inline(always)]
    fn u8(&self, at: usize) -> u8 {
        // SAFETY: `at` lies in the bytes that `header` checked; the verifier sees to it.
        unsafe { *self.0.add(at) }
    }

    #[inline(always)]
    fn be16(&self, at: usize) -> u16 {
        // SAFETY: as above. BPF loads need not be aligned where the kernel says so for packets, which it does
        // on every architecture that runs XDP.
        u16::from_be(unsafe { *self.0.add(at).cast::<u16>() })
    }

    #[inline(always)]
    fn be32(&self, at: usize) -> u32 {
        // SAFETY: as above.
        u32::from_be(unsafe { *self.0.add(at).cast::<u32>() })
    }

    #[inline(always)]
    fn be64(&self, at: usize) -> u64 {
        // SAFETY: as above.
        u64::from_be(unsafe { *self.0.add(at).cast::<u64>() })
    }
}
