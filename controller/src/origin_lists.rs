//! Lists of all that is of a network, a country or a CDN: what an operator names as `asn:64500`, `country:XX` or `cdn:NAME`
//! stands for the prefixes that files of the configuration have for it, and follows them when they change.
//!
//! Ranges may also be named `cdn:NAME` by hand ([`add_named`]); such stay as they are.
//!
//! In the blocklist each is an import of its own, under the name that is given to it here; in the allowlist, which has no
//! imports, its prefixes have that name as their note.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use floodwall_origin::{OriginError, Origins, Selector, refuse_too_much};
use floodwall_units::unix;
use ipnetwork::IpNetwork;

use crate::{
    api::{AddResponse, ListName},
    policy::Lifelines,
    state::{Filter, ImportOptions, Refusal},
    tables::Prefix,
};

/// Prefixes of a network or a country that may be allowed: each is an entry of its own.
const MOST_ALLOWED: usize = 10_000;
/// What stands behind the name of a list that is in force only while a service is attacked.
const ONLY_WHILE_ATTACKED: &str = " while attacked";

/// What is wanted of a network, a country or a CDN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which one.
    pub(crate) selector: Selector,
    /// In force while a service is attacked, and not in peace.
    pub(crate) only_while_attacked: bool,
}

/// How it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Terms<'a> {
    /// Taken back after so long.
    pub(crate) lifetime: Option<Duration>,
    /// What must not be cut off; `None` if it is to be done anyway.
    pub(crate) lifelines: Option<&'a Lifelines>,
    /// Prefixes that would cut off what must not be are left out; else nothing is done then.
    pub(crate) skips_dangers: bool,
    /// A service is attacked now.
    pub(crate) attacked: bool,
}

impl Wanted {
    /// What the list is called.
    pub(crate) fn name(&self) -> String {
        let ending = if self.only_while_attacked { ONLY_WHILE_ATTACKED } else { "" };
        format!("{}{ending}", self.selector)
    }

    /// What a list of this name is of; `None` if it is another list.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let (text, only_while_attacked) = match name.strip_suffix(ONLY_WHILE_ATTACKED) {
            Some(text) => (text, true),
            None => (name, false),
        };
        let wanted = Self { selector: text.parse().ok()?, only_while_attacked };
        (wanted.name() == name).then_some(wanted)
    }
}

/// Lists all of these: each is looked up before anything is changed.
///
/// # Errors
///
/// If one has no prefixes, or listing them is refused.
pub(crate) fn add(
    filter: &Filter,
    origins: &Origins,
    list: ListName,
    wanted: &[Wanted],
    terms: &Terms<'_>,
) -> Result<AddResponse, Refusal> {
    let found = wanted.iter().map(|wanted| Ok((wanted, prefixes(origins, &wanted.selector)?)));
    let found: Vec<_> = found.collect::<Result<_, Refusal>>()?;
    if let (ListName::Allow, Some((wanted, prefixes))) =
        (list, found.iter().find(|(_, prefixes)| prefixes.len() > MOST_ALLOWED))
    {
        return Err(Refusal::Invalid(format!(
            "{} has {} prefixes, and at most {MOST_ALLOWED} are allowed at once",
            wanted.selector,
            prefixes.len()
        )));
    }
    let mut response = AddResponse::default();
    for (wanted, prefixes) in found {
        let of_them = format!("{} ({} prefixes)", wanted.name(), prefixes.len());
        let is_new = match list {
            ListName::Block => {
                let is_new = !filter.import_names().iter().any(|(name, _)| *name == wanted.name());
                block(filter, wanted, &prefixes, terms)?;
                is_new
            }
            ListName::Allow => {
                let note = Some(wanted.name());
                let is_new = !allowed(filter).contains_key(&wanted.selector);
                filter.add(list, &prefixes, terms.lifetime, note, terms.lifelines)?;
                is_new
            }
        };
        if is_new { response.added.push(of_them) } else { response.updated.push(of_them) }
    }
    Ok(response)
}

