//! Bots whose connections come to nothing, live: they are noticed and get no new ones, and customers do.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::{or_skip, pair::INSIDE_V4, skip::require_root};
use floodwall_tests::{
    protected::{PATIENCE, Protected},
    requests::wait_for,
};
use socket2::{Domain, Socket, Type};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const BOTS: u8 = 150;
const SECONDS: u32 = 12;
const SERVICE: (Ipv4Addr, u16) = (INSIDE_V4, 80);

#[test]
fn bots_that_ask_for_nothing_are_refused_and_customers_are_not() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("fruitless", BINARY)?;
    let (outside, inside) = (host.lab.outside.namespace(), host.lab.inside.namespace());
    outside.ip("-4 route add local 10.9.0.0/16 dev lo")?;
    let listener = inside.enter(|| TcpListener::bind("0.0.0.0:80"))??;
    let ending = Arc::new(AtomicBool::new(false));
    let server = serve(listener, Arc::clone(&ending));

    let mut admitted = Vec::new();
    for second in 0..SECONDS {
        let start = Instant::now();
        admitted.push(outside.enter(connect_bots)??);
        // One that came before, and one that has never been here.
        for customer in [Ipv4Addr::new(10, 9, 1, 1), Ipv4Addr::new(10, 9, 2, second as u8 + 1)] {
            let answered = outside.enter(|| ask(customer.into()))?;
            assert!(answered.is_ok(), "{customer} in second {second}: {answered:?}; {}", host.log());
        }
        thread::sleep(Duration::from_secs(1).saturating_sub(start.elapsed()));
    }
    let bots = usize::from(BOTS);
    // The server's queue has room for 128 at once. It is noticed in the second round at the earliest, and in the midst of it.
    assert!(admitted[0] >= bots * 3 / 4 && admitted[1] >= bots / 2, "in peace: {admitted:?}");
    assert!(admitted[8..].iter().all(|count| *count <= bots / 20), "{admitted:?}: {}", host.log());
    assert!(host.count("fruitless")? > u64::from(BOTS), "{admitted:?}");
    let log = host.log();
    assert!(log.contains("of sources whose connections come to nothing, where"), "{log}");
    assert!(log.contains("are refused to sources whose connections come to nothing"), "{log}");
    wait_for("it ends with them", || Ok(host.log().contains("are not refused to anybody any more")))?;

    ending.store(true, Ordering::Relaxed);
    server.join().map_err(|_| anyhow::anyhow!("the server has failed"))?;
    Ok(())
}

/// Answers who sends something; who does not is let go after a while.
fn serve(listener: TcpListener, ending: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while !ending.load(Ordering::Relaxed) {
            listener.set_nonblocking(true).expect("it is a socket");
            let Ok((mut connection, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            thread::spawn(move || {
                let mut byte = [0];
                connection.set_nonblocking(false).expect("it is a socket");
                connection.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
                while connection.read(&mut byte).is_ok_and(|read| read == 1) {
                    if connection.write_all(&byte).is_err() {
                        break;
                    }
                }
            });
        }
    })
}

/// Has each bot connect, and leave; tells how many were let in.
fn connect_bots() -> std::io::Result<usize> {
    let connect = |number: u8| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(10, 9, 0, number), 0)).into())?;
        socket.set_nonblocking(true)?;
        match socket.connect(&SocketAddr::from(SERVICE).into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(socket),
        }
    };
    let sockets = (1..=BOTS).map(connect).collect::<std::io::Result<Vec<_>>>()?;
    thread::sleep(Duration::from_millis(300));
    Ok(sockets.iter().filter(|socket| socket.peer_addr().is_ok()).count())
}

/// Has a customer connect, ask, and be answered.
fn ask(customer: IpAddr) -> std::io::Result<()> {
    let mut socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(customer, 0).into())?;
    socket.connect_timeout(&SocketAddr::from(SERVICE).into(), PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(b"x")?;
    let mut byte = [0];
    socket.read_exact(&mut byte)?;
    socket.write_all(b"y")?;
    socket.read_exact(&mut byte)
}
