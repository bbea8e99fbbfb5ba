//! Whoever is to be told of an attack may hang: packets are dropped, attacks noticed and commands answered all the same.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::{PATIENCE, Protected},
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Where nothing is ever answered, and where all is.
const HANGS: u16 = 7_001;
const ANSWERS: u16 = 7_002;
/// How soon an attack is told of, with room for a machine that has other things to do.
const TOLD_WITHIN: Duration = Duration::from_secs(6);
const SECRET: &str = "s3cret";

/// Targets of every kind, of which one answers.
fn configuration(directory: &std::path::Path) -> anyhow::Result<String> {
    let url = directory.join("url");
    std::fs::write(&url, format!("http://127.0.0.1:{HANGS}/services/{SECRET}"))?;
    let key = directory.join("key");
    std::fs::write(&key, SECRET)?;
    let script = directory.join("script");
    std::fs::write(&script, "#!/bin/sh\nsleep 600\n")?;
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    let mut text = String::new();
    for (name, rest) in [
        ("answers", format!("kind = 'webhook'\nurl = 'http://127.0.0.1:{ANSWERS}/hook'")),
        ("webhook", format!("kind = 'webhook'\nurl = 'http://127.0.0.1:{HANGS}/'")),
        ("slack", format!("kind = 'slack'\nurl = {{ file = '{}' }}", url.display())),
        ("mattermost", format!("kind = 'mattermost'\nurl = {{ file = '{}' }}", url.display())),
        ("discord", format!("kind = 'discord'\nurl = {{ file = '{}' }}", url.display())),
        (
            "pagerduty",
            format!(
                "kind = 'pagerduty'\nurl = 'http://127.0.0.1:{HANGS}/'\nkey = {{ file = '{}' }}",
                key.display()
            ),
        ),
        ("alertmanager", format!("kind = 'alertmanager'\nurl = 'http://127.0.0.1:{HANGS}'")),
        (
            "mail",
            format!(
                "kind = 'mail'\nserver = '127.0.0.1'\nport = {HANGS}\ntls = 'none'\nfrom = 'a@example.net'\n\
                 to = ['b@example.net']"
            ),
        ),
        ("command", format!("kind = 'command'\npath = '{}'", script.display())),
    ] {
        text += &format!("[[notify]]\nname = '{name}'\n{rest}\ntimeout = '2s'\n");
    }
    Ok(text)
}

/// Takes requests, answers them, and tells of what they say.
fn answer(listener: TcpListener) -> Receiver<(Instant, Value)> {
    fn serve(stream: &TcpStream, tell: &Sender<(Instant, Value)>) -> anyhow::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().strip_prefix("content-length: ") {
                Some(number) => length = number.parse()?,
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        tell.send((Instant::now(), serde_json::from_slice(&body)?))?;
        Ok(())
    }
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            match stream.map_err(Into::into).and_then(|stream| serve(&stream, &tell)) {
                Ok(()) => {}
                Err(_) => return,
            }
        }
    });
    told
}

fn dropped(status: &Value) -> u64 {
    let counters = status["counters"].as_array().cloned().unwrap_or_default();
    let drops = counters.iter().filter(|counter| counter["verdict"] == "drop");
    drops.filter_map(|counter| counter["packets"].as_u64()).sum()
}

#[test]
fn every_receiver_may_hang_and_packets_are_dropped_and_commands_answered() -> anyhow::Result<()> {
    or_skip!(require_root());
    let directory = tempfile::tempdir()?;
    let text = configuration(directory.path())?;
    let mut host = Protected::not_started("notify", BINARY, &text)?;
    let inside = host.lab.inside.namespace();
    let _service = listen(&host)?;
    // The kernel takes connections for it, and nobody reads them.
    let _hangs = inside.enter(|| TcpListener::bind(("127.0.0.1", HANGS)))??;
    let told = answer(inside.enter(|| TcpListener::bind(("127.0.0.1", ANSWERS)))??);
    host.launch()?;
    sleep(Duration::from_secs(3));
    let targets = host.json(&["notify", "list"])?;
    assert_eq!(targets["targets"].as_array().map(Vec::len), Some(9), "{targets}");

    let began = Instant::now();
    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(40))?;
    let (at, document) = told.recv_timeout(PATIENCE)?;
    assert!(at - began < TOLD_WITHIN, "told after {:?}", at - began);
    assert_eq!((&document["event"], &document["incident"]["id"]), (&"began".into(), &1.into()));

    // All others hang by now.
    let deadline = Instant::now() + Duration::from_secs(20);
    let problems = loop {
        let targets = host.json(&["notify", "list"])?["targets"].as_array().cloned().unwrap_or_default();
        let with_problem = targets.iter().filter(|target| target["problem"].is_string()).count();
        if with_problem == 8 {
            break targets;
        }
        anyhow::ensure!(Instant::now() < deadline, "{targets:?}");
        sleep(Duration::from_millis(200));
    };
    assert!(problems[0]["problem"].is_null() && problems[0]["sent"].as_u64() >= Some(1), "{problems:?}");
    for target in &problems[1..] {
        assert!(
            target["problem"].as_str().is_some_and(|text| text.contains("no answer within 2s")),
            "{target}"
        );
        assert_eq!(target["sent"], 0, "{target}");
    }
    let mut before = dropped(&host.json(&["status"])?);
    for _ in 0..5 {
        sleep(Duration::from_secs(1));
        let asked = Instant::now();
        let status = host.json(&["status"])?;
        assert!(asked.elapsed() < Duration::from_secs(2), "status took {:?}", asked.elapsed());
        let now = dropped(&status);
        assert!(now > before + u64::from(LESSER_FLOOD) / 2, "{} dropped in a second", now - before);
        before = now;
        assert!(status["warnings"].to_string().contains("NOTIFICATIONS BY slack ARE NOT TAKEN"), "{status}");
        assert!(!status.to_string().contains(SECRET), "{status}");
    }
    let (code, said) = host.fails(&["notify", "test", "webhook"])?;
    assert!(code == 1 && said.contains("webhook: no answer within 2s"), "{code}: {said}");
    assert!(host.ok(&["notify", "test", "answers"])?.contains("has taken the test"));
    let (code, said) = host.fails(&["notify", "test", "nobody"])?;
    assert!(code == 3 && said.contains("notify list"), "{code}: {said}");
    flood.stop()?;
    assert!(!host.log().contains(SECRET), "{}", host.log());
    Ok(())
}
