//! Reads lists of netfilter's (connections, chains) over netlink.

use std::{
    io,
    time::{Duration, Instant},
};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

/// A list that takes longer to read is read as far as it goes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages begin at multiples of so many bytes (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;

/// Sends a request for a list, and passes each entry to `take` until it returns `false`. Returns whether the list was read to
/// its end.
///
/// # Errors
///
/// If the kernel refuses the request, with its error number, or its answer cannot be understood.
pub(crate) fn dump(
    request: impl Into<NetfilterMessageInner>,
    mut take: impl FnMut(&NetfilterMessageInner) -> bool,
) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request =
        NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0), request.into());
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let start = Instant::now();
    loop {
        let (answers, _) = socket.recv_from_full()?;
        let mut rest = &answers[..];
        while !rest.is_empty() {
            let answer = <NetlinkMessage<NetfilterMessage>>::deserialize(rest).map_err(io::Error::other)?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) if error.raw_code() != 0 => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(entry) if !take(&entry.inner) => return Ok(false),
                _ => {}
            }
            let length = answer.header.length as usize;
            if length == 0 || length > rest.len() {
                let text = format!("an answer claims {length} bytes, and {} are left", rest.len());
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            rest = &rest[length.next_multiple_of(ALIGNMENT).min(rest.len())..];
        }
        if start.elapsed() > PATIENCE {
            return Ok(false);
        }
    }
}
