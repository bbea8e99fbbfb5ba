//! Whether addresses are translated in this network namespace.

use std::{fs, io};

use anyhow::{Context as _, bail};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    nftables::{ChainAttribute, ChainMessage, NfTablesMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

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
fn has_nat_chain() -> anyhow::Result<bool> {
    let mut socket = match Socket::new(NETLINK_NETFILTER) {
        Ok(socket) => socket,
        // A kernel without netfilter.
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let question = NfTablesMessage::GetChain(ChainMessage { attributes: Vec::new() });
    let question = NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0), question);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut found = false;
    loop {
        let (answers, _) = socket.recv_from_full()?;
        let mut rest = &answers[..];
        while !rest.is_empty() {
            let answer = <NetlinkMessage<NetfilterMessage>>::deserialize(rest)?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(found),
                // A kernel without nftables.
                NetlinkPayload::Error(error) if is_without(-error.raw_code()) => return Ok(false),
                NetlinkPayload::Error(error) => return Err(error.to_io().into()),
                NetlinkPayload::InnerMessage(chain) => found |= is_nat(&chain.inner),
                _ => {}
            }
            let length = answer.header.length as usize;
            if length == 0 || length > rest.len() {
                bail!("an answer of {length} bytes, and {} are there", rest.len());
            }
            rest = &rest[length..];
        }
    }
}

fn is_without(error: i32) -> bool {
    matches!(error, libc::EINVAL | libc::EOPNOTSUPP | libc::ENOENT)
}

fn is_nat(message: &NetfilterMessageInner) -> bool {
    let NetfilterMessageInner::NfTables(NfTablesMessage::NewChain(chain)) = message else { return false };
    chain.attributes.iter().any(|attribute| matches!(attribute, ChainAttribute::Type(kind) if kind == NAT))
}
