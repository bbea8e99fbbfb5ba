//! The screen and the keys, on a test backend in place of a terminal.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use floodwall_api::{
    DropReport, Event, IncidentLine, IncidentPhase, Notice, Overview,
    client::{
        Client,
        fake::{Server, attacked, chunks, response},
    },
};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    act::Act,
    app::{App, Effect},
    draw::{Theme, draw},
    feed::{self, ActError, Update},
    run::take,
    sampled_drops::drop_of,
    view::View,
};

/// The screen of this size.
fn buffer(app: &App, colour: bool, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app, Theme::new(colour))).unwrap();
    terminal.backend().buffer().clone()
}

/// The screen as lines of text.
fn seen_in(app: &App, size: (u16, u16)) -> String {
    let buffer = buffer(app, false, size);
    let rows = (0..size.1).map(|y| {
        let row: String = (0..size.0).map(|x| buffer[(x, y)].symbol()).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn seen(app: &App) -> String {
    seen_in(app, (80, 24))
}

/// Presses a key.
fn press(app: &mut App, code: KeyCode) -> Effect {
    take(app, Update::Terminal(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn type_in(app: &mut App, text: &str) -> Vec<Effect> {
    text.chars().map(|letter| press(app, KeyCode::Char(letter))).collect()
}

fn told(kind: fn(Notice) -> Event, severity: &str, text: &str) -> Update {
    let notice = Notice { time_ms: 1_000_000_000_000, severity: severity.to_owned(), text: text.to_owned() };
    Update::Event(Box::new(kind(notice)))
}

/// The state after a few seconds of an attack.
fn under_attack() -> App {
    let mut app = App::new(false);
    for seconds in 10..15 {
        take(&mut app, Update::Overview(Ok(Box::new(attacked(seconds)))));
    }
    let second = attacked(14).time_ms / 1_000;
    for (source, times) in [("203.0.113.7", 3), ("203.0.113.9", 1), ("198.51.100.1", 2)] {
        for _ in 0..times {
            take(&mut app, Update::Event(Box::new(Event::Drop(drop_of(source, second)))));
        }
    }
    take(&mut app, told(Event::Attack, "warning", "an attack on web began"));
    take(&mut app, told(Event::Command, "info", "root: block \x1b[2J add"));
    app
}

#[test]
fn an_attack_at_a_glance_in_eighty_by_twenty_four() {
    let screen = seen(&under_attack());
    for words in [
        "floodwall 0.1.0  eth0 native  up 1h",
        "Attacked, and holding: web by spoofed SYN flood, for 14s · incident 7",
        "dropped 100k of 101k pkt/s (99 %): by fingerprint 100k",
        "warning: a disk is nearly full",
        "passed    1.00k/s   480kb/s",
        "dropped    100k/s  48.0Mb/s",
        "15 m peak   100k/s",
        "signature",
        "web ",
        "203.0.113.0/24",
        "drops    100k tcp flags=syn window=0",
        "an attack on web began",
        "Tab view",
    ] {
        assert!(screen.contains(words), "`{words}` is not seen in\n{screen}");
    }
    assert!(!screen.contains('\x1b'), "what others have written cannot steer the terminal");
}

#[test]
fn what_hurts_what_nothing_stops_and_what_is_over_is_said() {
    let mut app = under_attack();
    let mut shown = |change: fn(&mut Overview)| {
        let mut overview = attacked(30);
        change(&mut overview);
        overview.standing = overview.judged();
        take(&mut app, Update::Overview(Ok(Box::new(overview))));
        seen(&app)
    };
    let hurting = shown(|overview| overview.status.problems = vec!["eth1 is not filtered".to_owned()]);
    assert!(hurting.contains("Attacked, and hurting: web") && hurting.contains("\neth1 is not filtered"));
    let unstopped = shown(|overview| overview.incidents[0].phase = IncidentPhase::Identified);
    assert!(unstopped.contains("Attacked, and not stopped: web by spoofed SYN flood"), "{unstopped}");
    assert!(unstopped.contains("most of them still pass"), "{unstopped}");
    let again = shown(|overview| {
        overview.signatures.attack = false;
        overview.signatures.attacked.clear();
    });
    assert!(again.contains("Attacked; before the start: spoofed SYN flood · incident 7"), "{again}");
    let over = shown(|overview| {
        overview.signatures.attack = false;
        overview.signatures.attacked.clear();
        overview.incidents[0].waves.iter_mut().for_each(|wave| wave.ended_ms = Some(overview.time_ms));
    });
    assert!(over.contains("Peace; the last attack: spoofed SYN flood · incident 7"), "{over}");
    assert!(over.contains("another wave may follow"), "{over}");
}

#[test]
fn an_attack_whose_sources_are_forged_is_not_told_by_them() {
    let mut app = under_attack();
    let second = attacked(14).time_ms / 1_000;
    for number in 0..200 {
        let source = format!("192.0.{number}.1");
        take(&mut app, Update::Event(Box::new(Event::Drop(drop_of(&source, second)))));
    }
    assert!(seen(&app).contains("so to block them is of no use"), "{}", seen(&app));
    type_in(&mut app, "4");
    assert!(seen(&app).contains("FORGED: hardly one came twice"), "{}", seen(&app));
}

#[test]
fn what_a_view_is_and_its_keys_fit_into_eighty_columns() {
    let mut app = under_attack();
    for view in View::ALL {
        let wide = seen_in(&app, (120, 24));
        let title = wide.lines().find(|line| line.starts_with(&format!("{}: ", view.name())));
        for line in title.into_iter().chain(wide.lines().last()) {
            assert!(line.trim_end_matches('─').chars().count() <= 80, "{line}");
        }
        press(&mut app, KeyCode::Tab);
    }
}

#[test]
fn every_view_fits_whatever_the_size() {
    let mut app = under_attack();
    for _ in View::ALL {
        for size in [(80, 24), (40, 12), (41, 13), (200, 60), (100, 20)] {
            let screen = seen_in(&app, size);
            assert!(screen.starts_with("floodwall"), "{size:?} {:?}\n{screen}", app.view);
        }
        assert!(seen_in(&app, (30, 8)).contains("too small"));
        _ = seen_in(&app, (1, 1));
        press(&mut app, KeyCode::Tab);
    }
    assert_eq!(app.view, View::Overview, "Tab comes around");
    press(&mut app, KeyCode::BackTab);
    assert_eq!(app.view, View::Events);
}

#[test]
fn without_colours_there_are_none_and_what_is_loud_is_turned_around() {
    let app = under_attack();
    let plain = buffer(&app, false, (80, 24));
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(plain.content().iter().any(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED)));
    let coloured = buffer(&app, true, (80, 24));
    assert!(coloured.content().iter().any(|cell| cell.bg == Color::Yellow));
}

#[test]
fn lists_are_sorted_filtered_and_gone_through() {
    let mut app = under_attack();
    type_in(&mut app, "4");
    let screen = seen(&app);
    let place = |screen: &str, what: &str| screen.find(what).unwrap_or_else(|| panic!("{what} in\n{screen}"));
    assert!(place(&screen, "203.0.113.7") < place(&screen, "198.51.100.1"), "{screen}");
    assert!(screen.contains("50 %") && screen.contains("1 of 3"), "{screen}");
    press(&mut app, KeyCode::Down);
    assert!(seen(&app).contains("2 of 3"));
    // It moves, and stays chosen.
    for _ in 0..5 {
        let second = attacked(14).time_ms / 1_000;
        take(&mut app, Update::Event(Box::new(Event::Drop(drop_of("198.51.100.1", second)))));
    }
    assert!(seen(&app).contains("1 of 3"));
    type_in(&mut app, "S");
    assert!(seen(&app).contains("3 of 3") && seen(&app).contains("SHARE▲"));
    type_in(&mut app, "/113.9");
    assert!(seen(&app).contains("/113.9"), "what is typed is seen");
    press(&mut app, KeyCode::Enter);
    let screen = seen(&app);
    assert!(screen.contains("1 of 1") && !screen.contains("198.51"), "{screen}");
    press(&mut app, KeyCode::Esc);
    assert!(seen(&app).contains("of 3"));
}

#[test]
fn nothing_is_done_before_the_command_was_seen_and_agreed_to() {
    let mut app = under_attack();
    type_in(&mut app, "b");
    assert!(seen(&app).contains("choose a source"), "{}", seen(&app));
    type_in(&mut app, "4b");
    let screen = seen(&app);
    assert!(
        screen.contains("floodwall block add 203.0.113.7 --for 1h --note 'from floodwall top'"),
        "{screen}"
    );
    assert_eq!(type_in(&mut app, "n"), [Effect::Nothing]);
    assert!(seen(&app).contains("nothing was done"));
    type_in(&mut app, "b");
    let [effect] = &type_in(&mut app, "y")[..] else { panic!() };
    assert!(matches!(effect, Effect::Run(Act::List(_, who)) if who == "203.0.113.7"), "{effect:?}");
    take(&mut app, Update::Done(Err(ActError { why: "the table is full".to_owned(), denied: false })));
    assert!(seen(&app).contains("nothing was done: the table is full"));
    type_in(&mut app, "6x");
    assert!(seen(&app).contains("floodwall signature drop 0"), "{}", seen(&app));
    press(&mut app, KeyCode::Esc);
    type_in(&mut app, "B");
    assert!(seen(&app).contains("floodwall bypass on --for 5m"));
}

#[test]
fn a_read_only_view_shows_the_command_instead_of_running_it() {
    let mut app = App::new(true);
    take(&mut app, Update::Overview(Ok(Box::new(attacked(10)))));
    type_in(&mut app, "6x");
    let screen = seen(&app);
    assert!(screen.contains("this only looks") && screen.contains("floodwall signature drop 0"), "{screen}");
    assert_eq!(type_in(&mut app, "y"), [Effect::Nothing]);
}

#[tokio::test]
async fn a_view_that_was_denied_a_change_becomes_read_only() {
    let refusal = r#"{"kind":"denied","message":"this socket is for those who may only look"}"#;
    let server = Server::of_routes(&[("POST /v1/signature/drop ", response("403 Forbidden", refusal))]);
    let mut app = under_attack();
    type_in(&mut app, "6x");
    let Effect::Run(act) = press(&mut app, KeyCode::Char('y')) else { panic!("it is run") };
    let (updates, mut incoming) = mpsc::channel(8);
    feed::carry_out(Client::new(&server.socket), updates, act).await;
    take(&mut app, incoming.recv().await.unwrap());
    let screen = seen(&app);
    assert!(screen.contains("READ-ONLY") && screen.contains("for those who may only look"), "{screen}");
    type_in(&mut app, "x");
    assert!(seen(&app).contains("floodwall signature drop 0"), "{}", seen(&app));
    assert_eq!(type_in(&mut app, "y"), [Effect::Nothing]);
}

#[test]
fn a_paused_view_stays_the_same_and_catches_up_afterwards() {
    let mut app = under_attack();
    let before = seen(&app);
    type_in(&mut app, " ");
    take(&mut app, Update::Overview(Ok(Box::new(attacked(600)))));
    let paused = seen(&app);
    assert!(paused.contains("PAUSED") && paused.contains("for 14s"), "{paused}");
    type_in(&mut app, " ");
    assert!(seen(&app).contains("for 10m") && before.contains("for 14s"));
}

#[test]
fn a_daemon_that_stops_answering_and_comes_back_is_shown() {
    let mut app = App::new(false);
    assert!(seen(&app).contains("asking"));
    take(&mut app, Update::Overview(Err("is floodwall running?".to_owned())));
    assert!(seen(&app).contains("NO ANSWER") && seen(&app).contains("waiting"));
    take(&mut app, Update::Overview(Ok(Box::new(attacked(10)))));
    assert!(!seen(&app).contains("NO ANSWER"));
    take(&mut app, Update::Overview(Err("floodwall hung up".to_owned())));
    let screen = seen(&app);
    assert!(screen.contains("NO ANSWER") && screen.contains("floodwall hung up"), "{screen}");
    assert!(screen.contains("holding: web"), "what was known stays");
}

#[test]
fn help_and_the_end() {
    let mut app = under_attack();
    type_in(&mut app, "?");
    let screen = seen(&app);
    for (keys, _) in crate::keys::HELP {
        assert!(screen.contains(keys), "{keys} in\n{screen}");
    }
    assert_eq!(type_in(&mut app, "q"), [Effect::Nothing], "it closes the help");
    assert_eq!(type_in(&mut app, "q"), [Effect::Quit]);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    type_in(&mut app, "4/");
    assert_eq!(take(&mut app, Update::Terminal(Input::Key(interrupt))), Effect::Quit);
}

#[test]
fn networks_of_sources_and_prefixes_are_shown_where_they_are_known() {
    let mut app = under_attack();
    assert!(["4", "5"].iter().all(|view| {
        type_in(&mut app, view);
        !seen(&app).contains("NETWORK")
    }));
    let second = attacked(14).time_ms / 1_000;
    let of_known = DropReport { origin: Some("AS64500 ZZ".to_owned()), ..drop_of("192.0.2.77", second) };
    take(&mut app, Update::Event(Box::new(Event::Drop(of_known))));
    for (view, who) in [("4", "192.0.2.77"), ("5", "192.0.2.0/24")] {
        type_in(&mut app, view);
        let screen = seen(&app);
        let row = screen.lines().find(|line| line.contains(who)).unwrap_or_default();
        assert!(row.trim_end().ends_with("signature    AS64500 ZZ"), "{screen}");
        let other = screen.lines().find(|line| line.contains("203.0.113.")).unwrap_or_default();
        assert!(other.trim_end().ends_with("not known"), "{screen}");
    }
    type_in(&mut app, "1");
    assert!(seen(&app).contains("AS64500 ZZ"), "{}", seen(&app));
}

#[tokio::test]
async fn the_details_of_a_source_are_requested_and_shown() {
    let why = json!({
        "address": "203.0.113.7", "outcome": "blocked", "verdict": "its packets are dropped: it is on the blocklist",
        "problems": [], "spared": [], "checks": [], "signatures": [], "bans": [], "rules": [], "attacked": [],
        "lists": { "decided_by": "block", "prefix": "203.0.113.0/24", "why": "203.0.113.0/24 is blocked", "covering": [] },
        "source": { "source": "203.0.113.7", "tracked": true, "known": false, "packets": 1_234, "bytes": 9, "syns": 3,
                    "packet_tokens": null, "syn_tokens": null, "idle_seconds": 1.0, "banned_seconds": null,
                    "origin": { "asn": 64_500, "name": "Example", "country": "ZZ" } },
    });
    let server =
        Server::of_routes(&[("GET /v1/why?address=203.0.113.7 ", response("200 OK", &why.to_string()))]);
    let mut app = under_attack();
    type_in(&mut app, "4");
    let Effect::Ask(address) = press(&mut app, KeyCode::Enter) else { panic!("it is asked") };
    assert!(seen(&app).contains("asking"));
    let (updates, mut incoming) = mpsc::channel(8);
    feed::ask_why(Client::new(&server.socket), updates, address).await;
    take(&mut app, incoming.recv().await.unwrap());
    let screen = seen(&app);
    for words in ["it is on the blocklist", "1,234 packets", "its address is of AS64500 Example, ZZ"] {
        assert!(screen.contains(words), "`{words}` is not seen in\n{screen}");
    }
    type_in(&mut app, "u");
    assert!(seen(&app).contains("floodwall block rm 203.0.113.7"));
}

#[tokio::test]
async fn overviews_and_events_from_the_socket_are_shown() {
    let overview = serde_json::to_string(&attacked(10)).unwrap();
    let event =
        json!({"kind": "ban", "time_ms": 5, "severity": "info", "text": "banned 3"}).to_string() + "\n";
    let mut incident = attacked(10).incidents.remove(0);
    let by = floodwall_api::IncidentActor::Outside;
    let (kind, text) = ("attack".to_owned(), "attack 1 began".to_owned());
    incident.timeline = vec![IncidentLine { time_ms: 3, kind, by, text, count: 1 }];
    let incidents = json!({ "incidents": [incident] }).to_string();
    let report = json!({ "incident": incident, "series": [] }).to_string();
    let server = Server::of_routes(&[
        ("GET /v1/overview ", response("200 OK", &overview)),
        ("GET /v1/events ", chunks(&[&event], true)),
        ("GET /v1/incident?limit=1 ", response("200 OK", &incidents)),
        ("GET /v1/incident/report?id=7&points=1 ", response("200 OK", &report)),
    ]);
    let (updates, mut incoming) = mpsc::channel(8);
    let client = Client::new(&server.socket);
    let looking = tokio::spawn(feed::poll_overview(client.clone(), updates.clone()));
    let listening = tokio::spawn(feed::follow_events(client, updates));
    let mut app = App::new(false);
    while app.model().overview.is_none() || app.model().events.len() < 2 {
        take(&mut app, incoming.recv().await.unwrap());
    }
    let screen = seen(&app);
    let [past, now] = ["attack 1 began", "banned 3"].map(|text| screen.find(text));
    assert!(past.is_some() && past < now, "what had happened comes first: {screen}");
    looking.abort();
    listening.abort();
}

#[tokio::test]
async fn every_change_sends_the_request_of_its_command() {
    let done = response("200 OK", "{}");
    let tried = response(
        "200 OK",
        r#"{"added":[],"updated":[],"trial":{"number":4,"since":1,"until":2,"command":"x"}}"#,
    );
    let server =
        Server::of_routes(&[("POST /v1/allow/add ", tried), ("POST /v1/", done.clone()), ("PUT /v1/", done)]);
    let client = Client::new(&server.socket);
    let prefix = || "203.0.113.0/24".to_owned();
    use floodwall_api::ListName::{Allow, Block};
    for (act, path, field, value) in [
        (Act::List(Block, prefix()), "POST /v1/block/add", "seconds", json!(3_600)),
        (Act::List(Allow, prefix()), "POST /v1/allow/add", "prefixes", json!(["203.0.113.0/24"])),
        (Act::Unblock(prefix()), "POST /v1/block/remove", "prefixes", json!(["203.0.113.0/24"])),
        (Act::Lift(prefix()), "POST /v1/ban/lift", "all", json!(false)),
        (Act::Keep(prefix()), "POST /v1/ban/keep", "seconds", Value::Null),
        (Act::Pin(7), "POST /v1/signature/pin", "number", json!(7)),
        (Act::Drop(7), "POST /v1/signature/drop", "number", json!(7)),
        (Act::Bypass(true), "PUT /v1/bypass", "seconds", json!(300)),
        (Act::Bypass(false), "PUT /v1/bypass", "seconds", Value::Null),
    ] {
        let answer = act.carry_out(&client).await.unwrap();
        let (asked, body) = server.request();
        assert!(asked.starts_with(path), "{act:?}: {asked}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()[field], value, "{act:?}");
        let confirmed = answer.contains("floodwall confirm 4");
        assert_eq!(confirmed, matches!(act, Act::List(Allow, _)), "{answer}");
    }
}
