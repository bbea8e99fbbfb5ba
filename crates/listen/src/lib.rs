//! Listening sockets other than the inherited ones: an IP address and port, or a Unix socket.
//!
//! [`ListenAddress`] is what the configuration says, [`Listener`] accepts clients there, and a [`Connection`] is one client.
//! [`SocketFile`] is the Unix socket's name in the file system, which the control socket uses as well.

mod address;
mod connection;
mod listener;
mod unix_socket;

pub use address::{AddressError, ListenAddress};
pub use connection::Connection;
pub use listener::{ListenError, Listener};
pub use unix_socket::{SocketError, SocketFile};
