//! The page and the terminal show the figures of `/metrics`, within a second, while a flood comes as fast as it can be sent.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, sleep},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use floodwall_lab::{flood::FASTEST, namespace::Namespace, or_skip, skip::require_root};
use floodwall_tests::{
    browser::{Browser, require_browser},
    business::{flooded, listen},
    protected::{Protected, http_in},
    terminal::Terminal,
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const CONFIGURATION: &str = "[metrics]\nlisten = \"127.0.0.1:9101\"\n[web]\nlisten = \"127.0.0.1:9102\"\n";
const METRICS: u16 = 9101;
/// It ends with the test.
const FLOOD: Duration = Duration::from_secs(240);
/// How often figures are compared.
const TIMES: usize = 3;
/// By how much what is shown may be older or newer, ms.
const SECOND: u64 = 1_000;
const DAY: u64 = 86_400;

/// What `/metrics` said, and between which moments, Unix ms.
struct Scrape {
    asked_ms: u64,
    answered_ms: u64,
    dropped: u64,
    for_services: u64,
}

/// Scrapes again and again, until dropped.
struct Scraper {
    scrapes: Arc<Mutex<Vec<Scrape>>>,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

fn scrape(namespace: &Namespace) -> anyhow::Result<Scrape> {
    let asked_ms = now_ms();
    let page = http_in(namespace, METRICS, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let sum = |begins: &str| {
        let lines = page.lines().filter(|line| line.starts_with(begins));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    };
    Ok(Scrape {
        asked_ms,
        answered_ms: now_ms(),
        dropped: sum("floodwall_packets_total{verdict=\"drop\""),
        for_services: sum("floodwall_service_packets_total{"),
    })
}

impl Scraper {
    fn start(host: &Protected) -> anyhow::Result<Self> {
        let namespace = host.lab.inside.namespace().clone();
        let scrapes = Arc::new(Mutex::new(vec![scrape(&namespace)?]));
        let over = Arc::new(AtomicBool::new(false));
        let (kept, ends) = (Arc::clone(&scrapes), Arc::clone(&over));
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                if let Ok(one) = scrape(&namespace) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                }
                sleep(Duration::from_millis(100));
            }
        });
        Ok(Self { scrapes, over, thread: Some(thread) })
    }

    /// Whether a figure that was shown as of some time lies between those that `/metrics` told a second before and after.
    fn holds(&self, shown: u64, from_ms: u64, to_ms: u64, figure: fn(&Scrape) -> u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
            let before = scrapes.iter().rev().find(|one| one.answered_ms <= from_ms);
            if let Some(after) = scrapes.iter().find(|one| one.asked_ms >= to_ms + SECOND) {
                let before = before.context("nothing was scraped before")?;
                let (least, most) = (figure(before), figure(after));
                anyhow::ensure!(
                    least <= shown && shown <= most && least < most,
                    "/metrics tells of {least} and then {most}, shown are {shown}"
                );
                return Ok(());
            }
            drop(scrapes);
            anyhow::ensure!(Instant::now() < deadline, "nothing is scraped any more");
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// `1,234`.
fn number(word: &str) -> Option<u64> {
    word.replace(',', "").parse().ok()
}

/// The clock in the first line of the screen, Unix ms.
fn clock_ms(screen: &str) -> Option<u64> {
    let clock = screen.lines().next()?.split_once(" UTC")?.0.rsplit(' ').next()?;
    let clock: Vec<u64> = clock.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hours, minutes, seconds] = clock[..] else { return None };
    let now = now_ms() / 1_000;
    let ago = (now + DAY - (hours * 3_600 + minutes * 60 + seconds)) % DAY;
    Some((now - ago) * 1_000)
}

/// The screen, once it stays as it is for a moment: it is drawn in pieces.
fn whole_screen(top: &Terminal) -> anyhow::Result<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let screen = top.screen();
        sleep(Duration::from_millis(60));
        if top.screen() == screen {
            return Ok(screen);
        }
        anyhow::ensure!(Instant::now() < deadline, "it changes all the time:\n{screen}");
    }
}

/// Packets that rows of the screen tell of which end so; `column` is counted from the right.
fn told(screen: &str, begins: &str, ends: &str, column: usize) -> u64 {
    let rows = screen.lines().map(str::trim_end);
    let rows = rows.filter(|row| row.starts_with(begins) && row.ends_with(ends));
    rows.filter_map(|row| number(row.split_whitespace().rev().nth(column)?)).sum()
}

#[test]
fn the_terminal_shows_the_figures_of_metrics() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_as_configured("figures-top", BINARY, CONFIGURATION)?;
    let _listener = listen(&host)?;
    let flood = flooded(&host, FASTEST, FLOOD)?;
    let mut top = Terminal::start(host.command(&["top"]), 24, 80)?;
    top.wait_until_shown("Attacked")?;
    let scraper = Scraper::start(&host)?;
    // What is shown is by then younger than the first scrape, on a busy machine as well.
    sleep(Duration::from_secs(5));
    for round in 0..TIMES {
        top.press("3")?;
        top.wait_until_shown("VERDICT")?;
        let screen = whole_screen(&top)?;
        let shown = told(&screen, "", " drop", 1);
        let time_ms = clock_ms(&screen).with_context(|| format!("no clock in\n{screen}"))?;
        scraper
            .holds(shown, time_ms, time_ms + SECOND, |one| one.dropped)
            .with_context(|| format!("round {round}:\n{screen}"))?;

        top.press("2")?;
        top.wait_until_shown("SERVICE")?;
        let screen = whole_screen(&top)?;
        let shown = told(&screen, "default ", " ATTACKED", 2);
        let time_ms = clock_ms(&screen).with_context(|| format!("no clock in\n{screen}"))?;
        scraper
            .holds(shown, time_ms, time_ms + SECOND, |one| one.for_services)
            .with_context(|| format!("round {round}:\n{screen}"))?;
    }
    drop(flood);
    Ok(())
}

#[test]
fn the_page_shows_the_figures_of_metrics() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_browser());
    let host = Protected::start_as_configured("figures-page", BINARY, CONFIGURATION)?;
    let _listener = listen(&host)?;
    let url = host.json(&["web", "url"])?;
    let mut browser = Browser::start(host.lab.inside.namespace())?;
    browser.open(url["url"].as_str().context("there is no address")?)?;
    let flood = flooded(&host, FASTEST, FLOOD)?;
    browser.wait_until("document.title.startsWith('Attacked')")?;
    let scraper = Scraper::start(&host)?;
    // What is shown is by then younger than the first scrape, on a busy machine as well.
    sleep(Duration::from_secs(5));
    for round in 0..TIMES {
        // The last cell of each row of the table of services, and when the overview was made that it shows.
        let shown = browser.tell(
            "import('/known.js').then(({ known: { overview } }) => [overview.time_ms, [...document.querySelectorAll(\
                 'main tbody tr')].map((row) => Number(row.lastChild.textContent.replaceAll(',', '')))\
                 .reduce((sum, one) => sum + one, 0)])",
        )?;
        let [time_ms, packets] = [0, 1].map(|place| shown[place].as_u64());
        let (time_ms, packets) =
            (time_ms.context("no time is shown")?, packets.context("no packets are shown")?);
        scraper
            .holds(packets, time_ms, time_ms, |one| one.for_services)
            .with_context(|| format!("round {round}"))?;
    }
    drop(flood);
    Ok(())
}
