//! `cargo xtask test`: builds all tests, runs them, and counts.
//!
//! The test programs are run by this task and not by cargo, so that each one's counts, skips and
//! crash are known to be its own. On a machine that has everything, a skip has to be an
//! [`expected`] one.

mod expected;
mod lanes;
mod part;
mod tally;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::build::{self, Executable};
use crate::setup::{self, Talk};
use crate::shell;
use crate::vm::Machine;
use expected::{Expected, Finding};
use part::Part;
use tally::Tally;

/// The package's folder whose tests build namespaces and floods; too many at a time disturb each other. They wait for most of
/// their time, and many programs have but one test: in a whole run, programs are run side by side, with one test each.
const LIVE_FOLDER: &str = "tests";
const LIVE_PACKAGE: &str = "floodwall-tests";
const LIVE_LANES: usize = 2;
const LIVE_THREADS: &str = "--test-threads=2";

/// The programs whose tests are hosts as people run them, which take minutes; and that one of them which is always run. They
/// take the whole machine, one at a time.
const WORLDS: [&str; 4] = ["worlds", "worlds_docker", "worlds_programs", "worlds_quic"];
const WORLDS_SMOKE: &str = "an_end_host";
/// The programs that a long run is made of, and how often it kills the daemon.
const SOAK: [&str; 1] = ["killed"];
const SOAK_KILLS: (&str, &str) = ("FLOODWALL_KILLS", "1000");
const ONE_THREAD: &str = "--test-threads=1";

/// The programs that are run on the distribution's kernel: those that load the filter, attach it, and see what it does to
/// packets, and not those that count on a machine that is fast.
const VM: [&str; 8] = ["devices", "directions", "doctor", "egress", "host", "interfaces", "tunnels", "wire"];
/// Of these, what floods: an emulated machine serves nobody meanwhile.
const VM_FLOODS: [&str; 1] = ["without_tcx_a_filter_behind_all_others_sees_what_leaves"];
/// The one that is always run, and what it is called where there is no such machine.
const VM_SMOKE: &str = "doctor";
const VM_NAME: &str = "on_the_kernel_of_the_distribution";

/// Which tests.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only tests whose path contains this; with `--vm`, the name of a test program is for all of its tests
    filter: Option<String>,
    /// All of the worlds, and nothing else: hosts as people run them, in peace and flooded; some minutes
    ///
    /// Without it, one of them is run.
    #[arg(long, conflicts_with = "package")]
    worlds: bool,
    /// The long run, and nothing else: the daemon is killed a thousand times under load; half an hour
    #[arg(long, conflicts_with_all = ["package", "worlds"])]
    soak: bool,
    /// Those that load and attach the filter, and nothing else, on a virtual machine with Debian's kernel; half an hour
    ///
    /// Without it, one of them is run.
    #[arg(long, conflicts_with_all = ["package", "worlds", "soak"])]
    vm: bool,
    /// For `--vm`, the Debian package of another kernel than the one that Debian installs
    #[arg(long, requires = "vm", value_name = "PACKAGE")]
    kernel: Option<String>,
    /// Only tests of these packages
    #[arg(short, long, value_name = "PACKAGE")]
    package: Vec<String>,
    /// Further arguments of the test programs, such as `--nocapture`
    #[arg(last = true)]
    extra: Vec<String>,
}

/// Runs the tests. The last line printed is `N passed, N failed, N skipped`.
///
/// # Errors
/// When setup or the build fails, or the list of expected skips cannot be read.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(Talk::Changes)?;
    // Before the long work, in which nobody would see that it is in vain.
    let expected = Expected::read(&shell::root().join(expected::FILE))?;
    let mut build = shell::cargo();
    build.args(["test", "--no-run"]);
    select(&mut build, options);
    let mut executables = build::executables(&mut build)?;
    executables.retain(|executable| {
        let target = executable.target.as_str();
        executable.is_test
            && (!options.worlds || WORLDS.contains(&target))
            && (!options.soak || SOAK.contains(&target))
            && (!options.vm || on_machines(options).contains(&target))
    });
    // Cargo names them in the order that they were done.
    executables.sort_by(|a, b| (&a.manifest, &a.kind, &a.target).cmp(&(&b.manifest, &b.kind, &b.target)));

    let directory = tempfile::tempdir().context("making a directory for the lists of skips")?;
    let scratch = directory.path();
    let mut tallies = Vec::new();
    if options.vm {
        let machine = Machine::prepare(options.kernel.as_deref())?;
        for executable in &executables {
            let part = on_machine(&machine, executable, options, scratch)?;
            tallies.push(lanes::alone(part)?);
        }
    } else {
        let (live, others) = executables.iter().partition::<Vec<_>, _>(|executable| is_live(executable));
        let (worlds, live) = live.into_iter().partition::<Vec<_>, _>(|executable| is_world(executable));
        for executable in others {
            tallies.push(lanes::alone(program(executable, options, scratch))?);
        }
        let parts = live.iter().map(|executable| program(executable, options, scratch)).collect();
        let lanes = if in_lanes(options) { LIVE_LANES } else { 1 };
        tallies.extend(lanes::side_by_side(parts, lanes)?);
        let smoke = live.iter().find(|executable| is_whole(options) && executable.target == VM_SMOKE);
        match smoke.map(|smoke| (smoke, Machine::prepare(None))) {
            Some((smoke, Ok(machine))) => {
                tallies.push(lanes::alone(on_machine(&machine, smoke, options, scratch)?)?);
            }
            Some((_, Err(error))) => tallies.push(Tally::of_skip(VM_NAME, &format!("{error:#}"))),
            None => {}
        }
        for executable in worlds {
            tallies.push(lanes::alone(program(executable, options, scratch))?);
        }
    }
    // Cargo refuses to look for examples where there is no library.
    if executables.iter().any(|executable| executable.kind == "lib") {
        tallies.push(lanes::alone(documentation(options, scratch))?);
    }
    let (text, good) = summary(&tallies, &expected, &expected::lacking());
    print!("{text}");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The programs that are run on virtual machines: the one that the filter names, or all.
