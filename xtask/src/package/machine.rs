//! Tries the package on a machine of its own: a virtual one that boots Debian, its kernel and the package from a disk.
//!
//! Somebody who comes over SSH cuts themselves off, and is let in again at the time that they have said: also when the daemon is
//! killed meanwhile, and when the machine is started anew. And a blocked prefix that floods the machine from the moment on at
//! which it is switched on gets nothing past the filter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use floodwall_lab::flood::{Bounds, Flood, LONGEST, Target, UdpFrom};
use floodwall_lab::link::{self, Port};
use floodwall_lab::namespace::Namespace;
use floodwall_lab::pair::{INSIDE_V4, OUTSIDE_V4};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tree::Tree;
use crate::shell;
use crate::vm::{self, Disk};

/// What the machine does once it has booted: it tells of the packets that have come in, and of those that got to IP.
const BOOTED: &str = include_str!("booted.sh");
const UNIT: &str = "[Unit]\nAfter=floodwall.service systemd-networkd.service ssh.service\n[Service]\nType=oneshot\n\
                    ExecStart=/bin/sh /opt/booted.sh\n";
/// Packets/s of the flood: an emulated machine is slow.
const RATE: u32 = 200;
/// How long a boot may take. Emulated, it takes half a minute.
const BOOT: Duration = Duration::from_secs(300);
/// How long a command may take that is given over SSH, and how long it is tried again.
const COMMAND: &str = "90";
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);
/// Seconds within which somebody is let in, or is not. A limit of a packet a second lets one in after half a minute.
const LET_IN: &str = "10";
/// After so long, in s, a change is undone, or later where the machine is started anew meanwhile.
const TRIAL: u64 = 30;
const LONG_TRIAL: u64 = 150;
/// How much later than its time a change may be undone: what asks has to notice, and emulated processors are slow.
const LATE: Duration = Duration::from_secs(40);

/// The machine, and who comes to it.
pub(super) struct Machine {
    disk: Disk,
    cable: Port,
    directory: PathBuf,
    running: Option<Child>,
}

impl Machine {
    /// Installs the package in a Debian, sets it up for this network, and makes a disk of it.
    ///
    /// # Errors
    /// When the package cannot be installed, or there is no virtual machine.
    pub(super) fn prepare(directory: &Path, package: &Path) -> Result<Self> {
        let tree = Tree::make(directory, "machine", package)?;
        tree.run("apt-get install --yes --quiet --no-install-recommends $PACKAGE\nsystemctl enable systemd-networkd")?;
        tree.allow_services()?;
        let key = directory.join("key");
        drop(fs::remove_file(&key));
        shell::output(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))
            .context("making a key (ssh-keygen is in the package openssh-client)")?;
        let public = fs::read_to_string(key.with_extension("pub")).context("reading a key")?;
        let network =
            format!("[Match]\nName=eth0\n[Network]\nAddress={INSIDE_V4}/24\nGateway={OUTSIDE_V4}\n");
        for (file, text) in [
            ("root/.ssh/authorized_keys", public.as_str()),
            ("etc/systemd/network/eth0.network", &network),
            ("etc/systemd/system/booted.service", UNIT),
            ("opt/booted.sh", BOOTED),
        ] {
            let path = tree.root().join(file);
            let above = path.parent().unwrap_or(&path);
            fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        tree.run(
            "chmod -R go= /root/.ssh\nln -s ../booted.service /etc/systemd/system/multi-user.target.wants/",
        )?;
        let disk = Disk::make(tree.root(), &directory.join("machine.disk"))?;
        let cable = link::tap(&Namespace::new("machine")?, "tap0")?;
        cable.address(&format!("{OUTSIDE_V4}/24"))?;
        Ok(Self { disk, cable, directory: directory.to_owned(), running: None })
    }

    /// Has the machine booted twice. Returns what was seen.
    ///
    /// # Errors
    /// When something is not as it is told to be.
    pub(super) fn run(mut self) -> Result<String> {
        let first = self.boot()?;
        ensure!(first.passed > 0, "before anything is set up, the flood does not reach IP: {first:?}");
        self.ssh(
            "floodwall setup --iface eth0 --yes && systemctl restart floodwall && floodwall setup enforce \
                  --yes --confirm-within never && floodwall block add 203.0.113.0/24 && floodwall doctor",
        )?;
        let block = format!("floodwall block add {OUTSIDE_V4} --force");
        self.is_undone(&block)?;
        self.is_undone("floodwall limit set ssh tcp per service 1/s burst 1")?;
        // Whoever answers a challenge gets in all the same.
        self.ssh(&format!("floodwall lockdown on ssh --confirm-within {TRIAL}s"))?;
        self.ssh("floodwall status | grep -q LOCKDOWN:")?;
        self.ssh(
            "floodwall audit | grep -q 'undo lockdown on ssh' && ! floodwall status | grep -q LOCKDOWN:",
        )?;

        self.is_undone_although(&block, "systemctl kill --signal KILL floodwall")?;
        self.ssh("test \"$(systemctl show --property NRestarts --value floodwall)\" = 1")?;

        let said = Instant::now();
        self.cut_off(&block, LONG_TRIAL, "echo b > /proc/sysrq-trigger")?;
        self.wait_for_end()?;
        let second = self.boot()?;
        ensure!(second.arrived > 0, "the flood has not reached the machine: {second:?}");
        ensure!(second.passed == 0, "a blocked prefix gets packets past the filter at boot: {second:?}");
        self.returns(said, LONG_TRIAL)?;
        self.ssh(
            "floodwall audit | grep -q undo && floodwall block list | grep -q 203.0.113.0/24 && \
                  test -z \"$(floodwall block list | grep 192.0.2.1)\"",
        )?;
        drop(self.output(LET_IN, "sync; echo o > /proc/sysrq-trigger"));
        self.wait_for_end()?;
        Ok(format!(
            " (Linux {}; at boot {} packets came, and none of a blocked prefix got past the filter)",
            self.disk.release(),
            second.arrived
        ))
    }

