//! The CLI against a running daemon: answers, refusals, exit codes.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use floodwall_lab::{
    or_skip,
    skip::{corpus, require_root},
};
use floodwall_tests::{
    login::Login,
    protected::Protected,
    requests::{passing, prove, syn, wait_for},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn bad_input_is_explained_and_changes_nothing() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("refusals", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    for (arguments, code, expected) in [
        (&["block", "add", "203.0.113.7/24"][..], 2, "203.0.113.0/24"),
        (&["block", "add", "203.0.113.0/33"], 2, "32"),
        (&["block", "add", "example.org"], 2, "example.org"),
        (&["block", "add", "2001:db8::1/32"], 2, "2001:db8::/32"),
        (&["block", "add", "198.51.100.0/24", "203.0.113.7/24"], 2, "203.0.113.0/24"),
        (&["block", "add", "0.0.0.0/0"], 4, "every address"),
        (&["block", "add", "::/0"], 4, "every address"),
        (&["block", "add", "192.0.2.10"], 4, "own address"),
        (&["block", "add", "2001:db8:5::/48"], 4, "own address"),
        (&["block", "add", "192.0.2.1"], 4, "gateway"),
        (&["block", "rm", "198.51.100.0/24"], 3, "not in the blocklist"),
        (&["block", "rm", "203.0.113.7"], 3, "203.0.113.0/24"),
        (&["block", "add", "198.51.100.1", "--for", "never"], 2, "never"),
        (&["block", "flush", "--name", "nothing", "--yes"], 3, "nothing"),
        (&["limit", "set", "packets", "0/s"], 2, "off"),
        (&["limit", "set", "syn", "1/s", "--burst", "100000"], 2, "burst"),
        (&["source", "show", "nobody"], 2, "nobody"),
        (&["detach", "eth7"], 3, "eth7"),
    ] {
        let (found, said) = host.fails(arguments)?;
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let list = host.json_lines(&["block", "list"])?;
    assert_eq!(list.len(), 1, "{list:?}");
    Ok(())
}

#[test]
fn nobody_cuts_off_the_address_they_are_logged_in_from() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("login", BINARY)?;
    let login = Login::to(&host)?;
    let peer = login.from()?.to_string();
    let (code, said) = login.run(&host, &["block", "add", &peer])?;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains(&peer) && said.contains("logged in"), "{said}");
    // What anybody may write into their environment is no login.
    let mut command = host.command(&["block", "add", "198.51.100.0/24"]);
    let output = command.env("SSH_CONNECTION", "198.51.100.7 50022 192.0.2.10 22").output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Which of the host's addresses are reached by protected interfaces is looked every three seconds.
    let (code, said) = login.run(&host, &["limit", "set", "syn", "900/s"])?;
    assert!(code == 0 && said.contains("ON TRIAL") && said.contains("floodwall confirm 1"), "{said}");
    let status = host.json(&["status"])?;
    assert_eq!(status["trials"][0]["number"], 1, "{status}");
    let (code, said) = login.run(&host, &["confirm"])?;
    assert!(code == 0 && said.contains("stays"), "{said}");
    assert_eq!(login.run(&host, &["confirm"])?.0, 3);
    let (code, said) = login.run(&host, &["limit", "set", "syn", "800/s", "--confirm-within", "never"])?;
    assert_eq!((code, said.contains("ON TRIAL")), (0, false), "{said}");
    let (code, said) = login.run(&host, &["block", "add", "--force", &peer])?;
    assert!(code == 0 && said.contains("ON TRIAL"), "{said}");
    // Who comes by another way is not asked.
    assert!(!host.ok(&["limit", "set", "syn", "1000/s"])?.contains("ON TRIAL"));
    Ok(())
}

