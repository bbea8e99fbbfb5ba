//! Whoever watches while a host is attacked: a browser's page, a terminal, and Prometheus once a second.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, anyhow, ensure};
use floodwall_lab::daemon::Daemon;
use nix::pty::{OpenptyResult, Winsize, openpty};

const METRICS: &str = "metrics.sock";
const PAGE: &str = "web.sock";
const INTERVAL: Duration = Duration::from_secs(1);
/// How often the ones that read look whether they are to end.
const LOOK: Duration = Duration::from_millis(200);
const TERMINAL: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// A configuration by which there is something to watch.
pub(super) fn configuration(home: &Path) -> String {
    let [metrics, page] = [METRICS, PAGE].map(|name| home.join(name).display().to_string());
    format!("[metrics]\nlisten = \"unix:{metrics}\"\n\n[web]\nlisten = \"unix:{page}\"\n")
}

/// They all, at work.
pub(super) struct Watchers {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
    seen: [Arc<AtomicU64>; 3],
    top: Child,
}

impl Watchers {
    pub(super) fn start(daemon: &Daemon) -> anyhow::Result<Self> {
        let (over, seen) = (Arc::new(AtomicBool::new(false)), <[Arc<AtomicU64>; 3]>::default());
        let mut threads = Vec::new();
        let metrics = daemon.home().join(METRICS);
        let (stop, bytes) = (Arc::clone(&over), Arc::clone(&seen[0]));
        threads.push(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                let mut stream = asked(&metrics, request)?;
                let read = stream.read_to_end(&mut Vec::new()).context("reading metrics")?;
                bytes.fetch_add(read as u64, Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
            Ok(())
        }));

        let token = daemon.ask(&["web", "token"])?;
        let request = format!(
            "GET /live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
            token.trim()
        );
        let stream = asked(&daemon.home().join(PAGE), &request)?;
        stream.set_read_timeout(Some(LOOK)).context("setting how long the page waits")?;
        threads.push(reader(stream, &over, &seen[1]));

        let OpenptyResult { master, slave } = openpty(&TERMINAL, None).context("opening a terminal")?;
        let again = || slave.try_clone().context("sharing the terminal");
        let (input, output): (OwnedFd, OwnedFd) = (again()?, again()?);
        let mut command = daemon.command();
        command.arg("top").env("TERM", "xterm-256color");
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::null());
        let top = command.spawn().context("running `floodwall top`")?;
        drop(command);
        threads.push(reader(File::from(master), &over, &seen[2]));
        Ok(Self { over, threads, seen, top })
    }

    /// Ends them.
    ///
    /// # Errors
    /// When one had failed, or has seen nothing.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.over.store(true, Ordering::Relaxed);
        // The terminal's reader waits for what it draws, and ends with it.
        self.top.kill().context("ending `floodwall top`")?;
        self.top.wait().context("waiting for `floodwall top`")?;
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a watcher panicked"))??;
        }
        for (seen, who) in self.seen.iter().zip(["Prometheus", "the page", "`floodwall top`"]) {
            ensure!(seen.load(Ordering::Relaxed) > 0, "{who} has seen nothing");
        }
        Ok(())
    }
}

/// A connection to a socket on which this has been sent.
fn asked(socket: &Path, request: &str) -> anyhow::Result<UnixStream> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("connecting to {}", socket.display()))?;
    stream.write_all(request.as_bytes()).with_context(|| format!("asking {}", socket.display()))?;
    Ok(stream)
}

/// Reads until all is over, and counts the bytes.
fn reader(
    mut from: impl std::io::Read + Send + 'static,
    over: &Arc<AtomicBool>,
    seen: &Arc<AtomicU64>,
) -> JoinHandle<anyhow::Result<()>> {
    let (over, seen) = (Arc::clone(over), Arc::clone(seen));
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while !over.load(Ordering::Relaxed) {
            match from.read(&mut bytes) {
                Ok(read) => seen.fetch_add(read as u64, Ordering::Relaxed),
                // Nothing came meanwhile, or the terminal has lost its other end.
                Err(_) => 0,
            };
        }
        Ok(())
    })
}
