//! Captures: classic pcap (both byte orders, micro- and nanoseconds) and pcapng, plain or gzipped.
//!
//! Reading rests on `pcap-parser`; this wraps it so that a caller sees records and nothing of
//! sections, interfaces and refills. Writing is classic pcap in nanoseconds, for what a test wants to
//! look at afterwards.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::read::MultiGzDecoder;
use pcap_parser::pcapng::Block;
use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator};
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};

/// Room for the reader; a block that does not fit is no packet of any network.
const BUFFER: usize = 1 << 20;
/// First two bytes of a gzip stream (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
const NANOSECONDS: u64 = 1_000_000_000;

/// What a record's bytes start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header.
    RawIp,
    /// The 16-byte header of a capture on "any" interface.
    LinuxCooked,
    /// Something else: its number in the registry of link types.
    Other(i32),
}

impl From<Linktype> for LinkType {
    fn from(number: Linktype) -> Self {
        match number.0 {
            1 => Self::Ethernet,
            // 101 is the registered number; 12 and 14 are what some systems wrote for it, and
            // 228 and 229 tell IPv4 and IPv6 apart.
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxCooked,
            other => Self::Other(other),
        }
    }
}

/// One captured packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was seen: nanoseconds since 1970. Zero in captures that do not say.
    pub nanoseconds: u64,
    /// Bytes it had on the wire; the capture may hold fewer.
    pub original_length: u32,
    /// What `bytes` start with.
    pub link: LinkType,
    /// What was captured of it.
    pub bytes: Vec<u8>,
}

/// What pcapng says once for all packets of an interface.
struct Interface {
    link: LinkType,
    /// Ticks per second, and whole seconds to add.
    ticks: u64,
    offset: i64,
    snap_length: u32,
}

/// Reads until the buffer is full: the parser takes a short first read for the end of the file.
struct Filled<R>(R);

impl<R: Read> Read for Filled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// The records of a capture, in the order of the file.
pub struct Reader {
    inner: Box<dyn PcapReaderIterator + Send>,
    name: String,
    /// Of a classic capture, which knows only one.
    link: LinkType,
    /// What to multiply a classic capture's fraction of a second with.
    fraction: u64,
    interfaces: Vec<Interface>,
    ended: bool,
}

impl Reader {
    /// Opens a capture file; gzip is recognised by content, not by name.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).with_context(|| format!("opening capture {}", path.display()))?;
        Self::new(file, &path.display().to_string())
    }

    /// Reads a capture from anywhere; `name` is what errors call it.
    ///
    /// # Errors
    /// When the first bytes are no capture's.
    pub fn new(source: impl Read + Send + 'static, name: &str) -> Result<Self> {
        let mut source = BufReader::new(source);
        let start = source.fill_buf().with_context(|| format!("reading the start of capture {name}"))?;
        let zipped = start.starts_with(&GZIP);
        let whole: Box<dyn Read + Send> =
            if zipped { Box::new(MultiGzDecoder::new(source)) } else { Box::new(source) };
        let inner = create_reader(BUFFER, Filled(whole))
            .map_err(|error| anyhow::anyhow!("{name} is neither pcap nor pcapng: {}", describe(&error)))?;
        Ok(Self {
            inner,
            name: name.to_owned(),
            link: LinkType::Other(-1),
            fraction: 1000,
            interfaces: Vec::new(),
            ended: false,
        })
    }

    /// The next packet, or nothing at the end.
    fn advance(&mut self) -> Result<Option<Record>> {
        loop {
            let step = match self.inner.next() {
                Ok((used, block)) => {
                    let record =
                        Self::record(&mut self.link, &mut self.fraction, &mut self.interfaces, block)
                            .with_context(|| format!("reading capture {}", self.name))?;
                    Some((used, record))
                }
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) => None,
                Err(error) => bail!("capture {} is damaged: {}", self.name, describe(&error)),
            };
            match step {
                Some((used, record)) => {
                    self.inner.consume(used);
                    if record.is_some() {
                        return Ok(record);
                    }
                }
                None if self.inner.reader_exhausted() => {
                    bail!("capture {} ends in the middle of a packet", self.name)
                }
                None => self.inner.refill().map_err(|error| {
                    anyhow::anyhow!("reading on in capture {}: {}", self.name, describe(&error))
                })?,
            }
        }
    }

    /// Takes a block in: a packet becomes a record, everything else is remembered or passed over.
    fn record(
        link: &mut LinkType,
        fraction: &mut u64,
        interfaces: &mut Vec<Interface>,
        block: PcapBlockOwned<'_>,
    ) -> Result<Option<Record>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                *link = header.network.into();
                *fraction = if header.is_nanosecond_precision() { 1 } else { 1000 };
            }
            PcapBlockOwned::Legacy(packet) => {
                return Ok(Some(Record {
                    nanoseconds: u64::from(packet.ts_sec) * NANOSECONDS
                        + u64::from(packet.ts_usec) * *fraction,
                    original_length: packet.origlen,
                    link: *link,
                    bytes: packet.data.to_vec(),
                }));
            }
            // A section starts its own list of interfaces.
            PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
                interfaces.push(Interface {
                    link: description.linktype.into(),
                    ticks: ticks_per_second(description.if_tsresol)
                        .context("an interface's clock is finer than can be counted")?,
                    offset: description.if_tsoffset,
                    snap_length: description.snaplen,
                });
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = usize::try_from(packet.if_id).ok().and_then(|index| interfaces.get(index));
                let interface = interface.context("a packet names an interface that was not described")?;
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                return Ok(Some(Record {
                    nanoseconds: interface.nanoseconds(ticks),
                    original_length: packet.origlen,
                    link: interface.link,
                    bytes: packet.packet_data().to_vec(),
                }));
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let interface = interfaces.first().context("a packet without any interface described")?;
                // It has no captured length of its own: the rest is padding (pcapng, 4.4).
                let mut length = packet.origlen;
                if interface.snap_length > 0 {
                    length = length.min(interface.snap_length);
                }
                let bytes = packet.data.get(..usize::try_from(length)?).unwrap_or(packet.data);
                return Ok(Some(Record {
                    nanoseconds: 0,
                    original_length: packet.origlen,
                    link: interface.link,
                    bytes: bytes.to_vec(),
                }));
            }
            PcapBlockOwned::NG(_) => {}
        }
        Ok(None)
    }
}

