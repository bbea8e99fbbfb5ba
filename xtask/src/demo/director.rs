//! Plays the acts one after the other, and notes what happens.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use floodwall_lab::flood::{Fingerprint, Flood};
use floodwall_lab::http::{Client, Interval};
use floodwall_units::unix;

use super::filter::Filter;
use super::flood::{self, RATE};
use super::interrupt;
use super::news::{News, Told, What};
use super::picture::COLUMNS;
use super::screen::Screen;
use super::site::Site;
use super::story::{Act, Column, Moment, Story, Tone, took};
use super::terms::Terms;
use super::witness::{Turn, Witness};

/// How often customers are looked at.
const BEAT: Duration = Duration::from_millis(100);

/// How long the last act goes on for whoever looks at the page.
const WEB: Duration = Duration::from_secs(240);

/// How a show ends.
pub(super) enum End {
    Played(Story),
    /// A signal has come.
    Interrupted,
}

/// The show under way. Fields drop in order: who floods, floodwall and who listens to it, customers, and the stage.
pub(super) struct Director {
    flood: Option<Flood>,
    news: Option<News>,
    filter: Option<Filter>,
    customers: Client,
    site: Site,
    terms: Terms,
    fingerprint: Fingerprint,
    witness: Witness,
    story: Story,
    began: Instant,
    /// When the flood that goes on, or floodwall's start, began.
    since: Instant,
    /// The same by the clock that floodwall's news have, Unix ms.
    since_ms: u64,
    column: Gathered,
}

/// What a column is made of so far.
#[derive(Default)]
struct Gathered {
    customers: Interval,
    /// Packets that the flood had sent, that floodwall had dropped, and that had arrived, when the last column ended.
    sent: u64,
    dropped: Option<u64>,
    arrived: u64,
    /// Packets that floodwall had dropped when the flood began.
    dropped_before: u64,
}

impl Director {
    /// Builds the stage.
    pub(super) fn new(terms: Terms) -> Result<Self> {
        let site = Site::build()?;
        let now = Instant::now();
        Ok(Self {
            flood: None,
            news: None,
            filter: None,
            customers: site.customers()?,
            site,
            terms,
            fingerprint: flood::draw(),
            witness: Witness::new(),
            story: Story::default(),
            began: now,
            since: now,
            since_ms: unix::millis(SystemTime::now()),
            column: Gathered::default(),
        })
    }

    /// Plays all acts. However it ends, nothing of it is left.
    pub(super) fn play(mut self, screen: &mut Screen) -> Result<End> {
        for act in Act::ALL {
            self.enter(act)?;
            if !self.go_on(act, screen)? {
                return Ok(End::Interrupted);
            }
        }
        Ok(End::Played(std::mem::take(&mut self.story)))
    }

    /// What happens at the beginning of an act.
    fn enter(&mut self, act: Act) -> Result<()> {
        (self.since, self.since_ms) = (Instant::now(), unix::millis(SystemTime::now()));
        let rate = floodwall_units::count(u64::from(RATE));
        match act {
            Act::Peace => self.happened(Tone::Plain, "64 customers visit a web site"),
            Act::Flood => {
                if let Some(peace) = self.story.digest(Act::Peace) {
                    self.witness.peace_was(peace.answered);
                }
                self.begin_flood()?;
                let words = format!(
                    "a flood begins: {rate} packets/s, each from another forged address; what its tool writes into \
                     them was drawn: {}",
                    self.fingerprint
                );
                self.happened(Tone::Bad, &words);
            }
            Act::Rest => {
                self.flood = None;
                (self.column.sent, self.column.arrived) = (0, 0);
                self.happened(
                    Tone::Plain,
                    "the flood ends; floodwall is started as it comes, without any configuration",
                );
                self.filter = Some(Filter::start(&self.terms, &self.site.edge)?);
            }
            Act::Guarded => {
                self.begin_flood()?;
                self.happened(Tone::Bad, &format!("the same flood begins again: {rate} packets/s"));
            }
        }
        Ok(())
    }

    fn begin_flood(&mut self) -> Result<()> {
        // An act may last longer than planned, as floodwall is waited for.
        self.flood = Some(flood::start(&self.site, self.fingerprint, self.terms.length.max(WEB))?);
        let dropped_before = self.column.dropped.unwrap_or_default();
        self.column = Gathered { dropped_before, dropped: self.column.dropped, ..Gathered::default() };
        Ok(())
    }

