//! What a replay is given beside its configuration: lists that it begins with, captures, and what is told of these.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use floodwall_capture::{CaptureError, Reader};

use super::invalid;
use crate::{
    api::SignatureReport,
    cli::exit::{Failed, Kind},
    lists,
    replay::{capture_context::CaptureContext, host::Host, opened_flows, world::Lists},
    signature::Signature,
    tables::Prefix,
};

/// Stands for standard input.
const STDIN: &str = "-";

/// Opens captures, all before the first packet is judged, so that one that cannot be read is refused at once.
pub(super) fn captures(paths: &[PathBuf]) -> Result<Vec<Reader>, Failed> {
    if paths.iter().filter(|path| *path == Path::new(STDIN)).count() > 1 {
        let twice = "`-` is given more than once, and standard input can be read only once".to_owned();
        return Err(Failed::new(Kind::Invalid, twice));
    }
    // What such an error says names its source already.
    let refused = |error: CaptureError| Failed::new(Kind::Invalid, error.to_string());
    paths.iter().map(|path| Reader::open(path).map_err(refused)).collect()
}

/// Reads what is told of so many captures.
pub(super) fn context(
    captures: usize,
    hosts: &[PathBuf],
    flows: &[PathBuf],
) -> Result<CaptureContext, Failed> {
    for (option, given) in [("--host", hosts.len()), ("--egress", flows.len())] {
        if given > 1 && given != captures {
            let what = format!(
                "{option} is given {given} times, for {captures} captures: give it once for all of them, or once \
                 for each, in their order"
            );
            return Err(Failed::new(Kind::Invalid, what));
        }
    }
    let read = |path: &PathBuf| Host::read(path).map_err(invalid);
    let hosts = match hosts {
        [] => vec![Host::default()],
        hosts => hosts.iter().map(read).collect::<Result<_, _>>()?,
    };
    let read = |path: &PathBuf| opened_flows::read(path).map_err(invalid);
    Ok(CaptureContext { hosts, flows: flows.iter().map(read).collect::<Result<_, _>>()? })
}

/// What captures are called: without the folders that they are in.
pub(super) fn names(paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(name).collect()
}

/// Reads lists of prefixes, each whole or not at all.
pub(super) fn lists(allow: &[PathBuf], block: &[PathBuf]) -> Result<Lists, Failed> {
    Ok(Lists { allow: all(allow)?, block: all(block)? })
}

/// Reads signatures, a line each; all of them drop.
pub(super) fn signatures(paths: &[PathBuf]) -> Result<Vec<SignatureReport>, Failed> {
    let mut signatures = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failed::new(Kind::Invalid, format!("signatures {}: {error}", path.display())))?;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            line.parse::<Signature>().map_err(|error| {
                let what = format!("signatures {}: line {number}, `{line}`: {error}", path.display());
                Failed::new(Kind::Invalid, what)
            })?;
            signatures.push(SignatureReport {
                number,
                text: line.to_owned(),
                enforced: true,
                pinned: true,
                asks: false,
                held: None,
                warning: None,
                expires: None,
                age_seconds: 0.0,
                idle_seconds: 0.0,
                packets: 0,
                bytes: 0,
                sampled: 0,
                sampled_known: 0,
                sampled_again: 0,
            });
        }
    }
    Ok(signatures)
}

fn all(paths: &[PathBuf]) -> Result<Vec<Prefix>, Failed> {
    let mut prefixes = Vec::new();
    for path in paths {
        prefixes.extend(one(path)?);
    }
    Ok(prefixes)
}

fn one(path: &Path) -> Result<impl Iterator<Item = Prefix> + use<>, Failed> {
    let invalid = |what: String| Failed::new(Kind::Invalid, format!("list {}: {what}", path.display()));
    let file = File::open(path).map_err(|error| invalid(error.to_string()))?;
    let list =
        lists::parse(BufReader::new(file), 0, &mut |_, _| ()).map_err(|error| invalid(error.to_string()))?;
    if let Some(problem) = list.problems.first() {
        let refused = format!(
            "list {}: {} of {} lines were refused; the first is line {}, `{}`: {}",
            path.display(),
            list.refused,
            list.lines,
            problem.line,
            problem.text,
            problem.message
        );
        return Err(Failed::new(Kind::BadList, refused));
    }
    Ok(list.prefixes.into_iter().map(Prefix::from))
}
