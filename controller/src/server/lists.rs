//! The blocklist and the allowlist.

use std::time::Duration;

use axum::{
    body::Body as Sent,
    extract::{ConnectInfo, Path, State},
    response::{IntoResponse as _, Response},
};
use floodwall_common::prefix::Address;
use floodwall_origin::{Selector, SelectorError};
use ipnetwork::IpNetwork;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer, failure},
    command::Asked,
    peer::Peer,
    stream::Lines,
    trials::{TrialQuery, tried},
    why::why,
};
use crate::{
    api::{
        AddRequest, AddResponse, Changed, Failure, FailureKind, FlushRequest, ImportLine, ListName, ListPage,
        MAX_PAGE, RemoveRequest, RemoveResponse, TestResponse,
    },
    host::Accepted,
    lists::{parse_address, parse_prefix},
    origin_lists::{self, Wanted},
    policy::Lifelines,
    state::{ImportOptions, Refusal},
    tables::Prefix,
};

/// Prefixes that one request may name. All of them come into force in one go, for which others wait.
const MAX_NAMED: usize = 10_000;
/// Networks and countries that one request may name: each may be many thousand prefixes.
const MAX_SELECTORS: usize = 100;
/// Longest note, characters.
const MAX_NOTE: usize = 1_000;

fn list_named(name: &str) -> Result<ListName, Refused> {
    match name {
        "block" => Ok(ListName::Block),
        "allow" => Ok(ListName::Allow),
        _ => Err(Refused(Failure {
            kind: FailureKind::NotFound,
            message: format!("there is no list `{name}`; there are block and allow"),
        })),
    }
}

pub(super) fn prefixes(texts: &[String]) -> Result<Vec<Prefix>, Refused> {
    Ok(networks(texts)?.into_iter().map(Prefix::from).collect())
}

fn networks(texts: &[String]) -> Result<Vec<IpNetwork>, Refused> {
    if texts.is_empty() {
        return Err(Refused::invalid("no prefix was named"));
    }
    if texts.len() > MAX_NAMED {
        return Err(Refused::invalid(format!(
            "{} prefixes are more than the {MAX_NAMED} that one request may name: put them into a file and import it",
            texts.len()
        )));
    }
    texts.iter().map(|text| parse_prefix(text).map_err(|error| Refused::invalid(error.to_string()))).collect()
}

/// What a block must not cut off, unless it is forced.
fn lifelines(context: &Context, peer: Peer, force: bool) -> Lifelines {
    if force {
        Lifelines::default()
    } else {
        let mut lifelines = context.dataplane.lifelines();
        lifelines.logins.extend(peer.logins().into_iter().map(|login| login.peer));
        lifelines
    }
}

/// Whether a login comes from one of these.
fn covers(prefixes: &[Prefix], login: &Accepted) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(Address::canonical(login.peer)))
}

/// A command that names prefixes, as whoever is to confirm it will read it.
fn words(list: ListName, verb: &str, prefixes: &[String]) -> String {
    /// So many are named.
    const NAMED: usize = 3;
    let named = prefixes.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(" ");
    let more = match prefixes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {verb} {named}{more}", list.name())
}

pub(super) async fn add(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(list): Path<String>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(request): Body<AddRequest>,
) -> Answer<Changed<AddResponse>> {
    let list = list_named(&list)?;
    answer(&context, move |context| {
        let wanted = origins_named(&request.prefixes)?;
        if let Some(name) = &request.named {
            return add_named(context, peer, trial, list, name, &request);
        }
        if request.replace {
            return Err(Refused::invalid("only ranges of a name (`as`) replace those that had it before"));
        }
        if !wanted.is_empty() {
            return add_origins(context, peer, trial, list, &wanted, &request);
        }
        if request.only_while_attacked {
            return Err(Refused::invalid(
                "only countries are blocked while a service is attacked and not in peace",
            ));
        }
        let prefixes = prefixes(&request.prefixes)?;
        if request.note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE) {
            return Err(Refused::invalid(format!("a note has at most {MAX_NOTE} characters")));
        }
        let force = request.force;
        let lifelines = lifelines(context, peer, force);
        let lifetime = request.seconds.map(Duration::from_secs);
        let touches = |login: &Accepted| list == ListName::Block && covers(&prefixes, login);
        let terms = trial.terms(context, peer, touches, || words(list, "add", &request.prefixes));
        tried(context, terms, || {
            Ok(context.filter.add(list, &prefixes, lifetime, request.note, (!force).then_some(&lifelines))?)
        })
    })
    .await
}

