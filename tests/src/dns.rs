//! A name server, its clients, and who floods it.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use floodwall_lab::{
    flood::{Pattern, Target},
    frame::Frame,
    namespace::Namespace,
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The port of name servers.
pub const PORT: u16 = 53;
/// How long the server waits until it looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);
const HEADER: usize = 12;
/// The address that every name has but those below [`NOWHERE`].
pub const ANSWER: [u8; 4] = [203, 0, 113, 53];
/// The label of names that there are none below.
pub const NOWHERE: &str = "nowhere";

/// A question for the address of `name`.`zone`, with room for long answers (EDNS).
pub fn question(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// Where the question ends.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match *message.get(at)? {
            0 => return Some(at + 5).filter(|end| *end <= message.len()),
            length => at += 1 + usize::from(length),
        }
    }
}

/// The answer to a question.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = question.get(..question_end(question)?)?.to_vec();
    if bytes.windows(NOWHERE.len()).any(|part| part == NOWHERE.as_bytes()) {
        bytes[2..HEADER].copy_from_slice(&[0x85, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
        return Some(bytes);
    }
    bytes[2..HEADER].copy_from_slice(&[0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
    bytes.extend(ANSWER);
    Some(bytes)
}

/// A name server, over UDP and TCP. It ends when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    /// Serves at an address of a namespace.
    pub fn start(namespace: &Namespace, address: IpAddr) -> anyhow::Result<Self> {
        let at = SocketAddr::new(address, PORT);
        let (udp, tcp) = namespace
            .enter(|| -> io::Result<_> { Ok((UdpSocket::bind(at)?, TcpListener::bind(at)?)) })?
            .with_context(|| format!("serving at {at}"))?;
        udp.set_read_timeout(Some(TICK))?;
        tcp.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let (of_udp, of_tcp) = (Arc::clone(&over), Arc::clone(&over));
        let threads = vec![
            std::thread::spawn(move || serve_udp(&udp, &of_udp)),
            std::thread::spawn(move || serve_tcp(&tcp, &of_tcp)),
        ];
        Ok(Self { over, threads })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn serve_udp(socket: &UdpSocket, over: &AtomicBool) {
    let mut buffer = [0; 1_024];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(answer) = answer(&buffer[..length]) {
            // Nobody may be there.
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            // Its client may go as it likes.
            Ok((stream, _)) => drop(serve_connection(stream)),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn serve_connection(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    loop {
        let question = receive(&mut stream)?;
        let answer = answer(&question).ok_or(io::ErrorKind::InvalidData)?;
        send(&mut stream, &answer)?;
    }
}

fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn send(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(&[&(message.len() as u16).to_be_bytes()[..], message].concat())
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// At once.
    OverUdp,
    /// A truncated answer came, and then the whole one.
    OverTcp,
}

/// Asks as resolvers do: over UDP, and over TCP where the answer says that it did not fit.
///
/// # Errors
///
/// If no answer comes within `patience`, or one that is not right.
pub fn resolve(from: IpAddr, server: IpAddr, name: &str, patience: Duration) -> anyhow::Result<Answered> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_read_timeout(Some(patience))?;
    let to = SocketAddr::new(server, PORT);
    socket.connect(to)?;
    let id = socket.local_addr()?.port() ^ 0x5a5a;
    let question = question(id, name);
    socket.send(&question)?;
    let mut buffer = [0; 1_024];
    let length = socket.recv(&mut buffer).context("no answer over UDP")?;
    let first = &buffer[..length];
    anyhow::ensure!(length >= HEADER && first[..2] == question[..2], "an answer to something else");
    if first[2] & 2 == 0 {
        return is_whole(first, &question).map(|()| Answered::OverUdp);
    }
    anyhow::ensure!(length <= question.len(), "{length} bytes answer {}", question.len());
    let end = question_end(&question).context("a question")?;
    anyhow::ensure!(first[HEADER..] == question[HEADER..end], "it asks for something else: {first:02x?}");
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
    socket.connect_timeout(&SockAddr::from(to), patience).context("connecting")?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(patience))?;
    send(&mut stream, &question)?;
    is_whole(&receive(&mut stream).context("no answer over TCP")?, &question).map(|()| Answered::OverTcp)
}

fn is_whole(answer: &[u8], question: &[u8]) -> anyhow::Result<()> {
    // What the server understands may follow.
    let right =
        answer.get(..2) == question.get(..2) && answer.windows(ANSWER.len()).any(|part| part == ANSWER);
    anyhow::ensure!(right, "no such answer: {answer:02x?}");
    Ok(())
}

/// Questions of sources that are not there, for names that are asked for all the time, so that nothing tells them from those
/// of resolvers.
#[derive(Clone, Debug)]
pub struct ForgedQuestions {
    target: Target,
    turn: u32,
    names: Vec<String>,
}

impl ForgedQuestions {
    /// For these names, in turn.
    pub fn new(target: Target, names: Vec<String>) -> Self {
        Self { target, turn: 0, names }
    }
}

impl Pattern for ForgedQuestions {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        self.turn = self.turn.wrapping_add(1);
        let drawn = self.turn.wrapping_mul(2_654_435_761);
        let source = std::net::Ipv4Addr::from_bits(0xc612_0000 | drawn >> 15);
        let name = &self.names[self.turn as usize % self.names.len()];
        *frame = Frame::ipv4(source, self.target.address)
            .macs(self.target.source_mac, self.target.destination_mac)
            .ttl(64)
            .udp(1_024 + (drawn % 64_000) as u16, self.target.port)
            .payload(&question(drawn as u16, name))
            .build();
    }
}
