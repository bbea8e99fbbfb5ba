//! Lists that a replay begins with.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use crate::{
    cli::exit::{Failed, Kind},
    lists,
    replay::world::Lists,
    tables::Prefix,
};

/// Reads lists of prefixes, each whole or not at all.
pub(super) fn lists(allow: &[PathBuf], block: &[PathBuf]) -> Result<Lists, Failed> {
    Ok(Lists { allow: all(allow)?, block: all(block)? })
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