fn on_machines(options: &Options) -> Vec<&'static str> {
    let all = VM.into_iter();
    let named: Vec<_> = all.clone().filter(|program| options.filter.as_deref() == Some(program)).collect();
    if named.is_empty() { all.collect() } else { named }
}

fn select(command: &mut std::process::Command, options: &Options) {
    if options.vm {
        command.args(["--package", LIVE_PACKAGE]);
        command.args(on_machines(options).iter().flat_map(|program| ["--test", program]));
        return;
    }
    if options.package.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.package {
        command.args(["--package", package]);
    }
}

/// The arguments that every test program understands. A filter that names a program is none of its tests.
fn arguments(options: &Options) -> impl Iterator<Item = &String> {
    let names_program = options.vm && options.filter.as_deref().is_some_and(|filter| VM.contains(&filter));
    let filter = options.filter.iter().filter(move |_| !names_program);
    filter.chain(&options.extra)
}

fn is_whole(options: &Options) -> bool {
    let is_part = options.worlds || options.soak || options.vm || options.filter.is_some();
    !is_part && options.package.is_empty()
}

/// Whether programs are run side by side. Whoever gives arguments wants to see what tests say as they say it.
fn in_lanes(options: &Options) -> bool {
    is_whole(options) && options.extra.is_empty()
}

fn is_live(executable: &Executable) -> bool {
    executable.manifest.parent().is_some_and(|home| home.ends_with(LIVE_FOLDER))
}

fn is_world(executable: &Executable) -> bool {
    is_live(executable) && WORLDS.contains(&executable.target.as_str())
}

fn program(executable: &Executable, options: &Options, scratch: &Path) -> Part {
    let mut part = bare(executable, options, scratch);
    if is_world(executable) && !options.worlds && options.filter.is_none() {
        part.command.arg(WORLDS_SMOKE);
    }
    if options.soak {
        part.command.env(SOAK_KILLS.0, SOAK_KILLS.1);
    }
    if is_live(executable) && !options.extra.iter().any(|argument| argument.starts_with("--test-threads")) {
        let is_alone = is_world(executable) || in_lanes(options);
        part.command.arg(if is_alone { ONE_THREAD } else { LIVE_THREADS });
    }
    part
}

/// The same on a virtual machine, with all that there is to it.
fn on_machine(machine: &Machine, executable: &Executable, options: &Options, scratch: &Path) -> Result<Part> {
    let shared = scratch.join("machine").join(&executable.target);
    fs::create_dir_all(&shared).with_context(|| format!("making {}", shared.display()))?;
    let Part { name, mut command, .. } = bare(executable, options, scratch);
    command.arg(ONE_THREAD);
    command.args(VM_FLOODS.iter().flat_map(|test| ["--skip", test]));
    let name = format!("{name} on Linux {}", machine.release());
    Ok(Part { name, command: machine.run(&command, &shared)?, skips: shared.join("skips") })
}

/// A test program with the arguments that each takes.
fn bare(executable: &Executable, options: &Options, scratch: &Path) -> Part {
    let home = executable.manifest.parent().unwrap_or(&executable.manifest);
    let package = package_name(executable);
    let mut command = std::process::Command::new(&executable.path);
    // As cargo runs them.
    command.current_dir(home).env("CARGO_MANIFEST_DIR", home).env("CARGO_PKG_NAME", &package);
    command.args(arguments(options));
    let name = match executable.kind.as_str() {
        "test" => format!("{package}/{}", executable.target),
        kind => format!("{package} ({kind})"),
    };
    Part { skips: scratch.join(name.replace('/', "-")), name, command }
}

