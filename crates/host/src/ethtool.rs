//! Counters of network drivers: what `ethtool -S` shows.
//!
//! The kernel answers it by an ioctl alone; its netlink family has the few standard ones only
//! (Documentation/networking/statistics.rst).

use std::{
    io, mem,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Commands of `linux/ethtool.h`.
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSTATS: u32 = 0x1d;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
/// The set of strings that names counters.
const ETH_SS_STATS: u32 = 1;
/// Bytes of a name.
const ETH_GSTRING_LEN: usize = 32;
/// Counters that a driver may get more in a moment, beside four times as many.
const SPARE: usize = 1_024;
/// The ioctl that all of it goes by (`linux/sockios.h`).
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// More counters than any driver has: the largest have some ten for each of a thousand queues.
const MOST: u32 = 65_536;

/// Asks drivers for their counters.
#[derive(Debug)]
pub(super) struct Ethtool(OwnedFd);

/// `struct ethtool_sset_info` with room for one set.
#[repr(C)]
struct SetInfo {
    command: u32,
    reserved: u32,
    mask: u64,
    length: u32,
    padding: u32,
}

impl Ethtool {
    /// For the interfaces of this network namespace.
    ///
    /// # Errors
    ///
    /// If there is no socket to be had.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?))
    }

    /// Names and values of an interface's counters; empty if its driver has none.
    ///
    /// # Errors
    ///
    /// If there is no such interface.
    pub(super) fn counters(&self, interface: &str) -> io::Result<Vec<(String, u64)>> {
        let mut info = SetInfo {
            command: ETHTOOL_GSSET_INFO,
            reserved: 0,
            mask: 1 << ETH_SS_STATS,
            length: 0,
            padding: 0,
        };
        // SAFETY: the kernel writes a mask and as many lengths as the mask has bits, which is one.
        let asked = unsafe { self.ask(interface, (&raw mut info).cast()) };
        match asked {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
            other => other?,
        }
        if info.mask == 0 || info.length == 0 || info.length > MOST {
            return Ok(Vec::new());
        }
        let count = info.length as usize;
        // A driver may get more queues between two calls, and older kernels write all there are, whatever the caller has
        // room for.
        let room = 4 * count + SPARE;
        // `struct ethtool_gstrings`: command, set, length, and the names behind.
        let mut names = vec![0_u8; 12 + room * ETH_GSTRING_LEN];
        names[..4].copy_from_slice(&ETHTOOL_GSTRINGS.to_ne_bytes());
        names[4..8].copy_from_slice(&ETH_SS_STATS.to_ne_bytes());
        names[8..12].copy_from_slice(&info.length.to_ne_bytes());
        // SAFETY: the kernel writes as many names as the driver has counters; there is room for four times as many as it had a
        // moment ago.
        unsafe { self.ask(interface, names.as_mut_ptr().cast())? };
        // `struct ethtool_stats`: command, number, and the values behind.
        let mut values = vec![0_u64; 1 + room];
        values[0] = u64::from_ne_bytes(header(ETHTOOL_GSTATS, info.length));
        // SAFETY: as above.
        unsafe { self.ask(interface, values.as_mut_ptr().cast())? };
        let names = names[12..].chunks_exact(ETH_GSTRING_LEN).take(count).map(|name| {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            String::from_utf8_lossy(&name[..end]).trim().to_owned()
        });
        Ok(names.zip(values.into_iter().skip(1)).collect())
    }

    /// # Safety
    ///
    /// What is asked must have room for what the kernel answers.
    unsafe fn ask(&self, interface: &str, asked: *mut libc::c_char) -> io::Result<()> {
        // SAFETY: all zeros are a name of no interface, and no pointer.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        if interface.len() >= request.ifr_name.len() || interface.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *place = byte.cast_signed();
        }
        request.ifr_ifru.ifru_data = asked;
        // SAFETY: the request names an interface and points to what the caller has room for.
        let outcome = unsafe { libc::ioctl(self.0.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Two words as they lie in memory.
fn header(first: u32, second: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_without_counters_has_none_and_no_interface_is_an_error() {
        let ethtool = Ethtool::open().unwrap();
        assert_eq!(ethtool.counters("lo").unwrap(), []);
        assert_eq!(ethtool.counters("nothing-here").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        for name in ["", "a-name-that-is-too-long-for-one"] {
            assert_eq!(ethtool.counters(name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
