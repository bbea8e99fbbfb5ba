//! Bytes of a list, gunzipped where needed, up to a limit.

use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;

use super::{MAX_PREFIXES, ParsedList, duplicates, lines::Lines};

/// Bytes of text that a list may have once gunzipped: some 16 million addresses. A small file cannot grow
/// beyond.
pub const MAX_TEXT: u64 = 256 << 20;

/// Bytes that are read between two tellings of progress.
const PIECE: usize = 256 << 10;

/// A list that could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The bytes did not come.
    #[error("reading the list: {0}")]
    Read(#[source] io::Error),
    /// The compressed data contradicts itself or is cut off.
    #[error("the list's gzip data is damaged or cut off: {0}")]
    Gzip(#[source] io::Error),
    /// More text than a list may have.
    #[error("the list is longer than {} MiB of text, the most that is read; split it", MAX_TEXT >> 20)]
    TooLong,
    /// More prefixes than a list may have.
    #[error("the list holds more than {MAX_PREFIXES} prefixes, the most that are read; split it")]
    TooMany,
    /// Something else than a list.
    #[error("{what}, not a list of addresses: {advice}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// What can be done.
        advice: &'static str,
    },
}

/// Reads a list, plain or gzipped.
///
/// `progress` is told bytes of `reader` that are done, and `total`, which is what the caller says it is.
/// Lines that are refused are no error; they are counted in the result, for the caller to judge.
///
/// # Errors
///
/// If nothing can be told of the list: it could not be read or gunzipped, is over a limit, or is no text.
pub fn parse(
    reader: impl BufRead,
    total: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ParsedList, ListError> {
    parse_up_to(MAX_TEXT, MAX_PREFIXES, reader, total, progress)
}

fn parse_up_to(
    max_text: u64,
    max_prefixes: usize,
    mut reader: impl BufRead,
    total: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ParsedList, ListError> {
    let mut head = Vec::new();
    // Enough for every magic number; a pipe may give it in small pieces.
    reader.by_ref().take(512).read_to_end(&mut head).map_err(ListError::Read)?;
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    let done = Cell::new(0);
    let mut reader = Counted { inner: head.as_slice().chain(reader), done: &done };
    let mut text: Box<dyn BufRead + '_> = if gzip {
        Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(reader)))
    } else {
        Box::new(&mut reader)
    };

    let mut lines = Lines::default();
    let mut length = 0;
    loop {
        let piece = match text.fill_buf() {
            Ok([]) => break,
            Ok(piece) => &piece[..piece.len().min(PIECE)],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if gzip && is_format(&error) => return Err(ListError::Gzip(error)),
            Err(error) => return Err(ListError::Read(error)),
        };
        if length == 0 {
            refuse_foreign(piece)?;
        }
        length += piece.len() as u64;
        if length > max_text {
            return Err(ListError::TooLong);
        }
        lines.feed(piece);
        if lines.prefixes() > max_prefixes {
            return Err(ListError::TooMany);
        }
        let used = piece.len();
        text.consume(used);
        progress(done.get(), total);
    }
    let mut list = lines.finish();
    if list.prefixes.len() > max_prefixes {
        return Err(ListError::TooMany);
    }
    progress(done.get(), total);
    list.duplicates = duplicates::remove(&mut list.prefixes);
    Ok(list)
}

/// Errors that the decompressor makes, not the reader below it.
fn is_format(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// Refuses what a line-by-line report would only bury under complaints: a failed download, an archive.
fn refuse_foreign(start: &[u8]) -> Result<(), ListError> {
    const UNPACK: &str = "unpack it first (only gzip is read)";
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let (what, advice) = match (start, text) {
        ([0x1f, 0x8b, ..], _) => ("a gzip file inside a gzip file", "unpack it once"),
        ([b'P', b'K', 3, 4, ..], _) => ("a zip archive", UNPACK),
        ([b'B', b'Z', b'h', b'1'..=b'9', ..], _) => ("a bzip2 file", UNPACK),
        ([0xfd, b'7', b'z', b'X', b'Z', 0, ..], _) => ("an xz file", UNPACK),
        ([0x28, 0xb5, 0x2f, 0xfd, ..], _) => ("a zstd file", UNPACK),
        ([0xff, 0xfe, ..] | [0xfe, 0xff, ..], _) => ("UTF-16 text", "save it as UTF-8"),
        (_, [b'<', ..]) => ("a web page", "did the download fail?"),
        (_, [b'{', ..] | [b'[', b'{' | b'"' | b'\r' | b'\n', ..]) => {
            ("JSON", "take the prefixes out first, for example `jq -r '.prefixes[].ip_prefix'`")
        }
        _ if start.get(257..262) == Some(b"ustar") => ("a tar archive", UNPACK),
        _ => return Ok(()),
    };
    Err(ListError::Foreign { what, advice })
}

/// Counts what is read through it.
struct Counted<'a, R> {
    inner: R,
    done: &'a Cell<u64>,
}