/// Allows prefixes as the ranges of this name; with `replaces`, what else has the name leaves the list.
///
/// # Errors
///
/// If files of the configuration tell which ranges have that name, these cover more than a CDN has, or allowing them is refused.
pub(crate) fn add_named(
    filter: &Filter,
    origins: &Origins,
    name: &Selector,
    prefixes: &[IpNetwork],
    replaces: bool,
    terms: &Terms<'_>,
) -> Result<AddResponse, Refusal> {
    if !matches!(name, Selector::Cdn(_)) {
        return Err(Refusal::Invalid(format!("ranges are named cdn:NAME, and `{name}` is none")));
    }
    if origins.tell_of(name) {
        return Err(Refusal::Invalid(format!(
            "files of the configuration tell which ranges {name} has: `floodwall allow add {name}` allows them"
        )));
    }
    if terms.lifelines.is_some() {
        refuse_too_much(prefixes).map_err(|error| Refusal::Dangerous(error.to_string()))?;
    }
    let wanted: Vec<_> = prefixes.iter().copied().map(Prefix::from).collect();
    let response =
        filter.add(ListName::Allow, &wanted, terms.lifetime, Some(name.to_string()), terms.lifelines)?;
    if replaces {
        let kept: BTreeSet<_> = wanted.into_iter().collect();
        let there = allowed(filter).remove(name).unwrap_or_default();
        let gone: Vec<_> =
            there.into_iter().map(|(prefix, _)| prefix).filter(|prefix| !kept.contains(prefix)).collect();
        if !gone.is_empty() {
            filter.remove(ListName::Allow, &gone)?;
        }
    }
    Ok(response)
}

/// Takes all of these off a list; says how many prefixes left.
///
/// # Errors
///
/// If one is not listed.
pub(crate) fn remove(filter: &Filter, list: ListName, selectors: &[Selector]) -> Result<u64, Refusal> {
    let mut removed = 0;
    for selector in selectors {
        let names = [false, true]
            .map(|only_while_attacked| Wanted { selector: selector.clone(), only_while_attacked }.name());
        match list {
            ListName::Block => {
                let known = filter.import_names();
                let there: Vec<_> =
                    names.iter().filter(|name| known.iter().any(|(known, _)| known == *name)).collect();
                if there.is_empty() {
                    return Err(not_listed(selector, list));
                }
                for name in there {
                    removed += filter.flush(list, Some(name))?;
                }
            }
            ListName::Allow => {
                let all = allowed(filter).remove(selector).ok_or_else(|| not_listed(selector, list))?;
                let prefixes: Vec<_> = all.into_iter().map(|(prefix, _)| prefix).collect();
                removed += filter.remove(list, &prefixes)?;
            }
        }
    }
    Ok(removed)
}

/// Brings lists up to what the database tells now, and to whether a service is attacked; `which` of them. Each that
/// cannot be is told of, with why, and stays as it is.
pub(crate) fn follow(
    filter: &Filter,
    origins: &Origins,
    lifelines: &Lifelines,
    attacked: bool,
    which: impl Fn(&Wanted) -> bool,
) -> Vec<(String, Refusal)> {
    let mut failed = Vec::new();
    for (name, expires) in filter.import_names() {
        let Some(wanted) = Wanted::of_name(&name).filter(&which) else { continue };
        let Some(lifetime) = left_of(expires) else { continue };
        let terms = Terms { lifetime, lifelines: Some(lifelines), skips_dangers: true, attacked };
        let outcome = prefixes(origins, &wanted.selector)
            .and_then(|prefixes| block(filter, &wanted, &prefixes, &terms));
        failed.extend(outcome.err().map(|refusal| (name, refusal)));
    }
    for (selector, there) in allowed(filter) {
        let wanted = Wanted { selector, only_while_attacked: false };
        if origins.tell_of(&wanted.selector) && which(&wanted) {
            let outcome = follow_allowed(filter, origins, &wanted, &there);
            failed.extend(outcome.err().map(|refusal| (wanted.name(), refusal)));
        }
    }
    failed
}

