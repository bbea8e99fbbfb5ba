//! The terminal, and what goes on while it is looked at.

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
    feed::{self, News, NotDone},
    keys,
};

/// News that may wait to be taken in.
const WAITING: usize = 1_024;
/// How long the thread that reads keys waits for one before it looks whether it is to end.
const KEYS: Duration = Duration::from_millis(100);

/// How it is looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Nothing can be done from here.
    pub read_only: bool,
    /// Colours are wanted.
    pub colour: bool,
}

/// Why it cannot be looked.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The terminal does not do what it is told.
    #[error("using the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Shows how everything stands until `q` is pressed.
///
/// # Errors
///
/// If the terminal cannot be used. A daemon that does not answer is no error: it is told, and asked again.
pub async fn run(client: Client, options: Options) -> Result<(), TopError> {
    let mut terminal = ratatui::try_init()?;
    let (news, mut coming) = mpsc::channel(WAITING);
    let ending = Arc::new(AtomicBool::new(false));
    let keys = read_keys(news.clone(), Arc::clone(&ending));
    let mut work = JoinSet::new();
    work.spawn(feed::look(client.clone(), news.clone()));
    work.spawn(feed::listen(client.clone(), news.clone()));
    work.spawn(end_by_signal(news.clone()));
    let (mut app, theme) = (App::new(options.read_only), Theme::new(options.colour));
    let outcome = 'looking: loop {
        if let Err(error) = terminal.draw(|frame| draw::draw(frame, &app, theme)) {
            break Err(error.into());
        }
        // Until something has come that is to be seen at once, and with it whatever has come besides.
        let mut is_seen = false;
        while !is_seen || !coming.is_empty() {
            let Some(one) = coming.recv().await else { break 'looking Ok(()) };
            is_seen |= one.is_seen_at_once();
            match take(&mut app, one) {
                Effect::Nothing => {}
                Effect::Quit => break 'looking Ok(()),
                Effect::Ask(address) => _ = work.spawn(feed::ask(client.clone(), news.clone(), address)),
                Effect::Run(act) => _ = work.spawn(feed::run(client.clone(), news.clone(), act)),
            }
        }
        while work.try_join_next().is_some() {}
    };
    ending.store(true, Ordering::Relaxed);
    drop(coming);
    ratatui::try_restore()?;
    // It looks every now and then whether it is to end.
    drop(keys);
    outcome
}

/// Takes in what has come.
pub(crate) fn take(app: &mut App, news: News) -> Effect {
    match news {
        News::Overview(Ok(overview)) => {
            app.trouble = None;
            app.live_mut().look(*overview);
        }
        News::Overview(Err(why)) => {
            let since = app.trouble.take().map_or_else(Instant::now, |(_, since)| since);
            app.trouble = Some((why, since));
        }
        News::Event(event) => app.live_mut().hear(&event),
        News::Why(address, answer) => app.answered(&address, answer),
        News::Done(Ok(done)) => app.message = Some((done, true)),
        News::Done(Err(NotDone { why, denied })) => {
            app.read_only |= denied;
            app.message = Some((format!("nothing was done: {why}"), false));
        }
        News::Terminal(Input::Key(key)) => return keys::press(app, key),
        // It is drawn anew, in whatever size it has now.
        News::Terminal(_) => {}
        News::End => return Effect::Quit,
    }
    Effect::Nothing
}

fn read_keys(news: Sender<News>, ending: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        while !ending.load(Ordering::Relaxed) {
            let told = match poll(KEYS) {
                Ok(false) => continue,
                Ok(true) => read().map_or(News::End, News::Terminal),
                Err(_) => News::End,
            };
            let is_end = matches!(told, News::End);
            if news.blocking_send(told).is_err() || is_end {
                return;
            }
        }
    })
}

/// The terminal is to be left as it was, whatever ends this.
async fn end_by_signal(news: Sender<News>) {
    let (Ok(mut end), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return;
    };
    tokio::select! {
        _ = end.recv() => {}
        _ = hangup.recv() => {}
    }
    drop(news.send(News::End).await);
}
