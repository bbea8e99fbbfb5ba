//! What was learnt, kept over restarts: files of their own, as it is no loss if they are lost.

use std::{
    fs::{self, File},
    io::{self, BufReader, Write as _},
    path::Path,
};

use anyhow::Context as _;
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Serialize, de::DeserializeOwned};
use tracing::warn;

use super::files::{BASELINE, CLIENTS, replace_file, with_ending};

/// Something that was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// What is usual.
    Usual,
    /// Which clients are known.
    Clients,
}

impl Learnt {
    const fn file(self) -> &'static str {
        match self {
            Self::Usual => BASELINE,
            Self::Clients => CLIENTS,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Usual => "what is usual",
            Self::Clients => "which clients are known",
        }
    }
}

/// Keeps what was learnt in the state directory.
///
/// # Errors
///
/// If it cannot be written; what was kept before is still there then.
pub fn keep_learnt(directory: &Path, what: Learnt, memory: &impl Serialize) -> anyhow::Result<()> {
    let path = directory.join(what.file());
    replace_file(&path, |file| {
        let mut packed = GzEncoder::new(file, Compression::fast());
        serde_json::to_writer(&mut packed, memory)?;
        packed.finish()?.flush()
    })
    .with_context(|| format!("writing {}", path.display()))
}

/// What was kept, if anything was. A file that is damaged is put aside, if `put_aside`, and said so.
pub fn kept_learnt<T: DeserializeOwned>(directory: &Path, what: Learnt, put_aside: bool) -> Option<T> {
    let path = directory.join(what.file());
    let what = what.words();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(file = %path.display(), %error, "{what} cannot be read, and is learnt anew");
            return None;
        }
    };
    match serde_json::from_reader(BufReader::new(GzDecoder::new(BufReader::new(file)))) {
        Ok(memory) => Some(memory),
        Err(error) if !put_aside => {
            warn!(file = %path.display(), %error, "{what} is damaged, and is learnt anew");
            None
        }
        Err(error) => {
            let aside = with_ending(&path, "damaged");
            warn!(file = %path.display(), aside = %aside.display(), %error, "{what} is damaged, and is learnt anew");
            if let Err(error) = fs::rename(&path, &aside) {
                warn!(%error, "it could not be put aside");
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_put_aside_where_that_is_allowed() {
        let directory = tempfile::tempdir().unwrap();
        let kept = |put_aside| kept_learnt::<Vec<u32>>(directory.path(), Learnt::Usual, put_aside);
        assert_eq!(kept(true), None, "there is none");
        keep_learnt(directory.path(), Learnt::Usual, &vec![1, 2]).unwrap();
        assert_eq!(kept(true), Some(vec![1, 2]));

        let path = directory.path().join(BASELINE);
        fs::write(&path, b"no archive").unwrap();
        assert_eq!(kept(false), None);
        assert!(path.exists(), "nothing is changed in a directory that is to be left as it is");
        assert_eq!(kept(true), None);
        assert!(!path.exists());
        assert_eq!(fs::read(with_ending(&path, "damaged")).unwrap(), b"no archive");
    }
}
