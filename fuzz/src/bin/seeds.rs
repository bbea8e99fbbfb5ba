//! Writes what the fuzzers begin with to `fuzz/seeds`: all of it is made here, none of it is anybody's traffic.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use floodwall_capture::Writer;
use floodwall_tests::seeds;

fn main() -> Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, experiment) in seeds::experiments() {
        write(&seeds.join("engines").join(name), &experiment.to_bytes())?;
    }
    for (name, bytes) in captures()? {
        write(&seeds.join("capture").join(name), &bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Captures of every format.
fn captures() -> Result<Vec<(String, Vec<u8>)>> {
    let frames = seeds::frames();
    let mut writer = Writer::new(Vec::new())?;
    for (_, frame) in frames.iter().take(3) {
        writer.frame(1_500_000_000, frame)?;
    }
    let nanoseconds = writer.finish()?;
    let compressed = zstd::encode_all(&nanoseconds[..], 1).context("compressing")?;
    let (_, frame) = &frames[0];
    let mut captures = vec![("nanoseconds".to_owned(), nanoseconds), ("zstd".to_owned(), compressed)];
    for link in [0_u16, 1, 12, 101, 105, 108, 113, 228, 229, 276] {
        captures.push((format!("link-{link}"), classic(link, frame)));
        captures.push((format!("pcapng-link-{link}"), pcapng(link, frame)));
    }
    Ok(captures)
}

/// A big-endian capture in microseconds.
fn classic(link: u16, frame: &[u8]) -> Vec<u8> {
    let length = frame.len() as u32;
    let words = [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, u32::from(link), 1, 500_000, length, length + 100];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.extend(frame);
    bytes
}

/// A section with an interface, an enhanced, a simple and an obsolete packet.
fn pcapng(link: u16, frame: &[u8]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let block = |kind: u32, body: &[u8]| {
        let padded = body.len().next_multiple_of(4);
        let total = (padded as u32 + 12).to_le_bytes();
        let mut bytes = [kind.to_le_bytes(), total].concat();
        bytes.extend(body);
        bytes.resize(8 + padded, 0);
        bytes.extend(total);
        bytes
    };
    let length = frame.len() as u32;
    let mut interface = words(&[u32::from(link), 96]);
    // A clock of nanoseconds, and a second to add.
    interface.extend([9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut packet = [words(&[0, 0, 1_500_000_001, length, length]), frame.to_vec()].concat();
    packet.resize(packet.len().next_multiple_of(4), 0);
    // Flags: it went out.
    packet.extend([2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    [
        block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX])),
        block(1, &interface),
        block(6, &packet),
        block(3, &[words(&[length]), frame.to_vec()].concat()),
        block(2, &packet),
        block(5, &words(&[0, 0, 0])),
    ]
    .concat()
}
