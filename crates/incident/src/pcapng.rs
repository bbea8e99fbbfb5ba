//! Writes evidence as a capture in pcapng (draft-ietf-opsawg-pcapng), with one link type and one snap length because tcpdump
//! reads no other.
//!
//! Each packet carries its verdict and reason, also as a comment, as tools that copy captures corrupt the verdict option. A
//! verdict that depends on rates or on other state of that moment is marked as recorded: a replay need not reproduce it. The
//! mark names the prefix of a list or ban, or the signature, that has decided.

use crate::evidence::{Frame, SNAP_LENGTH};

/// Block types.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;
/// Options.
const END: u16 = 0;
const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;
const FLAGS: u16 = 2;
const VERDICT: u16 = 7;
/// A packet that came in.
const INBOUND: u32 = 1;
/// The kind of the verdict option: XDP, whose value follows in eight bytes.
const XDP_VERDICT: u8 = 2;
const XDP_DROP: u64 = 1;
const XDP_PASS: u64 = 2;
/// Reasons that depend only on the packet, lists, bans and signatures (`docs/stages.md`).
const REPEATABLE: [&str; 6] = ["not-ip", "malformed", "trusted", "blocked", "banned", "signature"];
/// The beginning and the optional end of a comment.
const COMMENT_PREFIX: &str = "floodwall: ";
const RECORDED: &str = ", recorded";

/// The mark of a packet in a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whether it was dropped.
    pub dropped: bool,
    /// Why it was dropped or passed.
    pub reason: String,
    /// What has decided: the prefix of a list or a ban, or a signature.
    pub by: Option<String>,
    /// Whether the verdict depends on more than the packet, lists, bans and signatures.
    pub recorded: bool,
}

impl Mark {
    fn of(Frame { reason, by, dropped, .. }: &Frame) -> Self {
        let recorded = !REPEATABLE.contains(&reason.as_str()) || (reason == "signature" && by.is_none());
        Self { dropped: *dropped, reason: reason.clone(), by: by.clone(), recorded }
    }

    fn comment(&self) -> String {
        let Self { dropped, reason, by, recorded } = self;
        let became = if *dropped { "dropped" } else { "passed" };
        let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        format!("{COMMENT_PREFIX}{became}, {reason}{by}{}", if *recorded { RECORDED } else { "" })
    }

