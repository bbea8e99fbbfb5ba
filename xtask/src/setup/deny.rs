//! cargo-deny, which looks through the dependencies. It takes several minutes to build, so that setup does not install it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::linker::on_path;
use crate::shell;

/// The pinned version: what another one complains of, `deny.toml` may not know.
const VERSION: &str = "0.20.2";

/// Where the pinned version is: in `.tools`, or else on `PATH`.
pub(crate) fn found() -> Option<PathBuf> {
    let ours = shell::tools().join("bin/cargo-deny");
    [Some(ours), on_path("cargo-deny")].into_iter().flatten().find(|path| is_pinned(path))
}

/// How it is installed where [`found`] looks for it.
pub(crate) fn remedy() -> String {
    format!("cargo install cargo-deny --version {VERSION} --locked --root .tools")
}

/// Whether the file runs and says the pinned version.
fn is_pinned(path: &Path) -> bool {
    let said = shell::output(Command::new(path).arg("--version"));
    said.is_ok_and(|said| said.trim() == format!("cargo-deny {VERSION}"))
}
