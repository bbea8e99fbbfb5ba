//! A real browser without a screen: Chromium, by its debugging protocol over two pipes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use floodwall_lab::namespace::Namespace;
use nix::unistd::pipe;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long something may take before it counts as not happening: a browser starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Descriptors by which Chromium takes commands and answers (`--remote-debugging-pipe`).
const COMMANDS: i32 = 3;
const ANSWERS: i32 = 4;

/// Where a browser is.
///
/// # Errors
/// The reason for a skip when there is none.
pub fn require_browser() -> Result<(), String> {
    floodwall_lab::skip::require_tool("chromium")
        .map(|_| ())
        .map_err(|_| "needs `chromium`, which is not installed (it is large)".to_owned())
}

/// A browser with one page; it ends when dropped.
pub struct Browser {
    child: Child,
    commands: std::fs::File,
    answers: BufReader<std::fs::File>,
    number: u64,
    session: Option<String>,
    /// What scripts and the policy complained of.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it in a network namespace.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub fn start(namespace: &Namespace) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir().context("making a directory for the browser")?;
        let (read_commands, write_commands) = pipe().context("making a pipe")?;
        let (read_answers, write_answers) = pipe().context("making a pipe")?;
        let mut command = namespace.command("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let given: [(OwnedFd, i32); 2] = [(read_commands, COMMANDS), (write_answers, ANSWERS)];
        // SAFETY: between fork and exec the closure makes system calls only.
        unsafe {
            command.pre_exec(move || {
                // Out of the way first: one of them may have the other's number.
                let mut moved = [0; 2];
                for (place, (descriptor, _)) in moved.iter_mut().zip(&given) {
                    *place = libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, 100);
                }
                for (descriptor, (_, wanted)) in moved.into_iter().zip(&given) {
                    if descriptor < 0 || libc::dup2(descriptor, *wanted) < 0 {
                        return Err(std::io::Error::last_os_error());
                    }
                    libc::close(descriptor);
                }
                Ok(())
            });
        }
        let child = command.spawn().context("starting chromium")?;
        // The child's ends are its own now; else its end would not be seen.
        drop(command);
        let mut browser = Self {
            child,
            commands: write_commands.into(),
            answers: BufReader::new(std::fs::File::from(read_answers)),
            number: 0,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", attach)?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.ask(domain, json!({}))?;
        }
        Ok(browser)
    }

    fn ask(&mut self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).context("commanding the browser")?;
        loop {
            let mut answer = Vec::new();
            self.answers.read_until(0, &mut answer).context("hearing the browser")?;
            ensure!(answer.pop() == Some(0), "the browser has ended");
            let answer: Value = serde_json::from_slice(&answer).context("reading what the browser says")?;
            if answer["id"] == self.number {
                ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return Ok(answer["result"].clone());
            }
            self.note(&answer);
        }
    }

    /// Keeps what is complained of.
    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(parameters["exceptionDetails"].to_string());
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                self.complaints.push(parameters["entry"]["text"].to_string());
            }
            _ => {}
        }
    }

    /// Opens an address.
    ///
    /// # Errors
    /// When the browser does not.
    pub fn open(&mut self, address: &str) -> anyhow::Result<()> {
        self.ask("Page.navigate", json!({ "url": address })).map(|_| ())
    }

    /// What an expression of JavaScript comes to in the page; promises are waited for.
    ///
    /// # Errors
    /// When it throws.
    pub fn tell(&mut self, expression: &str) -> anyhow::Result<Value> {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", parameters)?;
        ensure!(answer["exceptionDetails"].is_null(), "`{expression}`: {}", answer["exceptionDetails"]);
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// When it does not become so; what the page shows is told.
    pub fn wait_until(&mut self, expression: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.tell(expression).is_ok_and(|value| value == true) {
            if Instant::now() > deadline {
                let shown = self.tell("document.title + ': ' + document.body.innerText")?;
                bail!("`{expression}` does not become true; the page shows {shown}; {:?}", self.complaints);
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Looks as a screen of this size would, dark or light.
    ///
    /// # Errors
    /// When the browser does not.
    pub fn screen(&mut self, width: u32, height: u32, dark: bool) -> anyhow::Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", media).map(|_| ())
    }

    /// A picture of what is shown: PNG in base64.
    ///
    /// # Errors
    /// When the browser makes none.
    pub fn picture(&mut self) -> anyhow::Result<String> {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" }))?;
        answer["data"].as_str().map(str::to_owned).context("the browser has made no picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
