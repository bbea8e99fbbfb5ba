//! Sets of bytes whose bits stand for something each: `syn`, `psh+ack`, `syn/syn+ack`.
//!
//! A name, or several with `+`, is the byte in which just these bits are set; `none` is 0. `A/B` is every byte in which of
//! the bits B just A are set. Several of these stand apart by commas.

use super::{ByteSet, text::TermFault};

/// What the bits are called.
pub(super) struct Names {
    /// What one of them is.
    pub(super) what: &'static str,
    /// By bit.
    pub(super) names: &'static [&'static str; 8],
}

impl Names {
    /// A set of bytes in words.
    pub(super) fn write(&self, set: &ByteSet) -> String {
        if let Some((value, mask)) = masked(set) {
            return if mask == u8::MAX {
                self.byte(value)
            } else {
                format!("{}/{}", self.byte(value), self.byte(mask))
            };
        }
        let words: Vec<_> = set.iter().map(|byte| self.byte(byte)).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(",") }
    }

    /// And back.
    pub(super) fn read(&self, text: &str) -> Result<ByteSet, TermFault> {
        let mut bytes = Vec::new();
        for part in text.split(',') {
            let (value, mask) = match part.split_once('/') {
                Some((value, mask)) => (self.number(value)?, self.number(mask)?),
                None => (self.number(part)?, u8::MAX),
            };
            if value & !mask != 0 {
                let [bits, mask] = [value & !mask, mask].map(|byte| self.byte(byte));
                return Err(TermFault::NotAmong { bits, mask });
            }
            bytes.extend((0..=u8::MAX).filter(|byte| byte & mask == value));
        }
        Ok(bytes.into_iter().collect())
    }

    fn byte(&self, byte: u8) -> String {
        let names: Vec<_> = self
            .names
            .iter()
            .enumerate()
            .filter(|(bit, _)| byte >> bit & 1 != 0)
            .map(|(_, name)| *name)
            .collect();
        if names.is_empty() { "none".to_owned() } else { names.join("+") }
    }

    /// That no bit is called so.
    pub(super) fn unknown(&self, name: &str) -> TermFault {
        TermFault::NoBit { what: self.what, name: name.to_owned(), names: self.names }
    }

    fn number(&self, text: &str) -> Result<u8, TermFault> {
        if text == "none" {
            return Ok(0);
        }
        text.split('+').try_fold(0, |byte, name| match self.names.iter().position(|known| *known == name) {
            Some(bit) => Ok(byte | 1 << bit),
            None => Err(self.unknown(name)),
        })
    }
}

/// The value and the mask that a set stands for, if there are such: all bytes in which of the mask's bits just those of
/// the value are set.
fn masked(set: &ByteSet) -> Option<(u8, u8)> {
    let all = set.iter().fold(u8::MAX, |all, byte| all & byte);
    let any = set.iter().fold(0, |any, byte| any | byte);
    let free = all ^ any;
    (!set.is_empty() && set.len() == 1 << free.count_ones()).then_some((all, !free))
}
