//! A connection to the control socket.

use std::{io, path::Path};

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{ClientError, request::RequestBody};

/// Name of the socket beside the control socket whose clients may only look.
const READ_ONLY_SOCKET: &str = "read-only.sock";

/// Connects. The connection lives until its one response was read or given up.
pub(super) async fn connect(path: &Path) -> Result<SendRequest<RequestBody>, ClientError> {
    let stream = match UnixStream::connect(path).await {
        // Who may not do everything may still be allowed to look.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            UnixStream::connect(path.with_file_name(READ_ONLY_SOCKET)).await.map_err(|_| error)
        }
        outcome => outcome,
    };
    let stream = stream.map_err(|error| explain(path, error))?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::Lost(error.to_string()))?;
    // What goes wrong on the connection shows in the response as well.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Whether requests for this socket are taken to the one whose clients may only look.
pub(super) async fn is_read_only(path: &Path) -> bool {
    if path.file_name().is_some_and(|name| name == READ_ONLY_SOCKET) {
        return true;
    }
    UnixStream::connect(path).await.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn explain(path: &Path, error: io::Error) -> ClientError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => ClientError::NoSocket(path),
        io::ErrorKind::ConnectionRefused => ClientError::NobodyAnswers(path),
        io::ErrorKind::PermissionDenied => ClientError::Denied(path),
        io::ErrorKind::WouldBlock => ClientError::Busy(path),
        _ => ClientError::Connect { path, error },
    }
}
