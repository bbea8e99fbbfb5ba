//! floodwall's page, for a browser of this machine: the site is in a namespace of its own, which no browser is in.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result};

/// Passes on to a Unix socket whatever comes for a port of this machine's loopback, for as long as the program runs;
/// returns the port.
pub(super) fn forward(to: &Path) -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on 127.0.0.1 for a browser")?;
    let port = listener.local_addr().context("asking for a port")?.port();
    let to = to.to_owned();
    thread::spawn(move || {
        for browser in listener.incoming().flatten() {
            // Whoever cannot be passed on is hung up on, and comes again.
            let _ = pass_on(browser, &to);
        }
    });
    Ok(port)
}

fn pass_on(browser: TcpStream, to: &PathBuf) -> io::Result<()> {
    let page = UnixStream::connect(to)?;
    let (mut asked, mut asking) = (browser.try_clone()?, page.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut asked, &mut asking);
        let _ = asking.shutdown(Shutdown::Write);
    });
    let (mut answered, mut answering) = (page, browser);
    thread::spawn(move || {
        let _ = io::copy(&mut answered, &mut answering);
        let _ = answering.shutdown(Shutdown::Both);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_a_browser_says_gets_there_and_back() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("web.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let port = forward(&socket).unwrap();
        let mut browser = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        browser.write_all(b"hello").unwrap();
        let (mut page, _) = listener.accept().unwrap();
        let mut said = [0; 5];
        page.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"hello");
        page.write_all(b"there").unwrap();
        drop(page);
        let mut answer = String::new();
        browser.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "there");
    }
}
