//! How the host stands at a glance: what a view shows in its largest type, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Confidence, Incident, IncidentPhase, Overview, SignalReport};

/// How long an attack may go on until it counts as one that nothing stops, ms: what tells its packets is looked for meanwhile.
const LOOKED_FOR_MS: u64 = 10_000;
/// Share of customers' packets that was dropped at least in an attack, as estimated from enough of them, from which on they are hurt.
const HURT: f64 = 0.01;

/// How the host stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is no attack, and all is well.
    #[default]
    Peace,
    /// There is no attack, and yet the host is over its capacity.
    Strained,
    /// There is no attack, and something is wrong with floodwall: an interface is not filtered, the record cannot be written.
    Impaired,
    /// Everything passes, as an operator wants it.
    Bypassed,
    /// An attack has just begun: what tells its packets from others is looked for.
    Noticed,
    /// An attack is dropped, and nothing suffers.
    Holding,
    /// An attack goes on, and something suffers: the host, a service, or customers.
    Hurting,
    /// An attack goes on, and most of it is not dropped.
    Unstopped,
}

/// How the host stands, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// In a word.
    pub state: State,
    /// The same, as a headline.
    pub title: String,
    /// Why, a sentence each, the gravest first.
    pub because: Vec<String>,
}

impl State {
    /// In the words of a headline.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Peace => "Peace",
            Self::Strained => "No attack, but over capacity",
            Self::Impaired => "No attack, but something is wrong",
            Self::Bypassed => "Not filtering",
            Self::Noticed => "Attacked",
            Self::Holding => "Attacked, and holding",
            Self::Hurting => "Attacked, and hurting",
            Self::Unstopped => "Attacked, and not stopped",
        }
    }

    /// Whether somebody should look at it at once.
    pub const fn is_grave(self) -> bool {
        matches!(self, Self::Impaired | Self::Bypassed | Self::Hurting | Self::Unstopped)
    }
}

impl Overview {
    /// How the host stands by all else that is told here.
    pub fn judged(&self) -> Standing {
        let open = self.incidents.iter().find(|incident| incident.phase != IncidentPhase::Resolved);
        let standing = |state: State, because| Standing { state, title: state.title().to_owned(), because };
        let is_attacked = self.signatures.attack;
        let suffers: Vec<_> = self.suffers(open.filter(|_| is_attacked)).collect();
        let problems = &self.status.problems;
        if let Some(seconds) = self.bypass.seconds {
            let until = format!("Every packet passes for another {seconds:.0} s.");
            return standing(
                State::Bypassed,
                [until].into_iter().chain(problems.iter().cloned()).chain(suffers).collect(),
            );
        }
        if !is_attacked
            && problems.is_empty()
            && suffers.is_empty()
            && open.is_some_and(Incident::is_attacked)
        {
            let looked_at = "It was attacked before the start; whether that goes on is looked at.";
            return standing(State::Noticed, vec![looked_at.to_owned()]);
        }
        if !is_attacked {
            return match (problems.is_empty(), suffers.is_empty()) {
                (false, _) => standing(State::Impaired, problems.iter().cloned().chain(suffers).collect()),
                (true, false) => standing(State::Strained, suffers),
                (true, true) => standing(State::Peace, self.notes_of_peace(open)),
            };
        }
        let wave = open.and_then(|incident| incident.waves.last());
        let lasts = wave.map_or(0, |wave| self.time_ms.saturating_sub(wave.began_ms));
        let phase = open.map(|incident| incident.phase);
        let is_stopped = phase == Some(IncidentPhase::Monitoring);
        let mut because: Vec<_> = problems.iter().cloned().chain(suffers).collect();
        match (is_stopped, lasts < LOOKED_FOR_MS, because.is_empty()) {
            (false, false, _) => {
                because.insert(0, self.why_unstopped(open).to_owned());
                standing(State::Unstopped, because)
            }
            (_, _, false) => standing(State::Hurting, because),
            (true, _, true) => standing(State::Holding, because),
            (false, true, true) => {
                because
                    .push("What tells its packets from those of customers is being looked for.".to_owned());
                standing(State::Noticed, because)
            }
        }
    }

