//! The page in a real browser, before a real daemon, in peace and during a real flood.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    browser::{Browser, require_browser},
    business::{LESSER_FLOOD, flooded, listen},
    protected::{PATIENCE, Protected},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const CONFIGURATION: &str = "[web]\nlisten = \"127.0.0.1:9102\"\n";
const PAGE: u16 = 9102;

const VIEWS: [&str; 6] = ["now", "incidents", "sources", "signatures", "lists", "rules"];
/// Names the file `axe.min.js` of axe-core.
const AXE: &str = "FLOODWALL_AXE";
/// Names a directory for pictures that a person looks at.
const PICTURES: &str = "FLOODWALL_PICTURES";

fn started(label: &str) -> anyhow::Result<Protected> {
    let host = Protected::start_as_configured(label, BINARY, CONFIGURATION)?;
    let deadline = Instant::now() + PATIENCE;
    while host.http(PAGE, "GET / HTTP/1.0\r\nhost: localhost\r\n\r\n").is_err() {
        assert!(Instant::now() < deadline, "there is no page: {}", host.log());
        sleep(Duration::from_millis(50));
    }
    Ok(host)
}

#[test]
fn who_knows_no_token_learns_nothing() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = started("web-gate")?;
    let token = host.run(&["web", "token"])?;
    let token = String::from_utf8_lossy(&token.stdout).trim().to_owned();
    assert_eq!(token.len(), 64, "{token}");
    let ask = |host_name: &str, more: &str| {
        let request = format!("GET /v1/status HTTP/1.0\r\nhost: {host_name}\r\n{more}\r\n");
        host.http(PAGE, &request)
    };
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert!(ask("localhost:9102", &bearer)?.contains("\"version\""));
    for (host_name, more, status) in [
        ("localhost:9102", String::new(), 401),
        ("localhost:9102", bearer.replace(&token[..8], "00000000"), 401),
        ("evil.example", bearer.clone(), 403),
        ("localhost:9102", format!("{bearer}origin: http://evil.example\r\n"), 403),
    ] {
        let said = ask(host_name, &more)?;
        assert!(said.contains(&format!(" {status} ")) && !said.contains("\"version\""), "{said}");
    }
    Ok(())
}

#[test]
fn a_browser_shows_peace_an_attack_and_what_stops_it() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_browser());
    let host = started("web")?;
    let namespace = host.lab.inside.namespace();
    let _listener = listen(&host)?;
    let url = host.json(&["web", "url"])?;
    let mut browser = Browser::start(namespace)?;
    browser.screen(1280, 900, false)?;
    browser.open(url["url"].as_str().context("there is no address")?)?;
    browser.wait_until("document.title.startsWith('Peace')")?;
    let address = browser.tell("location.href")?;
    assert_eq!(address, "http://127.0.0.1:9102/#/now", "the token is not left in the address");

    // A command says what it is, and does nothing without a yes.
    browser.tell("location.hash = '#/lists'")?;
    browser.wait_until("document.getElementById('block-prefix') !== null")?;
    let press = "document.getElementById('block-prefix').value = '203.0.113.0/24';\
                 document.getElementById('block-prefix').form.requestSubmit()";
    let command = "floodwall block add 203.0.113.0/24 --for 1h --note 'from the page'";
    for (answer, listed) in [("no", 0), ("yes", 1)] {
        browser.tell(press)?;
        browser.wait_until("document.getElementById('confirm').open")?;
        assert_eq!(browser.tell("document.getElementById('confirm-command').textContent")?, command);
        browser.tell(&format!("document.querySelector('#confirm button[value={answer}]').click()"))?;
        browser.wait_until("!document.getElementById('confirm').open")?;
        if listed == 1 {
            browser.wait_until(
                "document.getElementById('said').textContent.startsWith('Done: floodwall block')",
            )?;
        }
        assert_eq!(host.json(&["status"])?["block"]["ipv4"], listed, "after {answer}");
    }
    let audit = host.json(&["audit"])?;
    assert_eq!(audit["entries"][0]["process"], "the page", "{audit}");

    // The event that the first question was closed comes while the second is open, whose answer is the second's.
    browser.tell(&format!(
        "const click = (answer) => document.querySelector(`#confirm button[value=${{answer}}]`).click();\
         {}; click('no'); {}",
        press,
        press.replace("203.0.113.0/24", "198.51.100.0/24"),
    ))?;
    sleep(Duration::from_millis(200));
    browser.tell("document.querySelector('#confirm button[value=yes]').click()")?;
    browser.wait_until("document.getElementById('said').textContent.includes('198.51.100.0/24')")?;
    assert_eq!(host.json(&["status"])?["block"]["ipv4"], 2);

    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(120))?;
    browser.tell("location.hash = '#/now'")?;
    browser.wait_until("document.title.startsWith('Attacked')")?;
    let all = "document.getElementById('main').innerText";
    browser.wait_until(&format!("{all}.includes('SYN flood')"))?;
    browser.wait_until(&format!("{all}.includes('Packets with its fingerprint dropped')"))?;

    for (width, dark) in [(1280, false), (1280, true), (390, false)] {
        browser.screen(width, 900, dark)?;
        for view in VIEWS.into_iter().chain(["incidents/1"]) {
            browser.tell(&format!("location.hash = '#/{view}'"))?;
            browser.wait_until("document.querySelector('main h1') !== null")?;
            sleep(Duration::from_millis(1_200));
            let too_wide = browser.tell("document.documentElement.scrollWidth - innerWidth")?;
            assert!(too_wide.as_i64().is_some_and(|pixels| pixels <= 0), "{view} at {width}: {too_wide}");
            if let Some(directory) = std::env::var_os(PICTURES) {
                let name = format!(
                    "{}-{width}-{}.png.base64",
                    view.replace('/', "-"),
                    if dark { "dark" } else { "light" }
                );
                std::fs::write(std::path::Path::new(&directory).join(name), browser.picture()?)?;
            }
        }
    }
    drop(flood);
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    Ok(())
}

#[test]
fn axe_finds_nothing_that_keeps_anybody_out() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_browser());
    let axe = or_skip!(std::env::var(AXE).map_err(|_| format!("needs axe-core: {AXE} names its axe.min.js")));
    let axe = std::fs::read_to_string(&axe).with_context(|| format!("reading {axe}"))?;
    let host = started("web-axe")?;
    let namespace = host.lab.inside.namespace();
    let _listener = listen(&host)?;
    let url = host.json(&["web", "url"])?;
    let mut browser = Browser::start(namespace)?;
    browser.open(url["url"].as_str().context("there is no address")?)?;
    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(120))?;
    browser.wait_until("document.title.startsWith('Attacked')")?;
    host.run(&["block", "add", "203.0.113.0/24"])?;
    browser.tell(&axe)?;
    for dark in [false, true] {
        browser.screen(1280, 900, dark)?;
        for view in VIEWS.into_iter().chain(["incidents/1", "sources/203.0.113.7"]) {
            browser.tell(&format!("location.hash = '#/{view}'"))?;
            sleep(Duration::from_millis(1_500));
            let found = browser.tell(
                "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => \
                     `${id}: ${nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | ')}`))",
            )?;
            assert_eq!(found, serde_json::json!([]), "{view}, dark: {dark}");
        }
    }
    drop(flood);
    Ok(())
}