#[test]
fn what_takes_everything_has_to_be_forced() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("everything", BINARY)?;
    for arguments in [
        &["block", "add", "0.0.0.0/1", "128.0.0.0/1"][..],
        &["allow", "add", "0.0.0.0/1", "128.0.0.0/1"],
        &["block", "add", "2000::/3"],
        &["signature", "add", "tcp"],
        &["signature", "add", "len=0-65535"],
    ] {
        let (code, said) = host.fails(arguments)?;
        assert!(code == 4 && said.contains("--force"), "{arguments:?}: {said}");
    }
    host.ok(&["signature", "add", "tcp", "--monitor"])?;
    host.ok(&["signature", "add", "udp", "--force", "--for", "1s"])?;
    let number = |text: &str| -> anyhow::Result<usize> {
        let list = host.json(&["signature", "list"])?;
        let signatures = list["signatures"].as_array().cloned().unwrap_or_default();
        Ok(signatures.iter().filter(|signature| signature["text"] == text).count())
    };
    assert_eq!(number("tcp")?, 1);
    wait_for("the other is taken back", || Ok(number("udp")? == 0))
}

#[test]
fn a_list_is_imported_whole_or_not_at_all() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("import", BINARY)?;
    let path = host.file("list.netset");
    let file = path.display().to_string();
    fs::write(
        &path,
        "# a list\r\n203.0.113.0/24\r\n\r\n203.0.113.0/24\n198.51.100.7 # one\n2001:db8:bad::/48\nnonsense\n198.18.0.1/15\n",
    )?;
    let (code, said) = host.fails(&["block", "import", &file])?;
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("198.18.0.0/15") && said.contains('7') && said.contains('8'),
        "lines and what was meant: {said}"
    );
    assert_eq!(host.json(&["status"])?["block"]["ipv4"], 0);

    let report = host.json(&["block", "import", &file, "--skip-bad"])?;
    for (field, expected) in [("lines", 8), ("added", 3), ("duplicate", 1), ("refused", 2)] {
        assert_eq!(report[field], expected, "{report}");
    }
    let test = host.json(&["block", "test", "203.0.113.9"])?;
    assert_eq!((&test["prefix"], &test["decided_by"]), (&"203.0.113.0/24".into(), &"block".into()), "{test}");

    fs::write(&path, "203.0.113.0/24\n198.51.100.8\n")?;
    let report = host.json(&["block", "import", &file, "--replace"])?;
    assert_eq!((&report["added"], &report["removed"]), (&1.into(), &2.into()), "{report}");
    let exported = host.ok(&["block", "export"])?;
    assert_eq!(exported.lines().collect::<Vec<_>>(), ["198.51.100.8/32", "203.0.113.0/24"]);
    host.ok(&["block", "flush", "--name", "list", "--yes"])?;
    assert_eq!(host.json(&["status"])?["block"]["ipv4"], 0);
    Ok(())
}

#[test]
fn an_import_survives_a_restart() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("restart", BINARY)?;
    let mut child =
        host.command(&["block", "import", "-", "--name", "feed"]).stdin(Stdio::piped()).spawn()?;
    let mut list = String::new();
    for number in 0..10_000 {
        list.push_str(&format!("198.{}.{}.{}\n", 18 + number / 65_536, number / 256 % 256, number % 256));
    }
    child.stdin.take().map_or(Ok(()), |mut input| input.write_all(list.as_bytes()))?;
    assert!(child.wait()?.success());
    host.ok(&["block", "add", "198.18.0.7", "--note", "by hand, too"])?;
    host.end(nix::sys::signal::Signal::SIGKILL)?;
    host.launch()?;
    assert_eq!(host.json(&["status"])?["block"]["ipv4"], 10_000);
    host.ok(&["block", "flush", "--name", "feed", "--yes"])?;
    let left = host.ok(&["block", "export"])?;
    assert_eq!(left.trim(), "198.18.0.7/32", "what was added by hand stays when its import goes");
    Ok(())
}

