//! Captures are read as other programs wrote them, and written so that they can be read.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does: by panicking")]

use std::fs;
use std::io::{self, Cursor, Read, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use floodwall_capture::{Direction, LinkType, Reader, Record, Writer};
use floodwall_lab::frame::Frame;
use floodwall_lab::skip::{corpus, or_skip};

fn frame() -> Vec<u8> {
    Frame::ipv4("198.51.100.7", "192.0.2.10").tcp(40_000, 80).syn().build()
}

fn read(bytes: Vec<u8>) -> Vec<Record> {
    Reader::new(Cursor::new(bytes), "test").unwrap().records().map(Result::unwrap).collect()
}

/// A classic capture of one frame, 1.5 s after 1970, in either byte order.
fn classic(magic: u32, fraction: u32, big: bool, link: u32) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let length = u32::try_from(frame().len()).unwrap();
    let mut bytes = word(magic).to_vec();
    bytes.extend([half(2), half(4)].concat());
    bytes.extend([word(0), word(0), word(65_535), word(link)].concat());
    bytes.extend([word(1), word(fraction), word(length), word(length + 100)].concat());
    bytes.extend(frame());
    bytes
}

/// A block of pcapng with its two lengths and padding.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = u32::try_from(padded + 12).unwrap().to_le_bytes();
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(total);
    bytes.extend(body);
    bytes.resize(8 + padded, 0);
    bytes.extend(total);
    bytes
}

fn section() -> Vec<u8> {
    let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    body.extend([0xff; 8]);
    block(0x0a0d_0d0a, &body)
}

