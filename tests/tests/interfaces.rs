//! Interfaces that are not there yet, have other names, or come and go, while a blocked source sends.

use std::{
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use floodwall::host::LinkEvents;
use floodwall_lab::{
    frame::Frame,
    namespace::Namespace,
    or_skip,
    skip::require_root,
    tun::Tun,
    wire::{Receiver, Sender},
};
use floodwall_tests::{
    blocked::{Blocked, SOON, median, readdress, rewire},
    foreign::detach_pinned,
    protected::{PATIENCE, Protected, SILENCE},
    requests::wait_for,
};
use nix::sys::signal::Signal;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

fn ip(host: &Protected, arguments: &str) -> anyhow::Result<()> {
    host.lab.inside.namespace().ip(arguments).map(drop)
}

fn names(given: &[&str]) -> Vec<String> {
    given.iter().map(|&name| name.to_owned()).collect()
}

/// The exit code of `status`, and what it says that is wrong.
fn problems(host: &Protected) -> anyhow::Result<(Option<i32>, String)> {
    let output = host.run(&["--json", "status"])?;
    let status: Value = serde_json::from_slice(&output.stdout)?;
    Ok((output.status.code(), status["problems"].to_string()))
}

/// Whether a frame of a blocked source that is put on the other end of this interface gets past the filter.
fn passes(host: &Protected, peer: &str, interface: &str) -> anyhow::Result<bool> {
    let inside = host.lab.inside.namespace();
    let (sender, receiver) = (Sender::open(inside, peer)?, Receiver::open(inside, interface)?);
    let frame = host.from("203.0.113.7").udp(1, 2).build();
    sender.send(&frame)?;
    Ok(!receiver.collect(1, SILENCE, |seen| seen == frame)?.is_empty())
}

#[test]
fn one_that_is_not_there_yet_leaves_the_others_filtered_and_is_filtered_once_it_is() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("later", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success() && host.passes(&bad)?, "nothing is in force");
    host.launch_on(&names(&["later0", "eth0"]), &[], 9)?;
    assert!(!host.passes(&bad)?, "one that is missing has left the other unfiltered");
    let (_, said) = host.fails(&["status"])?;
    assert!(said.contains("later0 IS NOT FILTERED: there is no interface of that name"), "{said}");
    assert!(said.contains("later0 (NOT FILTERED), eth0 (native)"), "{said}");
    assert!(host.log().contains("NO INTERFACE HAS THIS NAME; is it misspelt?"), "{}", host.log());

    ip(&host, "link add later0 type veth peer name later1")?;
    ip(&host, "link set later0 up")?;
    ip(&host, "link set later1 up")?;
    thread::sleep(Duration::from_secs(1));
    assert_eq!(problems(&host)?.0, Some(0), "not filtered within a second");
    assert!(!passes(&host, "later1", "later0")?);
    let log = host.log();
    assert!(log.contains("later0 is filtered now"), "{log}");
    Ok(())
}

#[test]
fn where_none_is_there_it_is_waited_for() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("none", BINARY)?;
    let blocked = Blocked::start(&host)?;
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success());
    ip(&host, "link del eth0")?;
    host.launch_on(&names(&["eth0"]), &[], 9)?;
    rewire(&host)?;
    blocked.send_by(host.lab.outside.namespace(), host.lab.outside.name())?;
    blocked.green_means_filtered(&host)?;
    // What waits for ever leaves nothing behind.
    ip(&host, "link del eth0")?;
    wait_for("it is told", || Ok(problems(&host)?.0 == Some(9)))?;
    assert!(host.end(Signal::SIGTERM)?.success());
    host.launch_on(&names(&["eth0"]), &[], 9)?;
    assert!(host.end(Signal::SIGTERM)?.success());
    assert!(!host.bpffs().exists(), "something is still pinned");
    Ok(())
}

