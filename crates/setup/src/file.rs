//! Edits a configuration file without losing what an operator has written, comments included.

use std::{collections::BTreeSet, ops::RangeInclusive};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::proposal::{Proposal, ProposedService};

/// Why a configuration file cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is not valid TOML.
    #[error("it is not understood: {0}")]
    Syntax(#[from] toml_edit::TomlError),
    /// The value of a key has another type than it should have.
    #[error("`{0}` in it is not what it should be; `floodwall check` says why")]
    WrongType(&'static str),
}

/// Adds a proposal to a configuration, and makes it observe only. Services that the operator has written stay as they are,
/// and a port that one of them covers is not added again.
///
/// # Errors
///
/// If the existing configuration cannot be parsed.
pub fn write(text: &str, proposal: &Proposal) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let interfaces: Array = proposal.interfaces.iter().collect();
    document["interfaces"] = value(interfaces);
    document["observe"] = value(true);
    let services = document.entry("service").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let services = services.as_array_of_tables_mut().ok_or(EditError::WrongType("service"))?;
    let (names, taken) = existing(services);
    for service in &proposal.services {
        let ports: Vec<_> =
            service.ports.iter().filter(|port| !taken.is_taken(service.protocol, **port)).collect();
        if ports.is_empty() {
            continue;
        }
        let mut name = service.name.clone();
        while names.contains(&name) {
            name.push_str("-2");
        }
        services.push(table(&ProposedService {
            name,
            ports: ports.into_iter().copied().collect(),
            ..service.clone()
        }));
    }
    if services.is_empty() {
        document.remove("service");
    }
    Ok(document.to_string())
}

/// Sets `observe = false` in a configuration, so that it is enforced.
///
/// # Errors
///
/// If the existing configuration cannot be parsed.
pub fn enforce(text: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    match document.get_mut("observe") {
        Some(Item::Value(observe)) => {
            let decor = observe.decor().clone();
            *observe = false.into();
            *observe.decor_mut() = decor;
        }
        Some(_) => return Err(EditError::WrongType("observe")),
        None => document["observe"] = value(false),
    }
    Ok(document.to_string())
}

fn table(service: &ProposedService) -> Table {
    let mut table = Table::new();
    table["name"] = value(&service.name);
    table["protocol"] = value(service.protocol);
    table["ports"] = value(service.ports.iter().map(|port| i64::from(*port)).collect::<Array>());
    table.decor_mut().set_prefix("\n");
    table
}

/// The ports of an existing service. Without a protocol it covers every protocol, and without ranges every port.
struct Ports {
    protocol: Option<String>,
    ranges: Vec<RangeInclusive<u16>>,
}

/// The ports that existing services cover.
#[derive(Default)]
struct Taken(Vec<Ports>);

impl Taken {
    fn is_taken(&self, protocol: &str, port: u16) -> bool {
        self.0.iter().any(|Ports { protocol: of, ranges }| {
            let same = of.as_deref().is_none_or(|of| of == protocol || of == "any");
            same && (ranges.is_empty() || ranges.iter().any(|range| range.contains(&port)))
        })
    }
}

/// The names of existing services, and the ports of those that apply to every destination.
fn existing(services: &ArrayOfTables) -> (BTreeSet<String>, Taken) {
    let mut names = BTreeSet::new();
    let mut taken = Taken::default();
    for service in services {
        let text = |key: &str| service.get(key).and_then(Item::as_str).map(str::to_owned);
        let name = text("name").unwrap_or_default();
        // The default service covers no port in particular, and one with destinations covers its ports only for these.
        if name != "default" && service.get("destinations").is_none() {
            let ports = service.get("ports").and_then(Item::as_array);
            let ports = ports.into_iter().flatten().filter_map(|port| match port.as_integer() {
                Some(port) => u16::try_from(port).ok().map(|port| port..=port),
                None => {
                    let (first, last) = port.as_str()?.split_once('-')?;
                    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
                }
            });
            taken.0.push(Ports { protocol: text("protocol"), ranges: ports.collect() });
        }
        names.insert(name);
    }
    (names, taken)
}

#[cfg(test)]
mod tests {
    use floodwall_config::Config;

    use super::*;

    fn proposal() -> Proposal {
        let service = |name: &str, protocol, ports: &[u16]| ProposedService {
            name: name.to_owned(),
            protocol,
            ports: ports.to_vec(),
        };
        Proposal {
            interfaces: vec!["eth0".to_owned()],
            services: vec![
                service("ssh", "tcp", &[22]),
                service("web", "tcp", &[80, 443]),
                service("dns", "udp", &[53]),
            ],
        }
    }

    #[test]
    fn the_result_is_a_valid_configuration_that_observes() {
        let text = write(include_str!("../../../packaging/floodwall.toml"), &proposal()).unwrap();
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.interfaces, ["eth0"]);
        assert!(config.observe);
        let names: Vec<_> = config.policy.services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(names, ["default", "ssh", "web", "dns"]);
        assert!(text.contains("# floodwall's configuration"), "its comments stay: {text}");
        assert_eq!(write(&text, &proposal()).unwrap(), text, "written twice, nothing changes");
    }

    #[test]
    fn what_an_operator_wrote_stays_and_its_ports_are_not_added_again() {
        let before = "# ours\nmode = \"auto\"   # this driver\n\n[[service]]\nname = \"web\"\nports = [\"440-450\"] # all\n\
                      [[service.rule]]\nname = \"source-syn\"\nmode = \"off\"\n";
        let text = write(before, &proposal()).unwrap();
        for kept in
            ["# ours", "mode = \"auto\"   # this driver", "ports = [\"440-450\"] # all", "mode = \"off\""]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let policy = Config::parse(&text).unwrap().policy;
        let web = policy.service("web-2").unwrap();
        assert_eq!(web.ports, [80..=80], "443 is another service's already");
    }

    #[test]
    fn enforcing_changes_one_word() {
        let before = "mode = \"auto\"\nobserve = true  # until Monday\n";
        assert_eq!(enforce(before).unwrap(), before.replace("true", "false"));
        assert!(enforce("").unwrap().contains("observe = false"));
        assert!(enforce("x = [").unwrap_err().to_string().contains("not understood"));
    }
}
