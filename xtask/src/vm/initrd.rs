//! What a virtual machine starts with: a shell, and the modules by which it finds its root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::kernel::Kernel;
use crate::shell;

/// Where the root of a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The files of the machine that it runs on.
    Shared,
    /// A disk of its own.
    Disk,
}

impl Root {
    /// The modules that it takes: the bus, and the file system that the root is exported by with the one that lays memory
    /// above it, or the disk and the network, which then is there as early as can be.
    const fn needed(self) -> &'static [&'static str] {
        match self {
            Self::Shared => &["virtio_pci", "9pnet_virtio", "9p", "overlay"],
            Self::Disk => &["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "virtio_net"],
        }
    }

    /// The first process.
    const fn script(self) -> &'static str {
        match self {
            Self::Shared => include_str!("first.sh"),
            Self::Disk => include_str!("disk.sh"),
        }
    }
}

const DIRECTORIES: [&str; 9] = ["bin", "modules", "proc", "sys", "dev", "merged", "below", "above", "tmp"];

/// Writes it, as Linux unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst): a compressed archive of cpio.
///
/// # Errors
/// When a program fails, or a module is not part of the kernel.
pub(super) fn write(path: &Path, kernel: &Kernel, of: Root) -> Result<()> {
    let directory = tempfile::tempdir().context("making a directory")?;
    let root = directory.path();
    for name in DIRECTORIES {
        fs::create_dir(root.join(name)).with_context(|| format!("making the directory {name}"))?;
    }
    let busybox = shell::output(Command::new("sh").args(["-c", "command -v busybox"]))?;
    fs::copy(busybox.trim(), root.join("bin/busybox")).context("copying busybox")?;
    let first = root.join("init");
    fs::write(&first, of.script()).context("writing its first script")?;
    fs::set_permissions(&first, fs::Permissions::from_mode(0o755)).context("making it executable")?;

    let modules = modules_below(&kernel.modules)?;
    let mut order = Vec::new();
    for name in of.needed() {
        add(name, &modules, &mut order)?;
    }
    let mut names = String::new();
    for name in &order {
        let file = &modules[name];
        let file_name = file.file_name().unwrap_or_default();
        fs::copy(file, root.join("modules").join(file_name))
            .with_context(|| format!("copying {}", file.display()))?;
        names.push_str(&format!("{}\n", file_name.display()));
    }
    fs::write(root.join("modules/order"), names).context("writing the order of the modules")?;
    pack(root, path)
}

/// The modules of a kernel by name; in names of files a hyphen may stand for an underscore.
fn modules_below(directory: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.join("kernel")];
    while let Some(directory) = left.pop() {
        let entries =
            fs::read_dir(&directory).with_context(|| format!("looking into {}", directory.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("looking into {}", directory.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                left.push(path);
            } else if let Some((name, _)) = name.split_once(".ko") {
                found.insert(name.replace('-', "_"), path);
            }
        }
    }
    Ok(found)
}

/// Adds a module to those that are loaded, after all that it depends on. What is built into a kernel is no module.
fn add(name: &str, modules: &BTreeMap<String, PathBuf>, order: &mut Vec<String>) -> Result<()> {
    let Some(file) = modules.get(name) else {
        return Ok(());
    };
    if order.iter().any(|there| there == name) {
        return Ok(());
    }
    let depends = shell::output(Command::new("modinfo").args(["--field", "depends"]).arg(file))?;
    for other in depends.trim().split(',').filter(|other| !other.is_empty()) {
        add(&other.replace('-', "_"), modules, order)?;
    }
    order.push(name.to_owned());
    Ok(())
}

fn pack(root: &Path, path: &Path) -> Result<()> {
    let to = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let mut packing = Command::new("sh");
    packing.args(["-c", "find . | cpio --create --format=newc --quiet | gzip -1"]).current_dir(root);
    let status = packing.stdout(Stdio::from(to)).status().context("running cpio")?;
    ensure!(status.success(), "cpio or gzip failed with {status}");
    Ok(())
}
