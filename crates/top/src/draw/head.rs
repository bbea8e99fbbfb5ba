//! The top of the screen: the host's state, the names of the views, and notes on attacks and problems.

use floodwall_api::{Incident, Overview, Standing, State};
use floodwall_units::{clock, masked, short, span};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::Theme;
use crate::{app::App, history::Metric, model::Model, view::View, words};

/// Reasons of each kind that are shown at once.
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
        who.push(Span::styled("  READ-ONLY", theme.quiet()));
    }
    let views = View::ALL.iter().zip(1..).flat_map(|(view, number)| {
        let style = if *view == app.view { theme.chosen() } else { theme.quiet() };
        [Span::styled(format!("{number} {}", view.name()), style), Span::raw(" ")]
    });
    frame.render_widget(Paragraph::new(vec![Line::from(who), views.collect()]), area);
}

/// Lines on a daemon that does not answer, on how the host stands and why, and on warnings.
pub(super) fn notes(app: &App, theme: Theme) -> Vec<Line<'static>> {
    let mut notes = Vec::new();
    if let Some((why, since)) = &app.trouble {
        let known =
            if app.model().overview.is_some() { "what is shown is what was known before" } else { "waiting" };
        let words = format!("NO ANSWER for {}: {}; {known}", span(since.elapsed().as_secs()), masked(why));
        notes.push(Line::styled(words, theme.loud()));
    }
    let Some(overview) = &app.model().overview else { return notes };
    let Standing { state, because, .. } = &overview.standing;
    let style = match state {
        _ if state.is_grave() => theme.loud(),
        State::Peace => theme.good(),
        _ => theme.alert(),
    };
    notes.push(Line::styled(masked(&headline(*state, app.model().incident(), overview)), style));
    if overview.signatures.attack && app.model().history.has_rates() {
        notes.push(Line::raw(masked(&what_stops_it(app.model()))));
    }
    for why in because.iter().take(SHOWN) {
        let style = if state.is_grave() { theme.warning() } else { theme.quiet() };
        notes.push(Line::styled(masked(why), style));
    }
    for warning in overview.status.warnings.iter().take(SHOWN) {
        notes.push(Line::styled(format!("warning: {}", masked(warning)), theme.warning()));
    }
    notes
}

/// How the host stands; of an attack what it is aimed at, what it consists of, and for how long it has gone on.
fn headline(state: State, incident: Option<&Incident>, overview: &Overview) -> String {
    let title = state.title();
    let services: Vec<_> = overview.signatures.attacked.iter().map(|name| words::service(name)).collect();
    let Some(incident) = incident else {
        return if services.is_empty() {
            title.to_owned()
        } else {
            format!("{title}: {}", services.join(", "))
        };
    };
    let (what, id) = (incident.vectors_in_words(), incident.id);
    if !overview.signatures.attack {
        let when = if incident.is_attacked() { "before the start" } else { "the last attack" };
        return format!("{title}; {when}: {what} · incident {id}");
    }
    let lasts = span(overview.time_ms.saturating_sub(incident.began_ms) / 1_000);
    format!("{title}: {} by {what}, for {lasts} · incident {id}", services.join(", "))
}

/// How much of what comes is dropped, and why.
fn what_stops_it(model: &Model) -> String {
    let (dropped, passed) = (model.history.now(&Metric::Dropped), model.history.now(&Metric::Passed));
    let all = dropped + passed;
    if dropped < 1.0 {
        return format!("nothing is dropped of {} pkt/s", short(all));
    }
    let counters = model.overview.iter().flat_map(|overview| &overview.status.counters);
    let mut reasons: Vec<_> = counters
        .filter(|counter| counter.verdict == "drop")
        .map(|counter| (model.history.now(&Metric::Reason(counter.reason.clone())), counter.reason.as_str()))
        .filter(|(rate, _)| *rate >= 1.0)
        .collect();
    reasons.sort_by(|one, other| other.0.total_cmp(&one.0));
    let reasons = reasons.iter().take(SHOWN);
    let reasons: Vec<_> =
        reasons.map(|(rate, reason)| format!("{} {}", words::stopped_by(reason), short(*rate))).collect();
    let share = dropped * 100.0 / all;
    format!("dropped {} of {} pkt/s ({share:.0} %): {}", short(dropped), short(all), reasons.join(", "))
}
