//! First, do no harm: what is known to hurt people without any attack is not in force, and that is told.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use floodwall_lab::{
    or_skip,
    pair::{INSIDE_V4, OUTSIDE_V4},
    skip::require_root,
    wire::Receiver,
};
use floodwall_tests::{
    foreign,
    protected::Protected,
    requests::{converse, converse_from, passing, prove, syn, wait_for},
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Well beyond the suspects that pass as they are few.
const MANY: u16 = 400;

/// Segments of connections that nobody has asked for, to a port where nothing listens.
fn unsolicited(host: &Protected) -> Vec<Vec<u8>> {
    (0..MANY).map(|port| host.from("198.51.100.9").tcp(80, 20_000 + port).ack().build()).collect()
}

fn check(host: &Protected, name: &str) -> anyhow::Result<Value> {
    let status = host.json(&["status"])?;
    let checks = status["checks"].as_array().cloned().unwrap_or_default();
    let found = checks.into_iter().find(|check| check["check"] == name);
    found.ok_or_else(|| anyhow::anyhow!("no check {name}: {status}"))
}

/// Packets of known sources and of others that would have been dropped for a reason.
fn would_drop(host: &Protected, reason: &str) -> anyhow::Result<(u64, u64)> {
    let status = host.json(&["status"])?;
    let would = status["would_drop"].as_array().cloned().unwrap_or_default();
    let found = would.iter().find(|would| would["reason"] == reason);
    let count = |name: &str| found.and_then(|found| found[name].as_u64()).unwrap_or(0);
    Ok((count("known_packets"), count("unknown_packets")))
}

fn wait_for_check(host: &Protected, name: &str, enforced: bool, why: &str) -> anyhow::Result<()> {
    wait_for(&format!("{name} enforced: {enforced}, {why}"), || {
        let check = check(host, name)?;
        Ok(check["enforced"] == enforced && check["why"].to_string().contains(why))
    })
}

#[test]
fn a_host_that_forwards_drops_what_nothing_that_has_left_asked_for() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_as_configured("forwards", BINARY, "samples-per-second = 0")?;
    wait_for_check(&host, "unsolicited", true, "")?;
    assert!(host.log().contains("what leaves is seen on eth0"), "{}", host.log());
    let namespace = host.lab.inside.namespace();
    namespace.sysctl("net.ipv4.conf.eth0.forwarding", "1")?;
    namespace.ip("route add default via 192.0.2.1 dev eth0 metric 77")?;
    // What the host carries is read every three seconds, and flows have ten seconds to show themselves.
    thread::sleep(Duration::from_secs(4));
    let said = host.ok(&["status"])?;
    assert!(said.contains("out-of-state only count") && said.contains("less than ten seconds"), "{said}");
    thread::sleep(Duration::from_secs(10));
    let said = host.ok(&["status"])?;
    assert!(!said.contains("out-of-state only count"), "{said}");
    for name in ["unsolicited", "out-of-state"] {
        assert_eq!(check(&host, name)?["enforced"], true, "{name}");
    }
    let passed = passing(&host, &unsolicited(&host))?;
    assert!(passed < 120, "they are dropped once they are many: {passed} passed");
    Ok(())
}