impl Interface {
    fn nanoseconds(&self, ticks: u64) -> u64 {
        let (seconds, rest) = (ticks / self.ticks, ticks % self.ticks);
        let fraction = u128::from(rest) * u128::from(NANOSECONDS) / u128::from(self.ticks);
        // A fraction of a second is below 10^9; absurd clocks wrap instead of failing.
        let seconds = seconds.wrapping_add_signed(self.offset);
        seconds.wrapping_mul(NANOSECONDS).wrapping_add(u64::try_from(fraction).unwrap_or_default())
    }
}

/// `if_tsresol` (pcapng, 4.2): a negative power of ten, or of two if the highest bit is set. The
/// parser's own version of this refuses all powers of two (0.17).
fn ticks_per_second(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 1_u64.checked_shl(exponent) }
}

impl Iterator for Reader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        // After an error there is nothing sensible to go on with.
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The parser's errors without the bytes they carry.
fn describe<I: std::fmt::Debug + Sized>(error: &PcapError<I>) -> String {
    match error {
        PcapError::NomError(_, kind) | PcapError::OwnedNomError(_, kind) => format!("unexpected {kind:?}"),
        other => other.to_string(),
    }
}

/// Writes Ethernet frames as a classic capture in nanoseconds.
pub struct Writer<W: Write> {
    sink: W,
}

impl<W: Write> Writer<W> {
    /// Starts a capture.
    ///
    /// # Errors
    /// When the sink refuses the header.
    pub fn new(mut sink: W) -> Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend(0xa1b2_3c4d_u32.to_le_bytes());
        header.extend([2, 0, 4, 0]);
        header.extend([0; 8]);
        header.extend(0x4_0000_u32.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        sink.write_all(&header).context("writing a capture's header")?;
        Ok(Self { sink })
    }

    /// Adds a frame seen at so many nanoseconds since 1970.
    ///
    /// # Errors
    /// When the sink refuses, or the time does not fit (after 2106).
    pub fn frame(&mut self, nanoseconds: u64, bytes: &[u8]) -> Result<()> {
        let seconds =
            u32::try_from(nanoseconds / NANOSECONDS).context("a capture's time must be before 2106")?;
        let fraction = u32::try_from(nanoseconds % NANOSECONDS).context("splitting a capture's time")?;
        let length = u32::try_from(bytes.len()).context("a frame of 4 GiB is none")?;
        for word in [seconds, fraction, length, length] {
            self.sink.write_all(&word.to_le_bytes()).context("writing a captured frame's header")?;
        }
        self.sink.write_all(bytes).context("writing a captured frame")
    }

    /// Flushes and gives the sink back.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.sink.flush().context("finishing a capture")?;
        Ok(self.sink)
    }
}
