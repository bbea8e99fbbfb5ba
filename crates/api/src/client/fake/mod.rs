//! A server that answers as it is told, for tests.

mod overview;

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::mpsc,
    thread,
};

use tempfile::TempDir;

pub use overview::attacked;

/// A socket and what was asked on it; ends with the test's process.
pub struct Server {
    _directory: TempDir,
    /// Where it listens.
    pub socket: PathBuf,
    /// What was asked, as it came.
    pub requests: mpsc::Receiver<String>,
}

impl Server {
    /// Answers each connection once its request is `whole`.
    pub fn start(
        whole: impl Fn(&[u8]) -> bool + Send + 'static,
        answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the socket");
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                while !whole(&request) {
                    match stream.read(&mut buffer) {
                        Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let answer = answer(&request);
                _ = sender.send(request);
                _ = stream.write_all(&answer);
            }
        });
        Self { _directory: directory, socket, requests }
    }

    /// Answers each request, with its body, by what it starts with; anything else is not found.
    pub fn of_routes(routes: &[(&str, String)]) -> Self {
        let routes: Vec<_> =
            routes.iter().map(|(start, answer)| (start.to_string(), answer.clone())).collect();
        Self::start(is_whole, move |request| {
            match routes.iter().find(|(start, _)| request.starts_with(start)) {
                Some((_, answer)) => answer.clone().into(),
                None => response("404 Not Found", r#"{"kind":"not-found","message":"not there"}"#).into(),
            }
        })
    }

    /// The next request's first line and body.
    pub fn request(&self) -> (String, String) {
        let request = self.requests.try_recv().expect("nothing was asked");
        let (head, body) = request.split_once("\r\n\r\n").expect("no body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().expect("a length"))
}

/// A response of one piece.
pub fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A response in chunks; unless `ends`, the connection breaks after them.
pub fn chunks(pieces: &[&str], ends: bool) -> String {
    let mut text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    pieces.iter().for_each(|piece| text += &format!("{:x}\r\n{piece}\r\n", piece.len()));
    text + if ends { "0\r\n\r\n" } else { "" }
}