/// The networks and countries that a request names; none if it names prefixes.
fn origins_named(texts: &[String]) -> Result<Vec<Selector>, Refused> {
    let meant: Vec<_> = texts.iter().filter(|text| Selector::looks_like(text)).collect();
    if meant.len() > MAX_SELECTORS {
        return Err(Refused::invalid(format!(
            "at most {MAX_SELECTORS} networks and countries are named at once"
        )));
    }
    if !meant.is_empty() && meant.len() < texts.len() {
        let message = "prefixes, and networks or countries, are named by commands of their own";
        return Err(Refused::invalid(message));
    }
    meant
        .into_iter()
        .map(|text| text.parse().map_err(|error: SelectorError| Refused::invalid(error.to_string())))
        .collect()
}

/// Allows prefixes as the ranges of a name.
fn add_named(
    context: &Context,
    peer: Peer,
    trial: TrialQuery,
    list: ListName,
    name: &str,
    request: &AddRequest,
) -> Result<Changed<AddResponse>, Refused> {
    if list != ListName::Allow {
        return Err(Refused::invalid(
            "only ranges that are allowed have such a name; `block import --name` names what is blocked",
        ));
    }
    if request.note.is_some() || request.only_while_attacked {
        return Err(Refused::invalid("ranges are noted by their name, and allowed at all times"));
    }
    let name: Selector = name.parse().map_err(|error: SelectorError| Refused::invalid(error.to_string()))?;
    let ranges = networks(&request.prefixes)?;
    let terms = trial.terms(context, peer, |_| false, || words(list, "add", &request.prefixes));
    tried(context, terms, || {
        let lifelines = Lifelines::default();
        let terms = origin_lists::Terms {
            lifetime: request.seconds.map(Duration::from_secs),
            lifelines: (!request.force).then_some(&lifelines),
            skips_dangers: false,
            attacked: false,
        };
        let AddRequest { replace, .. } = request;
        Ok(origin_lists::add_named(&context.filter, &context.origins, &name, &ranges, *replace, &terms)?)
    })
}

/// Lists all that is of networks, countries and CDNs.
fn add_origins(
    context: &Context,
    peer: Peer,
    trial: TrialQuery,
    list: ListName,
    selectors: &[Selector],
    request: &AddRequest,
) -> Result<Changed<AddResponse>, Refused> {
    let AddRequest { only_while_attacked, seconds, note, force, .. } = request;
    let is_country = |selector: &Selector| matches!(selector, Selector::Country(_));
    if *only_while_attacked && (list == ListName::Allow || !selectors.iter().all(is_country)) {
        let message = "only countries, and only of the blocklist, are listed while a service is attacked and not in peace";
        return Err(Refused::invalid(message));
    }
    if note.is_some() {
        return Err(Refused::invalid(
            "networks, countries and CDNs are noted by their own names: leave the note out",
        ));
    }
    let lifelines = match list {
        ListName::Block => lifelines(context, peer, *force),
        ListName::Allow => Lifelines::default(),
    };
    // What they stand for is not looked up twice: without force it does not hold whom it would cut off.
    let touches = |_: &Accepted| *force && list == ListName::Block;
    let terms = trial.terms(context, peer, touches, || words(list, "add", &request.prefixes));
    let wanted: Vec<_> = selectors
        .iter()
        .map(|selector| Wanted { selector: selector.clone(), only_while_attacked: *only_while_attacked })
        .collect();
    tried(context, terms, || {
        let terms = origin_lists::Terms {
            lifetime: seconds.map(Duration::from_secs),
            lifelines: (!force).then_some(&lifelines),
            skips_dangers: false,
            attacked: !context.detection.snapshot().attacked.is_empty(),
        };
        Ok(origin_lists::add(&context.filter, &context.origins, list, &wanted, &terms)?)
    })
}

