//! A listening socket of either kind.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    task::JoinSet,
};
use tracing::warn;

use crate::{
    address::ListenAddress,
    connection::Connection,
    unix_socket::{SocketError, SocketFile},
};

/// How long no client is accepted after the system has failed to accept one.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a listener could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("listening at {address}: {cause}; configure another address, or stop the program that uses this one")]
pub struct ListenError {
    address: ListenAddress,
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Tcp(#[source] io::Error),
    #[error(transparent)]
    Unix(SocketError),
}

/// Accepts clients.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Listener {
    /// Starts to listen at an address. A Unix socket that a dead process left behind is replaced.
    ///
    /// # Errors
    ///
    /// If the address is in use, or the system refuses it.
    pub async fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        let kind = match address {
            ListenAddress::Tcp(address) => {
                TcpListener::bind(address).await.map(Kind::Tcp).map_err(Cause::Tcp)
            }
            ListenAddress::Unix(path) => {
                let bound = SocketFile::bind(path).await;
                bound.map(|(listener, file)| Kind::Unix { listener, _file: file }).map_err(Cause::Unix)
            }
        };
        kind.map(Self).map_err(|cause| ListenError { address: address.clone(), cause })
    }

    /// The IP address and port that it is bound to, also where the system chose the port; `None` for a Unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    /// Serves each client in a task of its own, for as long as it is polled; dropping it ends the clients' tasks. At most
    /// `limit` clients are served at once: the connections of others are closed at once.
    pub async fn serve<S, F>(self, limit: usize, serve: S)
    where
        S: Fn(Connection) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(limit));
        let mut clients = JoinSet::new();
        loop {
            while clients.try_join_next().is_some() {}
            let connection = match self.accept().await {
                Ok(connection) => connection,
                Err(error) => {
                    warn!(%error, address = ?self.local_address(), "a client could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
            let client = serve(connection);
            clients.spawn(async move {
                client.await;
                drop(slot);
            });
        }
    }

    /// Waits for the next client.
    async fn accept(&self) -> io::Result<Connection> {
        match &self.0 {
            Kind::Tcp(listener) => listener.accept().await.map(|(stream, _)| Connection::Tcp(stream)),
            Kind::Unix { listener, .. } => {
                listener.accept().await.map(|(stream, _)| Connection::Unix(stream))
            }
        }
    }
}
