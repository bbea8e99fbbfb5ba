//! Sending frames exactly as they are.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};

use super::{open, set};
use crate::namespace::Namespace;

/// Frames handed to the kernel in one system call.
const BATCH: usize = 64;

/// Puts frames on an interface. Nothing of the frame is changed, not even wrong checksums.
#[derive(Debug)]
pub struct Sender {
    socket: OwnedFd,
    name: String,
}

impl Sender {
    /// Opens an interface of a namespace for sending.
    ///
    /// # Errors
    /// Without root, or when there is no such interface.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        let socket = open(namespace, interface, 0)?;
        // Straight to the device: a queueing discipline would only delay and drop.
        set(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)
            .with_context(|| format!("bypassing the queue of {interface}"))?;
        Ok(Self { socket, name: interface.to_owned() })
    }

    /// Sends one frame, from the destination MAC address on.
    ///
    /// # Errors
    /// When the kernel refuses it: shorter than an Ethernet header, longer than the MTU allows, or
    /// no room.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: the frame is live and its length is given.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error())
                .with_context(|| format!("sending a frame of {} bytes on {}", frame.len(), self.name));
        }
        Ok(())
    }

    /// Sends frames in order, many per system call, and says how many the interface took; the
    /// others found no room there.
    ///
    /// # Errors
    /// When the kernel refuses a frame for another reason than lack of room.
    pub fn send_batch<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<usize> {
        let mut taken = 0;
        for batch in frames.chunks(BATCH) {
            let mut rest = batch;
            while !rest.is_empty() {
                match self.send_some(rest) {
                    Ok(sent) => {
                        taken += sent;
                        rest = &rest[sent..];
                    }
                    // The first of them was lost; the next may not be.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => rest = &rest[1..],
                    Err(error) => {
                        let length = rest[0].as_ref().len();
                        return Err(error)
                            .with_context(|| format!("sending a frame of {length} bytes on {}", self.name));
                    }
                }
            }
        }
        Ok(taken)
    }

    /// One `sendmmsg(2)` of at most [`BATCH`] frames; at least one was sent if it succeeds.
    fn send_some<F: AsRef<[u8]>>(&self, frames: &[F]) -> io::Result<usize> {
        const EMPTY: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut vectors = [EMPTY; BATCH];
        // SAFETY: all-zero is a valid `mmsghdr`: null pointers and zero lengths.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        let count = frames.len().min(BATCH);
        for ((frame, vector), message) in frames.iter().zip(&mut vectors).zip(&mut messages) {
            let bytes = frame.as_ref();
            // The kernel only reads them; the type is shared with receiving.
            *vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
        }
        let length = libc::c_uint::try_from(count).map_err(io::Error::other)?;
        // SAFETY: the first `count` messages point to vectors that point to live frames.
        let sent = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), length, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}
