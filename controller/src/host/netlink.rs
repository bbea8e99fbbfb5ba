//! Interfaces, addresses and routes, from the kernel by rtnetlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, anyhow};
use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::{
        address::AddressAttribute,
        link::{LinkAttribute, LinkMessage, LinkXdp, XdpAttached},
        route::{RouteAddress, RouteAttribute, RouteMessage},
    },
};
use tokio::task::JoinHandle;

use super::{AttachedXdp, Interface};

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

    /// The interface with this name; the error names those that there are.
    pub async fn interface(&self, name: &str) -> anyhow::Result<Interface> {
        let mut all = self.interfaces().await?;
        match all.iter().position(|interface| interface.name == name) {
            Some(found) => Ok(all.swap_remove(found)),
            None => {
                let names: Vec<_> = all.iter().map(|interface| interface.name.as_str()).collect();
                Err(anyhow!("there is no interface {name}; there are {}", names.join(", ")))
            }
        }
    }

    /// The host's own addresses, loopback included.
    pub async fn addresses(&self) -> anyhow::Result<Vec<IpAddr>> {
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
            own.extend(local.or(address));
        }
        Ok(own)
    }

    /// The next hops of the default routes, of both families.
    pub async fn gateways(&self) -> anyhow::Result<Vec<IpAddr>> {
        let mut gateways = Vec::new();
        let queries =
            [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        for query in queries {
            let mut routes = self.handle.route().get(query).execute();
            while let Some(route) = routes.try_next().await.context("listing routes")? {
                if route.header.destination_prefix_length == 0 {
                    next_hops(&route, &mut gateways);
                }
            }
        }
        gateways.sort();
        gateways.dedup();
        Ok(gateways)
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn interface(message: &LinkMessage) -> Option<Interface> {
    let mut found = Interface { name: String::new(), index: message.header.index, mtu: 0, xdp: None };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => found.mtu = *mtu,
            LinkAttribute::Xdp(xdp) => found.xdp = xdp.iter().find_map(attached),
            _ => {}
        }
    }
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

fn next_hops(route: &RouteMessage, gateways: &mut Vec<IpAddr>) {
    let mut add = |attribute: &RouteAttribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateways.push(IpAddr::V4(*address)),
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) => gateways.push(IpAddr::V6(*address)),
        _ => {}
    };
    for attribute in &route.attributes {
        add(attribute);
        if let RouteAttribute::MultiPath(hops) = attribute {
            hops.iter().flat_map(|hop| &hop.attributes).for_each(&mut add);
        }
    }
}
