//! The archive, and what it says of itself.

use std::{fmt::Write as _, io};

use flate2::{Compression, write::GzEncoder};
use schemars::JsonSchema;
use serde::Serialize;

/// The folder that everything lies in.
const FOLDER: &str = "floodwall-bundle";
/// Bytes of a file at the most: the last of them.
const MOST: usize = 4 << 20;

/// What goes into it.
#[derive(Debug, Default)]
pub(super) struct Archive(Vec<Part>);

#[derive(Debug)]
struct Part {
    name: &'static str,
    what: &'static str,
    /// What it holds, or why it is missing.
    held: Result<String, String>,
}

/// What a bundle holds.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct BundleContents {
    /// Each file.
    pub(in crate::cli) files: Vec<BundleFile>,
}

/// A file of a bundle.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct BundleFile {
    /// Its name.
    pub(in crate::cli) name: String,
    /// What it is.
    pub(in crate::cli) what: String,
    /// Its length, bytes.
    pub(in crate::cli) bytes: u64,
    /// Why it is missing, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) missing: Option<String>,
}

impl Archive {
    /// Takes in a file.
    pub(super) fn add(&mut self, name: &'static str, what: &'static str, text: String) {
        self.0.push(Part { name, what, held: Ok(last(text)) });
    }

    /// Says that one is missing.
    pub(super) fn miss(&mut self, name: &'static str, what: &'static str, why: String) {
        self.0.push(Part { name, what, held: Err(why) });
    }

    /// What it holds.
    pub(super) fn contents(&self) -> BundleContents {
        let file = |Part { name, what, held }: &Part| BundleFile {
            name: (*name).to_owned(),
            what: (*what).to_owned(),
            bytes: held.as_ref().map_or(0, |text| text.len() as u64),
            missing: held.as_ref().err().cloned(),
        };
        BundleContents { files: self.0.iter().map(file).collect() }
    }

    /// The same in words.
    pub(super) fn manifest(&self) -> String {
        let mut text = format!(
            "A support bundle of floodwall {}. Addresses are cut to the /24 or /48 that they lie in; secrets, packets and the \
             host's name are not in it.\n\n",
            env!("CARGO_PKG_VERSION")
        );
        for BundleFile { name, what, bytes, missing } in self.contents().files {
            // Writing to a string does not fail.
            _ = match missing {
                None => writeln!(text, "{name}: {what} ({bytes} bytes)"),
                Some(why) => writeln!(text, "{name}: missing ({what}): {why}"),
            };
        }
        text
    }

    /// All of it, packed.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let manifest = self.manifest();
        let held = self.0.iter().filter_map(|part| Some((part.name, part.held.as_ref().ok()?)));
        for (name, text) in [("MANIFEST.txt", &manifest)].into_iter().chain(held) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(0);
            archive.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes())?;
        }
        archive.into_inner()?.finish()
    }
}

/// The end of a text that is too long.
fn last(text: String) -> String {
    let Some(from) = text.len().checked_sub(MOST).filter(|from| *from > 0) else { return text };
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text[from..].to_owned()
}
