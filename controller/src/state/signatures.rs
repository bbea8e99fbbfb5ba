//! Signatures that operators want as they are.

use tracing::warn;

use super::{change::Change, filter::Filter, refusal::Refusal};
use crate::{signature::Signature, tables::SharedTables};

impl Filter {
    /// What packets are judged by.
    pub fn tables(&self) -> &SharedTables {
        &self.tables
    }

    /// Signatures that are wanted, and whether they drop.
    pub fn pinned_signatures(&self) -> Vec<(Signature, bool)> {
        let books = self.books.lock();
        let parsed = books.records.signatures().filter_map(|(text, enforced)| match text.parse() {
            Ok(signature) => Some((signature, enforced)),
            Err(error) => {
                warn!(text, %error, "a signature that was kept is not understood any more");
                None
            }
        });
        parsed.collect()
    }

    /// Keeps a signature on disk.
    pub fn pin_signature(&self, signature: &Signature, enforced: bool) -> Result<(), Refusal> {
        let change = Change::Signature { text: signature.to_string(), enforced };
        Ok(self.books.lock().keep(&[change])?)
    }

    /// Takes a signature off the disk.
    pub fn unpin_signature(&self, signature: &Signature) -> Result<(), Refusal> {
        let change = Change::ForgetSignature { text: signature.to_string() };
        Ok(self.books.lock().keep(&[change])?)
    }
}
