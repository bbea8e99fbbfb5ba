//! Reads a whole file, gunzipped where needed, up to a limit.

use std::{fs::File, io::Read, path::Path};

use flate2::read::MultiGzDecoder;

use crate::error::LoadError;

/// Magic bytes of gzip (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The bytes of a file after decompression, at most as many MiB.
///
/// # Errors
///
/// If it cannot be read, or holds more.
pub(crate) fn read(path: &Path, max_mebibytes: u64) -> Result<Vec<u8>, LoadError> {
    let bytes = read_bounded(&mut File::open(path)?, max_mebibytes)?;
    if bytes.starts_with(&GZIP_MAGIC) {
        return read_bounded(&mut MultiGzDecoder::new(bytes.as_slice()), max_mebibytes);
    }
    Ok(bytes)
}

/// Reads to the end, and fails rather than allocate more.
fn read_bounded(from: &mut impl Read, max_mebibytes: u64) -> Result<Vec<u8>, LoadError> {
    let limit = max_mebibytes << 20;
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(LoadError::TooLong(max_mebibytes));
    }
    Ok(bytes)
}
