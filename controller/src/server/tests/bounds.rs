//! Clients that take more than their share: they get so much, and the others what they ask for.

use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    event::What,
    server::{Bounds, bounds::SMALL_UPLOAD},
};

/// A moment, for clients that are waited for.
const MOMENT: Duration = Duration::from_millis(300);

fn bounds() -> Bounds {
    Bounds { room: MOMENT, ..Bounds::default() }
}

async fn connect(served: &Served) -> UnixStream {
    UnixStream::connect(served.client.socket()).await.expect("the socket takes connections")
}

/// All that a client is sent until it is hung up on.
async fn said(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("it is hung up on");
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_clients_that_ask_nothing_keep_nobody_out() {
    let served = served_within(Bounds { connections: 8, ..bounds() });
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(connect(&served).await);
    }
    for _ in 0..20 {
        served.client.get::<Value>("/v1/status").await.expect("an answer");
    }
    let mut open = 0;
    for stream in &mut idle {
        let hung_up = timeout(Duration::from_millis(10), stream.read(&mut [0; 1])).await;
        open += usize::from(hung_up.is_err());
    }
    assert!(open <= 8, "{open} are connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_whom_there_is_no_room_is_told() {
    let served = served_within(Bounds { connections: 2, streams: 2, ..bounds() });
    let listening = [
        served.client.lines::<Value>("/v1/events").await.expect("a stream"),
        served.client.lines::<Value>("/v1/events").await.expect("a stream"),
    ];
    let refused = served.client.get::<Value>("/v1/status").await;
    let Err(ClientError::Failed(failure)) = refused else { panic!("{refused:?}") };
    assert_eq!(failure.kind, FailureKind::Busy);
    assert!(failure.message.contains("2 connections"), "{}", failure.message);
    drop(listening);
    // That they have hung up is seen at once.
    served.client.get::<Value>("/v1/status").await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_has_a_bound_of_its_own() {
    let served = served_within(Bounds { streams: 1, ..bounds() });
    let _first = served.client.lines::<Value>("/v1/events").await.expect("a stream");
    let refused = served.client.lines::<Value>("/v1/events").await;
    let Err(ClientError::Failed(failure)) = refused else { panic!("a second stream") };
    assert_eq!(failure.kind, FailureKind::Busy);
    served.client.get::<Value>("/v1/status").await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_a_moment_is_no_request() {
    let served = served_within(Bounds { head: 2 * MOMENT, body: 2 * MOMENT, ..bounds() });
    let slowly = async |first: &str| {
        let mut stream = connect(&served).await;
        stream.write_all(first.as_bytes()).await.expect("taken");
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            sleep(MOMENT / 3).await;
            if stream.write_all(b"x").await.is_err() {
                break;
            }
            if timeout(Duration::from_millis(1), stream.readable()).await.is_ok() {
                break;
            }
        }
        assert!(began.elapsed() < PATIENCE, "it is let go on");
        said(&mut stream).await
    };
    assert_eq!(slowly("GET /v1/status HTTP/1.1\r\nhost: x\r\nx: ").await, "", "what it asks is not known");
    let body = slowly("POST /v1/block/add HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n").await;
    assert!(body.starts_with("HTTP/1.1 400") && body.contains("has not come within"), "{body}");
    let mut idle = connect(&served).await;
    assert_eq!(said(&mut idle).await, "", "nor is nothing a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_stall_hold_little_and_are_given_up() {
    let wait = 5 * MOMENT;
    let served = served_within(Bounds { uploads: 2, upload_pause: wait, ..bounds() });
    let mut stalled = Vec::new();
    let piece = vec![b'\n'; SMALL_UPLOAD + 1];
    for _ in 0..6 {
        let mut stream = connect(&served).await;
        let head = "POST /v1/block/import?name=x HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("taken");
        let piece = piece.clone();
        stalled.push(tokio::spawn(async move {
            let _ = stream.write_all(&piece).await;
            said(&mut stream).await
        }));
    }
    sleep(MOMENT / 2).await;
    served.client.get::<Value>("/v1/status").await.expect("an answer");
    let list = Upload::new(tokio::io::repeat(b'\n').take(64 << 20), |_| ());
    let refused = served.client.upload::<Value>("/v1/block/import?name=late", list).await;
    assert_eq!(kind(refused.map(|_| ())), FailureKind::Busy, "told in the middle of the list");
    let mut busy = 0;
    for stream in stalled {
        let said = stream.await.expect("a client");
        let (refused, given_up) = (said.contains("\"busy\""), said.contains("nothing has come of the list"));
        assert!(refused || given_up, "{said}");
        busy += usize::from(refused);
    }
    assert!(busy >= 4, "{busy} of 6: two are taken in, and of those one for the time being");
    let list = Upload::new(&b"198.51.100.7\n"[..], |_| ());
    let mut lines = served.client.upload::<Value>("/v1/block/import?name=list", list).await.expect("room");
    let mut last = Value::Null;
    while let Some(line) = lines.next().await.expect("a line") {
        last = line;
    }
    assert_eq!(last["done"]["added"], 1, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_let_go_of() {
    let served = served_within(Bounds { streams: 1, unread: MOMENT, ..bounds() });
    let mut deaf = connect(&served).await;
    deaf.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("taken");
    let deadline = Instant::now() + PATIENCE;
    loop {
        for _ in 0..100 {
            served.bus.publish(What::Health { text: "x".repeat(1_000), loud: false });
        }
        sleep(MOMENT / 10).await;
        match served.client.lines::<Value>("/v1/events").await {
            Ok(_) => break,
            Err(ClientError::Failed(failure)) => assert_eq!(failure.kind, FailureKind::Busy),
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "it keeps its place");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_too_slowly_hears_that_its_stream_ends() {
    let served = served_within(bounds());
    let mut events = served.client.lines::<Value>("/v1/events").await.expect("a stream");
    // More than a reader may fall behind by, and than the socket holds.
    for _ in 0..20_000 {
        served.bus.publish(What::Health { text: "x".repeat(100), loud: false });
    }
    let mut last = Value::Null;
    while let Some(event) = timeout(PATIENCE, events.next()).await.expect("more").expect("a line") {
        last = event;
    }
    assert_eq!(last["kind"], "end", "{last}");
    assert!(last["text"].as_str().is_some_and(|text| text.contains("too slow for")), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_and_who_waits_for_an_answer_is_not_let_go_of_for_asking_nothing_more() {
    let served = served_within(Bounds { connections: 2, head: MOMENT, unread: MOMENT, ..bounds() });
    let mut events = served.client.lines::<Value>("/v1/events").await.expect("a stream");
    sleep(4 * MOMENT).await;
    // Others come and go, and somebody has to make room for them.
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(connect(&served).await);
        served.client.get::<Value>("/v1/status").await.expect("an answer");
    }
    served.bus.publish(What::Health { text: "heard".to_owned(), loud: false });
    let event = timeout(PATIENCE, events.next()).await.expect("told").expect("a line").expect("more");
    assert_eq!(event["text"], "heard");
}
