//! Who is connected: so many at once, and of those that ask nothing none that keeps out one that does.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Who has just connected, or has just been answered, is given so long before it has to make room: what it asks is on its
/// way.
const YOUNG: Duration = Duration::from_millis(100);
/// How often it is looked whether somebody can make room.
const LOOK: Duration = Duration::from_millis(20);

/// All who are connected.
#[derive(Debug)]
pub(super) struct Connections {
    room: Arc<Semaphore>,
    numbers: AtomicU64,
    clients: Mutex<BTreeMap<u64, Arc<Client>>>,
}

/// One who is connected.
#[derive(Debug)]
struct Client {
    /// Requests that are answered at the moment.
    busy: AtomicUsize,
    idle_since: Mutex<Instant>,
    let_go: Notify,
}

/// A place among those who are connected, until this is dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    client: Arc<Client>,
    _room: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(most)),
            numbers: AtomicU64::new(0),
            clients: Mutex::default(),
        })
    }

    /// A place, for which whoever has asked nothing for the longest time is let go of. `None`: all are answered at the
    /// moment, and went on to be for as long as this was to wait.
    pub(super) async fn place(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let deadline = Instant::now() + patience;
        loop {
            if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                let client = Arc::new(Client {
                    busy: AtomicUsize::new(0),
                    idle_since: Mutex::new(Instant::now()),
                    let_go: Notify::new(),
                });
                self.clients.lock().insert(number, Arc::clone(&client));
                return Some(Place { connections: Arc::clone(self), number, client, _room: room });
            }
            self.let_go_of_one();
            let left = deadline.checked_duration_since(Instant::now())?;
            if let Ok(room) = tokio::time::timeout(LOOK.min(left), self.room.acquire()).await {
                // It is taken above.
                drop(room);
            }
        }
    }

    /// Lets go of whoever has asked nothing for the longest time, if there is one.
    pub(super) fn let_go_of_one(&self) {
        let mut clients = self.clients.lock();
        let idle = clients.iter().filter(|(_, client)| client.busy.load(Ordering::Acquire) == 0);
        let longest = idle.map(|(number, client)| (*client.idle_since.lock(), *number)).min();
        if let Some((since, number)) = longest
            && since.elapsed() >= YOUNG
            && let Some(client) = clients.remove(&number)
        {
            client.let_go.notify_one();
        }
    }
}

impl Place {
    /// Resolves once this one has to make room, as it asks nothing.
    pub(super) async fn let_go(&self) {
        loop {
            self.client.let_go.notified().await;
            if self.client.busy.load(Ordering::Acquire) == 0 {
                return;
            }
            // It has asked in the last moment.
            self.connections.clients.lock().insert(self.number, Arc::clone(&self.client));
        }
    }

    /// Says that a request is answered, until what comes of this is dropped.
    pub(super) fn answers(&self) -> Answering {
        self.client.busy.fetch_add(1, Ordering::AcqRel);
        Answering(Arc::clone(&self.client))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.clients.lock().remove(&self.number);
    }
}

/// A request that is answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Client>);

impl Answering {
    /// An answer that goes on until all of it is sent.
    pub(super) fn with(self, body: Body) -> Body {
        Body::new(Answer { body, _answering: self })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *self.0.idle_since.lock() = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Answer {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_nothing_makes_room_and_who_is_answered_does_not() {
        let connections = Connections::new(2);
        let wait = Duration::from_secs(5);
        let first = connections.place(wait).await.unwrap();
        let second = connections.place(wait).await.unwrap();
        let asked = first.answers();
        let (third, ()) = tokio::join!(connections.place(wait), async move {
            second.let_go().await;
            drop(second);
        });
        let third = third.expect("the second one asks nothing");
        let also_asked = third.answers();
        assert!(connections.place(3 * YOUNG).await.is_none(), "both are answered");
        drop(asked);
        let (fourth, ()) = tokio::join!(connections.place(wait), async move {
            first.let_go().await;
            drop(first);
        });
        assert!(fourth.is_some(), "the first one was answered");
        drop((also_asked, third, fourth));
        assert!(connections.clients.lock().is_empty());
    }
}
