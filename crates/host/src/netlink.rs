//! Interfaces, addresses and routes, from the kernel by rtnetlink.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, anyhow};
use floodwall_common::wire::families;
use futures_util::TryStreamExt as _;
use netlink_packet_core::DefaultNla;
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::{
        AddressFamily,
        address::AddressAttribute,
        link::{LinkAttribute, LinkInfo, LinkMessage, LinkXdp, Prop, XdpAttached},
        neighbour::NeighbourAttribute,
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
    },
};
use tokio::task::JoinHandle;

use super::{AttachedXdp, Interface};

/// `IFLA_ALT_IFNAME` in `include/uapi/linux/if_link.h`.
const ALT_IFNAME: u16 = 53;

/// The default routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaysOut {
    /// Their next hops.
    pub gateways: Vec<IpAddr>,
    /// Indices of the interfaces that they lead by.
    pub interfaces: BTreeSet<u32>,
    /// The [`families`] that routes lead by an interface to another router, or to all, by its index.
    pub families: BTreeMap<u32, u64>,
    /// How many there are of IPv4 and of IPv6, in all tables, each next hop counted.
    pub routes: [usize; 2],
}

/// A connection to the kernel's routing subsystem, in the network namespace it was opened in.
pub struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Netlink {
    /// Opens a connection. Must be called in a tokio runtime.
    pub fn open() -> anyhow::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().context("opening a netlink socket")?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    /// All interfaces.
    pub async fn interfaces(&self) -> anyhow::Result<Vec<Interface>> {
        let links: Vec<LinkMessage> =
            self.handle.link().get().execute().try_collect().await.context("listing interfaces")?;
        Ok(links.iter().filter_map(interface).collect())
    }

    /// The interface with this name, or alternative name; the error names those that there are.
    pub async fn interface(&self, name: &str) -> anyhow::Result<Interface> {
        match self.named(name).await? {
            Some(found) => Ok(found),
            None => {
                let all = self.interfaces().await?;
                let names: Vec<_> = all.iter().map(|interface| interface.name.as_str()).collect();
                Err(anyhow!("there is no interface {name}; there are {}", names.join(", ")))
            }
        }
    }

    /// The interface that a name, or an alternative name, stands for at this moment.
    pub async fn named(&self, name: &str) -> anyhow::Result<Option<Interface>> {
        let request = self.handle.link().get();
        let request = if name.len() < libc::IFNAMSIZ {
            request.match_name(name.to_owned())
        } else {
            // Too long for the attribute that holds a name; only an alternative one can be as long.
            let mut request = request.match_index(0);
            let bytes = [name.as_bytes(), b"\0"].concat();
            request.message_mut().attributes.push(LinkAttribute::Other(DefaultNla::new(ALT_IFNAME, bytes)));
            request
        };
        let mut links = request.execute();
        match links.try_next().await {
            Ok(link) => Ok(link.as_ref().and_then(interface)),
            Err(rtnetlink::Error::NetlinkError(error)) if -error.raw_code() == libc::ENODEV => Ok(None),
            Err(error) => Err(anyhow!(error).context(format!("asking for the interface {name}"))),
        }
    }

    /// The interface with an index, in this namespace.
    pub async fn indexed(&self, index: u32) -> anyhow::Result<Option<Interface>> {
        let mut links = self.handle.link().get().match_index(index).execute();
        match links.try_next().await {
            Ok(link) => Ok(link.as_ref().and_then(interface)),
            Err(rtnetlink::Error::NetlinkError(error)) if -error.raw_code() == libc::ENODEV => Ok(None),
            Err(error) => Err(anyhow!(error).context(format!("asking for interface {index}"))),
        }
    }

    /// By interface, link-layer addresses that it takes packets for beside others': what is built upon it, even in another
    /// namespace, has had its own added there (`ndo_dflt_fdb_dump` in `net/core/rtnetlink.c`).
    pub async fn taken_addresses(&self) -> anyhow::Result<Vec<(u32, Vec<u8>)>> {
        let mut taken = Vec::new();
        let mut messages = self.handle.neighbours().get().set_address_family(AddressFamily::Bridge).execute();
        while let Some(message) = messages.try_next().await.context("listing link-layer addresses")? {
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                NeighbourAttribute::LinkLayerAddress(address) => Some(address.clone()),
                _ => None,
            });
            taken.extend(address.map(|address| (message.header.ifindex, address)));
        }
        Ok(taken)
    }

    /// The host's own addresses, loopback included, and the indices of their interfaces.
    pub async fn addresses(&self) -> anyhow::Result<Vec<(u32, IpAddr)>> {
        let mut own = Vec::new();
        let mut messages = self.handle.address().get().execute();
        while let Some(message) = messages.try_next().await.context("listing the host's addresses")? {
            // Of a point-to-point link, `Address` is the other end and `Local` is ours.
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            });
            own.extend(local.or(address).map(|address| (message.header.index, address)));
        }
        Ok(own)
    }

    /// The default routes of both families.
    pub async fn ways_out(&self) -> anyhow::Result<WaysOut> {
        let mut out = WaysOut::default();
        let queries =
            [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        let families = [families::V4, families::V6];
        for ((query, number), family) in queries.into_iter().zip(&mut out.routes).zip(families) {
            let mut routes = self.handle.route().get(query).execute();
            while let Some(route) = routes.try_next().await.context("listing routes")? {
                if route.header.kind == RouteType::Unicast {
                    let mut routers = Vec::new();
                    next_hops(&route, &mut routers);
                    let is_default = route.header.destination_prefix_length == 0;
                    if is_default || !routers.is_empty() {
                        let mut by = BTreeSet::new();
                        leads_by(&route, &mut by);
                        by.into_iter().for_each(|index| *out.families.entry(index).or_default() |= family);
                    }
                    if is_default {
                        leads_by(&route, &mut out.interfaces);
                    }
                }
                if route.header.destination_prefix_length == 0 && route.header.kind == RouteType::Unicast {
                    next_hops(&route, &mut out.gateways);
                    *number += hops(&route);
                }
            }
        }
        out.gateways.sort();
        out.gateways.dedup();
        Ok(out)
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn interface(message: &LinkMessage) -> Option<Interface> {
    let mut found = Interface {
        index: message.header.index,
        link_type: message.header.link_layer_type.into(),
        ..Interface::default()
    };
    let mut elsewhere = false;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::PropList(properties) => {
                found.other_names.extend(properties.iter().filter_map(|property| match property {
                    Prop::AltIfName(name) => Some(name.clone()),
                    _ => None,
                }));
            }
            LinkAttribute::Mtu(mtu) => found.mtu = *mtu,
            LinkAttribute::Xdp(xdp) => {
                found.xdp = xdp.iter().find_map(attached);
                found.xdp_programs = xdp.iter().filter_map(program).collect();
            }
            LinkAttribute::Controller(index) => found.master = Some(*index).filter(|index| *index != 0),
            LinkAttribute::Link(index) => found.lower = Some(*index).filter(|index| *index != 0),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                found.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::Address(address) => found.address.clone_from(address),
            _ => {}
        }
    }
    // An index in another namespace says nothing here.
    found.lower = found.lower.filter(|_| !elsewhere);
    (!found.name.is_empty()).then_some(found)
}

