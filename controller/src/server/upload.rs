//! Lists on their way in: as many at once, and as many bytes of them, as memory bears.
//!
//! A list is held whole until it is read, as nothing of it may come into force if its end is missing. So of lists that are
//! longer than [`SMALL_UPLOAD`] there is one at a time, and the others wait for it; one that stalls is given up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use futures_util::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    answer::Refused,
    bounds::{Bounds, MAX_LIST, SMALL_UPLOAD},
};

/// Who may send a list, and who may have one read.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    bounds: Bounds,
    places: Arc<Semaphore>,
    large: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

/// A list as it was sent, and the room that it takes up.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    reading: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
    large: Option<OwnedSemaphorePermit>,
}

impl Uploads {
    pub(super) fn new(bounds: Bounds) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { bounds, places: semaphore(bounds.uploads), large: semaphore(1), reading: semaphore(1) }
    }

    /// Takes a list in.
    ///
    /// # Errors
    ///
    /// If there are too many at the moment, it is too long, or it does not come.
    pub(super) async fn receive(&self, body: Body) -> Result<Received, Refused> {
        let Bounds { uploads, upload_pause: pause, upload: most, room, .. } = self.bounds;
        let began = Instant::now();
        let place = within(room, Arc::clone(&self.places).acquire_owned()).await.ok_or_else(|| {
            Refused::busy(format!(
                "{uploads} lists are being imported at the moment, the most there may be; try again"
            ))
        })?;
        let mut received =
            Received { bytes: Vec::new(), reading: Arc::clone(&self.reading), _place: place, large: None };
        let mut pieces = body.into_data_stream();
        loop {
            let left = most.saturating_sub(began.elapsed());
            let piece = match timeout(pause.min(left), pieces.next()).await {
                Ok(None) => return Ok(received),
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => {
                    return Err(Refused::invalid(format!("the list breaks off: {error}")));
                }
                Err(_) if left < pause => {
                    return Err(Refused::invalid(format!(
                        "the list has not come within {} s; put it into a file first, and import that",
                        most.as_secs()
                    )));
                }
                Err(_) => {
                    return Err(Refused::invalid(format!(
                        "nothing has come of the list for {} s; put it into a file first, and import that",
                        pause.as_secs()
                    )));
                }
            };
            let length = received.bytes.len() + piece.len();
            if length > MAX_LIST {
                return Err(Refused::invalid(format!(
                    "the list is longer than {} MiB, the most that is taken; split it",
                    MAX_LIST >> 20
                )));
            }
            if length > SMALL_UPLOAD && received.large.is_none() {
                received.large = within(pause, Arc::clone(&self.large).acquire_owned()).await;
                if received.large.is_none() {
                    return Err(Refused::busy(format!(
                        "another list of more than {} MiB is being imported; try again once it is done",
                        SMALL_UPLOAD >> 20
                    )));
                }
            }
            received.bytes.extend_from_slice(&piece);
        }
    }
}

impl Received {
    /// Resolves once it is this list's turn to be read: it is no other's until what comes of this is dropped.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reading).acquire_owned().await.ok()
    }
}

async fn within<T, E>(patience: Duration, work: impl Future<Output = Result<T, E>>) -> Option<T> {
    timeout(patience, work).await.ok()?.ok()
}
