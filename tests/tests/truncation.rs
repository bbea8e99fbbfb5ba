//! Questions for a name server that an attack forges are answered with truncated answers, and whoever is there comes over TCP
//! and is served over UDP from then on.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    flood::{Bounds, Flood, Target},
    or_skip,
    pair::INSIDE_V4,
    skip::{require_root, require_service},
};
use floodwall_tests::{
    dns::{ANSWER, Answered, ForgedQuestions, NameServer, PORT, question, resolve},
    foreign::pass_all,
    protected::{PATIENCE, Protected},
    world::Program,
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// A resolver asks again after a second or so: within this time only those are answered whose questions are not dropped.
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(900);
const SERVER: IpAddr = IpAddr::V4(INSIDE_V4);
const NAMES: [&str; 3] = ["www.zone", "mail.zone", "a.very.long.name.of.a.host.in.the.zone"];

/// Truncated answers, and challenges, that were sent.
fn sent(host: &Protected) -> anyhow::Result<u64> {
    host.json(&["status"])?["challenges"]["sent"].as_u64().context("challenges sent")
}

/// Asks once from an address outside.
fn ask(host: &Protected, from: Ipv4Addr, number: usize) -> anyhow::Result<Answered> {
    let name = NAMES[number % NAMES.len()];
    host.lab.outside.namespace().enter(|| resolve(from.into(), SERVER, name, BEFORE_ASKING_AGAIN))?
}

/// A name server that is known and asked for the names, and then flooded with questions for these.
fn flooded(host: &Protected) -> anyhow::Result<(NameServer, Flood)> {
    let server = NameServer::start(host.lab.inside.namespace(), SERVER)?;
    host.lab.outside.address("192.0.2.19/24")?;
    sleep(Duration::from_secs(3));
    for number in 0..NAMES.len() {
        let answered = ask(host, [192, 0, 2, 19].into(), number).context("in peace")?;
        assert_eq!(answered, Answered::OverUdp, "in peace nobody is sent to TCP");
    }
    let target = Target::behind(&host.lab.outside, &host.lab.inside, INSIDE_V4, PORT);
    let pattern = ForgedQuestions::new(target, NAMES.map(ToOwned::to_owned).to_vec());
    let bounds = Bounds { rate: 6_000, duration: Duration::from_secs(60) };
    let flood = Flood::start(&host.lab.outside, pattern, bounds)?;
    let deadline = Instant::now() + PATIENCE;
    while sent(host)? < 1_000 {
        anyhow::ensure!(Instant::now() < deadline, "no truncated answers: {}", host.log());
        sleep(Duration::from_millis(50));
    }
    Ok((server, flood))
}

#[test]
fn resolvers_are_served_in_a_flood_that_looks_like_them() -> anyhow::Result<()> {
    or_skip!(require_root());
    for (mode, label) in [("native", "truncation"), ("generic", "truncation-skb")] {
        let host = Protected::start_as_configured(label, BINARY, &format!("mode = \"{mode}\""))?;
        let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
        newcomers_are_served(&host).with_context(|| format!("in {mode} mode"))?;
    }
    Ok(())
}

fn newcomers_are_served(host: &Protected) -> anyhow::Result<()> {
    let (_server, flood) = flooded(host)?;
    let resolvers: Vec<Ipv4Addr> = (20..80).map(|last| [192, 0, 2, last].into()).collect();
    for resolver in &resolvers {
        host.lab.outside.address(&format!("{resolver}/24"))?;
    }
    let (mut over_tcp, mut over_udp, mut failed) = (0, 0, Vec::new());
    for round in 0..4 {
        for (number, resolver) in resolvers.iter().enumerate() {
            match ask(host, *resolver, number + round) {
                Ok(Answered::OverTcp) => over_tcp += 1,
                Ok(Answered::OverUdp) => over_udp += 1,
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
    }
    let passed_before = host.count("clean")?;
    sleep(Duration::from_secs(2));
    let passed = (host.count("clean")? - passed_before) / 2;
    println!(
        "of {} questions of {} resolvers that had never been there {over_tcp} were answered over TCP, {over_udp} over UDP, \
         {} not; {} truncated answers were sent; {passed} packets/s of the flood pass",
        4 * resolvers.len(),
        resolvers.len(),
        failed.len(),
        sent(host)?
    );
    assert!(failed.len() * 50 <= 4 * resolvers.len(), "{failed:?}: {}", host.log());
    assert!((resolvers.len() / 2..=resolvers.len() * 3 / 2).contains(&over_tcp), "each is sent to TCP once");
    assert!(over_udp >= 2 * resolvers.len(), "who has come over TCP is served over UDP");
    assert!(passed < 600, "{passed}/s of 6,000 pass");
    flood.stop()?;
    Ok(())
}

#[test]
fn who_is_not_known_to_a_name_server_in_lockdown_comes_over_tcp() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("dns-lockdown", BINARY)?;
    let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
    let _server = NameServer::start(host.lab.inside.namespace(), SERVER)?;
    host.lab.outside.address("192.0.2.20/24")?;
    // By then it is known where something listens.
    sleep(Duration::from_secs(3));
    assert_eq!(ask(&host, [192, 0, 2, 20].into(), 0)?, Answered::OverUdp);
    host.ok(&["lockdown", "on", "default"])?;
    host.lab.outside.address("192.0.2.21/24")?;
    let newcomer = [192, 0, 2, 21].into();
    assert_eq!(ask(&host, newcomer, 1)?, Answered::OverTcp);
    assert_eq!(ask(&host, newcomer, 2)?, Answered::OverUdp, "it is known from then on");
    // What is no question is not answered, as two servers would go on to answer each other.
    let mut other = question(7, NAMES[0]);
    other[2] |= 0x80;
    host.lab.outside.address("192.0.2.22/24")?;
    let answered = host.lab.outside.namespace().enter(|| -> std::io::Result<bool> {
        let socket = UdpSocket::bind("192.0.2.22:0")?;
        socket.set_read_timeout(Some(BEFORE_ASKING_AGAIN))?;
        socket.send_to(&other, (INSIDE_V4, PORT))?;
        Ok(socket.recv(&mut [0; 64]).is_ok())
    })??;
    assert!(!answered, "an answer is answered");
    Ok(())
}

#[test]
fn unbound_gets_its_answers_in_a_flood() -> anyhow::Result<()> {
    or_skip!(require_root());
    let unbound = or_skip!(require_service("unbound"));
    let host = Protected::start_with_defaults("truncation-real", BINARY)?;
    let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
    let (_server, flood) = flooded(&host)?;
    let outside = host.lab.outside.namespace();
    host.lab.outside.address("192.0.2.99/24")?;
    outside.ip("link set lo up")?;
    let (directory, file) = (host.file(""), host.file("unbound.conf"));
    let configuration = format!(
        "server:\n interface: 127.0.0.1\n outgoing-interface: 192.0.2.99\n username: \"\"\n chroot: \"\"\n\
         directory: \"{directory}\"\n pidfile: \"unbound.pid\"\n use-syslog: no\n logfile: \"unbound.log\"\n do-ip6: no\n\
         module-config: \"iterator\"\n cache-max-ttl: 0\n do-not-query-localhost: no\n\
         forward-zone:\n name: \"zone.\"\n forward-addr: {INSIDE_V4}\nremote-control:\n control-enable: no\n",
        directory = directory.display(),
    );
    fs::write(&file, configuration)?;
    let mut command = outside.command(&unbound);
    command.args(["-d", "-c"]).arg(&file);
    let _resolver = Program::start(outside, &mut command, PORT)?;
    let started = Instant::now();
    let answered = (0..30).filter(|number| {
        let name = format!("n{number}.zone");
        let localhost = IpAddr::from([127, 0, 0, 1]);
        let ask = || resolve(localhost, localhost, &name, Duration::from_secs(3));
        matches!(outside.enter(ask), Ok(Ok(_)))
    });
    let answered = answered.count();
    println!("unbound answered {answered} of 30 questions, as {ANSWER:?}, in {:?}", started.elapsed());
    assert!(answered >= 29, "unbound answers {answered} of 30: {}", host.log());
    flood.stop()?;
    Ok(())
}