#[test]
fn one_that_is_refused_leaves_the_others_filtered_and_is_tried_again_once_it_can_be() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("refused", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.end(Signal::SIGTERM)?;
    ip(&host, "link add other0 type veth peer name other1")?;
    ip(&host, "link set other0 up")?;
    ip(&host, "link set other1 up")?;
    // To a daemon with pins of its own, the first one's program is somebody else's.
    let first = host.bpffs().to_owned();
    let second = PathBuf::from(format!("{}-second", first.display()));
    let interfaces = names(&["eth0", "other0"]);
    let mut command = host.daemon_command_for(&interfaces, &second);
    let mut child = command.spawn()?;
    let outcome = (|| {
        wait_for("it answers", || Ok(host.run(&["status"])?.status.code() == Some(9)))?;
        let (code, said) = problems(&host)?;
        assert!(
            code == Some(9) && said.contains("eth0 IS NOT FILTERED: eth0 has an XDP program already"),
            "{said}"
        );
        assert!(!passes(&host, "other1", "other0")?, "one that is refused has left the other unfiltered");
        thread::sleep(Duration::from_millis(700));
        assert!(
            problems(&host)?.1.contains("has an XDP program already"),
            "the reason is told for as long as it holds"
        );
        let detach = host
            .lab
            .inside
            .namespace()
            .command(BINARY)
            .args(["--socket", "/nonexistent", "detach", "eth0"])
            .arg("--bpffs")
            .arg(&first)
            .status()?;
        assert!(detach.success());
        thread::sleep(Duration::from_secs(1));
        assert_eq!(
            problems(&host)?.0,
            Some(0),
            "not filtered within a second of its being free: {}",
            host.log()
        );
        assert!(!host.passes(&host.from("203.0.113.7").udp(1, 2).build())?);
        host.ok(&["detach", "eth0"])?;
        host.ok(&["detach", "other0"])?;
        anyhow::Ok(())
    })();
    if outcome.is_err() {
        child.kill()?;
    }
    let ended = child.wait()?;
    let left = second.exists();
    drop(std::fs::remove_dir_all(&second));
    outcome?;
    assert!(ended.success() && !left, "something is still pinned");
    Ok(())
}

#[test]
fn a_name_that_no_interface_can_have_is_refused_at_once() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("invalid", BINARY)?;
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success());
    for name in ["", "a/b", &"x".repeat(128)] {
        let interfaces = names(&["eth0", name]);
        let output = host.daemon_command_for(&interfaces, host.bpffs()).stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name:?}: {said}");
        assert!(!host.bpffs().exists(), "{name:?} has left something pinned");
    }
    Ok(())
}

#[test]
fn an_alternative_name_does_and_two_names_of_one_interface_are_one() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("altname", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success());
    let long = "the-one-that-leads-to-the-provider";
    ip(&host, "link property add dev eth0 altname uplink")?;
    ip(&host, &format!("link property add dev eth0 altname {long}"))?;
    for name in ["uplink", long] {
        host.launch_on(&names(&[name]), &[], 0)?;
        assert!(!host.passes(&bad)?, "{name}");
        let interfaces = host.json(&["status"])?["interfaces"].clone();
        assert_eq!(interfaces.as_array().map(Vec::len), Some(1), "{interfaces}");
        assert_eq!(
            (&interfaces[0]["name"], &interfaces[0]["filtered"]),
            (&"eth0".into(), &true.into()),
            "{interfaces}"
        );
        let known = interfaces[0]["other_names"].as_array().cloned().unwrap_or_default();
        assert!(known.contains(&name.into()), "{interfaces}");
        assert!(host.bpffs().join("links/eth0").exists(), "it is pinned by its own name");
        host.ok(&["detach", "eth0"])?;
        assert!(host.wait()?.success(), "it was the last one");
    }
    host.launch_on(&names(&["eth0", "uplink"]), &[], 0)?;
    let interfaces = host.json(&["status"])?["interfaces"].clone();
    assert_eq!(interfaces.as_array().map(Vec::len), Some(1), "{interfaces}");
    let attached = host.json(&["attach", long])?;
    assert_eq!((&attached["name"], &attached["filtered"]), (&"eth0".into(), &true.into()), "{attached}");
    assert_eq!(problems(&host)?.0, Some(0));
    assert_eq!(
        host.json(&["detach", "uplink"])?["remaining"],
        serde_json::json!([]),
        "one of its names is enough"
    );
    assert!(host.wait()?.success(), "it was the last one");
    assert!(host.passes(&bad)? && !host.bpffs().exists());

    host.launch_on(&names(&["uplink"]), &[], 0)?;
    host.end(Signal::SIGTERM)?;
    assert!(!host.passes(&bad)?);
    host.ok(&["detach", "uplink", "--bpffs", &host.bpffs().display().to_string()])?;
    assert!(host.passes(&bad)? && !host.bpffs().exists(), "nor does it take a daemon");
    Ok(())
}