#[test]
fn where_another_tool_hides_what_leaves_a_host_that_forwards_only_counts() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_as_configured("hidden", BINARY, "samples-per-second = 0")?;
    wait_for_check(&host, "unsolicited", true, "")?;
    let namespace = host.lab.inside.namespace();
    let _hides = foreign::end_egress(namespace, host.lab.inside.index())?;
    namespace.sysctl("net.ipv4.conf.eth0.forwarding", "1")?;
    let speak = || {
        namespace.enter(|| -> anyhow::Result<()> {
            UdpSocket::bind("0.0.0.0:0")?.send_to(b"?", (OUTSIDE_V4, 9))?;
            Ok(())
        })?
    };
    wait_for("the reason why they only count", || {
        speak()?;
        let why = "what leaves by eth0 is not seen: another tool's program";
        Ok(["unsolicited", "out-of-state"].into_iter().all(|name| {
            check(&host, name)
                .is_ok_and(|check| check["enforced"] == false && check["why"].to_string().contains(why))
        }))
    })?;
    let said = host.ok(&["status"])?;
    assert!(said.contains("unsolicited, out-of-state only count"), "{said}");
    assert!(host.log().contains("the host forwards IPv4 packets"), "{}", host.log());
    let (known, others) = would_drop(&host, "unsolicited")?;
    let frames = unsolicited(&host);
    assert_eq!(passing(&host, &frames)?, frames.len());
    let (known_now, others_now) = would_drop(&host, "unsolicited")?;
    let counted = known_now + others_now - known - others;
    assert!(counted > u64::from(MANY) / 2, "{counted} would have been dropped");
    let in_force = host.json(&["status"])?;
    assert!(in_force["problems"].as_array().is_some_and(Vec::is_empty), "{in_force}");
    Ok(())
}

#[test]
fn no_default_bans_and_who_is_known_is_left_alone_in_peace() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_configured("nobans", BINARY, "")?;
    let frames: Vec<_> = (0..600).map(|port| syn(&host, "198.51.100.9", 1_000 + port)).collect();
    let passed = passing(&host, &frames)?;
    assert!((200..500).contains(&passed), "SYNs of one source are limited: {passed}");
    thread::sleep(Duration::from_millis(300));
    assert!(host.json_lines(&["ban", "list"])?.is_empty());
    assert_eq!(host.count("banned")?, 0);
    assert_eq!(passing(&host, &frames[..5])?, 5, "and it is not shut out");
    let shown = host.ok(&["rule", "show", "default/source-packets"])?;
    assert!(shown.contains("monitor: only counts") && shown.contains("a tunnel, from a flood"), "{shown}");

    // A segment makes nobody known, as whoever has forged the request can send one.
    let segment = host.from("198.51.100.11").tcp(999, 80).ack().payload(b"x").build();
    passing(&host, &[syn(&host, "198.51.100.11", 999), segment])?;
    let frames: Vec<_> = (0..600).map(|port| syn(&host, "198.51.100.11", 1_000 + port)).collect();
    assert!(passing(&host, &frames)? < 500, "it is limited");

    // A connection of this one goes on: it may open as many as it likes.
    converse(&host, &["198.51.100.10".to_owned()])?;
    let frames: Vec<_> = (0..600).map(|port| syn(&host, "198.51.100.10", 1_000 + port)).collect();
    assert_eq!(passing(&host, &frames)?, frames.len(), "a load balancer is limited");
    host.ok(&["limit", "set", "syn", "90/s", "--burst", "180"])?;
    assert!(passing(&host, &frames)? < 500, "an operator's limit holds for all");
    Ok(())
}

