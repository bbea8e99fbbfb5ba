//! Receiving frames exactly as they came, VLAN tags included.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{open, set};
use crate::frame::VLAN;
use crate::namespace::Namespace;

/// Every protocol (`ETH_P_ALL`), in host order.
const ALL_PROTOCOLS: u16 = 3;
/// Frames may wait here until they are collected: bytes.
const BUFFER: libc::c_int = 16 << 20;
/// More than any frame has.
const LONGEST: usize = 65_536 + 64;

/// Takes the frames that arrive at an interface, from [`Receiver::open`] on. Those that the host
/// itself sends are not seen.
#[derive(Debug)]
pub struct Receiver {
    socket: OwnedFd,
    name: String,
}

impl Receiver {
    /// Opens an interface of a namespace for receiving. Frames are kept from now on, so open it
    /// before sending. An XDP program that drops a frame does so before it gets here.
    ///
    /// # Errors
    /// Without root, or when there is no such interface.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        let socket = open(namespace, interface, ALL_PROTOCOLS)?;
        let options = [
            (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER),
            (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1),
            // The kernel takes the outermost VLAN tag off and tells it beside the frame.
            (libc::SOL_PACKET, libc::PACKET_AUXDATA, 1),
        ];
        for (level, option, value) in options {
            set(&socket, level, option, value)
                .with_context(|| format!("preparing a packet socket on {interface}"))?;
        }
        Ok(Self { socket, name: interface.to_owned() })
    }

    /// Returns the frames that `wanted` picks, as soon as there are `enough` of them or
    /// `patience` is over; fewer, even none, is no error. Those not wanted are gone.
    ///
    /// # Errors
    /// When the interface goes away.
    pub fn collect(
        &self,
        enough: usize,
        patience: Duration,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<Vec<u8>>> {
        let deadline = Instant::now() + patience;
        let mut collected = Vec::new();
        let mut buffer = vec![0; LONGEST];
        while collected.len() < enough {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receive(&mut buffer, left) {
                Ok(Some(frame)) if wanted(&frame) => collected.push(frame),
                Ok(Some(_)) => {}
                Ok(None) if Instant::now() >= deadline => break,
                Ok(None) => {}
                Err(error) => return Err(error).with_context(|| format!("receiving on {}", self.name)),
            }
        }
        Ok(collected)
    }

    /// Forgets what has arrived so far.
    ///
    /// # Errors
    /// When the interface goes away.
    pub fn clear(&self) -> Result<()> {
        self.collect(usize::MAX, Duration::ZERO, |_| false).map(drop)
    }

    fn receive(&self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<Vec<u8>>> {
        // Rounded up, or the last fraction of a millisecond would be spent spinning.
        let wait = PollTimeout::try_from(patience.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], wait) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // Room for one control message, aligned as its header wants.
        let mut control = [0_u64; 16];
        // SAFETY: all-zero is a valid `msghdr`.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the message points to a live vector over `buffer` and to live control space.
        let received =
            unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        let Ok(length) = usize::try_from(received) else {
            return Err(io::Error::last_os_error());
        };
        let mut frame = buffer[..length.min(buffer.len())].to_vec();
        if let Some(tag) = stripped_tag(&message)
            && frame.len() >= 12
        {
            frame.splice(12..12, tag);
        }
        Ok(Some(frame))
    }
}

/// The VLAN tag that the kernel took off, from the message's control data.
fn stripped_tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: `message` was filled by recvmsg and its control space is still live.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if header.cmsg_level != libc::SOL_PACKET || header.cmsg_type != libc::PACKET_AUXDATA {
        return None;
    }
    // SAFETY: a PACKET_AUXDATA message holds one `tpacket_auxdata`; it may be unaligned.
    let beside: libc::tpacket_auxdata =
        unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
    if beside.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let named = beside.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    let identifier = if named { beside.tp_vlan_tpid } else { VLAN };
    let ([a, b], [c, d]) = (identifier.to_be_bytes(), beside.tp_vlan_tci.to_be_bytes());
    Some([a, b, c, d])
}
