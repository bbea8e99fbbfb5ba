//! A page of floodwall for a browser: what is going on, and what can be done about it.
//!
//! The page (`page/`, plain files that are put into the binary, `assets`) asks what the command line asks: the control socket's
//! API, which [`router`] lets those through to who may ([`Gate`]: whom they have asked, from which page, and with which
//! [`Token`]). What changes comes by server-sent events (`live`). [`serve`] answers browsers where a
//! [`Listener`](floodwall_listen::Listener) stands.
//!
//! This crate knows nothing of the filter: the API is handed to it as a router.

mod assets;
mod gate;
mod live;
mod router;
mod serve;
mod token;

pub use gate::Gate;
pub use router::router;
pub use serve::serve;
pub use token::{Token, TokenError};
