//! The event loop: reads keys and updates from the daemon, and redraws.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossterm::event::{Event as Input, poll, read};
use floodwall_api::client::Client;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{self, Sender},
    task::JoinSet,
};

use crate::{
    app::{App, Effect},
    draw::{self, Theme},
    feed::{self, ActError, Update},
    keys,
};

/// Updates that are queued at most.
const QUEUE: usize = 1_024;
/// How long the thread that reads keys waits for one before it checks whether it should end.
const KEY_POLL: Duration = Duration::from_millis(100);

/// How to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Offer no changes.
    pub read_only: bool,
    /// Use colours.
    pub colour: bool,
}

/// Why the view ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The terminal cannot be used.
    #[error("using the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Shows the live view until the user quits.
///
/// # Errors
///
/// If the terminal cannot be used. A daemon that does not answer is not an error: this is shown, and it is asked again.
pub async fn run(client: Client, options: Options) -> Result<(), TopError> {
    let mut terminal = ratatui::try_init()?;
    let (updates, mut incoming) = mpsc::channel(QUEUE);
    let ending = Arc::new(AtomicBool::new(false));
    let keys = read_keys(updates.clone(), Arc::clone(&ending));
    let mut work = JoinSet::new();
    work.spawn(feed::poll_overview(client.clone(), updates.clone()));
    work.spawn(feed::follow_events(client.clone(), updates.clone()));
    work.spawn(end_by_signal(updates.clone()));
    let (mut app, theme) = (App::new(options.read_only), Theme::new(options.colour));
    let outcome = 'running: loop {
        if let Err(error) = terminal.draw(|frame| draw::draw(frame, &app, theme)) {
            break Err(error.into());
        }
        // Handles everything that is queued before it redraws.
        let mut redraws = false;
        while !redraws || !incoming.is_empty() {
            let Some(one) = incoming.recv().await else { break 'running Ok(()) };
            redraws |= one.redraws();
            match take(&mut app, one) {
                Effect::Nothing => {}
                Effect::Quit => break 'running Ok(()),
                Effect::Ask(address) => {
                    _ = work.spawn(feed::ask_why(client.clone(), updates.clone(), address));
                }
                Effect::Run(act) => _ = work.spawn(feed::carry_out(client.clone(), updates.clone(), act)),
            }
        }
        while work.try_join_next().is_some() {}
    };
    ending.store(true, Ordering::Relaxed);
    drop(incoming);
    ratatui::try_restore()?;
    // The thread is detached: it ends within `KEY_POLL`.
    drop(keys);
    outcome
}

/// Handles an update.
pub(crate) fn take(app: &mut App, updates: Update) -> Effect {
    match updates {
        Update::Overview(Ok(overview)) => {
            app.trouble = None;
            app.live_mut().set_overview(*overview);
        }
        Update::Overview(Err(why)) => {
            let since = app.trouble.take().map_or_else(Instant::now, |(_, since)| since);
            app.trouble = Some((why, since));
        }
        Update::Event(event) => app.live_mut().add_event(&event),
        Update::Past(timeline) => app.live_mut().add_past(&timeline),
        Update::Why(address, answer) => app.answered(&address, answer),
        Update::Done(Ok(done)) => app.message = Some((done, true)),
        Update::Done(Err(ActError { why, denied })) => {
            app.read_only |= denied;
            app.message = Some((format!("nothing was done: {why}"), false));
        }
        Update::Terminal(Input::Key(key)) => return keys::press(app, key),
        // A resize: the next redraw uses the new size.
        Update::Terminal(_) => {}
        Update::End => return Effect::Quit,
    }
    Effect::Nothing
}

fn read_keys(updates: Sender<Update>, ending: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        while !ending.load(Ordering::Relaxed) {
            let update = match poll(KEY_POLL) {
                Ok(false) => continue,
                Ok(true) => read().map_or(Update::End, Update::Terminal),
                Err(_) => Update::End,
            };
            let is_end = matches!(update, Update::End);
            if updates.blocking_send(update).is_err() || is_end {
                return;
            }
        }
    })
}

/// Ends the event loop on SIGTERM and SIGHUP, so that the terminal is restored.
async fn end_by_signal(updates: Sender<Update>) {
    let (Ok(mut end), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return;
    };
    tokio::select! {
        _ = end.recv() => {}
        _ = hangup.recv() => {}
    }
    drop(updates.send(Update::End).await);
}