#[test]
fn who_has_asked_for_what_is_known_after_a_restart() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("audit", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24", "--note", "spam"])?;
    host.fails(&["block", "add", "192.0.2.0/24"])?;
    host.ok(&["bypass", "on", "--for", "1m"])?;
    host.end(nix::sys::signal::Signal::SIGKILL)?;
    host.launch()?;
    host.ok(&["bypass", "off"])?;
    let page = host.json(&["audit"])?;
    let entries = page["entries"].as_array().expect("entries");
    let commands: Vec<_> = entries.iter().filter_map(|entry| entry["command"].as_str()).collect();
    assert_eq!(commands, ["block add", "block add", "bypass set", "bypass set"], "{page}");
    assert_eq!((&entries[0]["user"], &entries[0]["result"]), (&"root".into(), &"done".into()), "{page}");
    assert!(entries[1]["result"].as_str().is_some_and(|result| result.starts_with("refused: ")), "{page}");
    let said = host.ok(&["audit", "--limit", "3"])?;
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.starts_with("2 ") && said.contains("root (uid 0, pid "), "{said}");
    Ok(())
}

#[test]
fn what_comes_again_and_again_does_not_fill_the_log() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("volume", BINARY)?;
    let (times, began) = (120, Instant::now());
    for _ in 0..times / 2 {
        host.ok(&["block", "add", "203.0.113.7"])?;
        host.ok(&["block", "rm", "203.0.113.7"])?;
    }
    let room = 50 + began.elapsed().as_secs() as usize / 2 + 1;
    let deadline = Instant::now() + Duration::from_secs(30);
    let words = "lines of a kind were left out";
    while !host.log().lines().any(|line| line.contains(words) && line.contains("command")) {
        assert!(Instant::now() < deadline, "nothing tells of what was left out: {}", host.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = host.log();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    let logged = lines("block add") + lines("block remove");
    assert!((50..=room).contains(&logged), "{logged} of {times} commands: {log}");
    let all = host.json(&["audit", "--limit", "5000"])?;
    assert_eq!(all["entries"].as_array().map(Vec::len), Some(times), "each is in the audit log");
    Ok(())
}

#[test]
fn a_full_table_says_so_and_refuses() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("full", BINARY)?;
    let path = host.file("big");
    let text: String = (0..30_000).map(|n: u32| format!("198.18.{}.{}\n", n / 256, n % 256)).collect();
    fs::write(&path, text)?;
    let (code, said) = host.fails(&["block", "import", &path.display().to_string()])?;
    assert_eq!(code, 6, "{said}");
    assert!(said.contains("20000") || said.contains("20,000"), "{said}");
    assert_eq!(host.json(&["status"])?["block"]["ipv4"], 0);
    Ok(())
}

#[test]
fn without_a_daemon_the_cli_says_what_to_do() -> anyhow::Result<()> {
    let output = Command::new(BINARY).args(["--socket", "/nonexistent/socket", "status"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("floodwall run"), "{said}");
    Ok(())
}

#[test]
fn the_socket_answers_curl_and_survives_garbage() -> anyhow::Result<()> {
    or_skip!(require_root());
    use std::{io::Read as _, os::unix::net::UnixStream};
    let host = Protected::start("socket", BINARY)?;
    for request in [
        &b"\0\0\0\0\xff\xfe garbage"[..],
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"POST /v1/block/add HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"pre\"\n",
        b"POST /v1/block/add HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"DELETE /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /v1/rule HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    ] {
        let mut stream = UnixStream::connect(host.socket())?;
        stream.write_all(request)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request:?}: {answer}");
    }
    let mut stream = UnixStream::connect(host.socket())?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"interfaces\""), "{answer}");
    Ok(())
}

