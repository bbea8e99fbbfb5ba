//! Whole lines out of pieces.

use super::{ParsedList, line_format::LineReader, prefix};

/// Bytes of a line that are looked at. The longest lines of real lists, with comments, have some hundreds.
pub(super) const MAX_LINE: usize = 4096;

/// Puts lines together and has them read. Holds on to one unfinished line, of bounded length.
#[derive(Default)]
pub(super) struct Lines {
    /// The start of the line that the pieces so far end in; at most one byte more than [`MAX_LINE`].
    unfinished: Vec<u8>,
    /// Whether the pieces so far end in a carriage return, which a line feed would belong to.
    after_return: bool,
    reader: LineReader,
    list: ParsedList,
}

impl Lines {
    /// Takes in the next piece of the text.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if self.after_return && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            self.after_return = false;
        }
        if !self.unfinished.is_empty() {
            let Some(end) = line_end(rest) else { return self.keep(rest) };
            self.keep(&rest[..end]);
            rest = self.past(rest, end);
            self.finish_line();
        }
        loop {
            if let Some((prefix, used)) = prefix::whole_v4_line(rest) {
                self.list.lines += 1;
                self.list.prefixes.push(prefix);
                rest = &rest[used..];
                continue;
            }
            let Some(end) = line_end(rest) else { return self.keep(rest) };
            self.list.lines += 1;
            self.reader.read(&rest[..end], &mut self.list);
            rest = self.past(rest, end);
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

    /// What follows the end of a line, all of it.
    fn past<'a>(&mut self, rest: &'a [u8], end: usize) -> &'a [u8] {
        match &rest[end..] {
            [b'\r', b'\n', next @ ..] => next,
            [b'\r'] => {
                self.after_return = true;
                &[]
            }
            [_, next @ ..] => next,
            [] => &[],
        }
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

/// Where a line ends: at a line feed, or at a carriage return, with or without one. A return within a comment
/// would hide what follows it; to a text editor that is a line of its own.
fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
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
    fn a_carriage_return_ends_a_line_with_or_without_a_line_feed() {
        let text = b"# list\r192.0.2.0/24\r\r198.51.100.0/24\r\n# x\ry\n2001:db8::1\r\n\r\n192.0.2.7\r";
        let whole = read(&[text]);
        let refused: Vec<_> = whole.problems.iter().map(|problem| (problem.line, &*problem.text)).collect();
        assert_eq!((whole.lines, whole.prefixes.len(), refused), (9, 4, vec![(6, "y")]));
        for cut in 0..text.len() {
            let parts = read(&[&text[..cut], b"", &text[cut..]]);
            assert_eq!((parts.lines, &parts.prefixes), (9, &whole.prefixes), "{cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!((read(&bytes).lines, read(&bytes).prefixes), (9, whole.prefixes));
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
