//! A blocked source that sends without a pause, and whoever counts what of it gets through.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use floodwall_lab::{namespace::Namespace, wire::Sender};

use crate::protected::{PATIENCE, Protected};

/// Who is blocked.
pub const BLOCKED: &str = "203.0.113.7";
/// Where somebody listens for it.
const PORT: u16 = 9_009;
/// About 1,000 packets/s.
const PAUSE: Duration = Duration::from_millis(1);
/// How soon an interface is to be filtered again: most of the time, as [`median`] has it of several.
pub const SOON: Duration = Duration::from_secs(1);
/// And at the latest, on a machine that is busy.
const LATE: Duration = Duration::from_millis(2_500);

/// Sends from a blocked source from now on, until it is dropped; each packet says when it was sent.
pub struct Blocked {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    began: Instant,
    stop: AtomicBool,
    /// `None` while there is no cable.
    sender: Mutex<Option<Sender>>,
    sent: AtomicU64,
    /// When those were sent that got through.
    arrived: Mutex<Vec<Duration>>,
}

impl Blocked {
    /// Blocks the source, and has it begin. That its packets would arrive is made sure of before.
    ///
    /// # Errors
    ///
    /// If what is not blocked does not arrive.
    pub fn start(host: &Protected) -> anyhow::Result<Self> {
        let inside = host.lab.inside.namespace();
        let socket = inside.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let sender = Sender::open(host.lab.outside.namespace(), host.lab.outside.name())?;
        let shared = Arc::new(Shared {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            sender: Mutex::new(Some(sender)),
            sent: AtomicU64::new(0),
            arrived: Mutex::new(Vec::new()),
        });
        let frame = host.from(BLOCKED).udp(40_000, PORT).payload(&[0; 8]).build();
        let threads = vec![
            thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.send(frame)
            }),
            thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.receive(&socket)
            }),
        ];
        let blocked = Self { shared, threads };
        let deadline = Instant::now() + PATIENCE;
        while blocked.arrived().is_empty() {
            if Instant::now() > deadline {
                bail!("what is not blocked yet does not arrive");
            }
            thread::sleep(Duration::from_millis(5));
        }
        host.ok(&["block", "add", BLOCKED])?;
        Ok(blocked)
    }

    /// The other end of the cable is another one from now on.
    ///
    /// # Errors
    ///
    /// If there is no such interface.
    pub fn send_by(&self, namespace: &Namespace, name: &str) -> anyhow::Result<()> {
        let sender = Sender::open(namespace, name)?;
        *self.shared.sender.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(())
    }

    /// Waits until `status` says that all is filtered, which it must do within moments, and holds it to that: of what is
    /// sent from then on nothing gets through. Returns how long it took to say so.
    ///
    /// # Errors
    ///
    /// If it does not say so for long, or something gets through though it says so, or nothing was sent.
    pub fn green_means_filtered(&self, host: &Protected) -> anyhow::Result<Duration> {
        let since = Instant::now();
        let (green, took) = loop {
            let output = host.run(&["status"])?;
            if output.status.success() {
                break (self.shared.began.elapsed(), since.elapsed());
            }
            if since.elapsed() > LATE {
                let said = String::from_utf8_lossy(&output.stdout);
                bail!("it is not filtered within {LATE:?}: {said}\n{}", host.log());
            }
            thread::sleep(Duration::from_millis(10));
        };
        let before = self.shared.sent.load(Ordering::Relaxed);
        let sent = || self.shared.sent.load(Ordering::Relaxed) - before;
        let since = Instant::now();
        // A machine that is busy takes its time.
        while since.elapsed() < Duration::from_millis(700) || sent() < 100 && since.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let sent = sent();
        anyhow::ensure!(sent >= 100, "only {sent} packets were sent");
        let arrived = self.arrived();
        let leaked = arrived.iter().filter(|at| **at >= green).count();
        anyhow::ensure!(leaked == 0, "{leaked} of {sent} blocked packets got through while status was green");
        Ok(took)
    }

    fn arrived(&self) -> Vec<Duration> {
        self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn send(&self, mut frame: Vec<u8>) {
        let text = frame.len() - 8;
        while !self.stop.load(Ordering::Relaxed) {
            let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            frame[text..].copy_from_slice(&now.to_be_bytes());
            // No checksum (RFC 768), as the text is another one each time.
            frame[text - 2..text].fill(0);
            let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            // While there is no cable, nothing can be sent.
            if sender.as_ref().is_some_and(|sender| sender.send(&frame).is_ok()) {
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
            drop(sender);
            thread::sleep(PAUSE);
        }
    }

    fn receive(&self, socket: &UdpSocket) {
        let mut text = [0; 8];
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok(8) = socket.recv(&mut text) {
                let sent = Duration::from_nanos(u64::from_be_bytes(text));
                self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
            }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that has panicked has counted nothing, which the test has noticed.
            drop(thread.join());
        }
    }
}

/// The median of these; the greater of two in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Makes the cable anew, with the addresses that it had.
///
/// # Errors
///
/// If ip(8) refuses.
pub fn rewire(host: &Protected) -> anyhow::Result<()> {
    use floodwall_lab::link::veth;
    let (outside, inside) = (&host.lab.outside, &host.lab.inside);
    veth(outside.namespace(), outside.name(), inside.namespace(), inside.name())
        .context("making the cable anew")?;
    readdress(host)
}

/// Gives both ends of the cable the addresses and neighbours that they had.
///
/// # Errors
///
/// If ip(8) refuses.
pub fn readdress(host: &Protected) -> anyhow::Result<()> {
    use floodwall_lab::pair::{INSIDE_V4, OUTSIDE_V4};
    let (outside, inside) = (&host.lab.outside, &host.lab.inside);
    inside.namespace().ip(&format!("link set {} up", inside.name()))?;
    inside.namespace().ip(&format!("address replace {INSIDE_V4}/24 dev {}", inside.name()))?;
    outside.namespace().ip(&format!("address replace {OUTSIDE_V4}/24 dev {}", outside.name()))?;
    outside.neighbour(INSIDE_V4.into(), inside.mac())?;
    inside.neighbour(OUTSIDE_V4.into(), outside.mac())?;
    inside.route("default", OUTSIDE_V4.into())
}