#[test]
fn a_renamed_one_is_followed_and_let_go_of_by_either_name() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("follow", BINARY)?;
    let blocked = Blocked::start(&host)?;
    for detach in ["wan1", "eth0"] {
        ip(&host, "link set eth0 down")?;
        ip(&host, "link set eth0 name wan0")?;
        wait_for("it is told", || Ok(problems(&host)?.1.contains("is wan0 now, and is filtered under it")))?;
        ip(&host, "link set wan0 name wan1")?;
        wait_for("and again", || Ok(problems(&host)?.1.contains("is wan1 now, and is filtered under it")))?;
        let pinned = host.bpffs().join("links/wan1");
        assert!(pinned.exists());
        host.ok(&["detach", detach])?;
        assert!(host.wait()?.success(), "it was the last one");
        assert!(!host.bpffs().exists(), "something is still pinned");
        let details = host.lab.inside.namespace().ip("-d link show wan1")?;
        assert!(!details.contains("xdp"), "{details}");
        ip(&host, "link set wan1 name eth0")?;
        readdress(&host)?;
        host.launch()?;
    }
    // While no daemon looks, too; the next one is told the name that it has then.
    host.end(Signal::SIGTERM)?;
    ip(&host, "link set eth0 down")?;
    ip(&host, "link set eth0 name wan0")?;
    ip(&host, "link set wan0 up")?;
    host.launch_on(&names(&["wan0"]), &[], 0)?;
    assert!(host.bpffs().join("links/wan0").exists() && !host.bpffs().join("links/eth0").exists());
    ip(&host, "address replace 192.0.2.10/24 dev wan0")?;
    blocked.green_means_filtered(&host)?;
    // That it is called otherwise is taken for good by a command. Before Linux 6.2 only what is down gets another name.
    ip(&host, "link set wan0 down")?;
    ip(&host, "link set wan0 name wan2")?;
    ip(&host, "link set wan2 up")?;
    wait_for("it is told", || Ok(problems(&host)?.0 == Some(9)))?;
    host.ok(&["attach", "wan2"])?;
    assert_eq!(problems(&host)?, (Some(0), "[]".to_owned()));
    blocked.green_means_filtered(&host)?;
    let interfaces = host.json(&["status"])?["interfaces"].clone();
    assert_eq!(interfaces.as_array().map(Vec::len), Some(1), "{interfaces}");
    Ok(())
}

