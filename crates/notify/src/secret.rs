//! Secrets, which are read from files or systemd credentials and kept out of output.

use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Largest file that is accepted as a secret, bytes.
const MAX_BYTES: u64 = 4_096;
/// The environment variable with the directory of the unit's `LoadCredential=` (systemd.exec(5)).
pub(crate) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is stored. The configuration contains this, and never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretSource {
    /// A file that contains nothing else.
    File(PathBuf),
    /// A systemd credential, by its name.
    Credential(String),
}

/// A secret. Its `Debug` output does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Secret {
    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces every occurrence of the secret in a text.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "…")
    }

    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl SecretSource {
    /// Finds mistakes in the configuration without reading the secret.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::File(path) if !path.is_absolute() => {
                Err(format!("the file of a secret is `{}`; a path begins with /", path.display()))
            }
            Self::Credential(name) if !is_credential(name) => {
                Err(format!("`{name}` is no name of a credential: letters, digits, - _ and . are"))
            }
            Self::File(_) | Self::Credential(_) => Ok(()),
        }
    }

    /// Reads the secret. It is read for each message, so that a changed one is used at once. The error does not contain it.
    /// This may block on a disk.
    pub(crate) fn read(&self, credentials: Option<&Path>) -> Result<Secret, String> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Credential(name) => match credentials {
                Some(directory) => directory.join(name),
                None => {
                    return Err(format!(
                        "the credential `{name}` cannot be read, as {CREDENTIALS_DIRECTORY} is not set: name it in the \
                         unit, as LoadCredential={name}:FILE"
                    ));
                }
            },
        };
        let read = || {
            let mut text = String::new();
            std::fs::File::open(&path)?.take(MAX_BYTES + 1).read_to_string(&mut text).map(|_| text)
        };
        let text = read().map_err(|error| format!("reading the secret in {}: {error}", path.display()))?;
        let secret = text.trim();
        if secret.is_empty() || text.len() as u64 > MAX_BYTES || secret.contains(char::is_control) {
            return Err(format!(
                "{} holds no secret: that is one line, and at most {MAX_BYTES} bytes",
                path.display()
            ));
        }
        Ok(Secret(secret.to_owned()))
    }
}

fn is_credential(name: &str) -> bool {
    let of_names = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(of_names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_a_file_or_a_credential_and_not_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("pager"), "s3cret\n").expect("written");
        let file = SecretSource::File(directory.path().join("pager"));
        let credential = SecretSource::Credential("pager".to_owned());
        for source in [file, credential] {
            let secret = source.read(Some(directory.path())).expect("it is there");
            assert_eq!(secret.reveal(), "s3cret");
            assert!(!format!("{secret:?} {source:?}").contains("s3cret"));
            assert_eq!(secret.hide_in("bad key s3cret!"), "bad key …!");
        }
    }

    #[test]
    fn a_file_that_is_not_a_secret_is_refused_without_being_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        for content in ["", "\n", "one\ntwo", &"x".repeat(5_000)] {
            std::fs::write(&path, content).expect("written");
            let error = SecretSource::File(path.clone()).read(None).expect_err("no secret");
            assert!(error.contains("key holds no secret") && !error.contains("two"), "{error}");
        }
        let error = SecretSource::Credential("pager".into()).read(None).expect_err("no directory");
        assert!(error.contains("LoadCredential=pager:"), "{error}");
        assert!(SecretSource::Credential("../shadow".into()).check().is_err());
        assert!(SecretSource::File("key".into()).check().is_err());
    }
}
