//! Many frames at a bounded rate for a bounded time.

mod fingerprint;
mod patterns;
mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

pub use fingerprint::Fingerprint;
pub use patterns::{SpoofedSyn, SynFrom, Target, UdpFrom};
pub use replay::Replay;

use crate::link::Port;
use crate::wire::Sender;

/// No flood is faster, in packets per second: two such machines in a lab, not a weapon.
pub const FASTEST: u32 = 2_000_000;
/// No flood lasts longer.
pub const LONGEST: Duration = Duration::from_secs(300);
/// Frames per system call at high rates.
const BATCH: usize = 64;

/// A stream of frames without end.
pub trait Pattern: Send {
    /// Puts the next frame into `frame`, whatever it holds: often the frame before the last few, so
    /// that only what differs needs to be written.
    fn next_into(&mut self, frame: &mut Vec<u8>);

    /// The next `count` frames, for sending by hand.
    fn frames(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut frames = vec![Vec::new(); count];
        for frame in &mut frames {
            self.next_into(frame);
        }
        frames
    }
}

impl<P: Pattern + ?Sized> Pattern for Box<P> {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        (**self).next_into(frame);
    }
}

/// How fast and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Packets per second, at most [`FASTEST`].
    pub rate: u32,
    /// At most [`LONGEST`].
    pub duration: Duration,
}

/// A flood under way; stops when dropped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Flood {
    /// Starts sending the pattern's frames out of a port.
    ///
    /// # Errors
    /// When the bounds are none, or the port cannot be opened.
    pub fn start(port: &Port, pattern: impl Pattern + 'static, bounds: Bounds) -> Result<Self> {
        ensure!(
            (1..=FASTEST).contains(&bounds.rate),
            "a flood's rate must be 1 to {FASTEST} packets/s, not {}",
            bounds.rate
        );
        ensure!(bounds.duration <= LONGEST, "a flood may last {LONGEST:?}, not {:?}", bounds.duration);
        let sender = Sender::open(port.namespace(), port.name())?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            thread::Builder::new()
                .name("flood".to_owned())
                .spawn(move || run(&sender, pattern, bounds, &stop, &sent))
                .context("starting the thread of a flood")?
        };
        Ok(Self { stop, sent, thread: Some(thread) })
    }

    /// Packets the interface has taken so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Stops it, and returns the packets sent.
    ///
    /// # Errors
    /// When it had failed on the way.
    pub fn stop(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until its time is over, and returns the packets sent.
    ///
    /// # Errors
    /// When it failed on the way.
    pub fn wait(mut self) -> Result<u64> {
        self.join()
    }

    fn join(&mut self) -> Result<u64> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome.map(|()| self.sent()),
            Some(Err(_)) => bail!("the thread of a flood panicked"),
            None => Ok(self.sent()),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever wants the outcome asks `stop` or `wait` for it.
        let _ = self.join();
    }
}

/// Sends as many frames as are due, sleeps until more are, never catches up more than one batch:
/// a flood that was held up goes on at its rate and not above.
fn run(
    sender: &Sender,
    mut pattern: impl Pattern,
    bounds: Bounds,
    stop: &AtomicBool,
    sent: &AtomicU64,
) -> Result<()> {
    let per_second = f64::from(bounds.rate);
    // About a hundred batches a second when slow, full ones when fast.
    let batch = (usize::try_from(bounds.rate)? / 100).clamp(1, BATCH);
    let mut frames = vec![Vec::new(); batch];
    let mut step = Duration::from_secs_f64(batch as f64 / per_second);
    step = step.max(Duration::from_nanos(1));
    let start = Instant::now();
    let mut due = start;
    while !stop.load(Ordering::Relaxed) && start.elapsed() < bounds.duration {
        let now = Instant::now();
        if now < due {
            thread::sleep((due - now).min(Duration::from_millis(50)));
            continue;
        }
        due = (due + step).max(now.checked_sub(step).unwrap_or(now));
        for frame in &mut frames {
            pattern.next_into(frame);
        }
        let taken = sender.send_batch(&frames)?;
        sent.fetch_add(taken as u64, Ordering::Relaxed);
    }
    Ok(())
}
