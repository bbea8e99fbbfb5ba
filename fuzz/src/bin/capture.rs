//! Any bytes to the reader of captures: it ends, and what it gives out holds together.
#![no_main]

use std::io::Cursor;

use floodwall_capture::{MAX_CAPTURED, Reader};
use libfuzzer_sys::fuzz_target;

/// More than the input can hold unless it is compressed; then it may go on for long, and the rest is the same.
const MOST_PACKETS: u64 = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes.to_vec()), "input") else { return };
    let mut scratch = Vec::new();
    for count in 0..MOST_PACKETS {
        let packet = match reader.read() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error.packet, count, "{error}");
                break;
            }
        };
        assert_eq!(packet.index, count);
        assert!(packet.bytes.len() <= packet.length as usize && packet.bytes.len() <= MAX_CAPTURED as usize);
        let frame = packet.ethernet(&mut scratch);
        assert!(frame.bytes.len() <= frame.length as usize, "{:?}: {frame:?}", packet.link);
    }
    assert!(reader.stored_bytes() <= bytes.len() as u64);
});