fn interface(link: u16, snap_length: u32, resolution: Option<u8>) -> Vec<u8> {
    let mut body = link.to_le_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(snap_length.to_le_bytes());
    if let Some(resolution) = resolution {
        body.extend([9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
    }
    block(1, &body)
}

fn enhanced(interface: u32, ticks: u64, bytes: &[u8]) -> Vec<u8> {
    with_options(interface, ticks, bytes, &[])
}

fn with_options(interface: u32, ticks: u64, bytes: &[u8], options: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    let (high, low) = (u32::try_from(ticks >> 32).unwrap(), u32::try_from(ticks & 0xffff_ffff).unwrap());
    let mut body: Vec<u8> =
        [interface, high, low, length, length].iter().flat_map(|word| word.to_le_bytes()).collect();
    body.extend(bytes);
    body.resize(20 + bytes.len().next_multiple_of(4), 0);
    body.extend(options);
    block(6, &body)
}

/// Which way the packets of a capture went.
fn directions(bytes: Vec<u8>) -> Vec<Option<Direction>> {
    read(bytes).iter().map(|record| record.direction).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let moments = [0, 1_500_000_001, 1_767_225_600_123_456_789];
    for nanoseconds in moments {
        writer.frame(nanoseconds, &frame()).unwrap();
    }
    let records = read(writer.finish().unwrap());
    assert_eq!(records.iter().map(|record| record.nanoseconds).collect::<Vec<_>>(), moments);
    assert!(records.iter().all(|record| record.bytes == frame() && record.link == LinkType::Ethernet));
}

#[test]
fn classic_captures_of_both_orders_and_clocks() {
    for (magic, fraction) in [(0xa1b2_c3d4, 500_000), (0xa1b2_3c4d, 500_000_000)] {
        for big in [false, true] {
            let records = read(classic(magic, fraction, big, 1));
            let [record] = &records[..] else { panic!("{records:?}") };
            assert_eq!(record.nanoseconds, 1_500_000_000);
            assert_eq!(record.original_length as usize, frame().len() + 100);
            assert_eq!((&record.bytes, record.link), (&frame(), LinkType::Ethernet));
        }
    }
    assert_eq!(read(classic(0xa1b2_c3d4, 0, false, 101))[0].link, LinkType::RawIp);
    assert_eq!(read(classic(0xa1b2_c3d4, 0, false, 147))[0].link, LinkType::Other(147));
}

#[test]
fn pcapng_clocks_interfaces_and_sections() {
    let mut simple = u32::try_from(frame().len()).unwrap().to_le_bytes().to_vec();
    simple.extend(&frame()[..40]);
    let bytes = [
        section(),
        interface(1, 40, None),
        interface(101, 0, Some(9)),
        interface(1, 0, Some(0x80 | 10)),
        enhanced(0, 1_500_000, &frame()),
        enhanced(1, 1_500_000_001, &frame()[14..]),
        enhanced(2, 1536, &frame()),
        block(3, &simple),
        block(0x0bad, &[1, 2, 3]),
        section(),
        interface(1, 0, Some(3)),
        enhanced(0, 1500, &frame()),
    ]
    .concat();
    let records = read(bytes);
    let times: Vec<u64> = records.iter().map(|record| record.nanoseconds).collect();
    assert_eq!(times, [1_500_000_000, 1_500_000_001, 1_500_000_000, 1_500_000_000, 1_500_000_000]);
    assert_eq!(records[0].bytes, frame());
    assert_eq!((records[1].link, &records[1].bytes[..]), (LinkType::RawIp, &frame()[14..]));
    assert_eq!((records[3].bytes.len(), records[3].original_length as usize), (40, frame().len()));
}

#[test]
fn cooked_captures_say_which_way_a_packet_went() {
    for (link, at) in [(113, 1), (276, 10)] {
        for (kind, expected) in [(0, Some(Direction::Inbound)), (4, Some(Direction::Outbound)), (5, None)] {
            let mut bytes = classic(0xa1b2_c3d4, 0, false, link);
            bytes[24 + 16..][..20].fill(0);
            bytes[24 + 16 + at] = kind;
            assert_eq!(directions(bytes), [expected], "link type {link}, packet type {kind}");
        }
    }
    assert_eq!(directions(classic(0xa1b2_c3d4, 0, false, 1)), [None]);
}

#[test]
fn flags_of_pcapng_say_which_way_a_packet_went() {
    use Direction::{Inbound, Outbound};
    // Of a comment of five bytes, and the end of the options.
    let (comment, end) = ([1, 0, 5, 0, b'a', b'b', b'c', b'd', b'e', 0, 0, 0], [0; 4]);
    let flags = |flags: u32| [&[2, 0, 4, 0][..], &flags.to_le_bytes()].concat();
    let cases: Vec<(&str, Vec<u8>, Option<Direction>)> = vec![
        ("no options", vec![], None),
        ("in", [flags(1), end.to_vec()].concat(), Some(Inbound)),
        ("out", [flags(2), end.to_vec()].concat(), Some(Outbound)),
        ("not known", flags(0), None),
        ("neither", flags(3), None),
        ("other flags are others", flags(0xff00_001e), Some(Outbound)),
        ("no end", flags(2), Some(Outbound)),
        ("behind a comment", [&comment[..], &flags(2)].concat(), Some(Outbound)),
        ("before a comment", [&flags(1)[..], &comment].concat(), Some(Inbound)),
        ("behind the end", [&end[..], &flags(2)].concat(), None),
        ("flags without a value", vec![2, 0, 4, 0], None),
        ("flags that are too short", vec![2, 0, 2, 0, 2, 0, 0, 0], None),
        ("flags that are too long", vec![2, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0], None),
        ("an option beyond the block", [&[1, 0, 200, 0][..], &flags(2)].concat(), None),
        ("the longest option", [&[1, 0, 255, 255][..], &flags(2)].concat(), None),
    ];
    for (what, options, expected) in cases {
        for bytes in [&frame()[..], &frame()[..53], &frame()[..52], &frame()[..51], &[]] {
            let next = with_options(0, 2, &frame(), &flags(2));
            let packet = with_options(0, 1, bytes, &options);
            let capture = [section(), interface(1, 0, None), packet, next].concat();
            assert_eq!(directions(capture), [expected, Some(Outbound)], "{what}, of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_simple_packet_has_no_options() {
    let mut simple = 60_u32.to_le_bytes().to_vec();
    simple.extend(frame());
    simple.resize(4 + 60, 0);
    // More than the interface would have captured: what follows are no options.
    simple[4 + 40..][..8].copy_from_slice(&[2, 0, 4, 0, 2, 0, 0, 0]);
    let capture = [section(), interface(1, 40, None), block(3, &simple)].concat();
    assert_eq!(directions(capture), [None]);
}

#[test]
fn a_packet_whose_options_are_cut_off_is_whole() {
    let flags = [2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    let whole = [section(), interface(1, 0, None), with_options(0, 1, &frame(), &flags)].concat();
    assert_eq!(directions(whole.clone()), [Some(Direction::Outbound)]);
    // Padding of two bytes, twelve of options, and the closing length.
    for missing in 1..=2 + 12 + 4 {
        let cut = whole[..whole.len() - missing].to_vec();
        let mut reader = Reader::new(Cursor::new(cut), "cut").unwrap();
        let packet = reader.read().unwrap().unwrap();
        assert_eq!((packet.bytes, packet.direction), (&frame()[..], None), "{missing} bytes are missing");
        let error = reader.read().unwrap_err();
        assert_eq!(error.packet, 1);
        assert!(error.to_string().ends_with("it ends in the middle of a block"), "{error}");
        assert!(reader.read().unwrap().is_none());
    }
}

#[test]
fn a_gzipped_capture_is_the_same() {
    let plain = classic(0xa1b2_c3d4, 0, false, 1);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    assert_eq!(read(encoder.finish().unwrap()), read(plain));
}

#[test]
fn a_capture_compressed_by_zstd_in_parts_is_the_same() {
    let plain = classic(0xa1b2_c3d4, 0, false, 1);
    let (one, other) = plain.split_at(30);
    let compressed = [zstd::encode_all(one, 1).unwrap(), zstd::encode_all(other, 1).unwrap()].concat();
    assert_eq!(read(compressed), read(plain));
}

/// Gives its bytes one by one.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

#[test]
fn a_slow_pipe_gives_the_same() {
    let plain = classic(0xa1b2_c3d4, 0, false, 1);
    let reader = Reader::new(Trickle(Cursor::new(plain.clone())), "pipe").unwrap();
    assert_eq!(reader.records().map(Result::unwrap).collect::<Vec<_>>(), read(plain));
}

#[test]
fn errors_say_where_and_what_was_before_counts() {
    let one = classic(0xa1b2_c3d4, 0, false, 1);
    let mut absurd = [&one[..], &one[24..]].concat();
    let second = one.len();
    absurd[second + 8..second + 12].copy_from_slice(&300_000_u32.to_le_bytes());
    let mut reader = Reader::new(Cursor::new(absurd), "x.pcap").unwrap();
    assert_eq!(reader.read().unwrap().unwrap().bytes, frame());
    let error = reader.read().unwrap_err();
    assert_eq!((error.packet, error.offset), (1, second as u64 + 16));
    assert_eq!(
        error.to_string(),
        format!(
            "capture x.pcap, packet 1, before byte {}: a packet claims 300000 captured bytes, and 262144 is the most \
             that is read",
            second + 16
        )
    );
    assert!(reader.read().unwrap().is_none(), "after an error there is nothing more");
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    let last = |mut blocks: Vec<u8>, change: fn(&mut Vec<u8>)| {
        change(&mut blocks);
        let mut reader = match Reader::new(Cursor::new(blocks), "blocks") {
            Ok(reader) => reader,
            Err(error) => return error.to_string(),
        };
        loop {
            match reader.read() {
                Ok(Some(_)) => {}
                Ok(None) => return "nothing wrong".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    };
    let blocks = || [section(), interface(1, 0, None), enhanced(0, 1, &frame())].concat();
    assert_eq!(last(blocks(), |_| ()), "nothing wrong");
    let end = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() = 1;
    assert!(last(blocks(), end).ends_with("ends with another length than it began with"));
    assert!(last(section(), |bytes| bytes[8] = 0).ends_with("tells no order of bytes"));
    assert!(last(section(), |bytes| bytes[12] = 2).ends_with("version 2.0 of the format is not known"));
    assert!(last(section(), |bytes| bytes[4] = 30).ends_with("a length that none can have"));
    // The captured length of the packet, behind 28 bytes of section, 20 of interface and 20 of its own.
    assert!(last(blocks(), |bytes| bytes[28 + 20 + 20] = 200).ends_with("more bytes than its block holds"));
    assert!(last(blocks(), |bytes| bytes[28 + 20 + 8] = 9).ends_with("an interface that was not described"));
}

#[test]
fn a_frame_longer_than_the_reading_buffer_of_others_is_read() {
    let long = vec![7; 200_000];
    let mut writer = Writer::new(Vec::new()).unwrap();
    for _ in 0..20 {
        writer.frame(0, &long).unwrap();
    }
    let records = read(writer.finish().unwrap());
    assert_eq!(records.len(), 20);
    assert!(records.iter().all(|record| record.bytes == long));
}

#[test]
fn damage_is_an_error_with_the_name_and_no_loop() {
    let mut cut = classic(0xa1b2_c3d4, 0, false, 1);
    cut.truncate(cut.len() - 5);
    let outcome: Vec<_> = Reader::new(Cursor::new(cut), "cut.pcap").unwrap().records().collect();
    assert_eq!(outcome.len(), 1);
    assert!(outcome[0].as_ref().unwrap_err().to_string().contains("cut.pcap"));
    for nonsense in [&b""[..], b"x", b"this is no capture at all, is it?"] {
        let error = Reader::new(Cursor::new(nonsense.to_vec()), "nonsense").err().unwrap();
        assert!(error.to_string().contains("nonsense"));
    }
    let orphan = [section(), enhanced(0, 0, &frame())].concat();
    let outcome: Vec<_> = Reader::new(Cursor::new(orphan), "orphan").unwrap().records().collect();
    assert!(format!("{:#}", outcome[0].as_ref().unwrap_err()).contains("not described"));
}

#[test]
fn every_capture_of_the_corpus_is_read_to_its_end() {
    let corpus = or_skip!(corpus());
    let mut counted = 0;
    let mut directories = vec![corpus.join("pcaps")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| ["pcap", "pcapng", "cap"].iter().any(|&known| extension == known))
            {
                counted += packets(&path);
            }
        }
    }
    assert!(counted > 100_000, "{counted}");
    // The number stands in the corpus's own list of sources.
    assert_eq!(packets(&corpus.join("pcaps/attack-real/stopddos/pkt.TCP.synflood.spoofed.pcap")), 37_841);
    assert_eq!(packets(&corpus.join("pcaps/attack-real/stopddos/amp.UDP.snmp.src161.pcapng")), 4373);
}

fn packets(path: &Path) -> usize {
    let mut count = 0;
    for record in Reader::open(path).unwrap().records() {
        let record = record.unwrap_or_else(|error| panic!("{error:#}"));
        assert!(record.bytes.len() <= record.original_length as usize, "{}", path.display());
        count += 1;
    }
    count
}