impl<R: BufRead> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done.set(self.done.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, used: usize) {
        self.done.set(self.done.get() + used as u64);
        self.inner.consume(used);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn count(bytes: &[u8]) -> Result<usize, String> {
        parse(bytes, 0, &mut |_, _| {}).map(|list| list.prefixes.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn gzip_of_one_and_of_several_members() {
        let mut bytes = gzipped(b"192.0.2.1\n192.0.");
        assert_eq!(count(&bytes), Ok(1));
        bytes.extend(gzipped(b"2.2\n"));
        assert_eq!(count(&bytes), Ok(2));
    }

    #[test]
    fn lines_within_gzip_are_read_like_others() {
        let list =
            parse(gzipped(b"# x\r192.0.2.0/24,198.51.100.0/24\r::1 x\r").as_slice(), 0, &mut |_, _| {});
        let list = list.unwrap();
        assert_eq!((list.lines, list.prefixes.len(), list.problems[0].line), (3, 2, 3));
    }

    #[test]
    fn damaged_gzip_gives_nothing() {
        let bytes = gzipped(b"192.0.2.1\n192.0.2.2\n");
        for cut in 2..bytes.len() {
            let why = count(&bytes[..cut]).unwrap_err();
            assert!(why.starts_with("the list's gzip data is damaged or cut off: "), "{cut}: {why}");
        }
        let mut flipped = bytes.clone();
        flipped[bytes.len() - 6] ^= 1;
        assert!(count(&flipped).is_err(), "the checksum is looked at");
        let trailing = [bytes.as_slice(), b"192.0.2.3\n"].concat();
        assert!(count(&trailing).is_err(), "what follows a member must be one");
    }

    #[test]
    fn text_beyond_the_limit_is_refused_however_small_the_file() {
        let bomb = gzipped(&vec![b'\n'; 1 << 20]);
        assert!(bomb.len() < 4096);
        assert!(parse_up_to(1 << 20, 1, bomb.as_slice(), 0, &mut |_, _| {}).is_ok());
        let error = parse_up_to((1 << 20) - 1, 1, bomb.as_slice(), 0, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, ListError::TooLong));
        assert_eq!(
            error.to_string(),
            "the list is longer than 256 MiB of text, the most that is read; split it"
        );
    }

    #[test]
    fn ranges_beyond_the_limit_are_refused() {
        let text = "0.0.0.1-255.255.255.254\n".repeat(3);
        let read = |max| parse_up_to(MAX_TEXT, max, text.as_bytes(), 0, &mut |_, _| {});
        assert_eq!(read(3 * 62).unwrap().duplicates, 2 * 62);
        assert_eq!(
            read(3 * 62 - 1).unwrap_err().to_string(),
            "the list holds more than 16777216 prefixes, the most that are read; split it"
        );
    }

    #[test]
    fn other_things_than_lists_are_named() {
        let why = |bytes: &[u8]| count(bytes).unwrap_err();
        assert_eq!(
            why(b"\n<!DOCTYPE html>\n<title>404</title>"),
            "a web page, not a list of addresses: did the download fail?"
        );
        assert_eq!(
            why(b"{\n  \"prefixes\": []}"),
            "JSON, not a list of addresses: take the prefixes out first, for example `jq -r '.prefixes[].ip_prefix'`"
        );
        assert_eq!(
            why(b"PK\x03\x04..."),
            "a zip archive, not a list of addresses: unpack it first (only gzip is read)"
        );
        assert_eq!(
            why(&gzipped(&gzipped(b"x"))),
            "a gzip file inside a gzip file, not a list of addresses: unpack it once"
        );
        assert_eq!(why(b"\xff\xfe1\0"), "UTF-16 text, not a list of addresses: save it as UTF-8");
        let mut tar = b"list.txt".to_vec();
        tar.resize(257, 0);
        tar.extend_from_slice(b"ustar");
        assert!(why(&gzipped(&tar)).starts_with("a tar archive"));
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert_eq!((count(b""), count(&gzipped(b""))), (Ok(0), Ok(0)));
    }

    #[test]
    fn progress_ends_at_the_bytes_that_came() {
        let text = b"192.0.2.1\n".repeat(100_000);
        for bytes in [gzipped(&text), text] {
            let (mut last, mut told) = (0, 0);
            let total = bytes.len() as u64;
            parse(bytes.as_slice(), total, &mut |done, of| {
                assert!(last <= done && done <= of && of == total);
                (last, told) = (done, told + 1);
            })
            .unwrap();
            assert!(last == total && told > 3, "{last} of {total} in {told}");
        }
    }

    /// Gives its bytes one by one, with interruptions, and then fails or ends.
    struct Trickle<'a>(&'a [u8], bool, bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.0.split_first() {
                Some((&byte, rest)) => {
                    (buffer[0], self.0) = (byte, rest);
                    Ok(1)
                }
                None if self.2 => Err(io::Error::other("unplugged")),
                None => Ok(0),
            }
        }
    }

    #[test]
    fn a_slow_pipe_gives_the_same_and_a_broken_one_an_error() {
        for bytes in [gzipped(b"192.0.2.1\n192.0.2.2"), b"192.0.2.1\n192.0.2.2".to_vec()] {
            let slow = BufReader::new(Trickle(&bytes, false, false));
            assert_eq!(parse(slow, 0, &mut |_, _| {}).unwrap().prefixes.len(), 2);
            let broken = BufReader::new(Trickle(&bytes, false, true));
            assert_eq!(
                parse(broken, 0, &mut |_, _| {}).unwrap_err().to_string(),
                "reading the list: unplugged"
            );
        }
    }
}