pub(super) async fn remove(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(list): Path<String>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(request): Body<RemoveRequest>,
) -> Answer<Changed<RemoveResponse>> {
    let list = list_named(&list)?;
    answer(&context, move |context| {
        let selectors = origins_named(&request.prefixes)?;
        if !selectors.is_empty() {
            let touches = |_: &Accepted| list == ListName::Allow;
            let terms = trial.terms(context, peer, touches, || words(list, "rm", &request.prefixes));
            return tried(context, terms, || {
                Ok(RemoveResponse { removed: origin_lists::remove(&context.filter, list, &selectors)? })
            });
        }
        let prefixes = prefixes(&request.prefixes)?;
        let touches = |login: &Accepted| list == ListName::Allow && covers(&prefixes, login);
        let terms = trial.terms(context, peer, touches, || words(list, "rm", &request.prefixes));
        tried(context, terms, || Ok(RemoveResponse { removed: context.filter.remove(list, &prefixes)? }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn page(
    State(context): State<Context>,
    Path(list): Path<String>,
    Parameters(query): Parameters<PageQuery>,
) -> Answer<ListPage> {
    let list = list_named(&list)?;
    let after = match &query.after {
        Some(text) => prefixes(std::slice::from_ref(text))?.first().copied(),
        None => None,
    };
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    answer(&context, move |context| Ok(context.filter.page(list, after, limit))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestQuery {
    address: String,
}

pub(super) async fn test(
    State(context): State<Context>,
    Path(list): Path<String>,
    Parameters(query): Parameters<TestQuery>,
) -> Answer<TestResponse> {
    list_named(&list)?;
    let address = parse_address(&query.address).map_err(|error| Refused::invalid(error.to_string()))?;
    answer(&context, move |context| Ok(why(context, address)?.into())).await
}

pub(super) async fn flush(
    State(context): State<Context>,
    Body(request): Body<FlushRequest>,
) -> Answer<RemoveResponse> {
    answer(&context, move |context| {
        let removed = context.filter.flush(ListName::Block, request.name.as_deref())?;
        Ok(RemoveResponse { removed })
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    name: String,
    #[serde(default)]
    skip_bad: bool,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    force: bool,
    seconds: Option<u64>,
    confirm_within: Option<u64>,
}

pub(super) async fn import(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(query): Parameters<ImportQuery>,
    body: Sent,
) -> Response {
    if Wanted::of_name(&query.name).is_some() {
        let message = format!(
            "lists of the name {} follow the database of origins: `block add` makes one; call this otherwise (--name)",
            query.name
        );
        return Refused::invalid(message).into_response();
    }
    let Ok(request) = context.requests.clone().acquire_owned().await else {
        return Refused::busy("floodwall is ending").into_response();
    };
    let list = match context.uploads.receive(body).await {
        Ok(list) => list,
        Err(refused) => return refused.into_response(),
    };
    let (lines, response) = Lines::response();
    let words = format!(
        "name={} replace={} skip_bad={} force={}",
        query.name, query.replace, query.skip_bad, query.force
    );
    let asked = Asked::new(context.audit.clone(), peer, "block import".to_owned(), Some(words));
    tokio::spawn(async move {
        let turn = tokio::select! {
            turn = list.turn() => turn,
            () = lines.closed() => return,
        };
        let work = tokio::task::spawn_blocking(move || {
            import_now(&context, peer, query, &list.bytes, &lines, asked);
            drop((request, list, turn));
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "an import has failed");
        }
    });
    response
}

/// Makes an import, and tells how it goes.
fn import_now(context: &Context, peer: Peer, query: ImportQuery, list: &[u8], lines: &Lines, asked: Asked) {
    let lifelines = lifelines(context, peer, query.force);
    // What the list holds is not known yet; without force it does not hold whom it would cut off.
    let touches = |_: &Accepted| query.force;
    let command = || format!("block import {}", query.name);
    let terms = TrialQuery::within(query.confirm_within).terms(context, peer, touches, command);
    let options = ImportOptions {
        name: query.name,
        skip_bad: query.skip_bad,
        replace: query.replace,
        lifetime: query.seconds.map(Duration::from_secs),
        lifelines: (!query.force).then_some(lifelines),
    };
    let outcome = lines.caller().asks(|| {
        let (outcome, trial) = context.filter.on_trial(terms, || {
            context.filter.import(list, &options, &mut |progress| {
                lines.offer(&ImportLine::Progress {
                    stage: progress.stage.to_owned(),
                    done: progress.done,
                    total: progress.total,
                });
            })
        });
        outcome.map(|answer| Changed { answer, trial })
    });
    asked.ended(match &outcome {
        Ok(Changed { answer: report, trial }) => {
            let trial = trial.as_ref().map(|trial| format!("; on trial as change {}", trial.number));
            format!("done: {} added, {} removed{}", report.added, report.removed, trial.unwrap_or_default())
        }
        Err(refusal) => format!("refused: {refusal}"),
    });
    let last = match outcome {
        Ok(report) => ImportLine::Done(report),
        Err(refusal) => {
            let failure = failure(&refusal);
            let report = if let Refusal::BadList { report } = refusal { Some(*report) } else { None };
            ImportLine::Failed { failure, report }
        }
    };
    lines.write_blocking(&last);
}
