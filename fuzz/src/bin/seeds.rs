//! Writes what the fuzzers begin with to `fuzz/seeds`: all of it is made here, none of it is anybody's traffic.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use floodwall_capture::Writer;
use floodwall_fuzz::sound_state;
use floodwall_tests::seeds;

fn main() -> Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, experiment) in seeds::experiments() {
        write(&seeds.join("engines").join(name), &experiment.to_bytes())?;
    }
    for (name, bytes) in captures()? {
        write(&seeds.join("capture").join(name), &bytes)?;
    }
    for (name, text) in LISTS {
        write(&seeds.join("lists").join(name), text.as_bytes())?;
    }
    for (name, kind, body) in REQUESTS {
        write(&seeds.join("requests").join(name), &[&[kind], body.as_bytes()].concat())?;
    }
    for (number, (name, bytes)) in sound_state()?.into_iter().enumerate() {
        write(&seeds.join("state").join(name), &[&[number as u8][..], &bytes].concat())?;
    }
    for name in ["small-web-host", "dns-server", "hosting-node", "router-with-containers"] {
        let preset =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).with_extension("toml");
        let text = fs::read(&preset).with_context(|| format!("reading {}", preset.display()))?;
        write(&seeds.join("configuration").join(name), &text)?;
    }
    Ok(())
}

/// Lists as they are published.
const LISTS: [(&str, &str); 4] = [
    ("plain", "192.0.2.1\n198.51.100.0/24 # a comment\n2001:db8::/32\n203.0.113.0-203.0.113.9\n"),
    ("drop", "; Spamhaus DROP List\n192.0.2.0/24 ; SBL1\n198.51.100.0/24 ; SBL2\n"),
    (
        "ipset",
        "create bad hash:net family inet hashsize 1024 maxelem 65536\nadd bad 192.0.2.0/24\nadd bad 10.0.0.1 nomatch\n",
    ),
    ("columns", "192.0.2.1\t7\tREJECT\n10.0.0.0/255.0.0.0, 192.0.2.7\r\n"),
];

/// Requests, each with what the target takes for its kind.
const REQUESTS: [(&str, u8, &str); 4] = [
    (
        "rule",
        0,
        r#"{"service":"default","of":"syn","per":"source","rate":100,"burst":200,"then":"ban for 10m"}"#,
    ),
    ("lockdown", 1, r#"{"service":"default","closed":true,"admitted_percent":1.5,"seconds":60}"#),
    ("signature", 2, r#"{"text":"tcp flags=syn window=0,512-1023 ttl=240-255","monitor":true}"#),
    ("reopen", 3, "default"),
];

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
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
