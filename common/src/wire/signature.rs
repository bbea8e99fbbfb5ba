//! Signatures as bit vectors: for each field and each value a word, in which bit `n` says whether signature `n`
//! allows that value there. A packet matches the signatures whose bits are set in all of its fields' words
//! (Lakshman & Stiliadis, "High-speed policy-based packet forwarding using efficient multi-dimensional range
//! matching", SIGCOMM 1998): the cost is that of the fields, however many signatures there are.
//!
//! The words stand in one array, twice, so that a new set can be written beside the one in force:
//!
//! | words | what |
//! |---|---|
//! | 0 to 7 | a header: [`ENFORCED`], [`WATCHED`], [`FIELDS`], [`NEW_SOURCES`], [`ONCE`], [`REPEAT`], [`LAPSING`] |
//! | [`OCTETS`] | a page of 256 words for each [`ByteField`] |
//! | [`DIRECTORIES`] | for each [`WordField`] a page of 256 page numbers, by the value's high byte |
//! | [`PAGES`] | pages of 256 words, by the value's low byte |

use super::Word;
use crate::features::{ByteField, WordField};

/// Most signatures: bits of a word.
pub const MAX_SIGNATURES: u32 = 64;
/// Words of a page.
pub const PAGE_WORDS: u32 = 256;
/// Most pages of words for the fields of 16 bits.
pub const MAX_PAGES: u32 = 512;

/// Header word: signatures that drop.
pub const ENFORCED: u32 = 0;
/// Header word: signatures that only count.
pub const WATCHED: u32 = 1;
/// Header word: [`fields`] that any of the signatures looks at.
pub const FIELDS: u32 = 2;
/// Header word: signatures that spare known sources.
pub const NEW_SOURCES: u32 = 3;
/// Header word: signatures that drop a request for a TCP connection only once.
pub const ONCE: u32 = 4;
/// Header word: signatures that let whatever is no TCP segment pass once it is repeated.
pub const REPEAT: u32 = 5;
/// Header word: signatures that only count once the controller's [lease](super::Settings::lapsed) has lapsed.
pub const LAPSING: u32 = 6;
const HEADER_WORDS: u32 = 8;

/// First word of the pages of octets.
pub const OCTETS: u32 = HEADER_WORDS;
/// First word of the directories of the fields of 16 bits.
pub const DIRECTORIES: u32 = OCTETS + ByteField::COUNT as u32 * PAGE_WORDS;
/// First word of the pages that the directories name.
pub const PAGES: u32 = DIRECTORIES + WordField::COUNT as u32 * PAGE_WORDS;
/// Words of one half.
pub const HALF_WORDS: u32 = PAGES + MAX_PAGES * PAGE_WORDS;
/// One half. It is reached at once, and its words without further look-ups.
pub type Half = [Word; HALF_WORDS as usize];

/// Bits of the header word [`FIELDS`]: groups of fields that need not be read if no signature looks at them.
pub mod fields {
    /// Window, options, segment size, header length of TCP.
    pub const TCP: u64 = 1;
    /// The first eight bytes of the payload.
    pub const PAYLOAD: u64 = 1 << 1;
    /// The eight after those.
    pub const MORE_PAYLOAD: u64 = 1 << 2;
}
