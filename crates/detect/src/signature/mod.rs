//! Signatures: conjunctions of header fields that tell an attack's packets from others.
//!
//! A [`Signature`] allows a set of values in each of some fields; a packet matches it if all of its [`Features`] are
//! allowed. [`words`] says it in the terms of an operator and reads it back; [`image`] lays a set of them out for the
//! kernel program, which holds a packet against all of them at once; [`export`] says it in the terms of other tools;
//! [`naming`] calls services by their names; [`TooBroad`] says which are not to be enforced without an operator.

mod bits;
mod breadth;
pub mod export;
mod image;
pub mod naming;
mod text;
mod values;

pub use breadth::TooBroad;
pub use image::{Effect, Image, ImageError};
pub use text::ParseError;
pub use values::{ByteSet, Ranges};

use std::collections::BTreeMap;

use floodwall_common::features::Features;

/// Values allowed in some fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    /// By [`ByteField`](floodwall_common::features::ByteField), and the place of a byte of payload.
    pub octets: BTreeMap<usize, ByteSet>,
    /// By [`WordField`](floodwall_common::features::WordField).
    pub shorts: BTreeMap<usize, Ranges>,
    /// It spares sources that the kernel program knows.
    pub new_sources: bool,
}

impl Signature {
    /// Whether features are allowed by all fields.
    pub fn matches(&self, features: &Features) -> bool {
        self.octets.iter().all(|(&field, set)| set.contains(features.octets[field]))
            && self.shorts.iter().all(|(&field, ranges)| ranges.contains(features.shorts[field]))
    }

    /// Fields that it looks at.
    pub fn len(&self) -> usize {
        self.octets.len() + self.shorts.len()
    }

    /// Whether it looks at no field, and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
