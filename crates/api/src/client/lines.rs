//! Answers of many lines of JSON.

use std::marker::PhantomData;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::ClientError;

/// Longest line that is taken, bytes. The longest that floodwall sends is a report with a hundred refused
/// lines.
const MAX_LINE: usize = 4 << 20;

/// An answer of many lines, one value each, as they come.
#[derive(Debug)]
pub struct Lines<T> {
    body: Incoming,
    /// What came and was not given yet; a line's start stands at `at`.
    buffer: Vec<u8>,
    at: usize,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, buffer: Vec::new(), at: 0, value: PhantomData }
    }

    /// The next value; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the connection broke, or what came is no such value.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            while let Some(end) = memchr::memchr(b'\n', &self.buffer[self.at..]) {
                let line = self.buffer[self.at..self.at + end].trim_ascii();
                self.at += end + 1;
                if !line.is_empty() {
                    return value(line).map(Some);
                }
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            if self.buffer.len() > MAX_LINE {
                return Err(ClientError::Foreign(format!("a line of more than {MAX_LINE} bytes")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(error)) => return Err(ClientError::Lost(error.to_string())),
                None if self.buffer.trim_ascii().is_empty() => return Ok(None),
                None => return Err(ClientError::Lost("in the middle of a line".to_owned())),
            }
        }
    }
}

fn value<T: DeserializeOwned>(line: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(line).map_err(|error| ClientError::Foreign(error.to_string()))
}
