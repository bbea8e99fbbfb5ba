//! Whether addresses are translated in this network namespace.

use std::{fs, io};

use anyhow::Context as _;
use netlink_packet_netfilter::{
    NetfilterMessageInner,
    nftables::{ChainAttribute, ChainMessage, NfTablesMessage},
};

use crate::dump;

/// The type of nftables' chains that translate addresses (nft(8)); iptables makes such chains as well.
const NAT: &str = "nat";
/// Tables of iptables' older half that the kernel holds in this namespace.
const LEGACY: [&str; 2] = ["/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"];

/// What translates addresses, if anything does.
///
/// # Errors
///
/// If that could not be read.
pub fn nat() -> anyhow::Result<Option<&'static str>> {
    for path in LEGACY {
        match fs::read_to_string(path) {
            Ok(tables) if tables.lines().any(|table| table == NAT) => return Ok(Some("iptables")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("reading {path}")),
        }
    }
    Ok(has_nat_chain().context("asking nftables for its chains")?.then_some("nftables"))
}

/// Whether nftables has a chain that translates addresses.
fn has_nat_chain() -> io::Result<bool> {
    let mut found = false;
    let request = NfTablesMessage::GetChain(ChainMessage { attributes: Vec::new() });
    let asked = dump::netfilter(request, |chain| {
        found |= is_nat(chain);
        !found
    });
    match asked {
        Ok(_) => Ok(found),
        Err(error) if is_without(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error says that the kernel has no netfilter, or no nftables.
fn is_without(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPROTONOSUPPORT | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOENT)
    )
}

fn is_nat(message: &NetfilterMessageInner) -> bool {
    let NetfilterMessageInner::NfTables(NfTablesMessage::NewChain(chain)) = message else { return false };
    chain.attributes.iter().any(|attribute| matches!(attribute, ChainAttribute::Type(kind) if kind == NAT))
}
