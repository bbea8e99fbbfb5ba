//! Checks the package: against Debian's rules, and that installing and purging it leaves nothing behind.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use floodwall_lab::skip::require_tool;

use super::boot;
use super::machine::Machine;
use super::tree::Tree;
use crate::vm;

/// Programs that the checks need, with the Debian packages that contain them.
const PROGRAMS: [(&str, &str); 2] = [("lintian", "lintian"), ("debootstrap", "debootstrap")];
/// The highest exposure level that `systemd-analyze security` may give the service, in tenths.
const EXPOSURE: &str = "--threshold=25";

/// A check by a shell script that runs in the tree.
struct Step {
    what: &'static str,
    script: &'static str,
}

/// The scripts run in this order. `$PACKAGE` is the package's file; every line has to succeed.
const STEPS: [Step; 6] = [
    Step {
        what: "it is installed, and runs nothing",
        script: "apt-get install --yes --quiet --no-install-recommends $PACKAGE
            floodwall --version
            floodwall check /etc/floodwall/floodwall.toml
            getent group floodwall floodwall-read
            getent passwd floodwall
            test -L /etc/systemd/system/multi-user.target.wants/floodwall.service
            test -L /etc/systemd/system/sockets.target.wants/floodwall.socket
            test -L /etc/systemd/system/sockets.target.wants/floodwall-read-only.socket
            test -s /usr/share/man/man8/floodwall-setup.8.gz
            test -s /usr/share/man/man5/floodwall.toml.5.gz
            test -s /usr/share/bash-completion/completions/floodwall",
    },
    Step {
        what: "its units are sound",
        script: "systemd-analyze verify --man=no floodwall.service floodwall.socket floodwall-read-only.socket",
    },
    Step {
        what: "it is installed over itself, and what it knows and was told stays",
        script: "install -d -m 0700 -o floodwall /var/lib/floodwall
            echo known > /var/lib/floodwall/state
            echo 'mode = \"auto\"' >> /etc/floodwall/floodwall.toml
            apt-get install --yes --quiet --reinstall --no-install-recommends $PACKAGE
            grep -q known /var/lib/floodwall/state
            grep -q auto /etc/floodwall/floodwall.toml",
    },
    Step {
        what: "it is removed, and what it knows and was told stays",
        script: "apt-get remove --yes --quiet floodwall
            test ! -e /usr/sbin/floodwall
            grep -q known /var/lib/floodwall/state
            grep -q auto /etc/floodwall/floodwall.toml",
    },
    Step {
        what: "it is installed again",
        script: "apt-get install --yes --quiet --no-install-recommends $PACKAGE
            grep -q auto /etc/floodwall/floodwall.toml",
    },
    Step { what: "it is purged", script: "apt-get purge --yes --quiet floodwall" },
];

/// Runs all checks, and prints the result of each. `previous` is a package of a lower version, which is upgraded from.
///
/// # Errors
/// When a check cannot be run.
pub(super) fn run(package: &Path, previous: &Path, directory: &Path) -> Result<ExitCode> {
    for (program, debian) in PROGRAMS {
        if require_tool(program).is_err() {
            bail!("{program} is not installed: apt-get install --no-install-recommends {debian}");
        }
    }
    let mut failed = 0;
    let mut print = |what: &str, outcome: Result<String>| match outcome {
        Ok(note) => println!("package: {what}: ok{note}"),
        Err(error) => {
            failed += 1;
            println!("package: {what}: FAILED: {error:#}");
        }
    };
    print("lintian finds nothing", lintian(package));
    let tree = Tree::make(directory, "root", package)?;
    let before = tree.files()?;
    for Step { what, script } in STEPS {
        print(what, tree.run(script).map(|_| String::new()));
        if what.starts_with("its units") {
            print("its service is exposed no more than it may be", exposure(&tree));
        }
    }
    let left: Vec<String> = tree.files()?.difference(&before).cloned().collect();
    let nothing =
        if left.is_empty() { Ok(String::new()) } else { Err(anyhow::anyhow!("left: {}", left.join(", "))) };
    print("nothing is left of it", nothing);
    match require_tool("systemd-nspawn") {
        Ok(_) => print(
            "under systemd it starts, restarts, is upgraded, downgraded and goes",
            tree.allow_services().and_then(|()| boot::run(tree.root(), previous)),
        ),
        Err(_) => println!(
            "package: under systemd: NOT TRIED, as systemd-nspawn is not installed: apt-get install systemd-container"
        ),
    }
    match vm::require_programs() {
        Ok(()) => print(
            "on a machine of its own it lets in again whom a change has cut off, and filters from the first packet on",
            Machine::prepare(directory, package).and_then(Machine::run),
        ),
        Err(error) => println!("package: on a machine of its own: NOT TRIED: {error:#}"),
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lintian(package: &Path) -> Result<String> {
    let mut command = Command::new("lintian");
    command.args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]).arg(package);
    let output = command.output().context("running lintian")?;
    let tags = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() {
        true => Ok(String::new()),
        false => bail!("{tags}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn exposure(tree: &Tree) -> Result<String> {
    let unit = "/usr/lib/systemd/system/floodwall.service";
    let output =
        tree.run(&format!("systemd-analyze security --offline=true {EXPOSURE} --no-pager {unit}"))?;
    let line = output.lines().rev().find(|line| line.contains("Overall")).unwrap_or_default();
    let level = line.split(": ").nth(1).unwrap_or("unknown");
    Ok(format!(" ({})", level.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
}
