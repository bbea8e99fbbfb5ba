//! A receiver of webhooks that behaves as the tests want it to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long tests wait for what comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    /// It is answered with this status and these further headers.
    Answer(u16, &'static str),
    /// It is never answered.
    Hang,
    /// The connection is closed in the midst of the answer's head.
    CutOff,
}

/// A request that came.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) head: String,
    pub(super) body: String,
    pub(super) at: Instant,
}

impl Came {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// It ends with the test's process.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    came: Receiver<Came>,
}

impl Server {
    /// Treats the first request by the first behaviour, and all that come after the last one by that.
    pub(super) fn start(behaviours: &[Behaviour]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), behaviours)
    }

    /// As [`Self::start`], with a listener of another namespace.
    pub(super) fn on(listener: TcpListener, behaviours: &[Behaviour]) -> Self {
        let address = listener.local_addr().expect("an address");
        let (tell, came) = mpsc::channel();
        let behaviours: Arc<[Behaviour]> = behaviours.into();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let behaviour = behaviours[number.min(behaviours.len() - 1)];
                let tell = tell.clone();
                thread::spawn(move || serve(&stream.expect("a client"), behaviour, &tell));
            }
        });
        Self { address, came }
    }

    /// The next request.
    pub(super) fn next(&self) -> Came {
        self.came.recv_timeout(PATIENCE).expect("a request comes")
    }

    /// Whether nothing comes for a while.
    pub(super) fn is_quiet(&self, length: Duration) -> bool {
        self.came.recv_timeout(length).is_err()
    }
}

fn serve(stream: &TcpStream, behaviour: Behaviour, tell: &Sender<Came>) {
    let at = Instant::now();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).expect("a head") == 0 {
            return;
        }
    }
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    let body = String::from_utf8(body).expect("text");
    // The test may be over.
    drop(tell.send(Came { head, body: body.clone(), at }));
    let mut stream = stream;
    match behaviour {
        Behaviour::Answer(status, headers) => {
            // As some do, it repeats what it was sent.
            let answer =
                format!("HTTP/1.1 {status} As told\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
            drop(stream.write_all(answer.as_bytes()));
        }
        Behaviour::Hang => thread::sleep(Duration::from_secs(600)),
        Behaviour::CutOff => drop(stream.write_all(b"HTTP/1.1 20")),
    }
}