#[test]
fn a_rule_that_bans_cannot_be_aimed_at_what_the_host_lives_by() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 10, burst = 4, then = \"ban for 1h\" }\nsource-icmp = { rate = 100, burst = 100, then = \"ban for 1h\" }";
    let host = Protected::start_configured("aimed", BINARY, text)?;
    let said = host.ok(&["check", &host.file("floodwall.toml").display().to_string()])?;
    assert!(said.contains("source-icmp bans: it will ban nobody, only limit"), "{said}");
    assert!(!said.contains("source-syn bans"), "{said}");
    // Somebody outside to whom the host has a connection, at an address of his own.
    let outside = host.lab.outside.clone();
    let partner: SocketAddr = "198.51.100.20:7000".parse()?;
    outside.address("198.51.100.20/32")?;
    let listener = outside.namespace().enter(|| TcpListener::bind(partner))??;
    let connect = || TcpStream::connect_timeout(&partner, Duration::from_secs(3));
    let _connection = host.lab.inside.namespace().enter(connect)??;
    let _accepted = listener.accept()?;
    // Looked at every two seconds, the sockets every second.
    thread::sleep(Duration::from_millis(3_500));
    let gateway = OUTSIDE_V4.to_string();
    converse_from(&host, &[gateway.clone(), "198.51.100.20".to_owned()])?;
    for spared in [gateway.as_str(), "198.51.100.20"] {
        let forged: Vec<_> = (0..100).map(|port| syn(&host, spared, 1_000 + port)).collect();
        let passed = passing(&host, &forged)?;
        assert!(passed < 40, "{spared} is limited: {passed}");
        thread::sleep(Duration::from_millis(300));
        let segment = host.from(spared).tcp(7_000, 40_000).ack().build();
        assert!(host.passes(&segment)?, "{spared} was banned");
    }
    // The controller says so when it takes back what the kernel has done.
    assert!(!host.log().contains("not banned"), "banned for a moment: {}", host.log());
    let other: Vec<_> = (0..100).map(|port| syn(&host, "198.51.100.21", 1_000 + port)).collect();
    passing(&host, &other)?;
    thread::sleep(Duration::from_millis(500));
    assert!(host.json_lines(&["ban", "list"])?.is_empty(), "what may be forged bans nobody");
    prove(&host, &["198.51.100.21"])?;
    passing(&host, &other)?;
    wait_for("anybody else is banned, as the rule says", || {
        let bans = host.json_lines(&["ban", "list"])?;
        Ok(bans.len() == 1 && bans[0]["prefix"] == "198.51.100.21/32")
    })
}

#[test]
fn a_signature_of_one_term_is_enforced_for_an_operator_and_warned_of() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_configured("broad", BINARY, "")?;
    let said = host.ok(&["signature", "add", "udp", "ttl=77"])?;
    assert!(said.contains("pinned, drops") && said.contains("WARNING: it drops, and is broad"), "{said}");
    let frame = host.from("198.51.100.9").ttl(77).udp(1, 2).build();
    assert!(!host.passes(&frame)?, "an operator's is enforced");
    let said = host.ok(&["signature", "add", "udp", "ttl=78", "dport=40"])?;
    assert!(!said.contains("WARNING"), "{said}");
    Ok(())
}

#[test]
fn what_is_only_observed_drops_nothing_that_the_operator_has_not_named() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "samples-per-second = 0\nobserve = true\n[defaults]\nsource-icmp = { rate = 5, burst = 5 }";
    let host = Protected::start_as_configured("observe", BINARY, text)?;
    let status = host.json(&["status"])?;
    assert_eq!(status["observe"], true);
    assert!(host.ok(&["status"])?.contains("observe: only lists, rules and signatures"));
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.ok(&["signature", "add", "udp", "sport=7", "len=28"])?;

    let blocked = host.from("203.0.113.7").udp(1, 2).build();
    let signed = host.from("198.51.100.7").udp(7, 2).build();
    assert!(!host.passes(&blocked)?, "lists are in force");
    assert!(!host.passes(&signed)?, "an operator's signature is");
    let pings: Vec<_> =
        (10..60).map(|number| host.from("198.51.100.8").ttl(number).icmp(8, 0).build()).collect();
    let passed = passing(&host, &pings)?;
    assert!(passed < 30, "a rule that the file names is: {passed} of 50 passed");

    let frames = unsolicited(&host);
    assert_eq!(passing(&host, &frames)?, frames.len(), "a check is not");
    for (name, state) in [("source-icmp", "enforce"), ("source-syn", "monitor")] {
        let rules = host.json_lines(&["rule", "list"])?;
        let rule = rules.iter().find(|rule| rule["service"] == "default" && rule["rule"] == name);
        assert_eq!(rule.map(|rule| &rule["state"]), Some(&state.into()), "{name}");
    }
    // Of several checks the first one that objects is told: these are for a port where something listens.
    let web = SocketAddr::from((INSIDE_V4, 80));
    let _listener = host.lab.inside.namespace().enter(|| TcpListener::bind(web))??;
    let syns: Vec<_> = (0..600).map(|port| syn(&host, "198.51.100.10", 1_000 + port)).collect();
    wait_for("the listener is known, and the rate is not enforced", || {
        let (known, others) = would_drop(&host, "syn-rate")?;
        assert_eq!(passing(&host, &syns)?, syns.len(), "nor is a default rule");
        Ok(known + others > 100)
    })?;
    let (_, new_sources) = would_drop(&host, "unsolicited")?;
    assert!(new_sources > 100, "{new_sources}");

    fs::write(host.file("floodwall.toml"), "samples-per-second = 0\nobserve = false\n")?;
    let said = host.ok(&["reload"])?;
    assert!(said.contains("observe: false"), "{said}");
    // What is sent again after a while passes as a retransmission: these are others.
    let others: Vec<_> =
        (0..MANY).map(|port| host.from("198.51.100.12").tcp(80, 20_000 + port).ack().build()).collect();
    assert!(passing(&host, &others)? < 200, "enforcement is on");
    assert_eq!(host.json(&["status"])?["observe"], false);
    Ok(())
}

