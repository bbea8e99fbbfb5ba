//! Shows the difference between two texts.

use similar::{ChangeTag, TextDiff};

/// The difference as in a unified diff: added lines begin with `+`, removed ones with `-`, and one line of context around
/// each change with a space.
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
    fn changed_lines_are_shown_with_one_line_of_context() {
        assert_eq!(changes("a\nb\nc\nd\n", "a\nb\nx\nd\n"), [" b", "-c", "+x", " d"]);
        assert!(changes("a\n", "a\n").is_empty());
    }
}
