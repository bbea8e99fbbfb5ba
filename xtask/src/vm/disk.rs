//! A virtual machine that boots a Debian from a disk, with its own init and services: what is on the disk is there at the next
//! boot. Its network card is the other end of a tap device.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use floodwall_lab::link::{Mac, Port, mac_text};

use super::initrd::{self, Root};
use super::kernel::Kernel;
use super::{EMULATOR, require_programs};
use crate::shell;

/// The hardware address of its network card.
pub(crate) const MAC: Mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// What its own root takes, with room to spare; the file is sparse.
const SIZE: &str = "2G";
/// MiB: the tables' defaults take 212.
const MEMORY: &str = "1536";
/// Seconds after which a machine is ended that has not come to an end.
const PATIENCE: &str = "600";
/// XDP in the driver takes whole frames as they were sent.
const CARD: &str = "virtio-net-pci,netdev=wire,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off";

/// A disk with a Debian and the kernel that it is booted by.
#[derive(Debug)]
pub(crate) struct Disk {
    kernel: Kernel,
    initrd: PathBuf,
    image: PathBuf,
}

impl Disk {
    /// Makes a disk `image` of the Debian in the folder `root`, which gets the modules of the distribution's kernel.
    ///
    /// # Errors
    /// Without the programs, without Debian's package manager or network, or on another architecture.
    pub(crate) fn make(root: &Path, image: &Path) -> Result<Self> {
        require_programs()?;
        let directory = shell::target().join("vm");
        let kernel = Kernel::fetch(&directory, None)?;
        let initrd = directory.join(format!("initrd-disk-{}.cpio.gz", kernel.release));
        initrd::write(&initrd, &kernel, Root::Disk).context("making what the virtual machine starts with")?;
        let modules = root.join("lib/modules");
        fs::create_dir_all(&modules).with_context(|| format!("making {}", modules.display()))?;
        shell::output(Command::new("cp").arg("-a").args([&kernel.modules, &modules]))
            .context("copying the kernel's modules")?;
        if image.exists() {
            fs::remove_file(image).with_context(|| format!("removing {}", image.display()))?;
        }
        let mut format = Command::new("mkfs.ext4");
        format.args(["-q", "-d"]).args([root, image]).arg(SIZE);
        shell::output(&mut format).context("making a disk (mkfs.ext4 is in the package e2fsprogs)")?;
        Ok(Self { kernel, initrd, image: image.to_owned() })
    }

    /// The version of its kernel.
    pub(crate) fn release(&self) -> &str {
        &self.kernel.release
    }

    /// Boots it, with a tap device for its cable. It ends when the machine is powered off or started anew. What the machine
    /// says goes to the file `console`.
    ///
    /// # Errors
    /// When the emulator cannot be run.
    pub(crate) fn boot(&self, cable: &Port, console: &Path) -> Result<Child> {
        let mut command = cable.namespace().command("timeout");
        command.args(["--kill-after=5", PATIENCE, EMULATOR]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY]);
        command.args(["-no-reboot", "-display", "none", "-monitor", "none"]);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        command.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(&self.initrd);
        // An interface keeps the kernel's name for it.
        command.args(["-append", "console=ttyS0 panic=-1 mitigations=off net.ifnames=0"]);
        command.arg("-drive").arg(format!("file={},format=raw,if=virtio", self.image.display()));
        let tap = format!("tap,id=wire,ifname={},script=no,downscript=no", cable.name());
        command.args(["-netdev", &tap, "-device", &format!("{CARD},mac={}", mac_text(MAC))]);
        let said =
            File::create(console.with_extension("emulator")).context("keeping what the emulator says")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        command.spawn().with_context(|| format!("running {EMULATOR}"))
    }
}
