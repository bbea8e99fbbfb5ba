//! Whole lines out of pieces.

use super::{ParsedList, line::LineReader, prefix};

/// Bytes of a line that are looked at. The longest lines of real lists, with comments, have some hundreds.
pub(super) const MAX_LINE: usize = 4096;

/// Puts lines together and has them read. Holds on to one unfinished line, of bounded length.
#[derive(Default)]
pub(super) struct Lines {
    /// The start of the line that the pieces so far end in; at most one byte more than [`MAX_LINE`].
    unfinished: Vec<u8>,
    reader: LineReader,
    list: ParsedList,
}

impl Lines {
    /// Takes in the next piece of the text.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if !self.unfinished.is_empty() {
            let Some(end) = memchr::memchr(b'\n', rest) else { return self.keep(rest) };
            self.keep(&rest[..end]);
            rest = &rest[end + 1..];
            self.finish_line();
        }
        loop {
            if let Some((prefix, used)) = prefix::whole_v4_line(rest) {
                self.list.lines += 1;
                self.list.prefixes.push(prefix);
                rest = &rest[used..];
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', rest) else { return self.keep(rest) };
            self.list.lines += 1;
            self.reader.read(&rest[..end], &mut self.list);
            rest = &rest[end + 1..];
        }
    }

    /// Prefixes so far, duplicates included. A piece adds at most some 15 times its bytes, by ranges like
    /// `::1-f::`.
    pub(super) fn prefixes(&self) -> usize {
        self.list.prefixes.len()
    }

    /// The text is at its end.
    pub(super) fn finish(mut self) -> ParsedList {
        if !self.unfinished.is_empty() {
            self.finish_line();
        }
        self.list
    }

    fn keep(&mut self, part: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.unfinished.len());
        self.unfinished.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn finish_line(&mut self) {
        self.list.lines += 1;
        self.reader.read(&self.unfinished, &mut self.list);
        self.unfinished.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> ParsedList {
        let mut lines = Lines::default();
        pieces.iter().for_each(|piece| lines.feed(piece));
        lines.finish()
    }

    #[test]
    fn lines_may_be_cut_anywhere() {
        let text = b"\xef\xbb\xbf1.2.3.4\r\n\n# x\n2001:db8::/32\t7\n1.2.3.7/24\n5.6.7.8";
        let whole = read(&[text]);
        assert_eq!((whole.lines, whole.prefixes.len(), whole.refused), (6, 3, 1));
        for cut in 0..text.len() {
            let parts = read(&[&text[..cut], b"", &text[cut..]]);
            assert_eq!(
                (parts.lines, &parts.prefixes, &parts.problems),
                (6, &whole.prefixes, &whole.problems)
            );
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes).prefixes, whole.prefixes);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(read(&[b"1.2.3.4"]).lines, 1);
        assert_eq!(read(&[b"1.2.3.4\n"]).lines, 1);
        assert_eq!(read(&[b"1.2.3.4\n\n"]).lines, 2);
        assert_eq!(read(&[b""]).lines, 0);
    }

    #[test]
    fn a_line_too_long_costs_bounded_memory_and_is_refused() {
        let piece = [b'1'; 1000];
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.feed(&piece);
            assert!(lines.unfinished.len() <= MAX_LINE + 1);
        }
        lines.feed(b"\n1.2.3.4\n");
        let list = lines.finish();
        assert_eq!((list.lines, list.prefixes.len()), (2, 1));
        assert_eq!(list.problems[0].message, "longer than 4096 bytes; not a list of one entry a line?");
        assert_eq!((list.problems[0].line, list.problems[0].text.chars().count()), (1, 81));
    }

    #[test]
    fn a_comment_may_be_as_long_as_it_likes() {
        let mut text = vec![b'#'; 10_000];
        text.extend_from_slice(b"\n1.2.3.4\n");
        assert_eq!(read(&[&text]).refused, 0);
        assert_eq!(read(&[&text[..6000], &text[6000..]]).refused, 0);
    }
}
