//! The token: the secret that requests of the page have to carry.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Random bytes in a token.
const BYTES: usize = 32;
/// Permissions of its file: only the daemon's user may read it.
const MODE: u32 = 0o600;

/// A token of 64 hexadecimal digits.
#[derive(Clone)]
pub struct Token(String);

/// Why the token could not be read or created.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file's permissions let other users read it.
    #[error("{} may be read by others; remove it, and a new one is made at the next start", .0.display())]
    Exposed(PathBuf),
    /// The file does not contain a token.
    #[error("{} holds no token; remove it, and a new one is made at the next start", .0.display())]
    Malformed(PathBuf),
    /// The system gives no random numbers.
    #[error("drawing a token: {0}")]
    Random(#[from] getrandom::Error),
}

impl Token {
    /// Reads the token from a file. If there is no such file, draws a token and writes it there.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, holds no token, or can be read by other users.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let failed = |error| TokenError::File { path: path.to_owned(), error };
        match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path).map_err(failed)?.mode();
                if mode & 0o077 != 0 {
                    return Err(TokenError::Exposed(path.to_owned()));
                }
                Self::parse(&text).ok_or_else(|| TokenError::Malformed(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Self::draw()?;
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(MODE)
                    .open(path)
                    .map_err(failed)?;
                writeln!(file, "{}", token.0).map_err(failed)?;
                Ok(token)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn draw() -> Result<Self, TokenError> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_token = text.len() == 2 * BYTES && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_token.then(|| Self(text.to_owned()))
    }

    /// Whether a text is this token. The comparison takes as long whichever characters differ.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let difference =
            self.0.bytes().zip(text.bytes()).fold(0, |difference, (one, other)| difference | (one ^ other));
        text.len() == self.0.len() && difference == 0
    }

    /// The token's text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Keeps the token out of logs.
impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_created_once_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web-token");
        let made = Token::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        let read = Token::open(&path).unwrap();
        assert!(read.matches(made.reveal()) && made.reveal().len() == 64);
        for wrong in ["", "0", &made.reveal()[1..], &format!("{}0", made.reveal()), &"0".repeat(64)] {
            assert!(!made.matches(wrong), "{wrong}");
        }
        assert_ne!(Token::draw().unwrap().reveal(), made.reveal());
        assert_eq!(format!("{made:?}"), "Token");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web-token");
        Token::open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Token::open(&path), Err(TokenError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(Token::open(&path), Err(TokenError::Malformed(_))));
        let nowhere = directory.path().join("no/web-token");
        assert!(matches!(Token::open(&nowhere), Err(TokenError::File { .. })));
    }
}
