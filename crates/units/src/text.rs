//! Makes untrusted text safe to print: without control characters and bidirectional formatting characters, on which a terminal
//! would act.

/// Replaces each unsafe character by its escape, such as `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Replaces each unsafe or zero-width character by U+FFFD, so that the text is as wide as it has characters.
pub fn masked(text: &str) -> String {
    let masked = |c: char| is_unsafe(c) || matches!(c, '\u{200b}'..='\u{200d}');
    text.chars().map(|c| if masked(c) { '\u{fffd}' } else { c }).collect()
}

/// Makes one line of at most `max` bytes: each unsafe character becomes a space, and what is cut off `…`.
pub fn one_line(text: &str, max: usize) -> String {
    let line: String = text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
    let line = line.trim();
    if line.len() <= max {
        return line.to_owned();
    }
    let end = line.floor_char_boundary(max.saturating_sub('…'.len_utf8()));
    format!("{}…", &line[..end])
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_no_breaks_and_a_bounded_length() {
        assert_eq!(one_line("eth0\nREADY=1\n", 300), "eth0 READY=1");
        assert_eq!(one_line("a\u{202e}b\x1b[2J", 300), "a b [2J");
        assert_eq!(one_line(&"a".repeat(300), 300).len(), 300);
        let long = one_line(&"ü".repeat(300), 300);
        assert!(long.len() <= 300 && long.ends_with("ü…"), "{long}");
    }

    #[test]
    fn untrusted_text_cannot_control_the_terminal() {
        assert_eq!(escaped("a\x1b[2J\n\u{202e}ü"), "a\\u{1b}[2J\\n\\u{202e}ü");
        assert_eq!(masked("a\x1b[2J\u{202e}\u{200b}ü"), "a\u{fffd}[2J\u{fffd}\u{fffd}ü");
    }
}