/// The host's interface as ip(8) is told of it.
fn ip(host: &Protected, arguments: &str) -> anyhow::Result<()> {
    host.lab.inside.namespace().ip(arguments).map(drop)
}

fn problems(host: &Protected) -> anyhow::Result<(Option<i32>, String)> {
    let output = host.run(&["--json", "status"])?;
    let status: Value = serde_json::from_slice(&output.stdout)?;
    Ok((output.status.code(), status["problems"].to_string()))
}

#[test]
fn a_renamed_interface_is_filtered_under_its_new_name_and_the_old_one_is_bare() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("rename", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    ip(&host, "link set eth0 down")?;
    ip(&host, "link set eth0 name wan1")?;
    ip(&host, "link set wan1 up")?;
    wait_for("it is told", || {
        let (code, problems) = problems(&host)?;
        Ok(code == Some(9) && problems.contains("is wan1 now, and is filtered under it"))
    })?;
    assert!(host.log().contains("eth0 IS NOT FILTERED"), "{}", host.log());
    host.receiver = Receiver::open(host.lab.inside.namespace(), "wan1")?;
    assert!(!host.passes(&bad)?, "it is filtered as before");
    let shown = host.run(&["status"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("eth0 (NOT FILTERED), wan1 = eth0 (native)"), "{shown}");

    // A new interface of the old name is filtered, too.
    ip(&host, "link add eth0 type veth peer name peer0")?;
    wait_for("the new one has the program", || Ok(problems(&host)?.0 == Some(0)))?;
    assert!(host.bpffs().join("links/wan1").exists() && host.bpffs().join("links/eth0").exists());
    ip(&host, "link del eth0")?;
    wait_for("it is gone again", || Ok(problems(&host)?.1.contains("there is no interface of that name")))?;
    ip(&host, "link set wan1 down")?;
    ip(&host, "link set wan1 name eth0")?;
    ip(&host, "link set eth0 up")?;
    wait_for("it has its name again", || Ok(problems(&host)?.0 == Some(0)))?;
    host.receiver = Receiver::open(host.lab.inside.namespace(), "eth0")?;
    assert!(!host.passes(&bad)?);
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success(), "it was the last one");
    assert!(!host.bpffs().exists(), "something is still pinned");
    Ok(())
}