#[test]
fn whatever_becomes_of_an_interface_green_means_filtered() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("green", BINARY)?;
    let blocked = Blocked::start(&host)?;
    blocked.green_means_filtered(&host)?;
    let other = Namespace::new("green-other")?;
    let (inside, outside) = (host.lab.inside.namespace(), &host.lab.outside);
    let mut took = Vec::new();
    for round in 0..3 {
        println!("round {round}: down and up");
        ip(&host, "link set eth0 down")?;
        ip(&host, "link set eth0 up")?;
        readdress(&host)?;
        took.push(blocked.green_means_filtered(&host)?);

        println!("round {round}: renamed and back");
        ip(&host, "link set eth0 down")?;
        ip(&host, "link set eth0 name wan1")?;
        ip(&host, "link set wan1 up")?;
        ip(&host, "link set wan1 down")?;
        ip(&host, "link set wan1 name eth0")?;
        readdress(&host)?;
        took.push(blocked.green_means_filtered(&host)?);

        println!("round {round}: moved to another namespace and back");
        ip(&host, &format!("link set eth0 netns {}", other.name()))?;
        if round > 0 {
            wait_for("it is told", || Ok(problems(&host)?.1.contains("in another network namespace now")))?;
        }
        other.ip(&format!("link set eth0 netns {}", inside.name()))?;
        readdress(&host)?;
        took.push(blocked.green_means_filtered(&host)?);

        println!("round {round}: deleted and made anew");
        ip(&host, "link del eth0")?;
        if round > 0 {
            wait_for("it is told", || Ok(problems(&host)?.0 == Some(9)))?;
        }
        rewire(&host)?;
        blocked.send_by(outside.namespace(), outside.name())?;
        took.push(blocked.green_means_filtered(&host)?);
    }
    println!("detached by another tool");
    detach_pinned(&host.bpffs().join("links/eth0"))?;
    took.push(blocked.green_means_filtered(&host)?);
    assert!(median(took.clone()) <= SOON, "it takes too long until it is filtered again: {took:?}");
    Ok(())
}

#[test]
fn the_kernel_tells_that_an_interface_has_changed() -> anyhow::Result<()> {
    or_skip!(require_root());
    let place = Namespace::new("link-events")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let events = place.enter(|| runtime.block_on(async { LinkEvents::open() }))??;
    let told = |within: Duration| -> anyhow::Result<bool> {
        let told = runtime.block_on(async { tokio::time::timeout(within, events.changed()).await });
        Ok(told.map_or(Ok(false), |told| told.map(|()| true))?)
    };
    for change in ["add a0 type veth peer name a1", "set a0 mtu 1400", "set a0 name b0", "del b0"] {
        // One command may be several changes.
        while told(SILENCE)? {}
        place.ip(&format!("link {change}"))?;
        assert!(told(PATIENCE)?, "{change}");
    }
    Ok(())
}

#[test]
fn one_that_comes_back_is_filtered_within_a_second_though_nobody_asks() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("unasked", BINARY)?;
    let inside = host.lab.inside.namespace();
    let mut took = Vec::new();
    for _ in 0..5 {
        ip(&host, "link del eth0")?;
        let since = Instant::now();
        rewire(&host)?;
        wait_for("it is filtered", || Ok(inside.ip("-d link show dev eth0")?.contains("prog/xdp")))?;
        took.push(since.elapsed());
    }
    assert!(median(took.clone()) <= SOON, "{took:?}");
    assert!(!host.log().contains("asked for four times a second"), "the kernel's events are not heard");
    Ok(())
}

/// An IPv4 or IPv6 packet of UDP, without a link layer.
fn packet(host: &Protected, source: &str, port: u16) -> Vec<u8> {
    let (outside, inside) = (&host.lab.outside, &host.lab.inside);
    let frame = if source.contains(':') {
        Frame::ipv6(source, "2001:db8:9::1")
            .between(outside, inside)
            .udp(40_000, port)
            .payload(b"hello")
            .build()
    } else {
        Frame::ipv4(source, "10.9.0.1").between(outside, inside).udp(40_000, port).payload(b"hello").build()
    };
    frame[14..].to_vec()
}

