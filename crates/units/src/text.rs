//! Text of someone else's, without what a terminal would act on: control characters, and marks that turn the direction of
//! what follows them.

/// What is acted on stands there as `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acted_on(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Every character that is acted on, or takes no room, is replaced by one, so that text which is laid out by its number of
/// characters keeps its width.
pub fn masked(text: &str) -> String {
    let masked = |c: char| acted_on(c) || matches!(c, '\u{200b}'..='\u{200d}');
    text.chars().map(|c| if masked(c) { '\u{fffd}' } else { c }).collect()
}

fn acted_on(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(escaped("a\x1b[2J\n\u{202e}ü"), "a\\u{1b}[2J\\n\\u{202e}ü");
        assert_eq!(masked("a\x1b[2J\u{202e}\u{200b}ü"), "a\u{fffd}[2J\u{fffd}\u{fffd}ü");
    }
}