    /// Looks on until an act is over; says whether it came to its end.
    fn go_on(&mut self, act: Act, screen: &mut Screen) -> Result<bool> {
        let goes_on = self.terms.web && act == Act::Guarded;
        let planned = self.terms.length * act.sixtieths() / 60;
        let end = Instant::now() + if goes_on { WEB } else { planned };
        let step = self.terms.length / COLUMNS as u32;
        // The first column of an act says nothing of the one before.
        self.gather();
        self.column.customers = Interval::default();
        let mut due = Instant::now() + step;
        // Nothing goes on before floodwall runs.
        while Instant::now() < end || self.is_starting() {
            if interrupt::asked() {
                return Ok(goes_on);
            }
            thread::sleep(BEAT);
            self.gather();
            self.await_filter()?;
            self.hear();
            if Instant::now() >= due {
                due += step;
                self.end_column(act)?;
            }
            screen.show(&self.story, self.began.elapsed());
        }
        Ok(true)
    }

    /// Looks at customers.
    fn gather(&mut self) {
        let look = self.customers.interval();
        let turn = self.witness.look(&look);
        let all = &mut self.column.customers;
        all.span += look.span;
        all.failed += look.failed;
        all.latencies.extend(look.latencies);
        let Some(Turn { is_served, answered, usual, ago }) = turn else { return };
        if is_served {
            let since = took(self.since.elapsed().saturating_sub(ago));
            let words = if self.flood.is_some() {
                format!("customers are served again, under the flood, {since} after it has begun")
            } else {
                format!("customers are served again, {since} after the flood has ended")
            };
            self.happened(Tone::Good, &words);
        } else {
            let words = format!("customers are lost: {answered:.0} of {usual:.0} requests/s are answered");
            self.happened(Tone::Bad, &words);
        }
    }

    /// Whether floodwall was started, and does not answer yet.
    fn is_starting(&self) -> bool {
        self.filter.is_some() && self.news.is_none()
    }

    /// Takes floodwall up once it answers.
    fn await_filter(&mut self) -> Result<()> {
        let Some(filter) = self.filter.as_mut().filter(|_| self.news.is_none()) else { return Ok(()) };
        if let Some(dropped) = filter.has_started()? {
            self.news = Some(filter.news()?);
            self.column.dropped = Some(dropped);
            let words = format!("floodwall filters, {} after it was started", took(self.since.elapsed()));
            let page = filter.page()?;
            self.happened(Tone::Own, &words);
            if let Some(page) = page {
                self.happened(Tone::Own, &format!("its page: {page}"));
            }
        }
        Ok(())
    }

    /// Hears what floodwall says.
    fn hear(&mut self) {
        let told: Vec<Told> = self.news.iter().flat_map(News::since).collect();
        for Told { time_ms, what } in told {
            let after = took(Duration::from_millis(time_ms.saturating_sub(self.since_ms)));
            let words = match what {
                What::Noticed(excess) => format!("noticed after {after}: {excess}"),
                What::Found(signature) => format!("fingerprint found after {after}: {signature}"),
                What::Enforced => format!("what bears it is dropped, after {after}"),
                What::Other(text) => text,
            };
            self.happened(Tone::Own, &words);
        }
    }

    fn end_column(&mut self, act: Act) -> Result<()> {
        let sent = self.flood.as_ref().map_or(0, Flood::sent);
        let running = self.filter.as_ref().filter(|_| self.news.is_some());
        let dropped = running.map(Filter::dropped).transpose()?;
        // The counts are read one after the other, so that what has arrived is known only up to what came in between.
        let dropped_of_it = dropped.unwrap_or_default().saturating_sub(self.column.dropped_before);
        let arrived = sent.saturating_sub(dropped_of_it).max(self.column.arrived);
        let mut customers = std::mem::take(&mut self.column.customers);
        customers.latencies.sort_unstable();
        self.story.push(Column {
            act,
            span: customers.span,
            answered: customers.rate(),
            // More than 2^52 failures do not happen.
            failed: customers.failed as f64 / customers.span.as_secs_f64().max(1e-9),
            half: customers.percentile(50),
            sent: sent - self.column.sent,
            arrived: arrived - self.column.arrived,
            dropped: dropped.map(|now| now.saturating_sub(self.column.dropped.unwrap_or(now))),
        });
        (self.column.sent, self.column.dropped, self.column.arrived) = (sent, dropped, arrived);
        Ok(())
    }

    fn happened(&mut self, tone: Tone, text: &str) {
        self.story.happened(Moment { at: self.began.elapsed(), tone, text: text.to_owned() });
    }
}
