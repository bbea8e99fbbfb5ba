//! Colours, where a person sees them.

use std::{
    env,
    fmt::{self, Display},
};

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    coloured: bool,
}

/// Something to be shown in a colour.
pub(super) struct Painted<T> {
    value: T,
    /// Parameters of the escape sequence (ECMA-48, 8.3.117).
    code: Option<&'static str>,
}

impl Style {
    #[cfg(test)]
    pub(super) const fn plain() -> Self {
        Self { coloured: false }
    }

    /// Colours on a terminal, unless the user wants none (<https://no-color.org>).
    pub(super) fn of_terminal(is_terminal: bool) -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { coloured: is_terminal && !unwanted && !dumb }
    }

    /// Whether there are any.
    pub(super) const fn is_coloured(self) -> bool {
        self.coloured
    }

    /// For headings.
    pub(super) fn strong<T>(self, value: T) -> Painted<T> {
        self.paint(value, "1")
    }

    /// For what goes its way.
    pub(super) fn good<T>(self, value: T) -> Painted<T> {
        self.paint(value, "32")
    }

    /// For what is stopped.
    pub(super) fn bad<T>(self, value: T) -> Painted<T> {
        self.paint(value, "31")
    }

    /// For what an operator must not overlook.
    pub(super) fn loud<T>(self, value: T) -> Painted<T> {
        self.paint(value, "1;97;41")
    }

    fn paint<T>(self, value: T, code: &'static str) -> Painted<T> {
        Painted { value, code: self.coloured.then_some(code) }
    }
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code else { return self.value.fmt(formatter) };
        write!(formatter, "\x1b[{code}m")?;
        self.value.fmt(formatter)?;
        formatter.write_str("\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_seen() {
        assert_eq!(Style::plain().bad("x").to_string(), "x");
        assert_eq!(
            Style { coloured: true }.bad(format_args!("{:>3}", "x")).to_string(),
            "\x1b[31m  x\x1b[0m"
        );
        assert!(!Style::of_terminal(false).coloured);
    }
}
