//! Sockets as `/proc/net` lists them, all of them: for kernels that list none over netlink.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{Socket, State};

/// Shows `take` the sockets of both families that are in one of some states, until it wants no more.
pub(super) fn each(udp: bool, states: &[State], mut take: impl FnMut(Socket) -> bool) -> io::Result<()> {
    let names = if udp { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    for name in names {
        match fs::read_to_string(format!("/proc/thread-self/net/{name}")) {
            Ok(text) => {
                let all = text.lines().skip(1).filter_map(read);
                if !all.filter(|socket| states.contains(&socket.state)).all(&mut take) {
                    break;
                }
            }
            // IPv6 may be switched off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `0: 0A0200C0:0016 0700333A:C350 01 … UID TIMEOUT INODE`: both ends, the state, and the inode of a socket.
fn read(line: &str) -> Option<Socket> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, peer, state, _, _, _, _, _, inode, ..] = fields[..] else { return None };
    Some(Socket {
        state: State::of(u8::from_str_radix(state, 16).ok()?)?,
        local: end(local)?,
        peer: end(peer)?,
        inode: inode.parse().ok()?,
    })
}

fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    Some(SocketAddr::new(address_of(address)?.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

/// An address as the kernel prints it: words of 32 bits in host order, whose bytes are in network order.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for (at, place) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *place = word(at)?;
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(local: &str, peer: &str, state: &str) -> String {
        format!(
            "3: {local} {peer} {state} 00000000:00000000 02:000A7D3A 00000000     0        0 4711 2 0 20 4"
        )
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn both_ends_are_read() {
        let socket = read(&line("0A0200C0:0016", "076433C6:C350", "01")).unwrap();
        let ends = ["192.0.2.10:22", "198.51.100.7:50000"].map(|end| end.parse::<SocketAddr>().unwrap());
        assert_eq!(
            ([socket.local, socket.peer], socket.state, socket.inode),
            (ends, State::Established, 4_711)
        );
        let six = "B80D0120000000000000000001000000:01BB";
        let none = "00000000000000000000000000000000:0000";
        let socket = read(&line(six, none, "0A")).unwrap();
        assert_eq!((socket.local, socket.state), ("[2001:db8::1]:443".parse().unwrap(), State::Listen));
        let mapped = "0000000000000000FFFF00000A0200C0:0050";
        assert_eq!(read(&line(mapped, none, "0A")).unwrap().local, "192.0.2.10:80".parse().unwrap());
        for other in [line("0A0200C0:0016", "076433C6:C350", "06"), line("0A02:0016", none, "0A"), "x".into()]
        {
            assert_eq!(read(&other), None, "{other}");
        }
    }
}
