//! A view that is a table with a selected row.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span, Text},
    widgets::{self, Block, Borders, Paragraph, TableState},
};

use super::Theme;
use crate::{
    app::App,
    tables::{Cell, Row, Table},
    view::View,
};

pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let table = app.table();
    let state = app.view_state();
    let mut title =
        vec![Span::styled(app.view.name(), theme.strong()), Span::raw(format!(": {}", table.note))];
    if !state.filter.is_empty() {
        title.push(Span::styled(format!("  only: {}", state.filter), theme.warning()));
    }
    let block = Block::new().borders(Borders::TOP).title(Line::from(title));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    if table.rows.is_empty() {
        let words =
            if state.filter.is_empty() { "none" } else { "nothing contains that; Esc shows all again" };
        return frame.render_widget(Paragraph::new(Line::styled(words, theme.quiet())), inside);
    }
    let place = app.place(&table);
    let [rows, number] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas::<2>(inside);
    let sorted = (app.view != View::Events).then_some(state.sort);
    let mut selection = TableState::default().with_selected(place);
    frame.render_stateful_widget(widget(&table, sorted, theme), rows, &mut selection);
    let at = place.map_or(0, |place| place + 1);
    let words = format!("{at} of {}", table.rows.len());
    frame.render_widget(Paragraph::new(Line::styled(words, theme.quiet())), number);
}

fn widget<'t>(table: &'t Table, sorted: Option<(usize, bool)>, theme: Theme) -> widgets::Table<'t> {
    let last = table.headings.len() - 1;
    let widths = table.headings.iter().enumerate().map(|(place, (_, width))| {
        if place == last { Constraint::Min(*width) } else { Constraint::Length(*width) }
    });
    let is_number = |column: usize| table.rows.first().is_some_and(|row| row.cells[column].is_number());
    let headings = table.headings.iter().enumerate().map(|(column, (name, _))| {
        let mark = match sorted {
            Some((by, turned)) if by == column => {
                if turned {
                    "▲"
                } else {
                    "▼"
                }
            }
            _ => "",
        };
        let text = Text::raw(format!("{name}{mark}"));
        if is_number(column) { text.right_aligned() } else { text }
    });
    let rows = table.rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| {
            let text = Text::raw(cell.text());
            if cell.is_number() { text.right_aligned() } else { text }
        });
        widgets::Row::new(cells).style(style(row, theme))
    });
    widgets::Table::new(rows, widths)
        .header(widgets::Row::new(headings).style(theme.strong()))
        .row_highlight_style(theme.chosen())
}

/// Highlights rows about attacked services, drops, and events that need attention.
fn style(row: &Row, theme: Theme) -> Style {
    let says = |word: &str| row.cells.iter().any(|cell| matches!(cell, Cell::Words(text) if text == word));
    if says("ATTACKED") || says("drop") {
        theme.bad()
    } else if says("!") {
        theme.warning()
    } else {
        Style::new()
    }
}
