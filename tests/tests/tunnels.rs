//! Tunnels whose devices have no link layer, as their own drivers make them. What a kernel does not have is skipped, and
//! tried by `cargo xtask test --vm` on one that has it.

use std::{
    fs,
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use floodwall_lab::{
    namespace::Namespace,
    or_skip,
    pair::{INSIDE_V4, OUTSIDE_V4},
    skip::{require_root, require_tool},
};
use floodwall_tests::{
    protected::{PATIENCE, Protected, SILENCE},
    world::require_device,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const PORT: u16 = 9_010;
/// Of the tunnel's ends.
const FAR: &str = "10.9.0.2";
const NEAR: &str = "10.9.0.1";
/// The second looks like an EtherType where one would stand: of IPv4.
const BAD: [&str; 2] = ["203.0.113.7", "8.0.0.7"];
const GOOD: &str = "198.51.100.7";

/// The daemon filters the tunnel's end as it does others: by the IP header, and nothing taken for another thing.
fn is_filtered(host: &mut Protected, device: &str) -> anyhow::Result<()> {
    let outside = host.lab.outside.namespace().clone();
    let inside = host.lab.inside.namespace().clone();
    for source in BAD.iter().chain([&GOOD]) {
        outside.ip(&format!("address add {source}/32 dev lo"))?;
    }
    host.launch_on(&["eth0".to_owned(), device.to_owned()], &["--mode", "auto"], 0)?;
    let socket = inside.enter(|| UdpSocket::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))))??;
    socket.set_read_timeout(Some(SILENCE))?;
    let arrives = |source: &str| -> anyhow::Result<bool> {
        let from = outside.enter(|| UdpSocket::bind((source, 0)))??;
        from.send_to(b"hello", (NEAR, PORT))?;
        let mut text = [0; 16];
        Ok(matches!(socket.recv(&mut text), Ok(5)))
    };
    // A tunnel may have to shake hands first.
    let deadline = Instant::now() + PATIENCE;
    while !arrives(GOOD)? {
        ensure!(Instant::now() < deadline, "nothing comes through the tunnel");
    }
    for source in BAD {
        ensure!(arrives(source)?, "{source} does not arrive even unblocked");
    }
    host.ok(&["block", "add", "203.0.113.0/24", "8.0.0.0/24"])?;
    for source in BAD {
        ensure!(!arrives(source)?, "{source} gets past the filter");
    }
    ensure!(arrives(GOOD)?, "who is not blocked does not arrive");
    ensure!(host.count("blocked")? == BAD.len() as u64, "blocked packets are counted as something else");
    ensure!(host.count("malformed")? == 0, "packets are read as something else");
    let status = host.json(&["status"])?;
    let proofs = status["proofs"].as_array().cloned().unwrap_or_default();
    let proof = proofs.iter().find(|proof| proof["interface"] == device);
    ensure!(proof.is_some_and(|proof| proof["proof"] == "egress"), "what leaves is not seen: {proofs:?}");
    host.ok(&["doctor"])?;
    host.end(Signal::SIGKILL)?;
    ensure!(!arrives(BAD[0])? && arrives(GOOD)?, "not filtered while no daemon runs");
    Ok(())
}

/// One end in each namespace of a lab, by these words of `ip link add`.
fn ends(host: &Protected, device: &str, words: &str) -> anyhow::Result<()> {
    let (outside, inside) = (host.lab.outside.namespace(), host.lab.inside.namespace());
    let [out, within] = [(OUTSIDE_V4, INSIDE_V4), (INSIDE_V4, OUTSIDE_V4)].map(|(local, remote)| {
        words.replace("LOCAL", &local.to_string()).replace("REMOTE", &remote.to_string())
    });
    outside.ip(&format!("link add {device} {out}"))?;
    inside.ip(&format!("link add {device} {within}"))?;
    for (namespace, address) in [(outside, FAR), (inside, NEAR)] {
        namespace.ip(&format!("address add {address}/24 dev {device}"))?;
        namespace.ip(&format!("link set {device} up"))?;
    }
    Ok(())
}