#[test]
fn a_recreated_interface_gets_the_program() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("recreate", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let mut events = host.command(&["--json", "events"]).stdout(std::process::Stdio::piped()).spawn()?;
    thread::sleep(Duration::from_millis(300));
    ip(&host, "link del eth0")?;
    wait_for("it is told", || Ok(problems(&host)?.0 == Some(9)))?;
    let outside = host.lab.outside.namespace();
    outside.ip(&format!(
        "link add wan0 type veth peer name eth0 netns {}",
        host.lab.inside.namespace().name()
    ))?;
    wait_for("it is filtered again", || Ok(problems(&host)?.0 == Some(0)))?;
    let status = host.json(&["status"])?;
    assert_eq!(status["interfaces"][0]["filtered"], true, "{status}");
    // The event is told after the status has changed.
    thread::sleep(Duration::from_millis(500));
    events.kill()?;
    let told = String::from_utf8_lossy(&events.wait_with_output()?.stdout).into_owned();
    let told: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_interface: Vec<_> = told.iter().filter(|event| event["kind"] == "interface").collect();
    assert_eq!(of_interface.len(), 2, "{told:?}");
    assert_eq!((&of_interface[0]["filtered"], &of_interface[1]["filtered"]), (&false.into(), &true.into()));
    Ok(())
}

#[test]
fn an_interface_that_moves_away_is_told_of() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("moved", BINARY)?;
    let other = floodwall_lab::namespace::Namespace::new("moved-to")?;
    ip(&host, &format!("link set eth0 netns {}", other.name()))?;
    wait_for("it is told", || {
        let (code, problems) = problems(&host)?;
        Ok(code == Some(9) && problems.contains("in another network namespace now"))
    })?;
    // Numbers of interfaces are those of a namespace: the same one may stand for another here.
    ip(&host, &format!("link add eth0 index {} type veth peer name peer0", host.lab.inside.index()))?;
    wait_for("the new one has the program", || Ok(problems(&host)?.0 == Some(0)))?;
    let details = host.lab.inside.namespace().ip("-d link show eth0")?;
    assert!(details.contains("xdp"), "{details}");
    // Nor is the one that has moved taken for the new one.
    thread::sleep(Duration::from_millis(600));
    assert!(!host.log().contains("keeps the old name"), "{}", host.log());
    assert!(host.bpffs().join("links/eth0 elsewhere").exists() && host.bpffs().join("links/eth0").exists());
    Ok(())
}

#[test]
fn a_link_that_another_tool_detaches_is_put_back_once() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("detached", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    let link = host.bpffs().join("links/eth0");
    let detach = || floodwall_tests::foreign::detach_pinned(&link);
    detach()?;
    wait_for("it is put back", || Ok(!host.passes(&bad)?))?;
    assert_eq!(problems(&host)?.0, Some(0));
    assert!(host.log().contains("put back, this once"), "{}", host.log());
    detach()?;
    wait_for("it is told", || {
        let (code, problems) = problems(&host)?;
        Ok(code == Some(9) && problems.contains("`floodwall attach eth0` puts it back"))
    })?;
    thread::sleep(Duration::from_millis(600));
    assert!(host.passes(&bad)?, "not again by itself");
    host.ok(&["attach", "eth0"])?;
    assert!(!host.passes(&bad)?);
    assert_eq!(problems(&host)?.0, Some(0));
    Ok(())
}

#[test]
fn a_busy_client_is_not_banned_by_detection() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("busy", BINARY)?;
    let address = SocketAddr::from((INSIDE_V4, 8_080));
    let listener = host.lab.inside.namespace().enter(|| TcpListener::bind(address))??;
    thread::spawn(move || listener.incoming().for_each(drop));
    let ask = || {
        (0..270)
            .filter(|_| {
                thread::sleep(Duration::from_millis(11));
                TcpStream::connect_timeout(&address, Duration::from_millis(1_500)).is_ok()
            })
            .count()
    };
    // The first seconds are those in which floodwall learns.
    thread::sleep(Duration::from_secs(11));
    let answered = host.lab.outside.namespace().enter(ask)?;
    assert!(answered >= 265, "{answered} of 270 connections; {}", host.log());
    assert!(host.json_lines(&["ban", "list"])?.is_empty());
    assert!(host.passes(&syn(&host, &OUTSIDE_V4.to_string(), 1_234))?, "nor shut out otherwise");
    Ok(())
}
