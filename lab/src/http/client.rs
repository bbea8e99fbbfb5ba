//! Customers: each request on a connection of its own, the next one when the last is answered.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, setsockopt, socket,
    sockopt,
};

use crate::namespace::Namespace;

/// Who visits, and how eagerly.
#[derive(Clone, Debug)]
pub struct Visits {
    /// The service.
    pub target: SocketAddr,
    /// Addresses the visits come from, in turn; all must stand in the client's namespace. Empty
    /// leaves the choice to the kernel.
    pub sources: Vec<IpAddr>,
    /// Visits at the same time, a thread each.
    pub at_once: usize,
    /// Rest between an answer and the next request.
    pub pause: Duration,
    /// A visit that takes longer has failed.
    pub patience: Duration,
}

/// What happened since the last look.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// How long it was.
    pub span: Duration,
    /// Time of each answered request from the first packet to the last, ascending.
    pub latencies: Vec<Duration>,
    /// Requests that were refused, broke off or took too long.
    pub failed: u64,
}

/// A running client; stops when dropped.
#[derive(Debug)]
pub struct Client {
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    since: Instant,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Tally {
    latencies: Vec<Duration>,
    failed: u64,
}

impl Interval {
    /// Answered requests per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        // More than 2^52 requests do not happen.
        self.latencies.len() as f64 / self.span.as_secs_f64().max(1e-9)
    }

    /// The latency that so many of a hundred requests stayed within; nothing without answers.
    #[must_use]
    pub fn percentile(&self, of_hundred: usize) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        self.latencies.get((last * of_hundred).div_ceil(100).min(last)).copied()
    }
}

impl Client {
    /// Starts visiting from inside `namespace`.
    ///
    /// # Errors
    /// When the threads cannot be started there. A service that does not answer is no error.
    pub fn start(namespace: &Namespace, visits: &Visits) -> Result<Self> {
        let mut client = Self {
            stop: Arc::default(),
            tally: Arc::default(),
            since: Instant::now(),
            threads: Vec::with_capacity(visits.at_once),
        };
        let turn = Arc::new(AtomicUsize::new(0));
        for number in 0..visits.at_once {
            let (stop, tally, turn) =
                (Arc::clone(&client.stop), Arc::clone(&client.tally), Arc::clone(&turn));
            let visits = visits.clone();
            let thread = namespace
                .spawn(&format!("customer-{number}"), move || keep_visiting(&visits, &stop, &tally, &turn))?;
            client.threads.push(thread);
        }
        Ok(client)
    }

    /// Takes what has been counted since the last call.
    pub fn interval(&mut self) -> Interval {
        let tally = {
            // A customer that panicked in the middle of counting loses one count at most.
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tally)
        };
        let now = Instant::now();
        let span = now.duration_since(self.since);
        self.since = now;
        let mut latencies = tally.latencies;
        latencies.sort_unstable();
        Interval { span, latencies, failed: tally.failed }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A customer that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn keep_visiting(visits: &Visits, stop: &AtomicBool, tally: &Mutex<Tally>, turn: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let source = visits.sources.get(turn % visits.sources.len().max(1)).copied();
        let start = Instant::now();
        let outcome = visit(visits.target, source, visits.patience);
        {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(()) => tally.latencies.push(start.elapsed()),
                Err(_) => tally.failed += 1,
            }
        }
        // A refusal comes back at once; without a rest it would be asked for again at full speed.
        thread::sleep(if outcome.is_ok() {
            visits.pause
        } else {
            visits.pause.max(Duration::from_millis(10))
        });
    }
}

