//! Generates files for the package: the stripped binary, manual pages, completions, and Debian's changelog.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::shell;

/// Shells, and the names of their completion files.
const SHELLS: [(&str, &str); 3] = [("bash", "floodwall"), ("zsh", "_floodwall"), ("fish", "floodwall.fish")];
/// Who signs the changelog; as in `controller/Cargo.toml`.
const MAINTAINER: &str = "The floodwall authors <maintainers@floodwall.invalid>";

/// Fills the staging directory, which is emptied first.
///
/// # Errors
/// When the binary fails to generate them, or files cannot be written.
pub(super) fn fill(stage: &Path, binary: &Path) -> Result<()> {
    if stage.exists() {
        fs::remove_dir_all(stage).with_context(|| format!("removing {}", stage.display()))?;
    }
    let pages = stage.join("man8");
    fs::create_dir_all(&pages).with_context(|| format!("creating {}", pages.display()))?;
    let stripped = stage.join("floodwall");
    // The package dpkg-dev depends on binutils.
    shell::output(Command::new("strip").arg("--strip-all").arg("-o").args([&stripped, binary]))
        .context("taking the symbols out of the binary (strip is in the package binutils)")?;
    shell::output(Command::new(&stripped).args(["man", "--dir"]).arg(&pages))
        .context("having the manual pages made")?;
    for (name, file) in SHELLS {
        let script = shell::output(Command::new(&stripped).args(["completions", name]))
            .with_context(|| format!("having completions made for {name}"))?;
        fs::write(stage.join(file).with_extension(name), script)
            .with_context(|| format!("writing the completions for {name}"))?;
    }
    let read = fs::File::open(shell::root().join("CHANGELOG.md")).context("reading CHANGELOG.md")?;
    let packed = fs::File::create(stage.join("changelog.gz")).context("packing CHANGELOG.md")?;
    let packed = Command::new("gzip").args(["-9", "--no-name"]).stdin(read).stdout(packed).status();
    ensure!(packed.context("running gzip")?.success(), "gzip has not packed CHANGELOG.md");
    let changelog = stage.join("changelog");
    fs::write(&changelog, changelog_text()?).with_context(|| format!("writing {}", changelog.display()))
}

/// The time of the current commit, Unix time in s. It dates the package, so that the same commit gives the same package.
///
/// # Errors
/// When git cannot be asked.
pub(super) fn date() -> Result<String> {
    let time =
        shell::output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(shell::root()))
            .context("asking git for the time of the commit")?;
    Ok(time.trim().to_owned())
}

/// Debian's changelog, which refers to the project's own.
fn changelog_text() -> Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let mut command = Command::new("date");
    command.args(["--utc", "--rfc-email", "--date", &format!("@{}", date()?)]);
    let date = shell::output(&mut command).context("writing the time of the commit")?;
    Ok(format!(
        "floodwall ({version}-1) unstable; urgency=medium\n\n  * What users see of this version stands in\n    \
         /usr/share/doc/floodwall/changelog.gz.\n\n -- {MAINTAINER}  {}\n",
        date.trim()
    ))
}