    fn of_comment(comment: &str) -> Option<Self> {
        let text = comment.strip_prefix(COMMENT_PREFIX)?;
        let (text, recorded) = match text.strip_suffix(RECORDED) {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (became, why) = text.split_once(", ")?;
        let (reason, by) = match why.split_once(" by ") {
            Some((reason, by)) => (reason, Some(by.to_owned())),
            None => (why, None),
        };
        Some(Self { dropped: became == "dropped", reason: reason.to_owned(), by, recorded })
    }
}

/// The marks of the packets in a capture that [`capture`] has written; empty for other bytes.
pub fn marks(mut capture: &[u8]) -> Vec<Mark> {
    let number = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let mut marks = Vec::new();
    while let (Some(kind), Some(length)) = (number(capture, 0), number(capture, 4)) {
        let Some((block, rest)) = capture.split_at_checked(length.max(12)) else { return marks };
        capture = rest;
        let body = &block[8..block.len() - 4];
        if kind != PACKET as usize {
            continue;
        }
        let captured = number(body, 12).unwrap_or_default();
        let options = body.get(20 + captured.next_multiple_of(4)..).unwrap_or_default();
        // The comment is the first option.
        let length =
            options.get(2..4).map_or(0, |bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
        let comment = options.get(4..4 + length).and_then(|bytes| str::from_utf8(bytes).ok());
        marks.extend(comment.and_then(Mark::of_comment));
    }
    marks
}

/// A capture of packets, with a title as its comment.
pub fn capture(title: &str, frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + frames.len() * 256);
    let mut section = Vec::new();
    section.extend(BYTE_ORDER.to_le_bytes());
    section.extend(1_u16.to_le_bytes());
    section.extend(0_u16.to_le_bytes());
    section.extend(u64::MAX.to_le_bytes());
    option(&mut section, COMMENT, title.as_bytes());
    option(&mut section, APPLICATION, concat!("floodwall ", env!("CARGO_PKG_VERSION")).as_bytes());
    option(&mut section, END, &[]);
    block(&mut out, SECTION, &section);
    let mut interface = Vec::new();
    interface.extend(ETHERNET.to_le_bytes());
    interface.extend(0_u16.to_le_bytes());
    interface.extend(SNAP_LENGTH.to_le_bytes());
    block(&mut out, INTERFACE, &interface);
    frames.iter().for_each(|frame| block(&mut out, PACKET, &packet(frame)));
    out
}

fn packet(frame: &Frame) -> Vec<u8> {
    let Frame { time_us, length, dropped, bytes, .. } = frame;
    let bytes = &bytes[..bytes.len().min(SNAP_LENGTH as usize)];
    let mut body = Vec::with_capacity(bytes.len() + 128);
    body.extend(0_u32.to_le_bytes());
    body.extend(((time_us >> 32) as u32).to_le_bytes());
    body.extend((*time_us as u32).to_le_bytes());
    body.extend((bytes.len() as u32).to_le_bytes());
    body.extend(length.max(&(bytes.len() as u32)).to_le_bytes());
    padded(&mut body, bytes);
    let verdict = if *dropped { XDP_DROP } else { XDP_PASS };
    option(&mut body, COMMENT, Mark::of(frame).comment().as_bytes());
    option(&mut body, FLAGS, &INBOUND.to_le_bytes());
    let mut value = vec![XDP_VERDICT];
    value.extend(verdict.to_le_bytes());
    option(&mut body, VERDICT, &value);
    option(&mut body, END, &[]);
    body
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = (body.len() as u32 + 12).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(length);
    out.extend(body);
    out.extend(length);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX) - 3)];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(bytes);
    body.extend(std::iter::repeat_n(0, bytes.len().next_multiple_of(4) - bytes.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    /// The types and bodies of the blocks.
    fn blocks(mut capture: &[u8]) -> Vec<(usize, &[u8])> {
        let mut blocks = Vec::new();
        while !capture.is_empty() {
            let length = number(capture, 4);
            assert_eq!((length % 4, number(capture, length - 4)), (0, length), "both lengths agree");
            blocks.push((number(capture, 0), &capture[8..length - 4]));
            capture = &capture[length..];
        }
        blocks
    }

    #[test]
    fn a_capture_has_one_link_type_and_one_snap_length() {
        let frame = |at: u64, length: usize| Frame {
            time_us: 1_796_000_000_000_000 + at,
            length: 1_514,
            reason: "signature".into(),
            by: None,
            dropped: at.is_multiple_of(2),
            bytes: (0..length).map(|byte| byte as u8).collect(),
        };
        let frames: Vec<_> = (0..5).map(|at| frame(at, 57 + at as usize)).chain([frame(9, 400)]).collect();
        let capture = capture("an incident of a test", &frames);
        let text = String::from_utf8_lossy(&capture).into_owned();
        assert_eq!(text.matches("floodwall: dropped, signature").count(), 3);
        assert_eq!(text.matches("floodwall: passed, signature").count(), 3);
        assert_eq!(
            marks(&capture).iter().map(|mark| mark.dropped).collect::<Vec<_>>(),
            [true, false, true, false, true, false]
        );
        let blocks = blocks(&capture);
        let kinds: Vec<_> = blocks.iter().map(|(kind, _)| *kind as u32).collect();
        assert_eq!(kinds, [vec![SECTION, INTERFACE], vec![PACKET; 6]].concat());
        assert_eq!((blocks[1].1[0], number(blocks[1].1, 4)), (1, 128));
        for ((_, body), frame) in blocks[2..].iter().zip(&frames) {
            let time = (number(body, 4) as u64) << 32 | number(body, 8) as u64;
            let kept = frame.bytes.len().min(128);
            assert_eq!((time, number(body, 12), number(body, 16)), (frame.time_us, kept, 1_514));
            assert_eq!(&body[20..20 + kept], &frame.bytes[..kept]);
            let verdict = [VERDICT.to_le_bytes(), 9_u16.to_le_bytes()].concat();
            let value = if frame.dropped { XDP_DROP } else { XDP_PASS };
            let verdict = [verdict, vec![XDP_VERDICT], value.to_le_bytes().to_vec()].concat();
            assert!(body.windows(verdict.len()).any(|window| window == verdict), "its verdict");
        }
    }

    #[test]
    fn a_mark_names_what_has_decided_and_whether_it_depends_on_more() {
        let frame = |reason: &str, by: Option<&str>, dropped| Frame {
            time_us: 1,
            length: 60,
            reason: reason.into(),
            by: by.map(str::to_owned),
            dropped,
            bytes: vec![0; 61],
        };
        let all = [
            frame("blocked", Some("203.0.113.0/24"), true),
            frame("trusted", Some("2001:db8::/32"), false),
            frame("signature", Some("tcp flags=syn, of a test"), true),
            frame("signature", None, true),
            frame("clean", None, false),
        ];
        let capture = capture("a test", &all);
        let told = marks(&capture);
        let by: Vec<_> = told.iter().map(|mark| mark.by.as_deref()).collect();
        assert_eq!(
            by,
            [Some("203.0.113.0/24"), Some("2001:db8::/32"), Some("tcp flags=syn, of a test"), None, None]
        );
        assert_eq!(
            told.iter().map(|mark| mark.recorded).collect::<Vec<_>>(),
            [false, false, false, true, true],
            "one that asks to come again is not named"
        );
        let text = String::from_utf8_lossy(&capture).into_owned();
        for comment in ["floodwall: dropped, blocked by 203.0.113.0/24", "floodwall: passed, clean, recorded"]
        {
            assert!(text.contains(comment), "{comment}");
        }
        assert_eq!(marks(&capture[..capture.len() - 9]).len(), 4, "what is cut off has no mark");
        assert_eq!(marks(b"no capture"), []);
    }
}
