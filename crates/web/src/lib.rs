//! The web page: what is going on, and what can be done about it, in a browser.
//!
//! The page consists of plain files in `page/`, which are compiled into the binary (`assets`). It uses the same API as the
//! command line. [`router()`] puts the page in front of that API, and a [`Gate`] checks each request's host, origin and
//! [`Token`]. Updates arrive as server-sent events (`live`). [`serve()`] answers at a
//! [`Listener`](floodwall_listen::Listener).
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
