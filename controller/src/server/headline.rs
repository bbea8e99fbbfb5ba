//! How the filter stands, in one line: for whoever supervises the daemon.

use super::Context;
use crate::api::{Incident, InterfaceStatus};

/// Whether there is an attack, what is filtered, in which mode, and whether something is wrong.
pub fn headline(context: &Context) -> String {
    let last = context.incidents.list(None, 1).into_iter().next();
    let problems = context.dataplane.problems().len() + context.filter.problems().len();
    let facts = Facts {
        interfaces: &context.dataplane.interfaces(),
        attack: last.as_ref().filter(|incident| incident.is_attacked()),
        observing: context.filter.is_observing(),
        bypassed: context.filter.bypassed().is_some(),
        problems,
    };
    facts.line()
}

struct Facts<'a> {
    interfaces: &'a [InterfaceStatus],
    attack: Option<&'a Incident>,
    observing: bool,
    bypassed: bool,
    problems: usize,
}

impl Facts<'_> {
    fn line(&self) -> String {
        let Self { interfaces, attack, observing, bypassed, problems } = self;
        if interfaces.is_empty() {
            return "nothing is filtered: no interface is named in the configuration".to_owned();
        }
        let attack = attack.map_or_else(
            || "no attack".to_owned(),
            |attack| format!("ATTACK on {}: {}", attack.services_in_words(), attack.vectors_in_words()),
        );
        let verb = match (bypassed, observing) {
            (true, _) => "everything passes (bypass) on",
            (false, true) => "observing",
            (false, false) => "filtering",
        };
        let names = interfaces.iter().map(|InterfaceStatus { name, mode, filtered, .. }| match filtered {
            true => format!("{name} ({mode})"),
            false => format!("{name} (NOT FILTERED)"),
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let wrong = match problems {
            0 => String::new(),
            1 => "; a problem: see floodwall status".to_owned(),
            several => format!("; {several} problems: see floodwall status"),
        };
        format!("{attack}; {verb} {names}{wrong}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_comes_first() {
        let interface = |name: &str, filtered| InterfaceStatus {
            name: name.to_owned(),
            other_names: Vec::new(),
            ifindex: 2,
            mode: if filtered { "native" } else { "none" }.to_owned(),
            filtered,
        };
        let interfaces = [interface("eth0", true), interface("eth1", false)];
        let calm =
            Facts { interfaces: &interfaces, attack: None, observing: false, bypassed: false, problems: 1 };
        assert_eq!(
            calm.line(),
            "no attack; filtering eth0 (native), eth1 (NOT FILTERED); a problem: see floodwall status"
        );
        let observing = Facts { interfaces: &interfaces[..1], observing: true, problems: 0, ..calm };
        assert_eq!(observing.line(), "no attack; observing eth0 (native)");
        let bypassed = Facts { bypassed: true, ..observing };
        assert_eq!(bypassed.line(), "no attack; everything passes (bypass) on eth0 (native)");
        let idle = Facts { interfaces: &[], ..bypassed };
        assert!(idle.line().starts_with("nothing is filtered"), "{}", idle.line());
    }
}
