//! Somebody who is logged in by SSH, as the kernel has it: a program of an SSH server's name holds a connection that was
//! accepted. That it is a shell in truth makes no difference to the kernel.

use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command},
};

use anyhow::Context as _;
use floodwall_lab::pair::INSIDE_V4;

use crate::protected::Protected;

/// Where the server listens.
const PORT: u16 = 2_222;

/// A connection from outside to an SSH server on a protected host.
pub struct Login {
    _listener: TcpListener,
    client: TcpStream,
    accepted: TcpStream,
    server: PathBuf,
}

impl Login {
    /// Connects.
    pub fn to(host: &Protected) -> anyhow::Result<Self> {
        let server = host.file("sshd");
        fs::copy("/bin/bash", &server).context("making a program of an SSH server's name")?;
        let address = SocketAddr::from((INSIDE_V4, PORT));
        let listener = host.lab.inside.namespace().enter(|| TcpListener::bind(address))??;
        let client = host.lab.outside.namespace().enter(|| TcpStream::connect(address))??;
        let (accepted, _) = listener.accept().context("accepting the login")?;
        Ok(Self { _listener: listener, client, accepted, server })
    }

    /// Where it comes from.
    pub fn from(&self) -> anyhow::Result<IpAddr> {
        Ok(self.client.local_addr().context("asking where a login comes from")?.ip())
    }

    /// Runs a command of the CLI as whoever is logged in; its exit code, and what it printed.
    pub fn run(&self, host: &Protected, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
        // The shell stays, above the command, as it has something to do after it.
        let mut command = self.server(host, "\"$@\"; exit $?")?;
        command.arg(host.binary()).args(arguments).env("FLOODWALL_SOCKET", host.socket());
        let output = command.output().context("running the CLI as somebody who is logged in")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
    }

    /// Begins a session that does nothing for a minute, as for somebody who has proven who they are.
    pub fn session(&self, host: &Protected) -> anyhow::Result<Child> {
        self.server(host, "setsid sleep 60; exit $?")?.spawn().context("beginning a session")
    }

    /// Has the server hold the connection while nobody has proven who they are.
    pub fn knock(&self, host: &Protected) -> anyhow::Result<Child> {
        self.server(host, "sleep 60; exit $?")?.spawn().context("beginning a login")
    }

    fn server(&self, host: &Protected, script: &str) -> anyhow::Result<Command> {
        let held = OwnedFd::from(self.accepted.try_clone().context("handing a connection over")?);
        let mut command = host.lab.inside.namespace().command(&self.server);
        command.args(["-c", script, "sshd"]).stdin(held);
        Ok(command)
    }
}
