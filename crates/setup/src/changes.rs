//! What is changed in a text, as people read it.

use similar::{ChangeTag, TextDiff};

/// The lines that come and go, each behind `+` or `-`, with one line of what is around them behind a space.
pub fn changes(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let groups = diff.grouped_ops(1);
    let lines = groups.iter().flatten().flat_map(|operation| diff.iter_changes(operation)).map(|change| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        format!("{sign}{}", change.value().trim_end_matches('\n'))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_and_go_are_told_with_what_is_around_them() {
        assert_eq!(changes("a\nb\nc\nd\n", "a\nb\nx\nd\n"), [" b", "-c", "+x", " d"]);
        assert!(changes("a\n", "a\n").is_empty());
    }
}
