//! Foreign bytes made fit for a terminal.

use std::fmt::Write as _;

/// Characters of a refused text that are shown.
const SHOWN: usize = 80;

/// `bytes` with everything but printable ASCII escaped, cut off after 80 characters.
pub(super) fn shortened(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        let start = text.len();
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            b'\t' => text.push_str("\\t"),
            // Writing to a string does not fail.
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
        if text.len() > SHOWN {
            text.truncate(start);
            text.push('…');
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(shortened(b"1.2.3.4\t\x1b[2J\x00\xff"), "1.2.3.4\\t\\x1b[2J\\x00\\xff");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened(&[b'a'; 80]), "a".repeat(80));
        assert_eq!(shortened(&[b'a'; 81]), format!("{}…", "a".repeat(80)));
        assert_eq!(shortened(&[0xff; 81]), format!("{}…", "\\xff".repeat(20)));
    }
}
