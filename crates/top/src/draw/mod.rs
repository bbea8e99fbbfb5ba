//! Draws the screen from the state of the user interface.

mod head;
mod list;
mod overlay;
mod overview;

use floodwall_units::masked;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use crate::{app::App, view::View};

/// Smallest screen, columns and rows.
const LEAST: (u16, u16) = (40, 12);

/// Text styles, with colours or with bold and inverted text in their place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    colour: bool,
}

impl Theme {
    pub(crate) const fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn coloured(self, colour: Color, otherwise: Modifier) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new().add_modifier(otherwise) }
    }

    /// For packets that pass, and for success.
    fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::empty())
    }

    /// For packets that are dropped.
    fn bad(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    /// For warnings.
    fn warning(self) -> Style {
        self.coloured(Color::Yellow, Modifier::BOLD)
    }

    /// For attacks and problems.
    fn loud(self) -> Style {
        if self.colour {
            Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
        }
    }

    /// For attacks that are borne.
    fn alert(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Black).bg(Color::Yellow).add_modifier(Modifier::BOLD)
        } else {
            self.loud()
        }
    }

    /// For headings.
    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// For less important text.
    fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// For the selection.
    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let words =
            format!("{} × {} is too small; {} × {} is the least", area.width, area.height, LEAST.0, LEAST.1);
        return frame.render_widget(Paragraph::new(words), area);
    }
    let notes = head::notes(app, theme);
    let heights = [
        Constraint::Length(2),
        Constraint::Length(notes.len() as u16),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [title, banner, body, foot] = Layout::vertical(heights).areas(area);
    head::draw(frame, app, theme, title);
    frame.render_widget(Paragraph::new(notes), banner);
    match app.view {
        View::Overview => overview::draw(frame, app, theme, body),
        _ => list::draw(frame, app, theme, body),
    }
    draw_foot(frame, app, theme, foot);
    overlay::draw(frame, app, theme, area);
}

/// Draws the last line: the filter that is being typed, the result of the last change, or the most important keys.
fn draw_foot(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let line = if app.typing {
        Line::from(vec![
            Span::styled("/", theme.strong()),
            Span::raw(app.view_state().filter.clone()),
            Span::styled("█", theme.strong()),
            Span::styled("  Enter keeps it, Esc shows all again", theme.quiet()),
        ])
    } else if let Some((message, is_good)) = &app.message {
        let style = if *is_good { theme.good() } else { theme.warning() };
        Line::styled(masked(message), style)
    } else {
        let keys = match app.view {
            View::Overview => "Tab view  Space pause  B bypass  ? help  q quit",
            View::Sources | View::Prefixes => {
                "Enter look  b block  a allow  l lift ban  / filter  s sort  ? help  q quit"
            }
            View::Signatures => {
                "Enter look  p pin  x take back  / filter  s sort  Space pause  ? help  q quit"
            }
            View::Services | View::Reasons => {
                "Tab view  / filter  s sort  S turn  Space pause  ? help  q quit"
            }
            View::Events => "Tab view  / filter  Space pause  ? help  q quit",
        };
        Line::styled(keys, theme.quiet())
    };
    frame.render_widget(Paragraph::new(line), area);
}
