//! The packets of a capture, one after the other.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{
    CaptureError, Direction, Fault, Packet, Record,
    classic::{Classic, Header},
    input::Input,
    pcapng::Pcapng,
};

/// Stands for standard input.
const STDIN: &str = "-";

/// The packets of a capture, in the order of the file.
pub struct Reader {
    input: Input,
    format: Format,
    name: String,
    /// The bytes of the last packet.
    bytes: Vec<u8>,
    /// Packets given out.
    count: u64,
    ended: bool,
}

enum Format {
    Classic(Classic),
    Pcapng(Pcapng),
}

impl Reader {
    /// Opens a capture file; `-` is standard input. Format and compression are recognised by content.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let path = path.as_ref();
        if path == Path::new(STDIN) {
            return Self::new(io::stdin(), "on standard input");
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(file, &name),
            Err(error) => Err(CaptureError { name, packet: 0, offset: 0, fault: error.into() }),
        }
    }

    /// Reads a capture from anywhere; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// If the first bytes are no capture's.
    pub fn new(source: impl Read + Send + 'static, name: &str) -> Result<Self, CaptureError> {
        let failed = |fault, offset| CaptureError { name: name.to_owned(), packet: 0, offset, fault };
        let mut input = Input::new(source).map_err(|error| failed(error.into(), 0))?;
        match Format::of(&mut input) {
            Ok(format) => {
                Ok(Self { input, format, name: name.to_owned(), bytes: Vec::new(), count: 0, ended: false })
            }
            Err(Fault::Foreign) => Err(failed(Fault::Foreign, 0)),
            Err(fault) => Err(failed(fault, input.offset)),
        }
    }

    /// The next packet, or nothing at the end. After an error there is nothing more.
    ///
    /// # Errors
    ///
    /// If the capture is damaged, cut off, or cannot be read on.
    pub fn read(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        if self.ended {
            return Ok(None);
        }
        match self.advance() {
            Ok(Some(Header { nanoseconds, length, captured, link })) => {
                let index = self.count;
                self.count += 1;
                let length = length.max(captured);
                let direction = self.direction().or_else(|| link.direction(&self.bytes));
                Ok(Some(Packet { index, nanoseconds, length, link, direction, bytes: &self.bytes }))
            }
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(fault) => {
                self.ended = true;
                let (name, packet, offset) = (self.name.clone(), self.count, self.input.offset);
                Err(CaptureError { name, packet, offset, fault })
            }
        }
    }

    /// The packets with memory of their own, as an iterator.
    pub fn records(self) -> Records {
        Records(self)
    }

    /// Bytes taken from the file so far, as they are stored: compressed if they are.
    pub fn stored_bytes(&self) -> u64 {
        self.input.stored()
    }

    /// What stands behind the packet that was read says of its direction.
    fn direction(&mut self) -> Option<Direction> {
        match &mut self.format {
            Format::Classic(_) => None,
            Format::Pcapng(pcapng) => pcapng.end_packet(&mut self.input),
        }
    }

    fn advance(&mut self) -> Result<Option<Header>, Fault> {
        let header = match &mut self.format {
            Format::Classic(classic) => classic.next(&mut self.input)?,
            Format::Pcapng(pcapng) => pcapng.next(&mut self.input)?,
        };
        if let Some(header) = &header {
            self.bytes.resize(header.captured as usize, 0);
            self.input.fill(&mut self.bytes, "a packet")?;
        }
        Ok(header)
    }
}

impl Format {
    fn of(input: &mut Input) -> Result<Self, Fault> {
        let mut magic = [0; 4];
        input.fill(&mut magic, "its first word").map_err(|fault| match fault {
            Fault::Cut(_) => Fault::Foreign,
            other => other,
        })?;
        if let Some(classic) = Classic::open(magic, input)? {
            return Ok(Self::Classic(classic));
        }
        match Pcapng::open(magic, input)? {
            Some(pcapng) => Ok(Self::Pcapng(pcapng)),
            None => Err(Fault::Foreign),
        }
    }
}

/// The packets of a capture, each with memory of its own.
pub struct Records(Reader);

impl Iterator for Records {
    type Item = Result<Record, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.read().map(|packet| packet.map(Record::from)).transpose()
    }
}
