//! The top of the screen: the host's state, the names of the views, and notes on attacks and problems.

use floodwall_api::{Incident, IncidentSeverity, Overview};
use floodwall_units::{clock, masked, short, span};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::Theme;
use crate::{app::App, view::View};

/// Problems, and warnings, that are shown at once.
const SHOWN: usize = 2;

/// Draws two lines: the host's state, and the names of the views.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let mut who = vec![Span::styled("floodwall", theme.strong())];
    match &app.model().overview {
        Some(overview) => {
            let Overview { status, time_ms, .. } = overview;
            who.push(Span::raw(format!(" {}", masked(&status.version))));
            for interface in &status.interfaces {
                let name = masked(&interface.name);
                who.push(match interface.filtered {
                    true => Span::styled(format!("  {name} {}", masked(&interface.mode)), theme.good()),
                    false => Span::styled(format!("  {name} NOT FILTERED"), theme.loud()),
                });
            }
            who.push(Span::raw(format!("  up {}  {} UTC", span(status.uptime_seconds), clock(*time_ms))));
        }
        None => who.push(Span::styled("  asking …", theme.quiet())),
    }
    if app.is_paused() {
        who.push(Span::styled("  PAUSED", theme.warning()));
    }
    if app.read_only {
        who.push(Span::styled("  only looks", theme.quiet()));
    }
    let views = View::ALL.iter().zip(1..).flat_map(|(view, number)| {
        let style = if *view == app.view { theme.chosen() } else { theme.quiet() };
        [Span::styled(format!("{number} {}", view.name()), style), Span::raw(" ")]
    });
    frame.render_widget(Paragraph::new(vec![Line::from(who), views.collect()]), area);
}

/// Lines on a daemon that does not answer, on an attack, and on problems and warnings.
pub(super) fn notes(app: &App, theme: Theme) -> Vec<Line<'static>> {
    let mut notes = Vec::new();
    if let Some((why, since)) = &app.trouble {
        let known =
            if app.model().overview.is_some() { "what is shown is what was known before" } else { "waiting" };
        let words = format!("NO ANSWER for {}: {}; {known}", span(since.elapsed().as_secs()), masked(why));
        notes.push(Line::styled(words, theme.loud()));
    }
    let Some(overview) = &app.model().overview else { return notes };
    if let Some(seconds) = overview.bypass.seconds {
        let words = format!("BYPASS: every packet passes for another {}", span(seconds.ceil() as u64));
        notes.push(Line::styled(words, theme.loud()));
    }
    for problem in overview.status.problems.iter().take(SHOWN) {
        notes.push(Line::styled(format!("PROBLEM: {}", masked(problem)), theme.loud()));
    }
    match app.model().incident() {
        Some(incident) => notes.push(banner(incident, overview, theme)),
        None if overview.signatures.attack => {
            let services = overview.signatures.attacked.join(", ");
            notes.push(Line::styled(format!("ATTACK on {}", masked(&services)), theme.loud()));
        }
        None => notes.push(Line::styled("no attack", theme.good())),
    }
    for warning in overview.status.warnings.iter().take(SHOWN) {
        notes.push(Line::styled(format!("warning: {}", masked(warning)), theme.warning()));
    }
    notes
}

fn banner(incident: &Incident, overview: &Overview, theme: Theme) -> Line<'static> {
    let attacked = &overview.signatures.attacked;
    let lasts = span(overview.time_ms.saturating_sub(incident.began_ms) / 1_000);
    let what = masked(&incident.vectors_in_words());
    let begin = match attacked.is_empty() {
        true => format!("quiet, may come again: {what}"),
        false => format!("ATTACK on {}: {what}", masked(&attacked.join(", "))),
    };
    let human = if incident.severity == IncidentSeverity::Critical { " · NEEDS A HUMAN" } else { "" };
    let words = format!(
        "{begin} · incident {}, {}, for {lasts} · peak {}/s{human}",
        incident.id,
        incident.phase.name(),
        short(incident.traffic.peak_packets as f64)
    );
    Line::styled(words, if attacked.is_empty() { theme.warning() } else { theme.loud() })
}