    /// What suffers, a sentence each.
    fn suffers<'o>(&'o self, attack: Option<&'o Incident>) -> impl Iterator<Item = String> + 'o {
        let links = self.status.machine.links.iter().filter(|link| link.full).map(|link| {
            let what = link.problems.first().map_or(link.interface.as_str(), String::as_str);
            format!("Packets are lost before they reach this host: {what}.")
        });
        let signals = self.health.iter().flat_map(|health| &health.signals);
        let signals = signals.filter(|signal| signal.over).map(SignalReport::complaint);
        let harm = attack.map(|incident| &incident.harm);
        let is_sure = |confidence| matches!(confidence, Confidence::Medium | Confidence::High);
        let customers = harm.filter(|harm| harm.low >= HURT && is_sure(harm.confidence)).map(|harm| {
            let share = harm.share.unwrap_or(harm.low) * 100.0;
            format!("About {share:.0} % of what customers have sent in this attack was dropped.")
        });
        links.chain(signals).chain(customers)
    }

    fn notes_of_peace(&self, open: Option<&Incident>) -> Vec<String> {
        let observes = self.status.observe.then_some("floodwall only counts what it would drop (observe).");
        let after = open.map(|_| "The last attack has ended; another wave may follow.");
        observes.into_iter().chain(after).map(str::to_owned).collect()
    }

    fn why_unstopped(&self, open: Option<&Incident>) -> &'static str {
        match open {
            _ if self.status.observe => "floodwall only counts what it would drop (observe).",
            Some(incident) if incident.phase == IncidentPhase::Identified => {
                "Its packets are known, and most of them still pass."
            }
            Some(incident) if !incident.warnings.is_empty() => {
                "Nothing was found that could be dropped without harm to customers."
            }
            _ => "What tells its packets from those of customers is still being looked for.",
        }
    }
}

