//! The log: lines on standard error, and no more of them than a disk can bear, whoever has them come about.
//!
//! Some of what is logged is brought about by packets, and so by whoever sends them. Of each kind of line only so many
//! pass ([`quota`]), how many were left out is told, and all lines together are bounded in bytes ([`volume`]). A kind is
//! a place in the code, and for what comes over the bus of events the event's own. What is logged for those who
//! look for mistakes (debug, trace) is not bounded by kind.

mod quota;
mod volume;

use std::{
    fmt,
    io::{self, IsTerminal as _},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
    info,
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use self::{quota::Quota, volume::Volume};

/// Says what is logged.
const VARIABLE: &str = "FLOODWALL_LOG";
/// How often it is looked whether lines were left out that nothing has told of.
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

/// Has what is logged from now on go to standard error.
pub(crate) fn to_stderr() {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let start = Instant::now();
    let clock: Clock = Arc::new(move || start.elapsed());
    let quotas = Arc::new(Quotas::default());
    let bounded = Bounded { clock: Arc::clone(&clock), quotas: Arc::clone(&quotas) };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Volume::new(io::stderr, Arc::clone(&clock)))
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .map_event_format(|format| bounded.around(format));
    // Where the program is part of another, that one's log is as good.
    if subscriber.try_init().is_ok() {
        let quotas = Arc::downgrade(&quotas);
        let teller = std::thread::Builder::new().name("log-quota".to_owned());
        // Without it, the next line of the kind tells.
        drop(teller.spawn(move || tell(&quotas, &clock)));
    }
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
    let overdue = quotas.lock().overdue(now);
    for (Kind { name, .. }, left_out) in overdue {
        info!(kind = name, left_out, "lines of a kind were left out, as there were too many");
    }
}

/// Bounds how many lines of a kind there are.
struct Bounded {
    clock: Clock,
    quotas: Arc<Quotas>,
}

impl Bounded {
    fn around<F>(self, inner: F) -> BoundedFormat<F> {
        BoundedFormat { bounded: self, inner }
    }
}

struct BoundedFormat<F> {
    bounded: Bounded,
    inner: F,
}

impl<S, N, F> FormatEvent<S, N> for BoundedFormat<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if *event.metadata().level() <= Level::INFO {
            let Bounded { clock, quotas } = &self.bounded;
            let taken = quotas.lock().take(&kind_of(event), clock());
            match taken {
                // Nothing that is formatted is nothing that is written.
                None => return Ok(()),
                Some(0) => {}
                Some(left_out) => writeln!(writer, "{left_out} lines like the next one were left out")?,
            }
        }
        self.inner.format_event(context, writer, event)
    }
}

fn kind_of(event: &Event<'_>) -> Kind {
    struct Named(Option<String>);
    impl Visit for Named {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "kind" {
                self.0 = Some(value.to_owned());
            }
        }

        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
    }
    let mut named = Named(None);
    event.record(&mut named);
    let metadata = event.metadata();
    Kind {
        place: metadata.callsite(),
        name: named.0.unwrap_or_else(|| metadata.module_path().unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing::warn;
    use tracing_subscriber::fmt::MakeWriter;

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
        let text = Text::default();
        let ms = Arc::new(AtomicU64::new(0));
        let clock: Clock = {
            let ms = Arc::clone(&ms);
            Arc::new(move || Duration::from_millis(ms.load(Ordering::Relaxed)))
        };
        let quotas = Arc::new(Quotas::default());
        let bounded = Bounded { clock: Arc::clone(&clock), quotas: Arc::clone(&quotas) };
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Volume::new(text.clone(), Arc::clone(&clock)))
            .with_ansi(false)
            .map_event_format(|format| bounded.around(format))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            // 2,500 a second, for 40 s.
            for number in 0..100_000_u64 {
                ms.store(number * 2 / 5, Ordering::Relaxed);
                warn!(number, "a gateway is not banned");
                if number % 10_000 == 0 {
                    warn!(kind = "rare", "another kind");
                }
            }
            ms.fetch_add(TELLING.as_millis() as u64, Ordering::Relaxed);
            tell_once(&quotas, clock());
        });
        let text = String::from_utf8(text.0.lock().clone()).unwrap();
        let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
        let shown = count("a gateway is not banned");
        assert_eq!(shown, quota::BURST as usize + 19, "the burst, and a line each two seconds");
        assert_eq!(count("another kind"), 10);
        let told = text
            .lines()
            .filter_map(|line| line.split_once(" lines like the next one")?.0.parse::<usize>().ok());
        let at_last = text.lines().find_map(|line| line.split_once("left_out=")?.1.parse::<usize>().ok());
        assert_eq!(shown + told.sum::<usize>() + at_last.unwrap(), 100_000, "none goes uncounted");
        assert!(text.len() < 20_000, "{}", text.len());
    }
}
