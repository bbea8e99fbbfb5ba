//! What a change of policy changes, in words.

use super::model::{Policy, Service};

/// Lines that say what is new (`+`), gone (`-`) and changed (`~`); none if nothing is.
pub fn difference(old: &Policy, new: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &new.services {
        match old.service(&service.name) {
            None => {
                lines.push(format!("+ service {}: {}", service.name, what(service)));
                for rule in &service.rules {
                    lines.push(format!("+ {}/{}: {rule}", service.name, rule.name));
                }
            }
            Some(before) => rules(before, service, &mut lines),
        }
    }
    for service in &old.services {
        if new.service(&service.name).is_none() {
            lines.push(format!("- service {}: {}", service.name, what(service)));
        }
    }
    let names = |policy: &Policy| -> Vec<String> {
        policy.services.iter().map(|service| service.name.clone()).collect()
    };
    let kept = |names: Vec<String>, other: &Policy| -> Vec<String> {
        names.into_iter().filter(|name| other.service(name).is_some()).collect()
    };
    if kept(names(old), new) != kept(names(new), old) {
        lines.push(format!("~ order of services: {}", names(new).join(", ")));
    }
    let Policy { services: _, suspects, monitored, escalation, samples_per_second } = new;
    if old.suspects != *suspects {
        lines.push(format!("~ suspects: {}", rate(*suspects)));
    }
    if old.monitored != *monitored {
        let names: Vec<_> = floodwall_common::wire::Reason::ALL
            .into_iter()
            .filter(|reason| monitored & reason.bit() != 0)
            .map(|reason| reason.name())
            .collect();
        lines.push(format!(
            "~ monitored: {}",
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        ));
    }
    if old.escalation != *escalation {
        lines.push(format!(
            "~ bans: x{} up to {}, forgotten after {}",
            escalation.factor,
            humantime::format_duration(escalation.ceiling),
            humantime::format_duration(escalation.forget_after)
        ));
    }
    if old.samples_per_second != *samples_per_second {
        lines.push(format!("~ samples: {samples_per_second}/s"));
    }
    lines
}

fn rate(rate: Option<super::Rate>) -> String {
    rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{}/s burst {}", rate.rate, rate.burst))
}

/// What a service is.
pub fn what(service: &Service) -> String {
    let Service { name: _, destinations, protocol, ports, probe, closes_by_itself, rules: _ } = service;
    let join = |texts: Vec<String>| if texts.is_empty() { "all".to_owned() } else { texts.join(", ") };
    let destinations = join(destinations.iter().map(ToString::to_string).collect());
    let ports = ports.iter().map(|ports| {
        if ports.start() == ports.end() {
            ports.start().to_string()
        } else {
            format!("{}-{}", ports.start(), ports.end())
        }
    });
    let probe = probe.as_ref().map_or_else(String::new, |probe| format!("; probe {probe}"));
    let closing = if *closes_by_itself { "; lockdown auto" } else { "" };
    format!(
        "destinations {destinations}; protocol {protocol}; ports {}{probe}{closing}",
        join(ports.collect())
    )
}

fn rules(old: &Service, new: &Service, lines: &mut Vec<String>) {
    let name = &new.name;
    if what(old) != what(new) {
        lines.push(format!("~ service {name}: {}", what(new)));
    }
    for rule in &new.rules {
        match old.rules.iter().find(|before| before.name == rule.name) {
            None => lines.push(format!("+ {name}/{}: {rule}", rule.name)),
            Some(before) if before != rule => {
                lines.push(format!("~ {name}/{}: {rule} (was: {before})", rule.name));
            }
            Some(_) => {}
        }
    }
    for rule in &old.rules {
        if !new.rules.iter().any(|after| after.name == rule.name) {
            lines.push(format!("- {name}/{}: {rule}", rule.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::policy;

    #[test]
    fn who_closes_a_service_is_part_of_what_it_is() {
        let web = |closing: &str| policy(&format!("[[service]]\nname = \"web\"\nports = [80]\n{closing}"));
        let manual = web("");
        assert_eq!(difference(&manual, &web("lockdown = \"manual\"")), Vec::<String>::new());
        assert_eq!(
            difference(&manual, &web("lockdown = \"auto\"")),
            ["~ service web: destinations all; protocol any; ports 80; lockdown auto"]
        );
    }

    #[test]
    fn a_difference_names_what_changed_and_nothing_else() {
        let old =
            policy("[[service]]\nname = \"web\"\nports = [80]\n[[service]]\nname = \"old\"\nports = [81]");
        assert_eq!(difference(&old, &old), Vec::<String>::new());
        let new = policy(
            "monitor = [\"out-of-state\"]\n[[service]]\nname = \"web\"\nports = [80, 443]\n[[service.rule]]\n\
             name = \"source-syn\"\nrate = 7\n[[service]]\nname = \"new\"\nprotocol = \"gre\"\ndefaults = false",
        );
        assert_eq!(
            difference(&old, &new),
            [
                "~ service web: destinations all; protocol any; ports 80, 443",
                "~ web/source-syn: syn per source 7/s burst 7, then limit (was: syn of new sources (in an attack, of \
                 all) per source 100/s burst 200, then limit)",
                "+ service new: destinations all; protocol gre; ports all",
                "- service old: destinations all; protocol any; ports 81",
                "~ monitored: out-of-state",
            ]
        );
    }
}