/// One visit: connect, ask, read the answer, ask once more over the same connection as browsers do, and read to the end.
///
/// # Errors
/// When any of it fails or `patience` ends.
fn visit(target: SocketAddr, source: Option<IpAddr>, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    let mut stream = reach(target, source, patience)?;
    let left = deadline.saturating_duration_since(Instant::now());
    // Zero would mean for ever.
    let left = Some(left.max(Duration::from_millis(1)));
    stream.set_read_timeout(left).context("setting a timeout")?;
    stream.set_write_timeout(left).context("setting a timeout")?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n").context("asking")?;
    let mut answer = Vec::with_capacity(1024);
    while !is_whole(&answer) {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).context("reading the answer")?;
        anyhow::ensure!(read > 0, "the answer broke off");
        answer.extend(&chunk[..read]);
    }
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the answer is no 200");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n").context("asking again")?;
    answer.clear();
    stream.read_to_end(&mut answer).context("reading the second answer")?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the second answer is no 200");
    Ok(())
}

/// Whether an answer is there with all of the content that its head announces.
fn is_whole(answer: &[u8]) -> bool {
    const END: &str = "\r\n\r\n";
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, content)) = text.split_once(END) else { return false };
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    content.len() >= announced.unwrap_or(0)
}

/// Connects from a given address within a given time; the standard library can do only one of the two.
fn reach(target: SocketAddr, source: Option<IpAddr>, patience: Duration) -> Result<TcpStream> {
    let family = if target.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, None).context("opening a socket")?;
    if let Some(source) = source {
        // The port is chosen at connect, when the target is known: the same one can serve many targets.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true).context("preparing to bind")?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)))
            .with_context(|| format!("binding to {source}"))?;
    }
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(target)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS) => wait_connected(&socket, patience)?,
        Err(error) => return Err(error).with_context(|| format!("connecting to {target}")),
    }
    // SAFETY: the descriptor is a connected TCP socket, and its owner gives it up here.
    let stream = unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) };
    stream.set_nonblocking(false).context("preparing the connection")?;
    Ok(stream)
}

fn wait_connected(socket: &OwnedFd, patience: Duration) -> Result<()> {
    let wait = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let ready =
        poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], wait).context("waiting to connect")?;
    anyhow::ensure!(ready > 0, "no answer to the SYN within {patience:?}");
    match getsockopt(socket, sockopt::SocketError).context("asking how the connect went")? {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)).context("connecting"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Capacity, Service};
    use crate::pair::{INSIDE_V4, OUTSIDE_V4, Pair};
    use crate::skip::{or_skip, require_root};

    fn visits(sources: Vec<IpAddr>) -> Visits {
        Visits {
            target: SocketAddr::new(INSIDE_V4.into(), 80),
            sources,
            at_once: 2,
            pause: Duration::from_millis(1),
            patience: Duration::from_millis(300),
        }
    }

    #[test]
    fn requests_are_answered_and_timed_from_every_source() {
        or_skip!(require_root());
        let lab = Pair::new("http").unwrap();
        let second = IpAddr::from([192, 0, 2, 2]);
        lab.outside.address("192.0.2.2/24").unwrap();
        let capacity = Capacity { workers: 2, backlog: 64 };
        let target = visits(Vec::new()).target;
        let service = Service::start(lab.inside.namespace(), target, capacity).unwrap();
        let mut client =
            Client::start(lab.outside.namespace(), &visits(vec![OUTSIDE_V4.into(), second])).unwrap();
        thread::sleep(Duration::from_millis(500));
        let interval = client.interval();
        assert!(interval.latencies.len() > 20 && interval.failed == 0, "{interval:?}");
        assert!(interval.percentile(50) <= interval.percentile(99));
        assert!(service.served() >= interval.latencies.len() as u64);
    }

    #[test]
    fn a_dead_service_is_counted_as_failures() {
        or_skip!(require_root());
        let lab = Pair::new("dead").unwrap();
        let mut client = Client::start(lab.outside.namespace(), &visits(Vec::new())).unwrap();
        thread::sleep(Duration::from_millis(200));
        let interval = client.interval();
        assert!(interval.latencies.is_empty() && interval.failed > 0, "{interval:?}");
        assert_eq!(interval.percentile(50), None);
    }
}
