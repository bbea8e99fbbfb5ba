//! Services that are closed to all but known clients: closes those that nothing else relieves, opens them step by step, and
//! measures who knocks.

mod distress;
mod knocking;
mod relief;
mod reopening;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use floodwall_units::unix;
use tracing::error;

use self::{
    distress::Distress,
    knocking::Knocking,
    relief::Relief,
    reopening::{Reopening, Turn},
};
use super::{
    periodically::{blocking, every},
    protection::Protection,
};
use crate::{
    api::{LockdownReport, ReopeningReport},
    detect::Detection,
    event::What,
    policy::Probe,
    server::{Audit, LockdownFigures},
    state::{Filter, LockdownStep, Refusal},
};

/// How often it is looked.
const TICK: Duration = Duration::from_millis(200);
/// How often it is looked which services close by themselves, and how they are probed.
const READ: Duration = Duration::from_secs(1);

/// What lockdowns are looked after with.
pub(super) struct Keeper {
    pub(super) filter: Arc<Filter>,
    pub(super) protection: Arc<Protection>,
    pub(super) detection: Detection,
    pub(super) audit: Audit,
}

/// Looks after them, for ever.
pub(super) async fn run(keeper: Arc<Keeper>) {
    let mut tick = every(TICK);
    let mut lockdowns = Lockdowns::default();
    loop {
        tick.tick().await;
        let keeper = Arc::clone(&keeper);
        // Probes are begun in there.
        let work = move || {
            lockdowns.look(&keeper, Instant::now());
            lockdowns
        };
        lockdowns = blocking("the task that looks after lockdowns failed", work).await.unwrap_or_default();
    }
}

/// What is known of the services.
#[derive(Default)]
struct Lockdowns {
    read: Option<Instant>,
    /// Those that close by themselves.
    automatic: BTreeSet<String>,
    probes: BTreeMap<String, Probe>,
    distress: Distress,
    reopening: BTreeMap<String, Opening>,
    reliefs: BTreeMap<String, Relief>,
    knocking: Knocking,
    /// It was told that these would be closed.
    told: BTreeSet<String>,
}

/// One that is opened step by step.
struct Opening {
    reopening: Reopening,
    /// The share of others that gets in, as it is known to do, per cent.
    share: f64,
    /// What the last step did, and when, Unix seconds.
    last: Option<(String, u64)>,
    suffers: Option<String>,
}

impl Lockdowns {
    fn look(&mut self, keeper: &Keeper, now: Instant) {
        let closed = keeper.filter.lockdowns();
        if self.read.is_none_or(|at| now.duration_since(at) >= READ) {
            self.read = Some(now);
            self.automatic = keeper.filter.closed_by_themselves().into_iter().collect();
            self.probes = keeper.filter.probes();
        }
        let attacked = keeper.attacked();
        let threatened: Vec<_> = self
            .automatic
            .iter()
            .filter(|service| !closed.iter().any(|closed| closed.service == **service))
            .cloned()
            .collect();
        let is_busy = closed.iter().any(|closed| closed.reopening)
            || threatened.iter().any(|service| attacked.contains(service));
        if is_busy {
            self.distress.read(now);
        } else {
            self.distress.rest();
        }
        self.reliefs.retain(|service, _| threatened.contains(service));
        for service in &threatened {
            self.relieve(keeper, service, attacked.contains(service), now);
        }
        let is_reopening =
            |service: &String| closed.iter().any(|one| one.reopening && one.service == *service);
        self.reopening.retain(|service, _| is_reopening(service));
        for one in closed.iter().filter(|one| one.reopening) {
            self.open(keeper, one, attacked.contains(&one.service), now);
        }
        self.measure(keeper, &closed, now);
    }

    /// Closes a service if it is attacked, and nothing relieves it.
    fn relieve(&mut self, keeper: &Keeper, service: &str, attacked: bool, now: Instant) {
        let suffers = if attacked { self.distress.of(service, self.probes.get(service), now) } else { None };
        let relief = self.reliefs.entry(service.to_owned()).or_default();
        if !relief.fails(attacked, suffers.is_some(), now) {
            return self.forget_told(service, attacked);
        }
        let why = suffers.unwrap_or_else(|| "it goes on to suffer".to_owned());
        if keeper.filter.is_observing() {
            if self.told.insert(service.to_owned()) {
                let text =
                    format!("{service} would be closed to all but known clients: it is attacked, and {why}");
                keeper.publish(text, true);
            }
            return;
        }
        let text = format!(
            "LOCKDOWN: {service} is closed to all but known clients, by itself: it is attacked, what was found does not relieve \
             it, and {why}"
        );
        keeper.step(service, LockdownStep::Close, text, true);
    }

