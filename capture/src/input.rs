//! Bytes of a capture, decompressed as they come, and counted.

use std::{
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

use crate::Fault;

const BUFFER: usize = 256 << 10;
/// First bytes of a gzip stream (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// First bytes of a zstd frame (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A stream of bytes that knows how far it has come.
pub(crate) struct Input {
    inner: Box<dyn BufRead + Send>,
    /// Bytes given out.
    pub(crate) offset: u64,
    /// Bytes taken from the source, as they are stored.
    stored: Arc<AtomicU64>,
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Input {
    /// Compression is recognised by content.
    pub(crate) fn new(source: impl Read + Send + 'static) -> io::Result<Self> {
        let stored = Arc::new(AtomicU64::new(0));
        let mut counted = Counted { inner: source, read: Arc::clone(&stored) };
        // A pipe may give the first bytes one by one.
        let mut start = Vec::with_capacity(ZSTD.len());
        counted.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
        let (gzip, zstd) = (start.starts_with(&GZIP), start == ZSTD);
        let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(start).chain(counted));
        let inner: Box<dyn BufRead + Send> = if gzip {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole)))
        } else if zstd {
            Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(whole)?))
        } else {
            Box::new(whole)
        };
        Ok(Self { inner, offset: 0, stored })
    }

    /// Bytes taken from the source so far, as they are stored: compressed if they are.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Fills the buffer; says `false`, and leaves it as it is, if there is nothing more at all.
    pub(crate) fn fill_or_end(&mut self, buffer: &mut [u8], what: &'static str) -> Result<bool, Fault> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.inner.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(Fault::Cut(what)),
                Ok(more) => {
                    filled += more;
                    self.offset += more as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Fills the buffer.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], what: &'static str) -> Result<(), Fault> {
        if buffer.is_empty() || self.fill_or_end(buffer, what)? { Ok(()) } else { Err(Fault::Cut(what)) }
    }

    /// Passes over so many bytes.
    pub(crate) fn skip(&mut self, bytes: u64, what: &'static str) -> Result<(), Fault> {
        let skipped = io::copy(&mut self.inner.by_ref().take(bytes), &mut io::sink())?;
        self.offset += skipped;
        if skipped == bytes { Ok(()) } else { Err(Fault::Cut(what)) }
    }
}

/// The order of bytes in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16 bits at `at`, which the buffer must hold.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let word = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(word),
            Self::Big => u16::from_be_bytes(word),
        }
    }

    /// The 32 bits at `at`, which the buffer must hold.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(word),
            Self::Big => u32::from_be_bytes(word),
        }
    }

    /// The 64 bits at `at`, which the buffer must hold.
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let (first, second) = (u64::from(self.u32(bytes, at)), u64::from(self.u32(bytes, at + 4)));
        match self {
            Self::Little => second << 32 | first,
            Self::Big => first << 32 | second,
        }
    }
}
