//! A real attack again, aimed at the lab's host.

use std::path::Path;

use anyhow::{Result, ensure};

use super::Pattern;
use crate::frame::Rewrite;
use crate::pcap::Reader;

/// Frames of a capture over and over, in their order.
#[derive(Clone, Debug)]
pub struct Replay {
    frames: Vec<Vec<u8>>,
    next: usize,
}

impl Replay {
    /// Loads at most `limit` frames of a capture, rewritten to the target. Frames longer than
    /// `longest` bytes (the cable's MTU and 14) are left out, as are those for nobody there.
    ///
    /// # Errors
    /// When the capture cannot be read, or nothing of it is left.
    pub fn load(path: impl AsRef<Path>, to: &Rewrite, limit: usize, longest: usize) -> Result<Self> {
        let path = path.as_ref();
        let mut frames = Vec::new();
        for record in Reader::open(path)?.records() {
            if frames.len() == limit {
                break;
            }
            frames.extend(to.apply(&record?).filter(|frame| frame.len() <= longest));
        }
        ensure!(!frames.is_empty(), "capture {} holds no IP packet that can be sent", path.display());
        Ok(Self { frames, next: 0 })
    }

    /// The frames of one round.
    #[must_use]
    pub fn round(&self) -> &[Vec<u8>] {
        &self.frames
    }
}

impl Pattern for Replay {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        if let Some(next) = self.frames.get(self.next) {
            frame.clone_from(next);
        }
        self.next = (self.next + 1) % self.frames.len().max(1);
    }
}
