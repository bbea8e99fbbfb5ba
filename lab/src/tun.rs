//! Devices without a link layer, whose other end is the test.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{interface, namespace::Namespace};

/// `TUNSETIFF` and `TUNSETLINK` in `include/uapi/linux/if_tun.h`.
const SET_INTERFACE: libc::Ioctl = 0x4004_54ca;
const SET_LINK_TYPE: libc::Ioctl = 0x4004_54cd;
/// `IFF_TUN` and `IFF_NO_PI`: packets begin with the IP header, and nothing before it.
const FLAGS: libc::c_short = 0x0001 | 0x1000;

/// A tun device in a namespace; it is gone with this.
#[derive(Debug)]
pub struct Tun {
    end: File,
}

impl Tun {
    /// Makes a device, which is down.
    ///
    /// # Errors
    /// Without root, or where the kernel has no tun devices.
    pub fn new(namespace: &Namespace, name: &str) -> Result<Self> {
        let end = namespace.enter(|| -> Result<File> {
            let end = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open("/dev/net/tun")
                .context("opening /dev/net/tun")?;
            let mut request = interface::request_for(name)?;
            request.ifr_ifru.ifru_flags = FLAGS;
            // SAFETY: TUNSETIFF reads and writes one `ifreq`, which is live.
            if unsafe { libc::ioctl(end.as_raw_fd(), SET_INTERFACE, &raw mut request) } < 0 {
                return Err(std::io::Error::last_os_error())
                    .with_context(|| format!("making the device {name}"));
            }
            Ok(end)
        })??;
        Ok(Self { end })
    }

    /// Has the device, which must be down, say that it is of another link type: `ARPHRD_…` in
    /// `include/uapi/linux/if_arp.h`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn pretend(&self, link_type: u16) -> Result<()> {
        let link_type = libc::c_ulong::from(link_type);
        // SAFETY: TUNSETLINK takes a number.
        if unsafe { libc::ioctl(self.end.as_raw_fd(), SET_LINK_TYPE, link_type) } < 0 {
            return Err(std::io::Error::last_os_error()).context("setting the link type of a tun device");
        }
        Ok(())
    }

    /// Has the host receive an IP packet by the device.
    ///
    /// # Errors
    /// If the device is down.
    pub fn send(&mut self, packet: &[u8]) -> Result<()> {
        self.end.write_all(packet).context("sending by a tun device")
    }

    /// The next packet that the host sends by the device and that is wanted; `None` if there is none in time.
    ///
    /// # Errors
    /// If the device cannot be read.
    pub fn receive(&mut self, patience: Duration, wanted: impl Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + patience;
        let mut packet = vec![0; 65_536];
        while Instant::now() < deadline {
            match self.end.read(&mut packet) {
                Ok(length) if wanted(&packet[..length]) => return Ok(Some(packet[..length].to_vec())),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error).context("reading from a tun device"),
            }
        }
        Ok(None)
    }
}
