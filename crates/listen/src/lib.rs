//! Where floodwall listens beside its control socket, for those who read metrics or look at the page: an address, or a
//! Unix socket. [`Listen`] is what the configuration says, [`Listener`] takes in those who ask, and a [`Connection`] is one of
//! them.

mod connection;
mod listener;

pub use connection::Connection;
pub use listener::{Listen, Listener, NotThere};
