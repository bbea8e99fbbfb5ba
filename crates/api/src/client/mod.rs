//! A client of the control socket.
//!
//! One connection a request: connecting to a Unix socket costs microseconds, and a request that fails leaves
//! nothing behind. [`Client`] sends; [`Lines`] are answers of many lines; [`Upload`] is a body that is too
//! long to hold; [`target()`] builds paths. [`ClientError`] says what to do when nobody answers.

mod connect;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod lines;
mod request;
mod target;
#[cfg(test)]
mod tests;
mod upload;

pub use error::ClientError;
pub use lines::Lines;
pub use request::Client;
pub use target::target;
pub use upload::Upload;
