//! How it is seen what leaves, and what is known of it from before: a kernel without TCX, and connections that are tracked.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use floodwall_lab::{
    namespace::Namespace,
    or_skip,
    skip::{require_root, require_tool},
};
use floodwall_tests::world::{OUTSIDE, World, failures, stands};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// The priority of the filter that looks at what leaves.
const PRIORITY: &str = "pref 65520 ";
const PATIENCE: Duration = Duration::from_secs(20);

/// What a program in a namespace prints.
fn said(namespace: &Namespace, program: &str, arguments: &str) -> anyhow::Result<String> {
    let output = namespace.command(program).args(arguments.split_whitespace()).output()?;
    let (printed, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{program} {arguments}: {printed}{error}");
    Ok(printed.into_owned())
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            bail!("it did not come to be that {what}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The filters at the egress of the protected interface.
fn filters(world: &World) -> anyhow::Result<String> {
    said(&world.host, "tc", "filter show dev e0 egress")
}

/// How many filters of ours there are.
fn ours(world: &World) -> anyhow::Result<usize> {
    // The kernel keeps 15 letters of a program's name.
    let is_ours = |line: &&str| line.contains(PRIORITY) && line.contains("floodwall_egres");
    Ok(filters(world)?.lines().filter(is_ours).count())
}

fn proof(world: &World, interface: &str, family: &str) -> anyhow::Result<Value> {
    let status: Value = serde_json::from_str(&world.says(&["status", "--json"])?)?;
    let all = status["proofs"].as_array().cloned().unwrap_or_default();
    let is_it = |proof: &Value| {
        proof["interface"] == interface
            && proof["families"].as_array().is_some_and(|all| all.iter().any(|one| one == family))
    };
    all.into_iter().find(is_it).with_context(|| format!("{interface}, {family}: {status}"))
}

#[test]
fn without_tcx_a_filter_behind_all_others_sees_what_leaves() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("tc"));
    let mut world = World::with_routed_guest(BINARY, "eg-filter")?;
    world.environment.push(("FLOODWALL_TEST_WITHOUT_TCX", "1"));
    let guest = IpAddr::from([10, 98, 0, 2]);
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    // Another tool was here before.
    said(&world.host, "tc", "qdisc add dev e0 clsact")?;
    let other = "dev e0 egress pref 7 protocol ip u32 match ip dst 192.0.2.99 flowid 1:1";
    said(&world.host, "tc", &format!("filter add {other}"))?;
    world.protect()?;
    assert_eq!(ours(&world)?, 1, "{}", filters(&world)?);
    assert!(filters(&world)?.contains("direct-action"), "{}", filters(&world)?);
    let visits = [(&world.carried, OUTSIDE, 80), (&world.outside, guest, 80)];
    stands(&world, &visits, world.e0.mac(), guest, 80)?;
    let told = proof(&world, "e0", "IPv4")?;
    assert_eq!((&told["proof"], &told["by"]), (&Value::from("egress"), &Value::from("clsact")), "{told}");
    assert!(
        world.says(&["status"])?.contains("by what leaves (tc filter) and by sockets on"),
        "{}",
        world.told()
    );

    world.kill()?;
    assert_eq!(ours(&world)?, 1, "it goes on while no daemon runs");
    world.protect()?;
    assert_eq!(ours(&world)?, 1, "taken over: {}", filters(&world)?);

    said(&world.host, "tc", &format!("filter del dev e0 egress {PRIORITY}"))?;
    until("it is put back", || Ok(ours(&world)? == 1))?;

    // One that ends the chain keeps us from being asked, which is told; and is left where it is.
    said(&world.host, "tc", "filter add dev e0 egress pref 1 protocol all u32 match u32 0 0 flowid 1:1")?;
    until("it is told who is in the way", || {
        failures(&world.outside, SocketAddr::new(guest, 80))?;
        let told = proof(&world, "e0", "IPv4")?;
        Ok(told["proof"] == "sockets"
            && told["why"].as_str().is_some_and(|why| why.contains("u32 filter of priority 1")))
    })?;
    said(&world.host, "tc", "filter del dev e0 egress pref 1")?;
    until("it is seen again what leaves", || {
        failures(&world.outside, SocketAddr::new(guest, 80))?;
        Ok(proof(&world, "e0", "IPv4")?["proof"] == "egress")
    })?;

    world.says(&["detach", "e0"])?;
    let left = filters(&world)?;
    assert!(!left.contains("floodwall") && left.contains("pref 7 "), "{left}");
    ensure!(!world.bpffs().exists(), "{} is left", world.bpffs().display());
    Ok(())
}

#[test]
fn a_filter_is_taken_off_where_no_daemon_runs() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("tc"));
    let mut world = World::with_routed_guest(BINARY, "eg-offline")?;
    world.environment.push(("FLOODWALL_TEST_WITHOUT_TCX", "1"));
    world.protect()?;
    assert_eq!(ours(&world)?, 1, "{}", filters(&world)?);
    world.kill()?;
    let bpffs = world.bpffs().to_owned();
    let output = world.command(&["detach", "e0"]).arg("--bpffs").arg(&bpffs).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(filters(&world)?.trim(), "");
    ensure!(!bpffs.exists(), "{} is left", bpffs.display());
    Ok(())
}

/// A container behind masquerade has long had a connection, over which nothing is said. The filter comes for the first time,
/// and with it a flood; the first word comes from outside.
#[test]
fn a_session_that_is_tracked_is_known_from_the_beginning() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("nft"));
    let mut world = World::with_routed_guest(BINARY, "eg-tracked")?;
    let rules = "table ip nat {\n\
         chain post { type nat hook postrouting priority 100; oifname \"e0\" masquerade; }\n }";
    let status = world.host.command("nft").arg(rules).status()?;
    assert!(status.success());
    let listener = world.outside.enter(|| std::net::TcpListener::bind((OUTSIDE, 22)))??;
    let mut inside = world.carried.enter(|| TcpStream::connect((OUTSIDE, 22)))??;
    let (mut remote, _) = listener.accept()?;
    remote.write_all(b"before")?;
    inside.read_exact(&mut [0; 6])?;
    // What the container sends is masqueraded, so that the host itself has it in no socket.
    assert_eq!(remote.peer_addr()?.ip(), floodwall_tests::world::HOST);
    let own_port = remote.peer_addr()?.port();

    world.protect()?;
    assert!(world.log().contains("what the kernel tracks is known connections=1"), "{}", world.told());
    let status: Value = serde_json::from_str(&world.says(&["status", "--json"])?)?;
    assert!(
        status["uptime_seconds"].as_u64().is_some_and(|up| up < 9),
        "the checks hold early\n{}",
        world.told()
    );
    // It is told at once, and in force within a second.
    thread::sleep(Duration::from_millis(1_500));
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let before = world.dropped()?;
    world.flood(world.e0.mac(), floodwall_tests::world::HOST, own_port, Arc::clone(&stop), Arc::clone(&sent));
    thread::sleep(Duration::from_secs(2));
    inside.set_read_timeout(Some(Duration::from_secs(5)))?;
    let start = Instant::now();
    let outcome = remote.write_all(b"during").and_then(|()| inside.read_exact(&mut [0; 6]));
    let gap = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(300));
    outcome.context("the session is cut off")?;
    let (dropped, sent) = (world.dropped()? - before, sent.load(Ordering::Relaxed));
    assert!(dropped * 100 >= sent * 95, "{dropped} of {sent} were dropped\n{}", world.told());
    // A retransmission would pass as well, but not before a fifth of a second.
    assert!(gap < Duration::from_millis(150), "a gap of {gap:?}");
    Ok(())
}
