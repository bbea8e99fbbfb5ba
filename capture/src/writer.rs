//! Writing captures: classic pcap in nanoseconds.

use std::io::{self, Write};

use crate::{MAX_CAPTURED, NANOSECONDS};

/// Writes Ethernet frames as a classic capture in nanoseconds.
pub struct Writer<W: Write> {
    sink: W,
}

impl<W: Write> Writer<W> {
    /// Starts a capture.
    ///
    /// # Errors
    /// When the sink refuses the header.
    pub fn new(mut sink: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend(0xa1b2_3c4d_u32.to_le_bytes());
        header.extend([2, 0, 4, 0]);
        header.extend([0; 8]);
        header.extend(MAX_CAPTURED.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        sink.write_all(&header)?;
        Ok(Self { sink })
    }

    /// Adds a frame seen at so many nanoseconds since 1970.
    ///
    /// # Errors
    /// When the sink refuses, or the time does not fit (after 2106).
    pub fn frame(&mut self, nanoseconds: u64, bytes: &[u8]) -> io::Result<()> {
        let seconds = fit(nanoseconds / NANOSECONDS, "a capture's time must be before 2106")?;
        let fraction = fit(nanoseconds % NANOSECONDS, "a fraction of a second fits")?;
        let length = fit(bytes.len() as u64, "a frame of 4 GiB is none")?;
        for word in [seconds, fraction, length, length] {
            self.sink.write_all(&word.to_le_bytes())?;
        }
        self.sink.write_all(bytes)
    }

    /// Flushes and gives the sink back.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}

fn fit(number: u64, otherwise: &'static str) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, otherwise))
}
