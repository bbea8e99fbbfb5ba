//! Reads lists of the kernel's over netlink: of netfilter's (connections, chains), and of sockets.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

/// A list that takes longer to read is read as far as it goes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages begin at multiples of so many bytes (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;

/// As [`dump`], of netfilter.
pub(crate) fn netfilter(
    request: impl Into<NetfilterMessageInner>,
    mut take: impl FnMut(&NetfilterMessageInner) -> bool,
) -> io::Result<bool> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0);
    let request = NetfilterMessage::new(header, request.into());
    dump(NETLINK_NETFILTER, request, |entry| take(&entry.inner))
}

/// Sends a request for a list to a subsystem of netlink, and passes each entry to `take` until it returns `false`. Returns
/// whether the list was read to its end.
///
/// # Errors
///
/// If the kernel refuses the request, with its error number, or its answer cannot be understood.
pub(crate) fn dump<M>(subsystem: isize, request: M, mut take: impl FnMut(&M) -> bool) -> io::Result<bool>
where
    M: NetlinkSerializable + NetlinkDeserializable + Into<NetlinkPayload<M>>,
    M::Error: Error + Send + Sync + 'static,
{
    let mut socket = Socket::new(subsystem)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, request.into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let start = Instant::now();
    loop {
        let (answers, _) = socket.recv_from_full()?;
        let mut rest = &answers[..];
        while !rest.is_empty() {
            let answer = NetlinkMessage::<M>::deserialize(rest).map_err(io::Error::other)?;
            match answer.payload {
                // A list that could not be begun ends with the reason (`netlink_dump` in `net/netlink/af_netlink.c`).
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(io::Error::from_raw_os_error(-done.code));
                }
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) if error.raw_code() != 0 => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(entry) if !take(&entry) => return Ok(false),
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
