//! A QUIC server that says again what it hears, and clients of it.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use floodwall_lab::namespace::Namespace;
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, ServerConfig, TokioRuntime,
    rustls::{
        RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};
use tokio::runtime::{Handle, Runtime};

/// The server's name in its certificate.
const NAME: &str = "world.test";
/// What is said.
const HELLO: &[u8] = b"hello";
/// A client that is not served by then has given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server and what its clients have to know; it ends with this.
pub(crate) struct Quic {
    runtime: Runtime,
    client: ClientConfig,
    server: SocketAddr,
}

/// What became of clients.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// How long each that was served had to wait, the shortest first.
    pub(crate) after: Vec<Duration>,
    /// Those that were not served.
    pub(crate) failed: usize,
}

impl Served {
    /// How many hundredths were served.
    pub(crate) fn percent(&self) -> usize {
        100 * self.after.len() / (self.after.len() + self.failed).max(1)
    }

    /// Within which time so many hundredths of those were served that were.
    pub(crate) fn within(&self, percent: usize) -> Duration {
        self.after.get((self.after.len() * percent / 100).saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl Quic {
    /// A server of a host's at this address; `directory` takes its certificate.
    ///
    /// # Errors
    ///
    /// If no certificate can be made, or the address is taken.
    pub(crate) fn serve(host: &Namespace, address: SocketAddr, directory: &Path) -> anyhow::Result<Self> {
        let (certificate, key) = certificate(directory)?;
        let runtime = Runtime::new()?;
        let config = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
        let endpoint = endpoint(runtime.handle(), host, address, Some(config))?;
        runtime.spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(async move { answer(incoming.await.ok()?).await });
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        Ok(Self { runtime, client: ClientConfig::with_root_certificates(Arc::new(roots))?, server: address })
    }

    /// A connection from an address of somebody's.
    ///
    /// # Errors
    ///
    /// If it is not made in time.
    pub(crate) fn connect(&self, who: &Namespace, from: Ipv4Addr) -> anyhow::Result<Talk> {
        let endpoint = endpoint(self.runtime.handle(), who, (from, 0).into(), None)?;
        let (config, server) = (self.client.clone(), self.server);
        let connecting = async { anyhow::Ok(endpoint.connect_with(config, server, NAME)?.await?) };
        let connection =
            self.runtime.block_on(async { tokio::time::timeout(PATIENCE, connecting).await })??;
        Ok(Talk { handle: self.runtime.handle().clone(), connection, _endpoint: endpoint })
    }

    /// So many clients, one after the other at this distance, from each of these addresses in turn; each is served once.
    ///
    /// # Errors
    ///
    /// If no client can be made.
    pub(crate) fn visits(
        &self,
        who: &Namespace,
        from: &[Ipv4Addr],
        clients: usize,
        distance: Duration,
    ) -> anyhow::Result<Served> {
        let mut visits = Vec::new();
        let start = Instant::now();
        for (number, from) in (0..clients as u32).zip(from.iter().cycle()) {
            let endpoint = endpoint(self.runtime.handle(), who, (*from, 0).into(), None)?;
            let (config, server) = (self.client.clone(), self.server);
            std::thread::sleep((distance * number).saturating_sub(start.elapsed()));
            let visit = async move {
                let start = Instant::now();
                let connection = endpoint.connect_with(config, server, NAME)?.await?;
                say(&connection).await?;
                connection.close(0_u8.into(), b"");
                anyhow::Ok(start.elapsed())
            };
            visits.push(self.runtime.spawn(async { tokio::time::timeout(PATIENCE, visit).await }));
        }
        let mut served = Served::default();
        for visit in visits {
            match self.runtime.block_on(visit) {
                Ok(Ok(Ok(after))) => served.after.push(after),
                Ok(_) | Err(_) => served.failed += 1,
            }
        }
        served.after.sort_unstable();
        Ok(served)
    }
}

/// A connection that stays open.
pub(crate) struct Talk {
    handle: Handle,
    connection: Connection,
    _endpoint: Endpoint,
}

impl Talk {
    /// Says something, and returns how long the answer took.
    ///
    /// # Errors
    ///
    /// If the connection is lost, or nothing is answered in time.
    pub(crate) fn say(&self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.handle.block_on(async { tokio::time::timeout(PATIENCE, say(&self.connection)).await })??;
        Ok(start.elapsed())
    }
}

async fn say(connection: &Connection) -> anyhow::Result<()> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(HELLO).await?;
    send.finish()?;
    let heard = receive.read_to_end(HELLO.len()).await?;
    ensure!(heard == HELLO, "{heard:?} was answered");
    Ok(())
}

/// Answers each stream of a connection with what came by it.
async fn answer(connection: Connection) -> Option<()> {
    loop {
        let (mut send, mut receive) = connection.accept_bi().await.ok()?;
        let heard = receive.read_to_end(HELLO.len()).await.ok()?;
        send.write_all(&heard).await.ok()?;
        send.finish().ok()?;
    }
}

fn endpoint(
    runtime: &Handle,
    who: &Namespace,
    address: SocketAddr,
    server: Option<ServerConfig>,
) -> anyhow::Result<Endpoint> {
    let socket = who.enter(|| UdpSocket::bind(address))?.with_context(|| format!("binding {address}"))?;
    let _entered = runtime.enter();
    Ok(Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))?)
}

/// A certificate for [`NAME`], and its key.
fn certificate(directory: &Path) -> anyhow::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let [config, key, certificate] =
        ["openssl.cnf", "key.pem", "certificate.pem"].map(|name| directory.join(name));
    let wanted = format!(
        "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n[name]\nCN = {NAME}\n\
         [extensions]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:{NAME}\n"
    );
    std::fs::write(&config, wanted)?;
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.args(["-days", "2", "-config"]).arg(&config);
    let output = command.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok((CertificateDer::from_pem_file(&certificate)?, PrivateKeyDer::from_pem_file(&key)?))
}
