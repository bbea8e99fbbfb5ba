//! Overlays: help, a confirmation, and the details of a source or a signature.

use floodwall_api::{AddressOrigin, Outcome, SignatureReport, WhyReport};
use floodwall_units::{count, masked, span};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Wrap},
};

use super::Theme;
use crate::{
    act::Act,
    app::{App, Overlay},
    keys::HELP,
};

pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let (title, lines) = match &app.overlay {
        None => return,
        Some(Overlay::Help) => (" Keys ".to_owned(), help(theme)),
        Some(Overlay::Confirm(act)) => (" Run this? ".to_owned(), question(act, theme)),
        Some(Overlay::Source { address, why }) => {
            (format!(" {} ", masked(address)), source(why.as_ref(), theme))
        }
        Some(Overlay::Signature(number)) => {
            let list = app.model().overview.iter().flat_map(|overview| &overview.signatures.signatures);
            let found = list.into_iter().find(|signature| signature.number == *number);
            (format!(" Signature {number} "), signature(found, theme))
        }
    };
    let width = area.width.saturating_sub(4).min(92);
    let inside = usize::from(width.saturating_sub(2)).max(1);
    // Long lines are wrapped.
    let rows = lines.iter().map(|line| line.width().div_ceil(inside).max(1)).sum::<usize>() + 2;
    let height = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(Span::styled(title, theme.strong()));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), place);
}

fn help(theme: Theme) -> Vec<Line<'static>> {
    let line = |(keys, what): (&'static str, &'static str)| {
        Line::from(vec![Span::styled(format!("{keys:<23}"), theme.strong()), Span::raw(what)])
    };
    HELP.into_iter().map(line).collect()
}

fn question(act: &Act, theme: Theme) -> Vec<Line<'static>> {
    vec![
        Line::raw(""),
        Line::styled(format!("  {}", masked(&act.command())), theme.strong()),
        Line::raw(""),
        Line::raw(masked(&act.meaning())),
        Line::raw(""),
        Line::from(vec![
            Span::styled("y", theme.strong()),
            Span::raw(" runs it, any other key leaves things as they are"),
        ]),
    ]
}

fn source(why: Option<&Result<Box<WhyReport>, String>>, theme: Theme) -> Vec<Line<'static>> {
    let why = match why {
        None => return vec![Line::styled("asking …", theme.quiet())],
        Some(Err(error)) => return vec![Line::styled(masked(error), theme.warning())],
        Some(Ok(why)) => why,
    };
    let style = match why.outcome {
        Outcome::Blocked | Outcome::Banned | Outcome::Limited => theme.bad(),
        _ => theme.good(),
    };
    let mut lines = vec![Line::styled(masked(&why.verdict), style), Line::raw("")];
    let seen = &why.source;
    lines.push(Line::raw(match seen.tracked {
        true => format!(
            "{} packets, {} bytes, {} requests for connections since it was entered; {}",
            count(seen.packets),
            count(seen.bytes),
            count(seen.syns),
            if seen.known { "it has taken part in conversations" } else { "a new source" }
        ),
        false => "not in the source table: silent, or too weak to stay".to_owned(),
    }));
    if let Some(origin) = seen.origin.as_ref().and_then(AddressOrigin::words) {
        lines.push(Line::raw(format!("its address is of {}", masked(&origin))));
    }
    lines.push(Line::raw(masked(&why.lists.why)));
    for ban in &why.bans {
        lines.push(Line::styled(
            format!("banned: {}: {}", masked(&ban.prefix), masked(&ban.because)),
            theme.bad(),
        ));
    }
    for spared in &why.spared {
        lines.push(Line::raw(format!("spared: {}", masked(spared))));
    }
    for signature in why.signatures.iter().filter(|signature| signature.may_match && signature.drops) {
        lines.push(Line::raw(format!(
            "signature {} may match: {}",
            signature.number,
            masked(&signature.text)
        )));
    }
    for rule in why.rules.iter().chain(&seen.limits).filter(|rule| rule.is_used_up()) {
        lines.push(Line::styled(
            format!(
                "over {}/{}: {} {}/s",
                masked(&rule.service),
                masked(&rule.rule),
                rule.rate,
                masked(&rule.of)
            ),
            theme.bad(),
        ));
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled("b block  a allow  u unblock  l lift ban  k keep ban  Esc back", theme.quiet()));
    lines
}

fn signature(found: Option<&SignatureReport>, theme: Theme) -> Vec<Line<'static>> {
    let Some(signature) = found else { return vec![Line::styled("it is gone", theme.quiet())] };
    let SignatureReport { text, enforced, pinned, held, warning, packets, bytes, .. } = signature;
    let does = if *enforced { "It drops what it matches" } else { "It only counts what it matches" };
    let by =
        if *pinned { "and stays as it is, as an operator wants it" } else { "and was found by detection" };
    let mut lines = vec![
        Line::styled(masked(text), theme.strong()),
        Line::raw(""),
        Line::raw(format!("{does}, {by}.")),
        Line::raw(format!("{} packets, {} bytes matched it.", count(*packets), count(*bytes))),
        Line::raw(format!(
            "Of {} sampled packets that matched it, {} came from sources that were there in calm times.",
            count(signature.sampled),
            count(signature.sampled_known)
        )),
        Line::raw(format!(
            "Deployed {} ago; last seen {} ago.",
            span(signature.age_seconds as u64),
            span(signature.idle_seconds as u64)
        )),
    ];
    for note in held.iter().chain(warning) {
        lines.push(Line::styled(masked(note), theme.warning()));
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled("p pin  x take back  Esc back", theme.quiet()));
    lines
}
