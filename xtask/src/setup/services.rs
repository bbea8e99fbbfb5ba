//! Programs that run as services, for tests. To install their packages would start them, so these are fetched and unpacked below
//! `.tools`, and each program gets a script there which finds the libraries that came with it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use floodwall_lab::skip;

use super::debian::Apt;
use crate::shell;
use crate::steps::Steps;

/// A program of a package of Debian's.
struct Service {
    /// What tests call it.
    name: &'static str,
    package: &'static str,
    /// Its file in the package.
    file: &'static str,
    /// What it is called with before all else.
    first: &'static str,
}

const fn service(name: &'static str, package: &'static str, file: &'static str) -> Service {
    Service { name, package, file, first: "" }
}

const SERVICES: [Service; 13] = [
    service("nginx", "nginx", "usr/sbin/nginx"),
    service("haproxy", "haproxy", "usr/sbin/haproxy"),
    service("unbound", "unbound", "usr/sbin/unbound"),
    service("iperf3", "iperf3", "usr/bin/iperf3"),
    service("promtool", "prometheus", "usr/bin/promtool"),
    service("prometheus", "prometheus", "usr/bin/prometheus"),
    service("prometheus-alertmanager", "prometheus-alertmanager", "usr/bin/prometheus-alertmanager"),
    service("dockerd", "docker.io", "usr/sbin/dockerd"),
    service("docker", "docker.io", "usr/bin/docker"),
    service("docker-proxy", "docker.io", "usr/sbin/docker-proxy"),
    service("containerd", "containerd", "usr/bin/containerd"),
    service("containerd-shim-runc-v2", "containerd", "usr/bin/containerd-shim-runc-v2"),
    service("runc", "runc", "usr/sbin/runc"),
];
/// Programs that are one, by what they are called.
const TABLES: [&str; 6] =
    ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];

fn services() -> impl Iterator<Item = Service> {
    let file = "usr/sbin/xtables-nft-multi";
    let tables = TABLES.map(|name| Service { name, package: "iptables", file, first: name });
    SERVICES.into_iter().chain(tables)
}

/// Those that are neither installed nor unpacked.
pub(super) fn missing() -> impl Iterator<Item = &'static str> {
    services().map(|service| service.name).filter(|name| skip::require_service(name).is_err())
}

/// Unpacks those that are missing; what cannot be had is told, and its tests will say so too.
pub(super) fn ensure(steps: &Steps, apt: &mut Apt) {
    let missing: Vec<&str> = missing().collect();
    let what = "services for tests";
    if missing.is_empty() {
        return steps.ok(what, &services().map(|service| service.name).collect::<Vec<_>>().join(" "));
    }
    let lacking: Vec<Service> = services().filter(|service| missing.contains(&service.name)).collect();
    // A package that cannot be had, or not beside another one that is installed, keeps none of the others back.
    for of_package in lacking.chunk_by(|one, next| one.package == next.package) {
        if let Err(error) = unpack(steps, apt, what, of_package) {
            let names: Vec<&str> = of_package.iter().map(|service| service.name).collect();
            let consequence = format!("tests that use them will be skipped and counted as such; {error:#}");
            steps.lacking(&names.join(" "), &consequence);
        }
    }
}

/// Unpacks services of one package.
fn unpack(steps: &Steps, apt: &mut Apt, what: &str, services: &[Service]) -> Result<()> {
    let [Service { package, .. }, ..] = services else { return Ok(()) };
    let fetched = tempfile::tempdir().context("making a directory")?;
    apt.fetch(steps, what, &[package], fetched.path())?;
    let scripts = shell::tools().join("services/bin");
    let root = shell::tools().join("services/root");
    fs::create_dir_all(&scripts).with_context(|| format!("making {}", scripts.display()))?;
    for entry in fs::read_dir(&fetched).context("looking for what was fetched")? {
        let archive = entry.context("looking for what was fetched")?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            shell::output(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&root))?;
        }
    }
    remove_what_nobody_runs(&root)?;
    for service in services {
        let program = root.join(service.file);
        ensure!(program.is_file(), "{package} has no {}", service.file);
        let script = script(&root, &program, service.first);
        let path = scripts.join(service.name);
        fs::write(&path, script).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("making {} executable", path.display()))?;
    }
    Ok(())
}

/// Removes the programs below a directory that are none of the services, and documentation: hundreds of megabytes.
fn remove_what_nobody_runs(root: &Path) -> Result<()> {
    let wanted: Vec<PathBuf> = services().map(|service| root.join(service.file)).collect();
    for directory in ["usr/bin", "usr/sbin"] {
        let Ok(entries) = fs::read_dir(root.join(directory)) else { continue };
        for program in entries.flatten().map(|entry| entry.path()).filter(|path| !wanted.contains(path)) {
            fs::remove_file(&program).with_context(|| format!("removing {}", program.display()))?;
        }
    }
    match fs::remove_dir_all(root.join("usr/share")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("removing documentation"),
        _ => Ok(()),
    }
}

/// Runs a program that was unpacked below a directory.
fn script(root: &Path, program: &Path, first: &str) -> String {
    let libraries: Vec<PathBuf> = ["usr/lib", "lib"]
        .into_iter()
        .filter_map(|directory| fs::read_dir(root.join(directory)).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.file_name().to_string_lossy().contains("-linux-gnu"))
        .map(|entry| entry.path())
        .collect();
    let extensions = libraries.iter().map(|directory| directory.join("xtables")).find(|path| path.is_dir());
    let libraries: Vec<String> = libraries.iter().map(|path| path.display().to_string()).collect();
    format!(
        "#!/bin/sh\n\
         # Made by `cargo xtask setup`.\n\
         export LD_LIBRARY_PATH='{}'\n\
         export XTABLES_LIBDIR='{}'\n\
         exec '{}' {first} \"$@\"\n",
        libraries.join(":"),
        extensions.unwrap_or_default().display(),
        program.display(),
    )
}
