//! The secret by which a browser is let in.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Random bytes of it.
const BYTES: usize = 32;
/// Nobody but the daemon's user may read it.
const MODE: u32 = 0o600;

/// The secret: 64 hexadecimal digits.
#[derive(Clone)]
pub struct Token(String);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be used.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Others may read it.
    #[error("{} may be read by others; remove it, and a new one is made at the next start", .0.display())]
    Open(PathBuf),
    /// What stands in it is none.
    #[error("{} holds no token; remove it, and a new one is made at the next start", .0.display())]
    None(PathBuf),
    /// There is no random number.
    #[error("drawing a token: {0}")]
    Random(#[from] getrandom::Error),
}

impl Token {
    /// Reads the file, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// If it can be neither read nor made, or others may read it.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let failed = |error| TokenError::File { path: path.to_owned(), error };
        match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path).map_err(failed)?.mode();
                if mode & 0o077 != 0 {
                    return Err(TokenError::Open(path.to_owned()));
                }
                Self::read(&text).ok_or_else(|| TokenError::None(path.to_owned()))
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

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_one = text.len() == 2 * BYTES && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_owned()))
    }

    /// Whether somebody knows it. How long that takes to say does not depend on what is said.
    pub(crate) fn is(&self, said: &str) -> bool {
        let differs =
            self.0.bytes().zip(said.bytes()).fold(0, |differs, (one, other)| differs | (one ^ other));
        said.len() == self.0.len() && differs == 0
    }

    /// As it is shown to those who may know it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// It does not get into logs.
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
    fn it_is_made_once_and_is_for_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web-token");
        let made = Token::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        let read = Token::open(&path).unwrap();
        assert!(read.is(made.reveal()) && made.reveal().len() == 64);
        for wrong in ["", "0", &made.reveal()[1..], &format!("{}0", made.reveal()), &"0".repeat(64)] {
            assert!(!made.is(wrong), "{wrong}");
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
        assert!(matches!(Token::open(&path), Err(TokenError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(Token::open(&path), Err(TokenError::None(_))));
        let nowhere = directory.path().join("no/web-token");
        assert!(matches!(Token::open(&nowhere), Err(TokenError::File { .. })));
    }
}
