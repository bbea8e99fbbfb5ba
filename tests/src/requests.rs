//! What tests of rules send, and wait for.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{frame::Frame, pair::INSIDE_V4};
use socket2::{Domain, Socket, Type};

use crate::protected::{PATIENCE, Protected, SILENCE};

/// What the host's IPv6 address is.
pub const INSIDE_V6: &str = "2001:db8:5::10";

/// A SYN to port 80 from an address of either family.
pub fn syn(host: &Protected, source: &str, port: u16) -> Vec<u8> {
    if source.contains(':') {
        return Frame::ipv6(source, INSIDE_V6)
            .between(&host.lab.outside, &host.lab.inside)
            .tcp(port, 80)
            .syn()
            .build();
    }
    host.from(source).tcp(port, 80).syn().build()
}

/// How many of these frames get past the filter.
pub fn passing(host: &Protected, frames: &[Vec<u8>]) -> anyhow::Result<usize> {
    host.receiver.clear()?;
    host.sender.send_batch(frames)?;
    Ok(host.receiver.collect(frames.len(), SILENCE, |seen| frames.iter().any(|frame| frame == seen))?.len())
}

/// Has addresses outside become known: from each a connection is opened to port 80, in which both ends speak.
pub fn converse(host: &Protected, clients: &[String]) -> anyhow::Result<()> {
    for client in clients {
        let length = if client.contains(':') { 128 } else { 32 };
        host.lab.outside.address(&format!("{client}/{length}"))?;
    }
    converse_from(host, clients)
}

/// Likewise, from addresses that are there already.
pub fn converse_from(host: &Protected, clients: &[String]) -> anyhow::Result<()> {
    let listener = host.lab.inside.namespace().enter(|| TcpListener::bind("[::]:80"))??;
    for client in clients {
        let client: IpAddr = client.parse()?;
        let to = if client.is_ipv4() { INSIDE_V4.into() } else { INSIDE_V6.parse()? };
        let connect = || connect(client, SocketAddr::new(to, 80));
        let connection = host.lab.outside.namespace().enter(connect)?;
        let mut connection = connection.with_context(|| format!("connecting from {client}"))?;
        let (mut accepted, _) = listener.accept()?;
        let mut byte = [0];
        for _ in 0..3 {
            connection.write_all(b"x")?;
            accepted.read_exact(&mut byte)?;
            accepted.write_all(&byte)?;
            connection.read_exact(&mut byte)?;
        }
    }
    Ok(())
}

/// Has addresses outside show that they are there, as nobody is banned whose packets may be forged; what that has taken
/// of the limits of a few a second has come back then.
pub fn prove(host: &Protected, clients: &[&str]) -> anyhow::Result<()> {
    converse(host, &clients.iter().copied().map(str::to_owned).collect::<Vec<_>>())?;
    thread::sleep(Duration::from_millis(1_200));
    Ok(())
}

fn connect(from: IpAddr, to: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        anyhow::ensure!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
