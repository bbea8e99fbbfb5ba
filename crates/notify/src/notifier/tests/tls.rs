//! Receivers that are spoken to by TLS: who they are is held against certificates.

use std::{net::SocketAddr, process::Command};

use floodwall_lab::or_skip;
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpListener};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::*;

/// A certificate that nobody but its file vouches for, and its key.
pub(super) fn certificate(directory: &Path) -> Result<(PathBuf, PathBuf), String> {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=a receiver of the tests",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .map_err(|error| format!("openssl cannot be run: {error}"))?;
    match made.status.success() {
        true => Ok((certificate, key)),
        false => Err(format!("openssl makes no certificate: {}", String::from_utf8_lossy(&made.stderr))),
    }
}

/// Answers one request, if it comes to that.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut read = vec![0; 64 << 10];
        let mut length = 0;
        while !read[..length].ends_with(b"}") {
            length += stream.read(&mut read[length..]).await.expect("a request");
        }
        assert!(read.starts_with(b"POST /hook HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("answered");
        stream.shutdown().await.expect("closed");
    }
}

async fn server(certificate: &Path, key: &Path) -> SocketAddr {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).expect("a file").collect();
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a certificate and its key");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config))));
    address
}

#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_gets_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = or_skip!(certificate(directory.path()));
    let address = server(&certificate, &key).await;
    let hook = |name: &str, more: &str| {
        target(&format!("name = '{name}'\nkind = 'webhook'\nurl = 'https://{address}/hook'\n{more}"))
    };
    let vouched = format!("ca-file = '{}'", certificate.display());
    let notifier = start(vec![hook("strange", ""), hook("known", &vouched)]);
    let tested = notifier.test("known").await.expect("it is tested");
    assert!(tested.taken, "{tested:?}");
    let tested = notifier.test("strange").await.expect("it is tested");
    let is_refused =
        tested.text.contains("invalid peer certificate") || tested.text.contains("no certificate to hold");
    assert!(!tested.taken && is_refused, "{tested:?}");
}
