//! The program that looks at what leaves as a filter of an interface's clsact queueing discipline (tc-bpf(8)): where the
//! kernel has no TCX, which came with Linux 6.6.
//!
//! Filters are asked in the order of their priorities, and ours has one that comes behind all that others are likely to
//! take. It is known by its handle, which differs by where this floodwall pins: what another tool has there, or another
//! floodwall, is neither replaced nor removed. A filter has no pin: it lives as long as its interface, or until somebody
//! deletes the queueing discipline. Which interfaces have one is noted in a directory beside the pins.

use std::{fs, io, mem, os::fd::BorrowedFd, path::Path};

use anyhow::{Context as _, anyhow, bail};
use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType,
    tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle},
};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::net::if_::if_indextoname;
use rtnetlink::packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcMessage},
};

use super::{pins::Pins, syscall};
use floodwall_host::Interface;

/// Behind all that others take: what names no priority gets one of 49,152 and below.
const PRIORITY: u16 = 65_520;
/// The name of the pin that the program is taken up by.
const NAME: &str = "floodwall_egress";
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)` of `include/uapi/linux/pkt_sched.h`.
const EGRESS: u32 = 0xffff_fff3;

/// A filter at the egress of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    priority: u16,
    handle: u32,
    kind: String,
}

/// The handle of the filters of whoever pins there: FNV-1a, of 32 bits, and never 0, which would have the kernel choose.
fn handle(pins: &Pins) -> u32 {
    let path = pins.root().as_os_str().as_encoded_bytes();
    let hash =
        path.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

/// Has the program look at what leaves by an interface, in place of that which an earlier daemon left there.
pub(super) fn put_on(pins: &Pins, program: BorrowedFd<'_>, interface: &Interface) -> anyhow::Result<()> {
    let name = &interface.name;
    let mut program = taken_up(pins, program).context("taking up the program that looks at what leaves")?;
    match tc::qdisc_add_clsact(name) {
        // Another tool has been here before, or we have.
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => {}
        added => added.map_err(|error| anyhow!(error)).with_context(|| {
            format!("{name} cannot be given a clsact queueing discipline (`tc qdisc add dev {name} clsact`)")
        })?,
    }
    let handle = TcHandle::from(handle(pins));
    let ours = SchedClassifierLink::attached(name, TcAttachType::Egress, PRIORITY, handle, None)
        .with_context(|| format!("asking for the interface {name}"))?;
    let attached = match program.attach_to_link(ours) {
        Err(ProgramError::TcError(TcError::NetlinkError(error))) if is_none(error.raw_os_error()) => {
            let options = NlOptions { priority: PRIORITY, handle, classid: None };
            program.attach_with_options(name, TcAttachType::Egress, TcAttachOptions::Netlink(options))
        }
        replaced => replaced,
    };
    let attached = attached.map_err(|error| anyhow!(error)).with_context(|| {
        format!("no filter can be put behind those at the egress of {name}, with priority {PRIORITY}")
    })?;
    // It is to stay when the daemon ends, as a pinned link does.
    mem::forget(program.take_link(attached).context("keeping the filter")?);
    let note = pins.filter(interface.index);
    fs::create_dir_all(&note).with_context(|| format!("noting the filter as {}", note.display()))
}

/// The program by a pin, which is gone again when this returns: a program is asked for by its number with CAP_SYS_ADMIN alone,
/// which the service does not have.
fn taken_up(pins: &Pins, program: BorrowedFd<'_>) -> anyhow::Result<SchedClassifier> {
    let path = pins.observers().join(NAME);
    // One that was killed in between has left it.
    drop(fs::remove_file(&path));
    syscall::pin(program, &path).with_context(|| format!("pinning it as {}", path.display()))?;
    let taken = SchedClassifier::from_pin(&path);
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    taken.with_context(|| format!("opening {}", path.display()))
}

/// Takes it off again.
pub(super) fn take_off(pins: &Pins, ifindex: u32) -> anyhow::Result<()> {
    // Of an interface that is gone, so is the filter.
    if let Ok(name) = if_indextoname(ifindex) {
        let name = name.to_string_lossy();
        let handle = TcHandle::from(handle(pins));
        let ours = SchedClassifierLink::attached(&name, TcAttachType::Egress, PRIORITY, handle, None);
        let ours = ours.with_context(|| format!("asking for the interface {name}"))?;
        match aya::programs::links::Link::detach(ours) {
            Err(ProgramError::NetlinkError(error)) if is_none(error.raw_os_error()) => {}
            detached => detached.map_err(|error| anyhow!(error)).with_context(|| {
                format!("taking the filter off the egress of {name}, with priority {PRIORITY}")
            })?,
        }
    }
    let note = pins.filter(ifindex);
    fs::remove_dir(&note).with_context(|| format!("removing {}", note.display()))
}

/// Whether the kernel says that there is no such filter, or none at all: with no queueing discipline it says `EINVAL`.
fn is_none(error: Option<i32>) -> bool {
    matches!(error, Some(libc::ENOENT | libc::EINVAL))
}

/// Whether ours is on an interface, as far as that can be told.
pub(super) fn is_on(pins: &Pins, ifindex: u32) -> bool {
    let handle = handle(pins);
    let is_ours = |filter: &Filter| filter.priority == PRIORITY && filter.handle == handle;
    // That the question fails says nothing about the interface.
    filters(ifindex).map_or(true, |all| all.iter().any(is_ours))
}

/// What is asked before ours, each as an operator would look for it.
pub(super) fn before(ifindex: u32) -> anyhow::Result<Vec<String>> {
    let mut all: Vec<_> = filters(ifindex)?.into_iter().filter(|filter| filter.priority < PRIORITY).collect();
    all.dedup_by_key(|filter| filter.priority);
    Ok(all
        .into_iter()
        .map(|Filter { priority, kind, .. }| format!("{kind} filter of priority {priority}"))
        .collect())
}

/// The filters at the egress of an interface, in the order in which they are asked.
fn filters(ifindex: u32) -> anyhow::Result<Vec<Filter>> {
    ask(ifindex).with_context(|| format!("asking for the filters at the egress of interface {ifindex}"))
}

fn ask(ifindex: u32) -> anyhow::Result<Vec<Filter>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut question = TcMessage::with_index(i32::try_from(ifindex)?);
    question.header.parent = EGRESS.into();
    let question = RouteNetlinkMessage::GetTrafficFilter(question);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut found = Vec::new();
    loop {
        let (answers, _) = socket.recv_from_full()?;
        let mut rest = &answers[..];
        while !rest.is_empty() {
            let answer = <NetlinkMessage<RouteNetlinkMessage>>::deserialize(rest)?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) if error.raw_code() != 0 => return Err(error.to_io().into()),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(filter)) => {
                    found.extend(read(&filter));
                }
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

/// What the kernel says of a filter; nothing of what stands for all of a priority.
fn read(message: &TcMessage) -> Option<Filter> {
    let kind = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    })?;
    let handle = u32::from(message.header.handle);
    let priority = (message.header.info >> 16) as u16;
    (handle != 0).then_some(Filter { priority, handle, kind })
}

/// Indices of the interfaces on which there is one, by this run or an earlier one.
pub(super) fn noted(pins: &Pins) -> Vec<u32> {
    let entries = fs::read_dir(pins.filters()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether one is noted for an interface.
pub(super) fn is_noted(pins: &Pins, ifindex: u32) -> bool {
    Path::is_dir(&pins.filter(ifindex))
}

/// Whether what the kernel answers to a request for TCX says that it has none.
pub(super) fn is_without_tcx(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_that_of_where_it_is_pinned() {
        let of = |path: &str| handle(&Pins::new(Path::new(path)));
        assert_eq!(of("/sys/fs/bpf/floodwall"), of("/sys/fs/bpf/floodwall"));
        assert_ne!(of("/sys/fs/bpf/floodwall"), of("/sys/fs/bpf/other"));
        assert_ne!(of(""), 0);
    }

    #[test]
    fn what_stands_for_all_of_a_priority_is_no_filter() {
        let mut message = TcMessage::default();
        message.header.info = 7 << 16 | 3;
        message.attributes = vec![TcAttribute::Kind("bpf".to_owned())];
        assert_eq!(read(&message), None);
        message.header.handle = 9.into();
        assert_eq!(read(&message), Some(Filter { priority: 7, handle: 9, kind: "bpf".to_owned() }));
    }
}
