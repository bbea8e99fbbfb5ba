//! An HTTP/1.1 service of bounded capacity.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

use crate::namespace::Namespace;

/// How often an idle worker looks whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A client that says nothing for so long is hung up on.
const PATIENCE: Duration = Duration::from_secs(2);
/// A request's head is no longer, or it is none.
const LONGEST_HEAD: usize = 8192;

const PAGE: &str = "<!doctype html><title>open</title><p>The service is up.</p>\n";

/// What the service can hold at once.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Connections served at the same time, a thread each.
    pub workers: usize,
    /// Connections the kernel keeps waiting (`listen(2)`); without SYN cookies also bounds those
    /// that are half open.
    pub backlog: u16,
}

/// A running service; stops when dropped.
#[derive(Debug)]
pub struct Service {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    workers: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts serving at `address` inside `namespace`.
    ///
    /// # Errors
    /// When the address is not there or taken.
    pub fn start(namespace: &Namespace, address: SocketAddr, capacity: Capacity) -> Result<Self> {
        let listener = namespace
            .enter(|| TcpListener::bind(address))?
            .with_context(|| format!("listening on {address} in namespace {}", namespace.name()))?;
        let backlog = Backlog::new(i32::from(capacity.backlog)).context("a listen backlog must fit")?;
        // Listening again only changes the backlog.
        listen(&listener, backlog).with_context(|| format!("setting the backlog of {address}"))?;
        let micros = i64::try_from(LOOK_UP.as_micros()).context("a timeout must fit")?;
        setsockopt(&listener, ReceiveTimeout, &TimeVal::new(0, micros))
            .with_context(|| format!("setting the timeout of {address}"))?;

        let listener = Arc::new(listener);
        let mut service = Self {
            stop: Arc::default(),
            served: Arc::default(),
            workers: Vec::with_capacity(capacity.workers),
        };
        for number in 0..capacity.workers {
            let (listener, stop, served) =
                (Arc::clone(&listener), Arc::clone(&service.stop), Arc::clone(&service.served));
            let worker = std::thread::Builder::new()
                .name(format!("http-{number}"))
                .spawn(move || work(&listener, &stop, &served))
                .with_context(|| format!("starting worker {number} of the service at {address}"))?;
            service.workers.push(worker);
        }
        Ok(service)
    }

    /// Requests answered so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
    }
}

fn work(listener: &TcpListener, stop: &AtomicBool, served: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        // Timeouts, resets before the accept and shortages all end in looking again.
        let Ok((mut stream, _)) = listener.accept() else { continue };
        // Who breaks off, or says nothing for too long, gets no further answer.
        while let Ok(goes_on) = answer(&mut stream) {
            served.fetch_add(1, Ordering::Relaxed);
            if !goes_on {
                break;
            }
        }
    }
}

/// Answers one request; says whether the connection goes on after it.
fn answer(stream: &mut TcpStream) -> io::Result<bool> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::with_capacity(512);
    let mut chunk = [0; 512];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut chunk)?;
        if read == 0 || head.len() + read > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend(&chunk[..read]);
    }
    let status = if head.starts_with(b"GET ") { "200 OK" } else { "405 Method Not Allowed" };
    let length = PAGE.len();
    let closes = String::from_utf8_lossy(&head).to_ascii_lowercase().contains("\r\nconnection: close\r\n");
    let connection = if closes { "close" } else { "keep-alive" };
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: {connection}\r\n\r\n{PAGE}"
    );
    stream.write_all(page.as_bytes())?;
    Ok(!closes)
}
