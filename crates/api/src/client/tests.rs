//! The client against servers that behave, and others.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::io::AsyncRead;

use super::{
    fake::{Server, chunks, response},
    *,
};
use crate::FailureKind;

/// Answers with `answer` once it has read what ends in `until`.
fn server(until: &'static str, answer: impl Into<Vec<u8>>) -> Server {
    let answer = answer.into();
    Server::start(move |request| request.ends_with(until.as_bytes()), move |_| answer.clone())
}

async fn get(socket: &Path) -> Result<Value, ClientError> {
    Client::new(socket).with_patience(Duration::from_millis(300)).get("/v1/status").await
}

async fn why(socket: &Path) -> String {
    get(socket).await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_answer() {
    let server = server("\r\n\r\n", response("200 OK", r#"{"a":1}"#));
    assert_eq!(get(&server.socket).await.unwrap(), json!({"a": 1}));
    let request = server.requests.recv().unwrap();
    assert!(request.starts_with("GET /v1/status HTTP/1.1\r\nhost: floodwall\r\n"), "{request}");
}

#[tokio::test]
async fn a_command_carries_json() {
    let server = server("}", response("200 OK", "[]"));
    let answer: Value =
        Client::new(&server.socket).put("/v1/bypass", &json!({"seconds": null})).await.unwrap();
    assert_eq!(answer, json!([]));
    let request = server.requests.recv().unwrap();
    assert!(
        request.starts_with("PUT /v1/bypass ") && request.ends_with("\r\n\r\n{\"seconds\":null}"),
        "{request}"
    );
}

#[tokio::test]
async fn nobody_there_says_how_to_start() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let error = get(&socket).await.unwrap_err();
    assert!(error.is_nobody_there());
    assert_eq!(
        error.to_string(),
        format!(
            "is floodwall running? There is no socket {}; start it with `floodwall run --iface IF`, or name its \
             socket with --socket or FLOODWALL_SOCKET",
            socket.display()
        )
    );

    drop(UnixListener::bind(&socket).unwrap());
    let error = get(&socket).await.unwrap_err();
    assert!(error.is_nobody_there());
    assert!(error.to_string().starts_with("is floodwall running? Nobody answers on "), "{error}");

    let too_long = directory.path().join("x".repeat(120));
    assert!(why(&too_long).await.starts_with("connecting to "));
}

#[tokio::test]
async fn no_permission_says_whom_to_be() {
    let server = server("\r\n\r\n", response("200 OK", "{}"));
    fs::set_permissions(&server.socket, fs::Permissions::from_mode(0o000)).unwrap();
    match get(&server.socket).await {
        // Root may do it all the same.
        Ok(_) => {}
        Err(error) => {
            assert!(matches!(error, ClientError::Denied(_)));
            assert!(error.to_string().contains("run this as root"), "{error}");
        }
    }
    let error = ClientError::Denied("/run/s".into()).to_string();
    assert_eq!(error, "no permission to use /run/s; run this as root, or as a member of the socket's group");
}

#[tokio::test]
async fn a_refusal_is_typed() {
    let body = r#"{"kind":"refused","message":"would cut off 192.0.2.1"}"#;
    let server = server("\r\n\r\n", response("409 Conflict", body));
    match get(&server.socket).await {
        Err(ClientError::Failed(failure)) => {
            assert_eq!(
                (failure.kind, failure.message.as_str()),
                (FailureKind::Refused, "would cut off 192.0.2.1")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_floodwall_is_told() {
    let strange = server("\r\n\r\n", response("502 Bad Gateway", "<html>\x1b[2J"));
    let error = why(&strange.socket).await;
    assert!(error.contains("502 Bad Gateway: <html>\\x1b[2J"), "{error}");
    let strange = server("\r\n\r\n", response("200 OK", "{\"a\":"));
    assert!(why(&strange.socket).await.contains("are their versions the same?"));
    let strange = server("\r\n\r\n", "SSH-2.0\r\n");
    assert!(why(&strange.socket).await.starts_with("floodwall hung up before it had answered"));
    let large = server("\r\n\r\n", response("413 Payload Too Large", "length limit exceeded"));
    assert!(why(&large.socket).await.starts_with("too much for one request"));
}

#[tokio::test]
async fn a_daemon_that_hangs_up_or_hangs() {
    let gone = server("\r\n\r\n", "");
    assert!(why(&gone.socket).await.starts_with("floodwall hung up before it had answered"));
    let half = server("\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
    assert!(why(&half.socket).await.starts_with("floodwall hung up before it had answered"));
    let silent = server("never", "");
    let error = get(&silent.socket).await.unwrap_err();
    assert!(matches!(error, ClientError::Silent(_)), "{error}");
}

#[tokio::test]
async fn lines_come_as_they_are_cut() {
    let server = server("\r\n\r\n", chunks(&["1\n\n2", "3\n[", "]\n", "4\n"], true));
    let mut lines: Lines<Value> = Client::new(&server.socket).lines("/v1/events").await.unwrap();
    let mut values = Vec::new();
    while let Some(value) = lines.next().await.unwrap() {
        values.push(value);
    }
    assert_eq!(values, [json!(1), json!(23), json!([]), json!(4)]);
}

#[tokio::test]
async fn lines_that_break_off_are_an_error() {
    for answer in [chunks(&["1\n2"], true), chunks(&["1\n2\n"], false), chunks(&["1\n", "x\n"], true)] {
        let server = server("\r\n\r\n", answer);
        let mut lines: Lines<u8> = Client::new(&server.socket).lines("/v1/events").await.unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(1));
        let error = loop {
            match lines.next().await {
                Ok(Some(2)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ClientError::Lost(_) | ClientError::Foreign(_)), "{error}");
    }
}

async fn upload(
    socket: &Path,
    body: impl AsyncRead + Send + 'static,
) -> (Result<Option<Value>, ClientError>, u64) {
    let (sender, told) = mpsc::channel();
    let upload = Upload::new(body, move |sent| sender.send(sent).unwrap());
    let answer = async {
        let mut lines: Lines<Value> = Client::new(socket).upload("/v1/block/import?name=x", upload).await?;
        lines.next().await
    }
    .await;
    (answer, told.try_iter().last().unwrap_or(0))
}

#[tokio::test]
async fn an_upload_is_sent_in_pieces_and_counted() {
    let server = server("0\r\n\r\n", chunks(&["{\"done\":1}\n"], true));
    let body = vec![b'x'; 1_000_000];
    let (answer, sent) = upload(&server.socket, io::Cursor::new(body)).await;
    assert_eq!(answer.unwrap(), Some(json!({"done": 1})));
    assert_eq!(sent, 1_000_000);
    let request = server.requests.recv().unwrap();
    assert_eq!(request.matches('x').count(), 1_000_000 + "x HTTP".matches('x').count());
}

/// Gives some bytes, then fails.
struct Broken(bool);

impl AsyncRead for Broken {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(if std::mem::replace(&mut self.0, true) {
            Err(io::Error::other("unplugged"))
        } else {
            buffer.put_slice(b"192.0.2.1\n");
            Ok(())
        })
    }
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_says_so_and_is_never_whole() {
    let server = server("0\r\n\r\n", response("200 OK", ""));
    let (answer, _) = upload(&server.socket, Broken(false)).await;
    assert_eq!(answer.unwrap_err().to_string(), "reading the list: unplugged");
    let request = server.requests.recv().unwrap();
    assert!(!request.ends_with("0\r\n\r\n"), "the last chunk would make it a list");
}

#[tokio::test]
async fn a_refusal_before_the_upload_is_over_is_heard() {
    let body = r#"{"kind":"invalid","message":"no"}"#;
    let server = server("\r\n\r\n", response("400 Bad Request", body));
    let (answer, _) = upload(&server.socket, io::Cursor::new(vec![b'x'; 50 << 20])).await;
    let error = answer.unwrap_err();
    assert!(matches!(&error, ClientError::Failed(failure) if failure.message == "no"), "{error:?}");
}