impl SignalReport {
    /// What it tells of where it is over what it should be.
    fn complaint(&self) -> String {
        let Self { signal, service, value, text, .. } = self;
        match (signal.as_str(), service, value) {
            ("probe", Some(service), None) => format!("The service {service} does not answer its probe."),
            ("probe", Some(service), Some(_)) => {
                format!("The service {service} takes {text} to answer its probe.")
            }
            ("listen-overflows", ..) => {
                format!(
                    "Programs were too slow to accept connections within the last ten seconds; {text} are lost now."
                )
            }
            ("syn-cookies", ..) => {
                format!(
                    "Queues of half-open connections filled up within the last ten seconds; {text} get SYN cookies now."
                )
            }
            ("conntrack", ..) => format!("The table of tracked connections is {text} full."),
            _ => format!("The host is over its capacity, by its {signal}: {text}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HealthReport, LinkStatus, client::fake::attacked};

    fn signal(name: &str, service: Option<&str>, value: Option<u64>, over: bool) -> SignalReport {
        SignalReport {
            signal: name.to_owned(),
            service: service.map(str::to_owned),
            value,
            text: "59/s".to_owned(),
            over,
        }
    }

    /// The overview of an attack that has gone on for so many seconds, changed.
    fn judged(seconds: u64, change: impl FnOnce(&mut Overview)) -> (State, String) {
        let mut overview = attacked(seconds);
        change(&mut overview);
        let Standing { state, because, title } = overview.judged();
        assert_eq!(title, state.title());
        (state, because.join(" "))
    }

    #[test]
    fn an_attack_holds_hurts_or_goes_on_unstopped() {
        assert_eq!(judged(20, |_| {}), (State::Holding, String::new()));
        let phase = |phase| move |overview: &mut Overview| overview.incidents[0].phase = phase;
        for phase_of in [IncidentPhase::Investigating, IncidentPhase::Identified] {
            assert_eq!(judged(9, phase(phase_of)).0, State::Noticed);
            assert_eq!(judged(10, phase(phase_of)).0, State::Unstopped);
        }
        let (state, why) = judged(10, |overview| {
            overview.incidents[0].phase = IncidentPhase::Identified;
            overview.status.observe = true;
        });
        assert!(state == State::Unstopped && why.contains("observe"), "{why}");
        let (state, why) = judged(10, |overview| {
            overview.incidents[0].phase = IncidentPhase::Investigating;
            overview.status.problems = vec!["eth1 is not filtered".to_owned()];
        });
        assert!(state == State::Unstopped && why.ends_with("looked for. eth1 is not filtered"), "{why}");
        let known = judged(10, phase(IncidentPhase::Identified)).1;
        assert!(known.contains("most of them still pass"), "{known}");
        let nothing = judged(10, |overview| {
            overview.incidents[0].phase = IncidentPhase::Investigating;
            overview.incidents[0].warnings = vec!["nothing was found".to_owned()];
        });
        assert!(nothing.1.contains("Nothing was found"), "{nothing:?}");
    }

    #[test]
    fn what_hurts_is_said_whatever_is_dropped() {
        let signals = |overview: &mut Overview| {
            let signals = vec![
                signal("softirq", None, Some(99), false),
                signal("syn-cookies", None, Some(59), true),
                signal("probe", Some("web"), None, true),
            ];
            overview.health = Some(HealthReport { signals, active: Vec::new() });
        };
        let (state, why) = judged(20, signals);
        assert_eq!(state, State::Hurting);
        assert_eq!(
            why,
            "Queues of half-open connections filled up within the last ten seconds; 59/s get SYN cookies now. \
             The service web does not answer its probe."
        );
        let harm = |low, confidence| {
            move |overview: &mut Overview| {
                (overview.incidents[0].harm.low, overview.incidents[0].harm.confidence) = (low, confidence);
            }
        };
        assert_eq!(judged(20, harm(0.009, Confidence::High)).0, State::Holding);
        assert_eq!(judged(20, harm(0.031, Confidence::Low)).0, State::Holding, "too few were seen");
        let (state, why) = judged(20, harm(0.031, Confidence::Medium));
        assert!(state == State::Hurting && why.contains("3 % of what customers have sent"), "{why}");
        let (state, why) = judged(20, |overview| {
            overview.status.machine.links =
                vec![LinkStatus { interface: "eth0".to_owned(), full: true, ..LinkStatus::default() }];
        });
        assert!(state == State::Hurting && why.contains("before they reach this host: eth0"), "{why}");
        let (state, why) =
            judged(20, |overview| overview.status.problems = vec!["eth0 is not filtered".to_owned()]);
        assert!(state == State::Hurting && why == "eth0 is not filtered" && state.is_grave());
    }

    #[test]
    fn without_an_attack_there_is_peace_unless_something_is_wrong() {
        let calm = |change: fn(&mut Overview)| {
            judged(20, |overview| {
                overview.signatures.attack = false;
                overview.incidents[0].phase = IncidentPhase::Resolved;
                overview.incidents[0]
                    .waves
                    .iter_mut()
                    .for_each(|wave| wave.ended_ms = Some(overview.time_ms));
                change(overview);
            })
        };
        assert_eq!(calm(|_| {}), (State::Peace, String::new()));
        let (state, why) = calm(|overview| overview.incidents[0].phase = IncidentPhase::Monitoring);
        assert!(state == State::Peace && why.contains("another wave may follow"), "{why}");
        assert_eq!(calm(|overview| overview.incidents[0].harm.low = 1.0).0, State::Peace, "it is over");
        let strained = |overview: &mut Overview| {
            let signals = vec![signal("listen-overflows", None, Some(59), true)];
            overview.health = Some(HealthReport { signals, active: Vec::new() });
        };
        assert_eq!(calm(strained).0, State::Strained);
        assert_eq!(calm(|overview| overview.status.problems = vec!["x".to_owned()]).0, State::Impaired);
        let (state, why) = judged(20, |overview| {
            overview.bypass.seconds = Some(90.2);
            overview.status.problems = vec!["eth1 is not filtered".to_owned()];
        });
        assert!(state == State::Bypassed && why.contains("another 90 s") && why.contains("eth1"), "{why}");
        let (state, why) = judged(20, |overview| overview.signatures.attack = false);
        assert!(state == State::Noticed && why.contains("before the start"), "{why}");
    }
}
