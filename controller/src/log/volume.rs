//! How many bytes may be logged, of whatever kind.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use super::Clock;

/// Bytes that may come at once, and bytes per second after that: less than a MiB in any minute.
const BURST: u64 = 512 << 10;
const PER_SECOND: u64 = 8 << 10;

/// Passes on what is written, as long as it is not too much.
#[derive(Clone)]
pub(super) struct Volume<M> {
    inner: M,
    clock: Clock,
    room: Arc<Mutex<Room>>,
}

/// What is left of the bytes that may be logged.
pub(super) struct Room {
    bytes: u64,
    counted: Duration,
    left_out: u64,
}

impl<M> Volume<M> {
    pub(super) fn new(inner: M, clock: Clock) -> Self {
        let room = Room::new(clock());
        Self { inner, clock, room: Arc::new(Mutex::new(room)) }
    }
}

impl Room {
    /// All of it, at this time.
    pub(super) fn new(now: Duration) -> Self {
        Self { bytes: BURST, counted: now, left_out: 0 }
    }

    /// Takes room for so many bytes; returns how many lines had none since the last one that had.
    pub(super) fn take(&mut self, bytes: u64, now: Duration) -> Option<u64> {
        let gained = now.saturating_sub(self.counted).as_millis() * u128::from(PER_SECOND) / 1_000;
        if gained > 0 {
            self.bytes = self.bytes.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX)).min(BURST);
            self.counted = now;
        }
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Volume<M> {
    type Writer = Bounded<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Bounded {
            inner: self.inner.make_writer(),
            clock: Arc::clone(&self.clock),
            room: Arc::clone(&self.room),
        }
    }
}

/// Writes a line, if there is room for it.
pub(super) struct Bounded<W> {
    inner: W,
    clock: Clock,
    room: Arc<Mutex<Room>>,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The room is not held while the line is written: that may take long.
        let taken = self.room.lock().take(line.len() as u64, (self.clock)());
        match taken {
            None => return Ok(line.len()),
            Some(0) => {}
            Some(left_out) => {
                writeln!(self.inner, "{left_out} lines were left out, as too much was logged in all")?;
            }
        }
        self.inner.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_mebibyte_a_minute_whatever_comes() {
        let mut room = Room::new(Duration::ZERO);
        let (mut written, mut refused, mut told) = (0, 0, 0);
        for number in 0..60_000_u64 {
            match room.take(1_000, Duration::from_millis(number)) {
                Some(left_out) => {
                    written += 1_000;
                    told += left_out;
                }
                None => refused += 1,
            }
        }
        assert!((900 << 10..1 << 20).contains(&written), "{written}");
        assert_eq!(told + room.left_out, refused);
    }
}