    /// Boots it while a prefix floods it that is blocked by the second boot, until its services are there.
    fn boot(&mut self) -> Result<Booted> {
        let console = self.directory.join("console");
        // What an earlier one has told is not to be taken for this one's.
        fs::write(&console, "").with_context(|| format!("emptying {}", console.display()))?;
        let target = Target {
            source_mac: self.cable.mac(),
            destination_mac: vm::MAC,
            address: INSIDE_V4,
            port: 4_000,
        };
        let pattern = UdpFrom::new(target, vec![[203, 0, 113, 7].into()], 20, 1);
        let flood = Flood::start(&self.cable, pattern, Bounds { rate: RATE, duration: LONGEST })?;
        self.running = Some(self.disk.boot(&self.cable, &console)?);
        let deadline = Instant::now() + BOOT;
        loop {
            let said = fs::read(&console).unwrap_or_default();
            if let Some(booted) = Booted::told(&String::from_utf8_lossy(&said)) {
                flood.stop()?;
                return Ok(booted);
            }
            let has_ended = match &mut self.running {
                Some(running) => running.try_wait().context("waiting for the machine")?.is_some(),
                None => true,
            };
            if has_ended || Instant::now() > deadline {
                bail!("the machine has not booted; see {}", console.display());
            }
            thread::sleep(PAUSE);
        }
    }

    /// A change that cuts off whoever makes it is in force, and undone at its time.
    fn is_undone(&self, change: &str) -> Result<()> {
        self.is_undone_although(change, "true")
    }

    fn is_undone_although(&self, change: &str, happens: &str) -> Result<()> {
        let said = Instant::now();
        self.cut_off(change, TRIAL, happens)?;
        self.returns(said, TRIAL)
    }

    /// Makes a change on trial that cuts off whoever makes it; five seconds later, something happens.
    fn cut_off(&self, change: &str, trial: u64, happens: &str) -> Result<()> {
        // The answer may be the first that does not get through.
        let script = format!(
            "setsid sh -c 'sleep 5; {happens}' >/dev/null 2>&1 </dev/null & {change} --confirm-within {trial}s"
        );
        drop(self.output(LET_IN, &script));
        ensure!(!self.lets_in(), "`{change}` does not cut off whoever makes it");
        Ok(())
    }

    /// Waits until somebody is let in who was cut off since `said`, no earlier than was said and not much later.
    fn returns(&self, said: Instant, trial: u64) -> Result<()> {
        let trial = Duration::from_secs(trial);
        while !self.lets_in() {
            ensure!(said.elapsed() < trial + LATE, "after {:?} nobody is let in again", said.elapsed());
            thread::sleep(PAUSE);
        }
        ensure!(said.elapsed() >= trial, "it was undone after {:?}, before its time", said.elapsed());
        Ok(())
    }

    /// Runs a script on the machine, over SSH, which has to succeed.
    fn ssh(&self, script: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.output(COMMAND, script) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Whether somebody who comes now is let in.
    fn lets_in(&self) -> bool {
        self.output(LET_IN, "true").is_ok()
    }

    /// What a script prints that has so many seconds.
    fn output(&self, seconds: &str, script: &str) -> Result<String> {
        let mut command = self.cable.namespace().command("timeout");
        command.args([seconds, "ssh", "-i"]).arg(self.directory.join("key"));
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=5",
            "LogLevel=ERROR",
            "ServerAliveInterval=3",
            "ServerAliveCountMax=2",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            command.args(["-o", option]);
        }
        shell::output(command.arg(format!("root@{INSIDE_V4}")).arg(script))
    }

    fn wait_for_end(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            running.wait().context("waiting for the machine to end")?;
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // Nobody is left to hear of a failure. The time limit that it runs under passes this on, and not a SIGKILL.
            let _ = kill(Pid::from_raw(running.id().cast_signed()), Signal::SIGTERM);
            drop(running.wait());
        }
    }
}

/// What a machine tells once it has booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Booted {
    /// Packets that the network card has taken.
    arrived: u64,
    /// Packets that have got to IP.
    passed: u64,
}

impl Booted {
    /// Finds it in what the console shows.
    fn told(console: &str) -> Option<Self> {
        // Others may have begun the line.
        let (_, line) = console.lines().find_map(|line| line.split_once("BOOTED "))?;
        let mut numbers = line.split_whitespace().map(str::parse);
        let (arrived, passed) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Self { arrived, passed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_tells_once_it_has_booted_is_found_on_its_console() {
        let console = "[    1.2] eth0: up\r\nvm login: BOOTED 120 7\r\nDebian GNU/Linux 12\r\n";
        assert_eq!(Booted::told(console), Some(Booted { arrived: 120, passed: 7 }));
        assert_eq!(Booted::told("BOOTED 12"), None);
        assert_eq!(Booted::told(""), None);
    }
}