/// The name stands in the manifest's own first lines; cargo's message only has an opaque id.
fn package_name(executable: &Executable) -> String {
    let manifest = std::fs::read_to_string(&executable.manifest).unwrap_or_default();
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
    name.map_or_else(|| executable.target.clone(), |name| name.trim_matches('"').to_owned())
}

fn documentation(options: &Options, scratch: &Path) -> Part {
    let mut command = shell::cargo();
    command.args(["test", "--doc", "--no-fail-fast"]);
    select(&mut command, options);
    command.arg("--").args(arguments(options));
    Part { name: "examples in documentation".to_owned(), command, skips: scratch.join("documentation") }
}

/// What was counted, part by part and in all, as text; and whether it is good.
fn summary(parts: &[Tally], expected: &Expected, lacking: &[String]) -> (String, bool) {
    let mut lines = vec![String::new()];
    for part in parts.iter().filter(|part| part.total() > 0 || part.broken.is_some()) {
        lines.push(format!("{:<44} {}", part.name, part.counts()));
    }
    let told =
        parts.iter().any(|part| !part.skips.is_empty() || !part.failures.is_empty() || part.broken.is_some());
    if told {
        lines.push(String::new());
    }
    for part in parts {
        lines.extend(part.skips.iter().map(|skip| format!("skipped  {}: {}", skip.test, skip.reason)));
    }
    for part in parts {
        lines.extend(part.failures.iter().map(|failure| format!("FAILED   {}: {failure}", part.name)));
        lines.extend(part.broken.iter().map(|broken| format!("FAILED   {}: {broken}", part.name)));
    }
    let all = tally::sum(parts);
    let finding = expected::judge(expected, &all.skips, lacking);
    match &finding {
        Finding::Fine => {}
        Finding::Incomplete { unexpected, lacking } => {
            let lacking = lacking.join(", ");
            let skips = format!("skips that are not in {}", expected::FILE);
            lines.push(format!("{skips}, let pass as this machine lacks {lacking}: {unexpected}"));
        }
        Finding::Unexpected(skips) => {
            let why = format!("this machine has everything, and {} has no such line", expected::FILE);
            lines.extend(skips.iter().map(|skip| format!("SKIPPED  {}: {why}", skip.test)));
        }
    }
    if all.total() == 0 {
        lines.push("No test was run: the filter fits none.".to_owned());
    }
    lines.extend([String::new(), all.counts(), String::new()]);
    let good = all.failed == 0 && all.total() > 0 && !matches!(finding, Finding::Unexpected(_));
    (lines.join("\n"), good)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn part(lines: &[&str], told: &str) -> Tally {
        let mut part = Tally::new("part");
        lines.iter().for_each(|line| part.read(line));
        part.finish(ExitStatus::from_raw(0), told);
        part
    }

    #[test]
    fn a_skip_that_nobody_expects_makes_a_run_red_on_a_complete_machine() {
        let lines = [
            "test a::one ... ok",
            "test a::two ... ok",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        let parts = [part(&lines, "a::two\tneeds a network card\n")];
        let (text, good) = summary(&parts, &Expected::default(), &[]);
        assert!(!good);
        assert!(text.contains("\nSKIPPED  a::two: this machine has everything"), "{text}");
        assert!(text.ends_with("\n1 passed, 0 failed, 1 skipped\n"), "{text}");

        let (text, good) = summary(&parts, &Expected::default(), &["root".to_owned(), "`nft`".to_owned()]);
        assert!(good && text.contains("let pass as this machine lacks root, `nft`: 1\n"), "{text}");
        assert!(text.ends_with("\n1 passed, 0 failed, 1 skipped\n"), "{text}");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("expected-skips");
        std::fs::write(&file, "a::two: needs a network card\n").unwrap();
        let (text, good) = summary(&parts, &Expected::read(&file).unwrap(), &[]);
        assert!(good && !text.contains("SKIPPED"), "{text}");
    }

    #[test]
    fn failures_and_runs_of_nothing_are_red() {
        let failing = ["test a::one ... FAILED", "test result: FAILED. 0 passed; 1 failed; 0 ignored"];
        let (text, good) = summary(&[part(&failing, "")], &Expected::default(), &[]);
        assert!(!good && text.contains("FAILED   part: a::one"), "{text}");
        let nothing = ["test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out"];
        let (text, good) = summary(&[part(&nothing, "")], &Expected::default(), &[]);
        assert!(!good && text.contains("No test was run"), "{text}");
    }
}