#[test]
fn a_device_without_a_link_layer_is_filtered_from_its_ip_header_on() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("tun", BINARY)?;
    let inside = host.lab.inside.namespace().clone();
    let mut tun = Tun::new(&inside, "tun0")?;
    ip(&host, "address add 10.9.0.1/24 dev tun0")?;
    ip(&host, "address add 2001:db8:9::1/64 dev tun0 nodad")?;
    ip(&host, "link set tun0 up")?;
    let (code, said) = host.fails(&["attach", "tun0"])?;
    assert!(
        code == 4 && said.contains("native mode was asked for") && said.contains("--mode auto"),
        "{said}"
    );
    host.end(Signal::SIGTERM)?;
    host.launch_on(&names(&["eth0", "tun0"]), &["--mode", "auto"], 0)?;
    let interfaces = host.json(&["status"])?["interfaces"].clone();
    assert_eq!(
        (&interfaces[0]["mode"], &interfaces[1]["mode"]),
        (&"native".into(), &"generic".into()),
        "{interfaces}"
    );

    let any: SocketAddr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9_010));
    let socket = inside.enter(|| UdpSocket::bind(any))??;
    socket.set_read_timeout(Some(SILENCE))?;
    let mut arrives = |source: &str| -> anyhow::Result<bool> {
        tun.send(&packet(&host, source, 9_010))?;
        let mut text = [0; 16];
        Ok(matches!(socket.recv(&mut text), Ok(5)))
    };
    // The second and third look like EtherTypes where one would stand: of IPv4, and of a VLAN tag.
    let bad = ["203.0.113.7", "8.0.0.7", "129.0.0.7", "2001:db8:bad::7"];
    for source in bad {
        assert!(arrives(source)?, "{source} does not arrive even unblocked");
    }
    host.ok(&["block", "add", "203.0.113.0/24", "8.0.0.0/24", "129.0.0.0/24", "2001:db8:bad::/48"])?;
    for source in bad {
        assert!(!arrives(source)?, "{source} gets past the filter");
    }
    assert_eq!(host.count("blocked")?, bad.len() as u64);
    assert_eq!((host.count("malformed")?, host.count("not-ip")?), (0, 0), "read as something else");
    assert!(arrives("198.51.100.7")?, "others do not");

    // What leaves by it is seen, and answers to that come in.
    let proofs = host.json(&["status"])?["proofs"].clone();
    let proof =
        proofs.as_array().and_then(|all| all.iter().find(|proof| proof["interface"] == "tun0").cloned());
    assert_eq!(proof.map(|proof| proof["proof"].clone()), Some("egress".into()), "{proofs}");
    let asking = inside.enter(|| UdpSocket::bind("10.9.0.1:5353"))??;
    asking.send_to(b"question", "10.9.0.2:53")?;
    let question = tun.receive(PATIENCE, |packet| packet.ends_with(b"question"))?;
    assert!(question.is_some(), "what leaves does not arrive");

    // While no daemon runs, and taken over by the next one.
    host.end(Signal::SIGKILL)?;
    let mut arrives = |source: &str| -> anyhow::Result<bool> {
        tun.send(&packet(&host, source, 9_010))?;
        let mut text = [0; 16];
        Ok(matches!(socket.recv(&mut text), Ok(5)))
    };
    assert!(!arrives(bad[0])? && arrives("198.51.100.7")?);
    host.launch_on(&names(&["eth0", "tun0"]), &["--mode", "auto"], 0)?;
    let mut arrives = |source: &str| -> anyhow::Result<bool> {
        tun.send(&packet(&host, source, 9_010))?;
        let mut text = [0; 16];
        Ok(matches!(socket.recv(&mut text), Ok(5)))
    };
    assert!(!arrives(bad[0])? && arrives("198.51.100.7")?);
    host.ok(&["detach", "tun0"])?;
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success());
    assert!(!host.bpffs().exists(), "something is still pinned");
    Ok(())
}

#[test]
fn a_device_whose_frames_are_not_known_is_refused_with_the_reason() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("framing", BINARY)?;
    let tun = Tun::new(host.lab.inside.namespace(), "tun0")?;
    // InfiniBand, IEEE 802.15.4, GRE and sit: `ARPHRD_…`.
    for link_type in [32, 804, 778, 776] {
        tun.pretend(link_type)?;
        let (code, said) = host.fails(&["attach", "tun0"])?;
        assert_eq!(code, 4, "{said}");
        assert!(
            said.contains("tun0 cannot be filtered") && said.contains(&format!("link type {link_type}")),
            "{said}"
        );
        assert_eq!(problems(&host)?.0, Some(0), "what was not taken up is no problem");
    }
    host.end(Signal::SIGTERM)?;
    host.launch_on(&names(&["eth0", "tun0"]), &["--mode", "auto"], 9)?;
    assert!(problems(&host)?.1.contains("link type 776"), "the others are filtered, and this one is told");
    Ok(())
}
