//! The log: lines on standard error or in the journal, and no more of them than a disk can bear, whoever has them come
//! about.
//!
//! Some of what is logged is brought about by packets, and so by whoever sends them. Of each kind of line only so many
//! pass ([`quota`]), how many were left out is told, and all lines together are bounded in bytes ([`volume`]). A kind is
//! a place in the code, and for what comes over the bus of events the event's own. What is logged for those who
//! look for mistakes (debug, trace) is not bounded by kind.

mod bounded;
mod format;
mod quota;
mod volume;

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use parking_lot::Mutex;
use tracing::{Subscriber, callsite::Identifier, info};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

pub(crate) use self::format::Format;
use self::{bounded::Bounded, quota::Quota, volume::Volume};

/// Says what is logged.
const VARIABLE: &str = "FLOODWALL_LOG";
/// What entries of the journal are found by: `journalctl -t floodwall`.
const IDENTIFIER: &str = "floodwall";
/// How often it is told of lines that were left out.
const TELLING: Duration = Duration::from_secs(10);

/// The time since some moment.
type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What lines are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    place: Identifier,
    /// Its own name, or that of the module.
    name: String,
}

type Quotas = Mutex<Quota<Kind>>;
type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

/// Has what is logged from now on go out in this form; if none is asked for, in that of standard error as it is.
///
/// # Errors
///
/// If it is to go to the journal, and there is none.
pub(crate) fn start(format: Option<Format>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let start = Instant::now();
    let clock: Clock = Arc::new(move || start.elapsed());
    let quotas = Arc::new(Quotas::default());
    let layer = match (format, format.unwrap_or_else(Format::of_stderr)) {
        (Some(Format::Journal), _) => journal(&clock, &quotas)
            .context("the log cannot go to the journal: it does not answer; choose another --log-format")?,
        // What was found out for oneself may be wrong.
        (None, Format::Journal) => journal(&clock, &quotas)
            .unwrap_or_else(|_| lines(Format::Text, io::stderr, false, &clock, &quotas)),
        (_, format) => lines(format, io::stderr, io::stderr().is_terminal(), &clock, &quotas),
    };
    // Where the program is part of another, that one's log is as good.
    if tracing_subscriber::registry().with(layer).with(filter).try_init().is_ok() {
        let quotas = Arc::downgrade(&quotas);
        let teller = std::thread::Builder::new().name("log-quota".to_owned());
        // Without it, what was left out is not told.
        drop(teller.spawn(move || tell(&quotas, &clock)));
    }
    Ok(())
}

/// Lines of text or of JSON.
fn lines<S, W>(format: Format, writer: W, colours: bool, clock: &Clock, quotas: &Arc<Quotas>) -> Boxed<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let volume = Volume::new(writer, Arc::clone(clock));
    let bounded = Bounded::by_kind(clock, quotas);
    // Where the log cannot be written, as its terminal is gone, there is nobody to tell of that either, and trying to ends
    // the thread.
    let layer = fmt::layer().with_writer(volume).with_target(false).log_internal_errors(false);
    match format {
        Format::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(bounded)
            .boxed(),
        Format::Text | Format::Journal => layer.with_ansi(colours).with_filter(bounded).boxed(),
    }
}

/// Entries of the journal.
fn journal<S>(clock: &Clock, quotas: &Arc<Quotas>) -> io::Result<Boxed<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let priorities =
        PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
    let layer = tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_priority_mappings(priorities);
    Ok(layer.with_filter(Bounded::by_kind_and_volume(clock, quotas)).boxed())
}

/// Tells now and then of lines that were left out.
fn tell(quotas: &Weak<Quotas>, clock: &Clock) {
    while let Some(quotas) = quotas.upgrade() {
        tell_once(&quotas, clock());
        drop(quotas);
        std::thread::sleep(TELLING);
    }
}

fn tell_once(quotas: &Quotas, now: Duration) {
    // What is said of them goes through them, too.
    let left_out = quotas.lock().left_out(now);
    for (Kind { name, .. }, left_out) in left_out {
        info!(kind = name, left_out, "lines of a kind were left out, as there were too many");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing::warn;

    use super::*;

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Text {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_hundred_thousand_lines_that_packets_bring_about_leave_a_few_and_their_number() {
        for format in [Format::Text, Format::Json] {
            let text = Text::default();
            let ms = Arc::new(AtomicU64::new(0));
            let clock: Clock = {
                let ms = Arc::clone(&ms);
                Arc::new(move || Duration::from_millis(ms.load(Ordering::Relaxed)))
            };
            let quotas = Arc::new(Quotas::default());
            let layer = lines(format, text.clone(), false, &clock, &quotas);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                // 2,500 a second, for 40 s.
                for number in 0..100_000_u64 {
                    ms.store(number * 2 / 5, Ordering::Relaxed);
                    warn!(number, "a gateway is not banned");
                    if number % 10_000 == 0 {
                        warn!(kind = "rare", "another kind");
                    }
                    if number % 25_000 == 24_999 {
                        tell_once(&quotas, clock());
                    }
                }
            });
            let text = String::from_utf8(text.0.lock().clone()).unwrap();
            let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
            let shown = count("a gateway is not banned");
            assert_eq!(shown, quota::BURST as usize + 19, "the burst, and a line each two seconds");
            assert_eq!(count("another kind"), 10);
            let told = text.lines().filter_map(|line| {
                let (_, number) =
                    line.split_once("left_out=").or_else(|| line.split_once("\"left_out\":"))?;
                number.split(|character: char| !character.is_ascii_digit()).next()?.parse::<usize>().ok()
            });
            assert_eq!(shown + told.sum::<usize>(), 100_000, "none goes uncounted");
            assert!(text.len() < 20_000, "{}", text.len());
        }
    }

    #[test]
    fn a_line_of_json_is_a_document_with_its_fields() {
        let text = Text::default();
        let clock: Clock = Arc::new(|| Duration::ZERO);
        let layer = lines(Format::Json, text.clone(), false, &clock, &Arc::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            warn!(kind = "interface", interface = "e0\n", missing = None::<&str>, "is {} filtered", "not");
        });
        let line: serde_json::Value = serde_json::from_slice(&text.0.lock()).unwrap();
        assert_eq!(
            (&line["level"], &line["kind"], &line["interface"], &line["message"]),
            (&"WARN".into(), &"interface".into(), &"e0\n".into(), &"is not filtered".into())
        );
        assert!(line["timestamp"].is_string() && line["missing"].is_null(), "{line}");
    }

    /// What cannot be written to, as a terminal that is gone.
    #[derive(Clone, Copy)]
    struct Gone;

    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn where_nothing_can_be_written_it_goes_on() {
        let clock: Clock = Arc::new(|| Duration::ZERO);
        let layer = lines(Format::Text, || Gone, false, &clock, &Arc::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || warn!("to nobody"));
    }
}
