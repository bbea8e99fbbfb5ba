//! Libraries and files of others that single tests need, which they fetch and which nothing installs. They stay below `tmp` of the
//! target directory.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A Python that has `packages` of the Python Package Index, of which `import` loads all, in an environment of its own.
///
/// # Errors
/// The reason for a skip when there is no Python, or the packages cannot be had.
pub fn python(packages: &[&str], import: &str) -> Result<PathBuf, String> {
    let home = directory()?.join(packages.first().copied().unwrap_or("python"));
    let python = home.join("bin/python");
    let has_it =
        || succeeds(Command::new(&python).args(["-c", &format!("import {import}")]).stderr(Stdio::null()));
    if has_it().is_ok() {
        return Ok(python);
    }
    let reason =
        |error| format!("needs {} for Python, which cannot be fetched ({error})", packages.join(" "));
    succeeds(Command::new("python3").args(["-m", "venv"]).arg(&home)).map_err(reason)?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--timeout",
        "20",
        "--retries",
        "1",
    ];
    succeeds(Command::new(&python).args(pip).args(packages)).map_err(reason)?;
    has_it().map_err(reason)?;
    Ok(python)
}

/// Writes a file of a public Git repository, as it is in a commit, to a directory, and returns its path. `variable` names an
/// environment variable that names a clone; without, the commit is fetched.
///
/// # Errors
/// The reason for a skip when it cannot be had.
pub fn git_file(variable: &str, url: &str, commit: &str, file: &str, into: &Path) -> Result<PathBuf, String> {
    let clone = match env::var_os(variable) {
        Some(clone) => PathBuf::from(clone),
        None => fetched_commit(url, commit).map_err(|error| {
            format!("needs {url}, which cannot be fetched ({error}); {variable} names a clone")
        })?,
    };
    let git = Command::new("git")
        // A clone of somebody else's is only read.
        .args(["-c", "safe.bareRepository=all", "-c"])
        .arg(format!("safe.directory={}", clone.display()))
        .arg("-C")
        .arg(&clone)
        .args(["show", &format!("{commit}:{file}")])
        .output();
    let shown = git.map_err(|error| format!("needs git: {error}"))?;
    if !shown.status.success() {
        let error = String::from_utf8_lossy(&shown.stderr).trim().to_owned();
        return Err(format!("needs {file} of {url}, which {} does not have ({error})", clone.display()));
    }
    let path = into.join(file.rsplit('/').next().unwrap_or(file));
    fs::write(&path, shown.stdout)
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(path)
}

/// A repository with nothing but a commit.
fn fetched_commit(url: &str, commit: &str) -> Result<PathBuf, String> {
    let home = directory()?.join(commit);
    let has_it = Command::new("git").arg("-C").arg(&home).args(["cat-file", "-e", commit]).output();
    if has_it.is_ok_and(|output| output.status.success()) {
        return Ok(home);
    }
    succeeds(Command::new("git").args(["init", "--quiet"]).arg(&home))?;
    let mut fetch = Command::new("git");
    fetch.args(["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20", "-C"]).arg(&home);
    succeeds(fetch.args(["fetch", "--quiet", "--depth=1", url, commit]).env("GIT_TERMINAL_PROMPT", "0"))?;
    Ok(home)
}

/// `tmp` of the target directory that the test program lies in.
fn directory() -> Result<PathBuf, String> {
    let test = env::current_exe().map_err(|error| format!("this test program cannot be found: {error}"))?;
    let target = test.ancestors().nth(3).ok_or("this test program lies in no target directory")?;
    let directory = target.join("tmp");
    fs::create_dir_all(&directory)
        .map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
    Ok(directory)
}

/// Runs a command; the last line that it wrote to its standard error if it fails.
fn succeeds(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(said.lines().last().map_or_else(|| format!("{program}: {}", output.status), str::to_owned))
}
