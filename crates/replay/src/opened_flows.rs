//! Flows that the host itself opened, as the daemon would see them leave.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::IpAddr,
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use flate2::bufread::MultiGzDecoder;

/// First bytes of a gzip stream (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Longest line that is read, bytes.
const LONGEST_LINE: u64 = 1_024;
const COLUMNS: &str = "seconds,proto,local,local_port,remote,remote_port";

/// A flow that the host opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedFlow {
    /// When its first packet left: ns after the epoch (see [`Host`](super::host::Host)), or before it.
    pub after_epoch_ns: i64,
    /// IP protocol number.
    pub protocol: u8,
    /// The host's end.
    pub local: IpAddr,
    /// Its port; 0 where the protocol has none.
    pub local_port: u16,
    /// The other end.
    pub remote: IpAddr,
    /// Its port; 0 where the protocol has none.
    pub remote_port: u16,
}

/// Reads flows, a line each: `seconds,proto,local,local_port,remote,remote_port`, plain or gzipped. In order of
/// time.
///
/// # Errors
///
/// If the file cannot be read, or a line is not understood.
pub fn read(path: &Path) -> anyhow::Result<Vec<OpenedFlow>> {
    let told = || format!("flows {}", path.display());
    let file = File::open(path).with_context(told)?;
    parse(BufReader::new(file)).with_context(told)
}

fn parse(mut reader: impl BufRead) -> anyhow::Result<Vec<OpenedFlow>> {
    let gzip = reader.fill_buf()?.starts_with(&GZIP);
    let mut reader: Box<dyn BufRead + '_> =
        if gzip { Box::new(BufReader::new(MultiGzDecoder::new(reader))) } else { Box::new(reader) };
    let mut flows = Vec::new();
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let length = reader.by_ref().take(LONGEST_LINE).read_line(&mut line)?;
        if length == 0 {
            break;
        }
        ensure!((length as u64) < LONGEST_LINE, "line {number} is longer than any flow");
        let text = line.trim_end();
        if text.is_empty() || number == 1 && text.starts_with("seconds") {
            continue;
        }
        flows.push(flow(text).with_context(|| format!("line {number}"))?);
    }
    flows.sort_by_key(|flow| flow.after_epoch_ns);
    Ok(flows)
}

fn flow(line: &str) -> anyhow::Result<OpenedFlow> {
    let columns: Vec<&str> = line.split(',').map(str::trim).collect();
    let &[seconds, protocol, local, local_port, remote, remote_port] = &columns[..] else {
        bail!("`{line}` has not the columns {COLUMNS}");
    };
    let wrong = |what| format!("`{line}`: {what}");
    let seconds: f64 = seconds.parse().with_context(|| wrong("seconds"))?;
    ensure!(seconds.is_finite(), wrong("seconds"));
    let port = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<u16>() };
    Ok(OpenedFlow {
        after_epoch_ns: (seconds * 1e9) as i64,
        protocol: protocol.parse().with_context(|| wrong("proto is a number from 0 to 255"))?,
        local: local.parse().with_context(|| wrong("local is an address"))?,
        local_port: port(local_port).with_context(|| wrong("local_port"))?,
        remote: remote.parse().with_context(|| wrong("remote is an address"))?,
        remote_port: port(remote_port).with_context(|| wrong("remote_port"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_come_in_order_of_time() {
        let text = "seconds,proto,local,local_port,remote,remote_port\n\
                    2.5,17,192.0.2.10,41641,203.0.113.1,53\n\
                    -12.181,6,2001:db8::1,58395,2001:db8::2,22\n\
                    3,1,192.0.2.10,0,203.0.113.1,\n";
        let flows = parse(text.as_bytes()).unwrap();
        let times: Vec<_> = flows.iter().map(|flow| flow.after_epoch_ns).collect();
        assert_eq!(times, [-12_181_000_000, 2_500_000_000, 3_000_000_000]);
        assert_eq!((flows[0].protocol, flows[0].local_port, flows[0].remote_port), (6, 58395, 22));
        assert_eq!((flows[2].protocol, flows[2].remote_port), (1, 0));
    }

    #[test]
    fn mistakes_name_the_line() {
        for (text, expected) in [
            ("1,6,192.0.2.10,1,203.0.113.1", "line 1: `1,6,"),
            ("\nx,6,192.0.2.10,1,203.0.113.1,2", "line 2"),
            ("1,600,192.0.2.10,1,203.0.113.1,2", "from 0 to 255"),
            ("1,6,host,1,203.0.113.1,2", "local is an address"),
            ("inf,6,192.0.2.10,1,203.0.113.1,2", "seconds"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(parse(&[b'1'; 5000][..]).is_err());
    }
}
