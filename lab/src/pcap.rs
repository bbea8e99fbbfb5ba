//! Captures, as the rest of floodwall reads and writes them.

pub use floodwall_capture::{CaptureError, LinkType, Reader, Record, Writer};
