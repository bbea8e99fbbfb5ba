//! Signatures that operators want as they are.

use tracing::warn;

use super::{change::Change, filter::Filter, refusal::Refusal};
use crate::{
    signature::{ParseError, Signature, naming},
    tables::SharedTables,
};

impl Filter {
    /// What packets are judged by.
    pub fn tables(&self) -> &SharedTables {
        &self.tables
    }

    /// The name of a service.
    pub fn service_name(&self, number: u8) -> Option<String> {
        self.regime.lock().placement().service(number).map(str::to_owned)
    }

    /// The number of a service.
    pub fn service_number(&self, name: &str) -> Option<u8> {
        self.regime.lock().placement().services.get(name).copied()
    }

    /// A signature in an operator's words.
    pub fn signature_in_words(&self, signature: &Signature) -> String {
        naming::named(&signature.to_string(), |number| self.service_name(number))
    }

    /// A signature from an operator's words.
    pub fn signature_of(&self, text: &str) -> Result<Signature, ParseError> {
        naming::numbered(text, |name| self.service_number(name))?.parse()
    }

    /// Signatures that are wanted, and whether they drop.
    pub fn pinned_signatures(&self) -> Vec<(Signature, bool)> {
        let books = self.books.lock();
        let parsed =
            books.records.signatures().filter_map(|(text, enforced)| match self.signature_of(text) {
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
        let change = Change::Signature { text: self.signature_in_words(signature), enforced };
        self.books.lock().keep(&[change])
    }

    /// Takes a signature off the disk.
    pub fn unpin_signature(&self, signature: &Signature) -> Result<(), Refusal> {
        let change = Change::ForgetSignature { text: self.signature_in_words(signature) };
        self.books.lock().keep(&[change])
    }
}
