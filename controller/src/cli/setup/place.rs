//! The configuration file: read, and written in one go.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use crate::{
    cli::exit::{Failed, Kind},
    config::Config,
};

/// Ends the name of what was there before.
const BEFORE: &str = ".before-setup";

/// What a configuration says; nothing where there is none.
pub(super) fn read(path: &Path) -> Result<String, Failed> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        outcome => outcome.map_err(|error| {
            Failed::new(Kind::of_io(&error), format!("reading the configuration {}: {error}", path.display()))
        }),
    }
}

/// That a configuration is sound; an operator's mistakes are theirs to mend.
pub(super) fn check(path: &Path, text: &str) -> Result<(), Failed> {
    Config::parse(text).map(drop).map_err(|fault| {
        let message = format!("{} is not sound, and is left as it is: {fault}", path.display());
        Failed::new(Kind::Invalid, message)
    })
}

/// Has the file say this; what it said before is kept beside it, once. Half a file is never there.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failed> {
    put(path, text).map_err(|error| {
        Failed::new(Kind::of_io(&error), format!("writing the configuration {}: {error}", path.display()))
    })
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    // A link is followed, and what it leads to is exchanged.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let before = with(&path, BEFORE);
    if path.exists() && !before.exists() {
        fs::copy(&path, &before)?;
    }
    let new = with(&path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    if let Ok(metadata) = fs::metadata(&path) {
        file.set_permissions(fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
        fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
    } else {
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.sync_all()?;
    fs::rename(&new, &path)
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_first_is_kept_and_its_mode_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/floodwall.toml");
        assert_eq!(read(&path).unwrap(), "");
        write(&path, "observe = true\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, "observe = false\n").unwrap();
        write(&path, "mode = \"auto\"\n").unwrap();
        assert_eq!(read(&path).unwrap(), "mode = \"auto\"\n");
        assert_eq!(read(&with(&path, BEFORE)).unwrap(), "observe = true\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(check(&path, "observe = 7").unwrap_err().message().contains("is left as it is"));
    }
}
