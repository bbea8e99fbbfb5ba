//! A disk of a test's own, which can be full, or not answer.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

/// Bytes of the disk.
const SIZE: u64 = 32 << 20;
/// What fills it.
const FILLER: &str = "filler";

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(())
}

/// A file system of its own; thawed and unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Makes one in the file `image`, and mounts it.
    ///
    /// # Errors
    /// Without root, or where mkfs.ext4 is missing.
    pub fn mounted(at: &Path, image: &Path) -> anyhow::Result<Self> {
        File::create(image)?.set_len(SIZE)?;
        let (image, text) = (image.display().to_string(), at.display().to_string());
        // Nothing is kept for root, whom the daemon runs as.
        run("mkfs.ext4", &["-q", "-m", "0", &image])?;
        run("mount", &["-o", "loop", &image, &text])?;
        Ok(Self { at: at.to_owned() })
    }

    /// Whatever is written to it waits from now on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&self) -> anyhow::Result<()> {
        run("fsfreeze", &["--freeze", &self.at.display().to_string()])
    }

    /// Lets it answer again.
    ///
    /// # Errors
    /// When it is not frozen.
    pub fn thaw(&self) -> anyhow::Result<()> {
        run("fsfreeze", &["--unfreeze", &self.at.display().to_string()])
    }

    /// Leaves no room on it.
    ///
    /// # Errors
    /// When something else is wrong than that there is none.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.at.join(FILLER))?;
        // The last bytes go with small pieces.
        for piece in [1 << 20, 4_096, 1] {
            loop {
                match file.write_all(&vec![0; piece]).and_then(|()| file.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("filling the disk"),
                }
            }
        }
        Ok(())
    }

    /// Makes room on it again.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn clear(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.at.join(FILLER)).context("making room on the disk")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It is not frozen any more, if all went well.
        drop(self.thaw());
        drop(run("umount", &["--lazy", &self.at.display().to_string()]));
    }
}
