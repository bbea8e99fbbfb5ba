//! The overview: curves of the last 15 minutes, the first rows of each view, and the latest events.

use floodwall_units::{clock, short};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Sparkline},
};

use super::Theme;
use crate::{
    app::App,
    history::Metric,
    model::Model,
    tables::{Cell, NETWORK, Row, Table, first_sort},
    view::View,
};

/// Width of the text beside a curve, columns.
const LABEL: u16 = 28;

pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let model = app.model();
    let curve = if area.height >= 30 { 4 } else { 2 };
    let lists = (area.height.saturating_sub(2 * curve) * 3 / 4).max(6);
    let heights =
        [Constraint::Length(curve), Constraint::Length(curve), Constraint::Length(lists), Constraint::Min(0)];
    let [passed, dropped, lists, events] = Layout::vertical(heights).areas(area);
    draw_curve(frame, model, theme, ("passed", &Metric::Passed, &Metric::PassedBits, theme.good()), passed);
    draw_curve(
        frame,
        model,
        theme,
        ("dropped", &Metric::Dropped, &Metric::DroppedBits, theme.bad()),
        dropped,
    );
    let halves = Layout::vertical([Constraint::Ratio(1, 2); 2]).areas::<2>(lists);
    let quarters = halves.map(|half| Layout::horizontal([Constraint::Ratio(1, 2); 2]).areas::<2>(half));
    let shown = [
        [(View::Reasons, [0, 1, 4]), (View::Services, [0, 1, 2])],
        [(View::Prefixes, [0, 1, 5]), (View::Signatures, [1, 2, 5])],
    ];
    for (areas, views) in quarters.into_iter().zip(shown) {
        for (area, (view, columns)) in areas.into_iter().zip(views) {
            draw_list(frame, model, theme, view, columns, area);
        }
    }
    draw_events(frame, model, theme, events);
}

fn draw_curve(
    frame: &mut Frame<'_>,
    model: &Model,
    theme: Theme,
    (name, packets, bits, style): (&str, &Metric, &Metric, Style),
    area: Rect,
) {
    let [label, curve] =
        Layout::horizontal([Constraint::Length(LABEL), Constraint::Min(10)]).areas::<2>(area);
    let (now, bits) = (short(model.history.now(packets)), short(model.history.now(bits)));
    let peak = short(model.history.peak(packets));
    let lines = vec![
        Line::from(vec![
            Span::styled(format!("{name:<8}"), theme.strong()),
            Span::styled(format!("{now:>7}/s"), style),
            Span::raw(format!("{bits:>7}b/s")),
        ]),
        Line::styled(format!("15 m peak{peak:>7}/s"), theme.quiet()),
    ];
    frame.render_widget(Paragraph::new(lines), label);
    let columns = model.history.columns(packets, usize::from(curve.width));
    frame.render_widget(Sparkline::default().data(columns).style(style), curve);
}

/// Draws three columns of the first rows of a view.
fn draw_list(
    frame: &mut Frame<'_>,
    model: &Model,
    theme: Theme,
    view: View,
    columns: [usize; 3],
    area: Rect,
) {
    let mut table = Table::of(view, model, (first_sort(view), false), "");
    // Whose network it is says more than the reason, which is listed beside.
    let network = table.headings.iter().position(|(name, _)| *name == NETWORK);
    let columns = network.map_or(columns, |network| [columns[0], columns[1], network]);
    if view == View::Reasons {
        // Only reasons for drops; the curve above shows what passes.
        table.rows.retain(|row| row.cells[4].text() == "drop");
    }
    let title = match view {
        View::Prefixes => "Sources, as sampled".to_owned(),
        View::Reasons => "Dropped for".to_owned(),
        other => other.name().to_owned(),
    };
    let block = Block::new().borders(Borders::TOP).title(Span::styled(title, theme.strong()));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inside.width).saturating_sub(1);
    let lines: Vec<_> = match table.rows.is_empty() {
        true => vec![Line::styled("none", theme.quiet())],
        false if view == View::Prefixes && model.drops.are_forged() => {
            let words = ["forged: hardly one came twice,", "so to block them is of no use"];
            words.map(Line::raw).into()
        }
        false => {
            let rows = table.rows.iter().take(usize::from(inside.height));
            rows.map(|row| Line::raw(in_short(row, columns, width, view))).collect()
        }
    };
    frame.render_widget(Paragraph::new(lines), inside);
}

fn in_short(row: &Row, columns: [usize; 3], width: usize, view: View) -> String {
    let [first, second, third] = columns.map(|column| row.cells.get(column).map_or("", Cell::text));
    match view {
        View::Signatures => format!("{first:<6.6} {second:>6} {third}"),
        View::Prefixes => {
            let left = width.saturating_sub(20).max(10);
            format!("{first:<left$.left$} {second:>5} {third:.12}")
        }
        _ => {
            let third = if view == View::Services { format!(" {third:>6} dropped") } else { String::new() };
            let left = width.saturating_sub(7 + third.len()).max(8);
            format!("{first:<left$.left$} {second:>6}{third}")
        }
    }
}

fn draw_events(frame: &mut Frame<'_>, model: &Model, theme: Theme, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title(Span::styled("Events", theme.strong()));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let latest = model.events.iter().rev().take(usize::from(inside.height));
    let mut lines: Vec<_> = latest
        .map(|told| {
            let style = if told.loud { theme.warning() } else { Style::new() };
            Line::styled(format!("{} {}", clock(told.time_ms), told.text), style)
        })
        .collect();
    lines.reverse();
    if lines.is_empty() {
        lines.push(Line::styled("none yet", theme.quiet()));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}