    fn forget_told(&mut self, service: &str, attacked: bool) {
        if !attacked {
            self.told.remove(service);
        }
    }

    /// Takes the next step of a service that is opened, if it is time for one.
    fn open(&mut self, keeper: &Keeper, closed: &LockdownReport, attacked: bool, now: Instant) {
        let service = &closed.service;
        if keeper.filter.lockdown_is_on_trial(service) {
            self.reopening.remove(service);
            return;
        }
        let suffers = if attacked {
            Some("an attack on it goes on".to_owned())
        } else {
            self.distress.of(service, self.probes.get(service), now)
        };
        let fresh = || Opening {
            reopening: Reopening::new(closed.admitted_percent, now),
            share: closed.admitted_percent,
            last: None,
            suffers: None,
        };
        let opening = self.reopening.entry(service.clone()).or_insert_with(fresh);
        if (opening.share - closed.admitted_percent).abs() > 0.01 {
            // Somebody has said something else.
            *opening = fresh();
        }
        let turn = opening.reopening.look(suffers.is_some(), now);
        opening.suffers.clone_from(&suffers);
        let why = suffers.unwrap_or_default();
        let Some(turn) = turn else { return };
        let (step, did, text, loud) = match turn {
            Turn::Admit(share) => (
                LockdownStep::Admit(share),
                format!("{share} % of others were let in"),
                format!("{service} is being opened: {share} % of those who are not known get in"),
                false,
            ),
            Turn::Shut(share, pause) => (
                LockdownStep::Admit(0.0),
                format!("closed again, as with {share} % of others {why}"),
                format!(
                    "{service} is closed again to all but known clients, for {} s at least: with {share} % of others {why}",
                    pause.as_secs()
                ),
                true,
            ),
            Turn::Open => (
                LockdownStep::Open,
                String::new(),
                format!("the lockdown of {service} is over: it stands all that comes"),
                false,
            ),
        };
        if keeper.step(service, step, text, loud) {
            opening.last = Some((did, unix::seconds(SystemTime::now())));
            opening.share = opening.reopening.admitted();
        }
    }

    /// Shows others how things stand.
    fn measure(&mut self, keeper: &Keeper, closed: &[LockdownReport], now: Instant) {
        if closed.is_empty() {
            self.knocking = Knocking::default();
        } else {
            match keeper.protection.services() {
                Ok(totals) => self.knocking.look(totals, now),
                Err(error) => return error!(error = format!("{error:#}"), "the counters could not be read"),
            }
        }
        let figures = closed.iter().map(|LockdownReport { service, .. }| {
            let knocking = keeper.filter.service_number(service).and_then(|number| self.knocking.of(number));
            let progress = self.reopening.get(service).map(|opening| opening.report(now));
            (service.clone(), LockdownFigures { progress, knocking })
        });
        keeper.protection.set_lockdowns(figures.collect());
    }
}

impl Opening {
    fn report(&self, now: Instant) -> ReopeningReport {
        let left = self.reopening.next().saturating_duration_since(now);
        ReopeningReport {
            last: self.last.as_ref().map(|(did, _)| did.clone()),
            last_at: self.last.as_ref().map(|(_, at)| *at),
            next_percent: self.reopening.next_share(),
            next_at: unix::seconds(SystemTime::now()) + left.as_secs() + u64::from(left.subsec_nanos() > 0),
            suffers: self.suffers.clone(),
        }
    }
}

impl Keeper {
    /// Names of the services that are attacked.
    fn attacked(&self) -> BTreeSet<String> {
        let snapshot = self.detection.snapshot();
        snapshot.attacked.iter().filter_map(|number| self.filter.service_name(*number)).collect()
    }

    fn publish(&self, text: String, loud: bool) {
        self.protection.bus().publish(What::Health { text, loud });
    }

    /// Takes a step, tells of it, and has it written down. Says whether it was taken.
    fn step(&self, service: &str, step: LockdownStep, text: String, loud: bool) -> bool {
        let outcome = match step {
            LockdownStep::Admit(0.0) => self.filter.shut(service),
            _ => self.filter.step_lockdown(service, step),
        };
        match outcome {
            Ok(taken) => {
                if taken {
                    self.audit.note("lockdown", text.clone(), "done");
                    self.publish(text, loud);
                }
                taken
            }
            Err(refusal) => {
                self.failed(service, &refusal);
                false
            }
        }
    }

    fn failed(&self, service: &str, refusal: &Refusal) {
        error!(service, %refusal, "a step of a lockdown could not be taken; trying again");
    }
}
