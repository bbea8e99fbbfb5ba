//! A virtual machine with the kernel of the distribution, on which test programs run that were built here.
//!
//! What this machine's kernel lacks, and what another one does otherwise, is seen there. The machine has this one's files:
//! its root is exported to it read-only (9p), and what it writes stays in its memory. It is emulated (TCG), so that it runs
//! wherever QEMU does, ten times slower: it is there for what is right and wrong, not for speed.

mod disk;
mod initrd;
mod kernel;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use floodwall_lab::skip::{SKIPS_FILE, require_tool};

use crate::shell;
pub(crate) use disk::{Disk, MAC};
use initrd::Root;
use kernel::Kernel;

/// The emulator, and what unpacks kernels and packs their first root.
pub(crate) const PROGRAMS: [(&str, &str); 4] =
    [(EMULATOR, "qemu-system-x86"), ("busybox", "busybox-static"), ("modinfo", "kmod"), ("cpio", "cpio")];
const EMULATOR: &str = "qemu-system-x86_64";
const CPUS: &str = "2";
/// MiB: the tables' defaults take 212, and what is written stays in memory.
const MEMORY: &str = "4096";
/// Seconds after which a machine is ended that has not come to an end.
const PATIENCE: &str = "1500";
/// A byte written there ends the machine, with twice that and one as the emulator's exit status (its isa-debug-exit).
const EXIT_PORT: u32 = 0x501;
/// Makes exit statuses of the emulator those of the guest's command.
const RUN: &str = r#""$@"; status=$?; [ $((status & 1)) = 1 ] && exit $((status >> 1)); exit $status"#;

/// A machine that can be started.
#[derive(Debug)]
pub(crate) struct Machine {
    kernel: Kernel,
    initrd: PathBuf,
}

/// Holds that a machine can be had here.
///
/// # Errors
/// With the package of a program that is missing, or on another architecture.
pub(crate) fn require_programs() -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "there is a virtual machine for x86-64 only");
    for (program, package) in PROGRAMS {
        if require_tool(program).is_err() {
            bail!("{program} is not installed: Debian has it in {package}");
        }
    }
    Ok(())
}

impl Machine {
    /// Fetches this package of the distribution, or the one of the kernel that it installs, if it is not there yet, and makes
    /// what it starts with.
    ///
    /// # Errors
    /// Without the programs, without Debian's package manager or network, or on another architecture.
    pub(crate) fn prepare(package: Option<&str>) -> Result<Self> {
        require_programs()?;
        let directory = shell::target().join("vm");
        let kernel = Kernel::fetch(&directory, package)?;
        let initrd = directory.join(format!("initrd-{}.cpio.gz", kernel.release));
        initrd::write(&initrd, &kernel, Root::Shared)
            .context("making what the virtual machine starts with")?;
        Ok(Self { kernel, initrd })
    }

    /// The version of its kernel.
    pub(crate) fn release(&self) -> &str {
        &self.kernel.release
    }

    /// A command that has a machine run another one, in its directory and with the variables that were set for it. What it
    /// prints is printed, and its exit status is passed on. What tests tell as skipped goes to the file `skips` in
    /// `shared`, a directory that the machine may write to.
    ///
    /// # Errors
    /// When its script cannot be written.
    pub(crate) fn run(&self, guest: &Command, shared: &Path) -> Result<Command> {
        let script = shared.join("guest.sh");
        fs::write(&script, self.script(guest, shared)?)
            .with_context(|| format!("writing {}", script.display()))?;
        let mut command = Command::new("sh");
        command.args(["-c", RUN, "virtual-machine", "timeout", "--kill-after=5", PATIENCE, EMULATOR]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", CPUS, "-m", MEMORY]);
        command.args(["-no-reboot", "-display", "none", "-monitor", "none", "-nic", "none"]);
        // What the command prints, and what the kernel and its first root say.
        command.args(["-serial", "stdio", "-serial"]);
        command.arg(format!("file:{}", shared.join("console").display()));
        command.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(&self.initrd);
        let words = format!("console=ttyS1 panic=-1 mitigations=off floodwall={}", script.display());
        command.args(["-append", &words]);
        command.args(["-device", &format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1")]);
        for (tag, path, how) in [("root", Path::new("/"), ",readonly=on"), ("shared", shared, "")] {
            let path = path.display();
            let share = format!("local,path={path},mount_tag={tag},security_model=none,multidevs=remap{how}");
            command.args(["-virtfs", &share]);
        }
        Ok(command)
    }

    /// What the machine does once its root is there.
    fn script(&self, guest: &Command, shared: &Path) -> Result<String> {
        let mut script = String::from(include_str!("guest.sh"));
        let set = |script: &mut String, name: &str, value: &str| {
            writeln!(script, "export {name}={}", shell::quoted(value)).context("writing a script")
        };
        for (name, value) in guest.get_envs() {
            if let Some(value) = value {
                set(&mut script, &name.to_string_lossy(), &value.to_string_lossy())?;
            }
        }
        set(&mut script, SKIPS_FILE, &shared.join("skips").to_string_lossy())?;
        let modules = self.kernel.modules.display();
        let shared = shell::quoted(&shared.to_string_lossy());
        let home = guest.get_current_dir().unwrap_or(Path::new("/")).to_string_lossy();
        let (home, line) = (shell::quoted(&home), shell::line_of(guest));
        writeln!(script, "be_a_machine {modules} {shared}\ncd {home} && {line}\nend $? {EXIT_PORT}")?;
        Ok(script)
    }
}
