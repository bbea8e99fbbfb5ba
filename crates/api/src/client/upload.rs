//! A request's body that is read while it is sent.

use std::{
    fmt, io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that are read at once.
const PIECE: usize = 128 << 10;

/// A body that is read while it is sent, and tells how far it has come.
pub struct Upload {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    buffer: Box<[u8]>,
    sent: u64,
    progress: Box<dyn FnMut(u64) + Send>,
    fault: Fault,
}

/// Where an upload leaves the error that ended it.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<Mutex<Option<io::Error>>>);

impl Upload {
    /// A body of everything that `reader` gives. `progress` is told how many bytes were read so far.
    pub fn new(reader: impl AsyncRead + Send + 'static, progress: impl FnMut(u64) + Send + 'static) -> Self {
        Self {
            reader: Box::pin(reader),
            buffer: vec![0; PIECE].into(),
            sent: 0,
            progress: Box::new(progress),
            fault: Fault::default(),
        }
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault.clone()
    }
}

impl Fault {
    /// The error that ended the upload, if one did.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().take()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut buffer = mem::take(&mut self.buffer);
        let mut filled = ReadBuf::new(&mut buffer);
        let polled = self.reader.as_mut().poll_read(context, &mut filled);
        let piece = Bytes::copy_from_slice(filled.filled());
        self.buffer = buffer;
        Poll::Ready(match ready!(polled) {
            Ok(()) if piece.is_empty() => None,
            Ok(()) => {
                self.sent += piece.len() as u64;
                let sent = self.sent;
                (self.progress)(sent);
                Some(Ok(Frame::data(piece)))
            }
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                *self.fault.0.lock() = Some(error);
                Some(Err(told))
            }
        })
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upload").field("sent", &self.sent).finish_non_exhaustive()
    }
}