/// What is in the allowlist of networks and countries, and until when.
fn allowed(filter: &Filter) -> BTreeMap<Selector, Vec<(Prefix, Option<u64>)>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (prefix, note, expires) in filter.with_notes(ListName::Allow) {
        if let Some(Wanted { selector, only_while_attacked: false }) = Wanted::of_name(&note) {
            all.entry(selector).or_default().push((prefix, expires));
        }
    }
    all
}

fn follow_allowed(
    filter: &Filter,
    origins: &Origins,
    wanted: &Wanted,
    there: &[(Prefix, Option<u64>)],
) -> Result<(), Refusal> {
    let Some(lifetime) = there.first().and_then(|(_, expires)| left_of(*expires)) else { return Ok(()) };
    let now: BTreeSet<_> = prefixes(origins, &wanted.selector)?.into_iter().collect();
    let before: BTreeSet<_> = there.iter().map(|(prefix, _)| *prefix).collect();
    let [new, gone] =
        [now.difference(&before), before.difference(&now)].map(|some| some.copied().collect::<Vec<_>>());
    if !new.is_empty() {
        filter.add(ListName::Allow, &new, lifetime, Some(wanted.name()), Some(&Lifelines::default()))?;
    }
    if !gone.is_empty() {
        filter.remove(ListName::Allow, &gone)?;
    }
    Ok(())
}

fn block(filter: &Filter, wanted: &Wanted, prefixes: &[Prefix], terms: &Terms<'_>) -> Result<(), Refusal> {
    let in_force = terms.attacked || !wanted.only_while_attacked;
    let import = |prefixes: &[Prefix], lifelines: Option<&Lifelines>, skip_bad| {
        let lines: Vec<_> = prefixes.iter().map(Prefix::to_string).collect();
        let options = ImportOptions {
            name: wanted.name(),
            skip_bad,
            replace: true,
            lifetime: terms.lifetime,
            lifelines: lifelines.cloned(),
        };
        filter.import(lines.join("\n").as_bytes(), &options, &mut |_| ())
    };
    if !in_force {
        // Its name is kept, for the next attack.
        return import(&[], None, false).map(drop);
    }
    match import(prefixes, terms.lifelines, terms.skips_dangers) {
        Err(Refusal::BadList { report }) => Err(match report.problems.first() {
            Some(problem) => {
                let why = problem.message.split(';').next().unwrap_or_default();
                Refusal::Dangerous(format!("{} has {}, which {why}", wanted.selector, problem.text))
            }
            None => Refusal::BadList { report },
        }),
        outcome => outcome.map(drop),
    }
}

fn prefixes(origins: &Origins, selector: &Selector) -> Result<Vec<Prefix>, Refusal> {
    let found = origins.prefixes(selector).map_err(|error| match error {
        OriginError::NoPrefix { .. } => Refusal::NotFound(error.to_string()),
        other => Refusal::Invalid(other.to_string()),
    })?;
    Ok(found.into_iter().map(Prefix::from).collect())
}

fn not_listed(selector: &Selector, list: ListName) -> Refusal {
    Refusal::NotFound(format!("{selector} is not in the {}list", list.name()))
}

/// How long something is still wanted that is taken back then; `None` if that is over.
fn left_of(expires: Option<u64>) -> Option<Option<Duration>> {
    let Some(expires) = expires else { return Some(None) };
    let now = unix::time(SystemTime::now());
    let left = Duration::from_secs(expires).checked_sub(now).filter(|left| !left.is_zero())?;
    Some(Some(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_by_its_name() {
        for name in ["asn:64500", "country:DE", "country:DE while attacked", "cdn:example"] {
            assert_eq!(Wanted::of_name(name).map(|wanted| wanted.name()).as_deref(), Some(name));
        }
        for name in [
            "asn:064500",
            "AS:1",
            "country:de",
            "CDN:x",
            "spamhaus",
            "asn:1 while attacked ",
            "while attacked",
        ] {
            assert_eq!(Wanted::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn what_has_an_end_is_wanted_for_what_is_left_of_it() {
        assert_eq!(left_of(None), Some(None));
        assert_eq!(left_of(Some(1)), None, "it is over");
        let far = left_of(Some(u64::MAX / 4)).flatten().expect("far ahead");
        assert!(far > Duration::from_secs(1 << 40), "{far:?}");
    }
}