#[test]
fn real_lists_are_imported() -> anyhow::Result<()> {
    or_skip!(require_root());
    let corpus = or_skip!(corpus());
    let host = Protected::start_with_room("real", BINARY, 1_250_000)?;
    for (path, added) in [
        ("blocklists/ipsum-2026-08-22/ipsum.txt", 120_430),
        ("blocklists/firehol-2023-04/firehol_level2.netset", 1),
        ("prefixes/full-table-prefixes.txt.gz", 1_062_046),
    ] {
        let file = corpus.join(path).display().to_string();
        let report = host.json(&["block", "import", &file, "--skip-bad", "--force"])?;
        assert!(report["added"].as_u64() >= Some(added / 2), "{path}: {report}");
        assert_eq!(report["refused"], 0, "{path}: {report}");
    }
    let test = host.json(&["block", "test", "8.8.8.8"])?;
    assert_eq!(test["decided_by"], "block", "{test}");
    Ok(())
}

#[test]
fn why_says_what_packets_then_meet() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 10, burst = 4, then = \"ban for 1h\" }";
    let host = Protected::start_configured("why", BINARY, text)?;
    let address = "198.51.100.7";
    let verdict = || -> anyhow::Result<(String, String)> {
        let why = host.json(&["why", address])?;
        let field = |name: &str| why[name].as_str().unwrap_or_default().to_owned();
        Ok((field("outcome"), field("verdict")))
    };
    prove(&host, &[address])?;
    let one = [syn(&host, address, 999)];
    assert_eq!(verdict()?.0, "passes");
    assert_eq!(passing(&host, &one)?, 1);
    let source = host.json(&["source", "show", address])?;
    let limits = source["limits"].as_array().cloned().unwrap_or_default();
    let limit = limits.iter().find(|limit| limit["rule"] == "source-syn");
    assert!(limit.is_some_and(|limit| limit["rate"] == 10 && limit["from"] == "configuration"), "{source}");
    host.ok(&["limit", "set", "packets", "5000/s"])?;
    let said = host.ok(&["source", "show", address])?;
    assert!(said.contains("*/source-packets") && said.contains("limit set"), "{said}");

    let frames: Vec<_> = (0..30).map(|port| syn(&host, address, 1_000 + port)).collect();
    passing(&host, &frames)?;
    wait_for("the ban is told with its rule", || {
        Ok(verdict()?.1.ends_with("it crossed rule default/source-syn"))
    })?;
    assert_eq!(verdict()?.0, "banned");
    let test = host.ok(&["block", "test", address])?;
    assert!(test.contains("is banned until") && test.contains("see `floodwall why"), "{test}");
    assert_eq!(passing(&host, &one)?, 0);

    host.ok(&["block", "add", "198.51.100.0/24", "--note", "spam run"])?;
    host.ok(&["ban", "lift", address])?;
    let (outcome, said) = verdict()?;
    assert_eq!(outcome, "blocked");
    assert_eq!(host.ok(&["why", address])?.lines().next(), Some(said.as_str()), "the verdict comes first");
    assert!(said.contains("198.51.100.0/24 is on the blocklist (by hand, “spam run”)"), "{said}");
    assert_eq!(passing(&host, &one)?, 0);

    host.ok(&["allow", "add", address])?;
    assert_eq!(verdict()?.0, "allowed");
    assert_eq!(passing(&host, &one)?, 1);
    host.ok(&["allow", "rm", address])?;
    host.ok(&["block", "rm", "198.51.100.0/24"])?;
    host.ok(&["signature", "add", "tcp", "flags=syn", "dport=80"])?;
    let (outcome, said) = verdict()?;
    assert_eq!(
        (outcome.as_str(), said.ends_with("1 signature drops by headers")),
        ("passes", true),
        "{said}"
    );
    assert_eq!(passing(&host, &one)?, 0, "by its headers");
    for (arguments, expected) in
        [(["why", "nobody"], "nobody"), (["why", "198.51.100.0/24"], "198.51.100.0?")]
    {
        let (code, said) = host.fails(&arguments)?;
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
    }
    Ok(())
}
