//! Handles keys.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use floodwall_api::ListName;

use crate::{
    act::Act,
    app::{App, Effect, Overlay},
    tables::Subject,
    view::View,
};

/// Rows that page up and page down move by.
const PAGE: isize = 10;

/// The keys and what they do, for the help.
pub(crate) const HELP: [(&str, &str); 16] = [
    ("Tab, Shift-Tab, 1-7", "another view"),
    ("↑ ↓ PgUp PgDn Home End", "choose a row"),
    ("Enter", "all that is known of a source or a signature"),
    ("/", "show only what contains some text; Esc shows all again"),
    ("s, S", "sort by the next column; turn the order around"),
    ("Space", "pause, and go on"),
    ("b", "block the source or prefix, for an hour"),
    ("u", "take it off the blocklist"),
    ("a", "allow it, for an hour"),
    ("l", "lift its ban"),
    ("k", "keep its ban, as an entry of the blocklist"),
    ("p", "pin the signature: it stays as it is"),
    ("x", "take the signature back"),
    ("B", "let everything pass for 5 minutes; or no longer"),
    ("?", "this"),
    ("q, Ctrl-C", "end; nothing that was done is undone"),
];

/// Handles a key.
pub(crate) fn press(app: &mut App, key: KeyEvent) -> Effect {
    if key.kind == KeyEventKind::Release {
        return Effect::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') { Effect::Quit } else { Effect::Nothing };
    }
    if app.typing {
        return type_filter(app, key.code);
    }
    if app.overlay.is_some() {
        return answer_overlay(app, key.code);
    }
    app.message = None;
    match key.code {
        KeyCode::Char('q') => return Effect::Quit,
        KeyCode::Char('?') => app.overlay = Some(Overlay::Help),
        KeyCode::Tab => app.turn(1),
        KeyCode::BackTab => app.turn(View::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='7') => {
            app.view = View::ALL[digit as usize - '1' as usize];
        }
        KeyCode::Char('/') if app.view != View::Overview => app.typing = true,
        KeyCode::Esc => app.view_state_mut().filter.clear(),
        KeyCode::Char('s') => {
            let columns = app.table().headings.len();
            let state = app.view_state_mut();
            state.sort = ((state.sort.0 + 1) % columns, false);
        }
        KeyCode::Char('S') => {
            let state = app.view_state_mut();
            state.sort.1 = !state.sort.1;
        }
        KeyCode::Char(' ') => app.pause(),
        KeyCode::Up => app.step(-1),
        KeyCode::Down => app.step(1),
        KeyCode::PageUp => app.step(-PAGE),
        KeyCode::PageDown => app.step(PAGE),
        KeyCode::Home => app.step(isize::MIN),
        KeyCode::End => app.step(isize::MAX),
        KeyCode::Enter => return open(app),
        KeyCode::Char(letter) => propose(app, letter),
        _ => {}
    }
    Effect::Nothing
}

fn type_filter(app: &mut App, code: KeyCode) -> Effect {
    match code {
        KeyCode::Enter => app.typing = false,
        KeyCode::Esc => {
            app.typing = false;
            app.view_state_mut().filter.clear();
        }
        KeyCode::Backspace => _ = app.view_state_mut().filter.pop(),
        KeyCode::Char(letter) if app.view_state().filter.len() < 64 => {
            app.view_state_mut().filter.push(letter);
        }
        _ => {}
    }
    Effect::Nothing
}

fn answer_overlay(app: &mut App, code: KeyCode) -> Effect {
    let overlay = app.overlay.take();
    match (overlay, code) {
        (Some(Overlay::Confirm(act)), KeyCode::Char('y')) => return Effect::Run(act),
        (Some(Overlay::Confirm(_)), _) => {
            app.message = Some(("nothing was done".to_owned(), true));
        }
        (_, KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?')) => {}
        // Keys for changes work on the source or signature that is shown.
        (overlay @ Some(Overlay::Source { .. } | Overlay::Signature(_)), KeyCode::Char(letter)) => {
            app.overlay = overlay;
            propose(app, letter);
        }
        (overlay, _) => app.overlay = overlay,
    }
    Effect::Nothing
}

/// Opens the details of the selected row.
fn open(app: &mut App) -> Effect {
    if app.view == View::Overview {
        return Effect::Nothing;
    }
    match app.chosen() {
        Some(Subject::Signature(number)) => app.overlay = Some(Overlay::Signature(number)),
        Some(Subject::Address(address)) if !address.contains('/') => {
            app.overlay = Some(Overlay::Source { address: address.clone(), why: None });
            return Effect::Ask(address);
        }
        Some(Subject::Address(prefix)) => {
            // The details of a prefix are its sources: the view of sources, filtered by the part that they share.
            let begin = prefix.split_once(".0/").map_or(prefix.as_str(), |(begin, _)| begin);
            let begin = begin.split_once("::/").map_or(begin, |(begin, _)| begin).to_owned();
            app.view = View::Sources;
            app.view_state_mut().filter = begin;
        }
        Some(Subject::Other(_)) | None => {}
    }
    Effect::Nothing
}

/// Asks for confirmation of the change that a letter stands for.
fn propose(app: &mut App, letter: char) {
    let subject = match &app.overlay {
        Some(Overlay::Source { address, .. }) => Some(Subject::Address(address.clone())),
        Some(Overlay::Signature(number)) => Some(Subject::Signature(*number)),
        _ if app.view == View::Overview => None,
        _ => app.chosen(),
    };
    let act = match (letter, subject) {
        ('b', Some(Subject::Address(who))) => Act::List(ListName::Block, who),
        ('a', Some(Subject::Address(who))) => Act::List(ListName::Allow, who),
        ('u', Some(Subject::Address(who))) => Act::Unblock(who),
        ('l', Some(Subject::Address(who))) => Act::Lift(who),
        ('k', Some(Subject::Address(who))) => Act::Keep(who),
        ('p', Some(Subject::Signature(number))) => Act::Pin(number),
        ('x', Some(Subject::Signature(number))) => Act::Drop(number),
        ('B', _) => {
            let overview = app.model().overview.as_ref();
            Act::Bypass(overview.is_none_or(|overview| overview.bypass.seconds.is_none()))
        }
        ('b' | 'a' | 'u' | 'l' | 'k', _) => {
            return app.message = Some(("choose a source or a prefix first: 4, 5".to_owned(), false));
        }
        ('p' | 'x', _) => return app.message = Some(("choose a signature first: 6".to_owned(), false)),
        _ => return,
    };
    if app.read_only {
        app.message = Some((format!("this only looks; to do it: {}", act.command()), false));
    } else {
        app.overlay = Some(Overlay::Confirm(act));
    }
}