#[test]
fn a_tunnel_by_ipip() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_device("ipip", "remote 192.0.2.1 local 192.0.2.2"));
    let mut host = Protected::not_started("ipip", BINARY, "samples-per-second = 0\n")?;
    ends(&host, "ipip0", "type ipip local LOCAL remote REMOTE")?;
    is_filtered(&mut host, "ipip0")
}

#[test]
fn a_tunnel_by_wireguard() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_device("wireguard", ""));
    or_skip!(require_tool("wg").map(drop));
    let mut host = Protected::not_started("wireguard", BINARY, "samples-per-second = 0\n")?;
    ends(&host, "wg0", "type wireguard")?;
    let wg = |namespace: Option<&Namespace>, arguments: &str, input: &str| -> anyhow::Result<String> {
        let mut command = namespace.map_or_else(|| Command::new("wg"), |namespace| namespace.command("wg"));
        let file = host.file("key");
        fs::write(&file, input)?;
        command.args(arguments.split_whitespace()).stdin(fs::File::open(&file)?);
        let output = command.output().context("running wg")?;
        ensure!(output.status.success(), "wg {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let keys = [wg(None, "genkey", "")?, wg(None, "genkey", "")?];
    let sides = [(host.lab.outside.namespace(), INSIDE_V4), (host.lab.inside.namespace(), OUTSIDE_V4)];
    for (side, (namespace, peer)) in sides.into_iter().enumerate() {
        let public = wg(None, "pubkey", &keys[1 - side])?;
        let arguments = format!(
            "set wg0 listen-port 51820 private-key /dev/stdin peer {public} allowed-ips 0.0.0.0/0 endpoint {peer}:51820"
        );
        wg(Some(namespace), &arguments, &keys[side])?;
    }
    is_filtered(&mut host, "wg0")
}

/// Two daemons of PPP that talk to each other, the one on the pseudo-terminal that the other has.
struct Ppp(Child);

impl Drop for Ppp {
    fn drop(&mut self) {
        // It ends the other one as it hangs up.
        let _gone_already = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        drop(self.0.wait());
    }
}

#[test]
fn a_link_by_ppp() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("pppd").map(drop));
    or_skip!(fs::metadata("/dev/ppp").map(drop).map_err(|_| "this kernel makes no ppp".to_owned()));
    let mut host = Protected::not_started("ppp", BINARY, "samples-per-second = 0\n")?;
    let (outside, inside) = (host.lab.outside.namespace().clone(), host.lab.inside.namespace().clone());
    let plain = ["noauth", "local", "nodetach", "nocrtscts", "nodefaultroute", "noipv6"];
    let other =
        format!("nsenter --net={} pppd {} notty {FAR}:{NEAR}", outside.path().display(), plain.join(" "));
    let mut one = inside.command("pppd");
    one.args(plain).args(["pty", &other]).stdin(Stdio::null());
    let log = fs::File::create(host.file("pppd"))?;
    one.stdout(log.try_clone()?).stderr(log);
    let _both = Ppp(one.spawn().context("running pppd")?);
    let deadline = Instant::now() + PATIENCE;
    while !inside.ip("-4 address show dev ppp0").is_ok_and(|shown| shown.contains(NEAR)) {
        let said = fs::read_to_string(host.file("pppd"))?;
        ensure!(Instant::now() < deadline, "the link does not come up: {said}");
        thread::sleep(Duration::from_millis(50));
    }
    is_filtered(&mut host, "ppp0")
}

/// These have more in front of the IP header than their link type tells.
#[test]
fn tunnels_with_headers_of_their_own_are_refused() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_device("gre", "remote 192.0.2.1 local 192.0.2.2"));
    let host = Protected::start("gre", BINARY)?;
    for (device, kind) in [("gre7", "gre"), ("sit7", "sit")] {
        ends(&host, device, &format!("type {kind} local LOCAL remote REMOTE"))?;
        let (code, said) = host.fails(&["attach", device])?;
        ensure!(code == 4 && said.contains(&format!("{device} cannot be filtered")), "{said}");
    }
    Ok(())
}
