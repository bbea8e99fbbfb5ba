//! Hosts with the programs that people run on them, with a real daemon and its default configuration: in peace, and flooded
//! with what nobody has asked for.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use floodwall_lab::{
    namespace::Namespace,
    or_skip,
    skip::{require_root, require_service},
};
use floodwall_tests::world::{
    HOST, OUTSIDE, Program, World, failures, failures_among, flooded, serves, stands,
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Requests in peace, and again in a flood.
const REQUESTS: usize = 1_000;
/// From one to the next: a new source may ask a name server 200 times a second.
const DISTANCE: Duration = Duration::from_millis(6);
/// Likewise, from a connection to the next: in an attack, a source that came shortly before may open 100 a second.
const OF_CONNECTIONS: Duration = Duration::from_millis(12);
const PATIENCE: Duration = Duration::from_secs(3);

/// A host without anybody whom it carries anything for.
fn end_host(label: &str) -> anyhow::Result<World> {
    let world = World::new(BINARY, label)?;
    world.e0.address(&format!("{HOST}/24"))?;
    Ok(world)
}

/// A program of a world's, with its configuration in a file.
fn configured(
    world: &World,
    who: &Namespace,
    program: &Path,
    arguments: &[&str],
    configuration: &str,
) -> anyhow::Result<Command> {
    let name = program.file_name().context("a program has a name")?.to_string_lossy();
    let file = world.file(&format!("{name}-{}.conf", who.label()));
    fs::write(&file, configuration)?;
    let mut command = who.command(program);
    command.args(arguments).arg(file);
    Ok(command)
}

/// Asks a web server for a page.
fn fetch(to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: floodwall\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    if page.starts_with("HTTP/1.1 200") && page.ends_with("it works\n") {
        Ok(())
    } else {
        Err(io::Error::other(page))
    }
}

#[test]
fn nginx_behind_haproxy() -> anyhow::Result<()> {
    or_skip!(require_root());
    let (nginx, haproxy) = (or_skip!(require_service("nginx")), or_skip!(require_service("haproxy")));
    let mut world = end_host("w-web")?;
    let at = |name: &str| world.file(name).display().to_string();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {pid};\nerror_log {log};\nevents {{ worker_connections 1024; }}\n\
         http {{\n access_log off;\n client_body_temp_path {one};\n proxy_temp_path {two};\n fastcgi_temp_path {three};\n\
         uwsgi_temp_path {four};\n scgi_temp_path {five};\n\
         server {{ listen 127.0.0.1:8081; location / {{ return 200 \"it works\\n\"; }} }}\n}}\n",
        pid = at("nginx.pid"),
        log = at("nginx.log"),
        one = at("one"),
        two = at("two"),
        three = at("three"),
        four = at("four"),
        five = at("five"),
    );
    let mut command = configured(&world, &world.host, &nginx, &["-c"], &configuration)?;
    let _nginx = Program::start(&world.host, &mut command, 8_081)?;
    let configuration = "global\n maxconn 2000\ndefaults\n mode http\n timeout connect 5s\n timeout client 30s\n\
                         timeout server 30s\nfrontend web\n bind :80\n default_backend nginx\nbackend nginx\n\
                         server one 127.0.0.1:8081\n";
    let mut command = configured(&world, &world.host, &haproxy, &["-db", "-f"], configuration)?;
    let _haproxy = Program::start(&world.host, &mut command, 80)?;
    world.protect()?;
    let to = SocketAddr::new(HOST, 80);
    serves(&world, REQUESTS, 80, || {
        failures_among(&world.outside, REQUESTS, OF_CONNECTIONS, move |_| fetch(to))
    })
}

/// Asks a name server for a name that nobody has asked for before.
fn look_up(to: SocketAddr, number: usize) -> io::Result<()> {
    let socket = UdpSocket::bind((IpAddr::from([0, 0, 0, 0]), 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    let name = format!("n{number}");
    let id = (number as u16).to_be_bytes();
    let mut question = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    question.push(name.len() as u8);
    question.extend(name.as_bytes());
    question.extend(b"\x04zone\x00\x00\x01\x00\x01");
    socket.send(&question)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    // The same question, no error, one answer.
    if length > 40 && answer[..2] == id && answer[3] & 0xf == 0 && answer[6..8] == [0, 1] {
        Ok(())
    } else {
        Err(io::Error::other(format!("{:02x?}", &answer[..length])))
    }
}

#[test]
fn a_resolver_that_asks_and_answers() -> anyhow::Result<()> {
    or_skip!(require_root());
    let unbound = or_skip!(require_service("unbound"));
    let mut world = end_host("w-dns")?;
    let server = |who: &Namespace, zone: &str| {
        let directory = world.file("");
        format!(
            "server:\n interface: 0.0.0.0\n username: \"\"\n chroot: \"\"\n directory: \"{directory}\"\n\
             pidfile: \"{label}.pid\"\n use-syslog: no\n logfile: \"{label}.log\"\n do-ip6: no\n\
             access-control: 0.0.0.0/0 allow\n module-config: \"iterator\"\n cache-max-ttl: 0\n{zone}\
             remote-control:\n control-enable: no\n",
            directory = directory.display(),
            label = who.label(),
        )
    };
    let upstream =
        server(&world.outside, " local-zone: \"zone.\" redirect\n local-data: \"zone. 1 IN A 192.0.2.7\"\n");
    let mut command = configured(&world, &world.outside, &unbound, &["-d", "-c"], &upstream)?;
    let _upstream = Program::start(&world.outside, &mut command, 53)?;
    let resolver =
        server(&world.host, &format!("forward-zone:\n name: \"zone.\"\n forward-addr: {OUTSIDE}\n"));
    let mut command = configured(&world, &world.host, &unbound, &["-d", "-c"], &resolver)?;
    let _resolver = Program::start(&world.host, &mut command, 53)?;
    world.protect()?;
    let to = SocketAddr::new(HOST, 53);
    let ask = || failures_among(&world.outside, REQUESTS, DISTANCE, move |number| look_up(to, number));
    serves(&world, REQUESTS, 53, ask)
}

/// Bit/s that iperf3 measures; `back`: from the server to who asks.
fn throughput(who: &Namespace, iperf3: &Path, back: bool) -> anyhow::Result<f64> {
    let mut command = who.command(iperf3);
    command.args(["--client", &HOST.to_string(), "--time", "4", "--json"]);
    let output = command.args(back.then_some("--reverse")).output()?;
    let told: Value = serde_json::from_slice(&output.stdout)?;
    told["end"]["sum_received"]["bits_per_second"].as_f64().with_context(|| told.to_string())
}

#[test]
fn iperf3_both_ways() -> anyhow::Result<()> {
    or_skip!(require_root());
    let iperf3 = or_skip!(require_service("iperf3"));
    let mut world = end_host("w-iperf")?;
    let mut command = world.host.command(&iperf3);
    let _server = Program::start(&world.host, command.arg("--server"), 5_201)?;
    world.protect()?;
    let both = || -> anyhow::Result<()> {
        for back in [false, true] {
            let rate = throughput(&world.outside, &iperf3, back)?;
            ensure!(rate > 2e8, "{rate} bit/s, back: {back}\n{}", world.told());
        }
        Ok(())
    };
    both()?;
    assert_eq!(world.dropped()?, 0, "{}", world.told());
    flooded(&world, world.e0.mac(), HOST, 5_201, both)
}

#[test]
fn a_tunnel_by_vxlan() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = end_host("w-vxlan")?;
    let (own, other) = (IpAddr::from([10, 97, 0, 1]), IpAddr::from([10, 97, 0, 2]));
    for (who, from, to, address) in
        [(&world.host, HOST, OUTSIDE, own), (&world.outside, OUTSIDE, HOST, other)]
    {
        let tunnel = format!("link add vx0 type vxlan id 7 local {from} remote {to} dstport 4789");
        if let Err(error) = who.ip(&tunnel) {
            floodwall_lab::skip!("this kernel makes no VXLAN: {error:#}");
        }
        who.ip(&format!("addr add {address}/24 dev vx0"))?;
        who.ip("link set vx0 up")?;
        world.serve(who, 80)?;
    }
    world.protect()?;
    let visits = [(&world.outside, own, 80), (&world.host, other, 80), (&world.outside, HOST, 80)];
    stands(&world, &visits, world.e0.mac(), HOST, 80)
}

/// Sessions over which nothing is said, of the host's own and of a guest's, are older than the filter; it is restarted, and
/// flooded with segments.
#[test]
fn idle_sessions_outlive_a_restart_under_a_flood() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::with_routed_guest(BINARY, "w-idle")?;
    let guest = IpAddr::from([10, 98, 0, 2]);
    world.serve(&world.host, 22)?;
    world.serve(&world.carried, 22)?;
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    let mut sessions = Vec::new();
    for to in [HOST, guest] {
        let mut session = world.outside.enter(|| TcpStream::connect((to, 22)))??;
        session.set_read_timeout(Some(Duration::from_secs(5)))?;
        session.write_all(b"before")?;
        session.read_exact(&mut [0; 6])?;
        sessions.push(session);
    }
    world.protect()?;
    // So that it is known that the guest sends by here.
    failures(&world.carried, SocketAddr::new(OUTSIDE, 80))?;
    world.kill()?;
    world.protect()?;
    for (session, to) in sessions.iter_mut().zip([HOST, guest]) {
        flooded(&world, world.e0.mac(), to, 22, || {
            thread::sleep(Duration::from_secs(3));
            let start = Instant::now();
            session
                .write_all(b"during")
                .and_then(|()| session.read_exact(&mut [0; 6]))
                .context("it is cut off")?;
            ensure!(start.elapsed() < Duration::from_millis(1_500), "a gap of {:?}", start.elapsed());
            Ok(())
        })?;
    }
    Ok(())
}
