//! `floodwall top` in a real terminal, on a real daemon.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::Protected,
    terminal::Terminal,
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn a_terminal_of_any_size_shows_what_comes_and_acts_once_it_is_told_to() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_with_defaults("top", BINARY)?;
    let _listener = listen(&host)?;
    let mut top = Terminal::start(host.command(&["top"]), 24, 80)?;
    top.wait_until_shown("Peace")?;
    assert!(top.has_colours());
    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(120))?;
    top.wait_until_shown("Attacked")?;
    top.wait_until_shown("this host by")?;
    top.wait_until_shown("by fingerprint")?;
    for (rows, columns) in [(12, 40), (50, 160), (24, 80)] {
        top.resize(rows, columns)?;
        // The last line is that of the keys, wherever it is.
        top.wait_for("the line of keys", |screen| {
            let lines: Vec<_> = screen.lines().collect();
            (lines.len() == usize::from(rows) && lines.last()?.starts_with("Tab view")).then_some(())
        })?;
    }

    // Without a yes nothing is done, and with it what was shown.
    for (answer, shown) in [("n", "nothing was done"), ("y", "Not filtering")] {
        top.press("B")?;
        top.wait_until_shown("floodwall bypass on --for 5m")?;
        top.press(answer)?;
        top.wait_until_shown(shown)?;
    }
    // It is written down once it is answered.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let audit = host.json(&["audit"])?;
        if audit["entries"][0].to_string().contains("bypass") {
            break;
        }
        anyhow::ensure!(Instant::now() < deadline, "it is not written down: {audit}");
        sleep(Duration::from_millis(50));
    }

    // The daemon is killed and started again.
    host.end(Signal::SIGKILL)?;
    top.wait_until_shown("NO ANSWER")?;
    host.launch_with(&[], 0)?;
    top.wait_for("an answer", |screen| (!screen.contains("NO ANSWER")).then_some(()))?;
    drop(flood);
    top.press("q")?;
    assert!(top.wait()?.success());
    Ok(())
}

#[test]
fn who_wants_no_colours_gets_none() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("top-plain", BINARY)?;
    let mut command = host.command(&["top"]);
    command.env("NO_COLOR", "1");
    let top = Terminal::start(command, 24, 80)?;
    top.wait_until_shown("Peace")?;
    assert!(!top.has_colours(), "{}", top.screen());
    Ok(())
}
