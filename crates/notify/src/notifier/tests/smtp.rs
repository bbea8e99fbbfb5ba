//! A server that takes one letter (RFC 5321).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    sync::mpsc::{self, Receiver},
    thread,
};

/// Starts it. `refuses` is what it answers to recipients in place of taking them.
pub(super) fn start(refuses: Option<&'static str>) -> (SocketAddr, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, came) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a client");
            let mut answers = &stream;
            let mut say = |line: &str| answers.write_all(format!("{line}\r\n").as_bytes()).expect("answered");
            say("220 sink.example.net ESMTP");
            let (mut lines, mut in_letter) = (Vec::new(), false);
            for line in BufReader::new(&stream).lines() {
                let line = line.expect("a line");
                let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
                match verb.as_str() {
                    "." if in_letter => {
                        in_letter = false;
                        say("250 taken");
                    }
                    _ if in_letter => {}
                    "EHLO" => say("250 sink.example.net"),
                    "RCPT" => say(refuses.unwrap_or("250 yes")),
                    "DATA" => {
                        in_letter = true;
                        say("354 go on");
                    }
                    "QUIT" => say("221 bye"),
                    _ => say("250 yes"),
                }
                lines.push(line);
            }
            // The test may be over.
            drop(tell.send(lines));
        }
    });
    (address, came)
}