fn attached(attribute: &LinkXdp) -> Option<AttachedXdp> {
    match attribute {
        LinkXdp::Attached(XdpAttached::Driver) => Some(AttachedXdp::Native),
        LinkXdp::Attached(XdpAttached::SocketBuffer) => Some(AttachedXdp::Generic),
        LinkXdp::Attached(XdpAttached::None) => None,
        LinkXdp::Attached(_) => Some(AttachedXdp::Other),
        _ => None,
    }
}

fn program(attribute: &LinkXdp) -> Option<u32> {
    match attribute {
        LinkXdp::ProgId(number) | LinkXdp::DrvProgId(number) | LinkXdp::SkbProgId(number) => Some(*number),
        _ => None,
    }
}

/// How many ways a route leads.
fn hops(route: &RouteMessage) -> usize {
    let paths = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops.len()),
        _ => None,
    });
    paths.unwrap_or(1)
}

/// Indices of the interfaces that a route leads by.
fn leads_by(route: &RouteMessage, interfaces: &mut BTreeSet<u32>) {
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => drop(interfaces.insert(*index)),
            RouteAttribute::MultiPath(hops) => interfaces.extend(hops.iter().map(|hop| hop.interface_index)),
            _ => {}
        }
    }
}

fn next_hops(route: &RouteMessage, gateways: &mut Vec<IpAddr>) {
    let mut add = |attribute: &RouteAttribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateways.push(IpAddr::V4(*address)),
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) => gateways.push(IpAddr::V6(*address)),
        // IPv4 by a gateway that has an IPv6 address (RFC 5549).
        RouteAttribute::Via(RouteVia::Inet6(address)) => gateways.push(IpAddr::V6(*address)),
        _ => {}
    };
    for attribute in &route.attributes {
        add(attribute);
        if let RouteAttribute::MultiPath(hops) = attribute {
            hops.iter().flat_map(|hop| &hop.attributes).for_each(&mut add);
        }
    }
}
