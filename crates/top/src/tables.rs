//! What each view lists: headings, rows, and what they are sorted by.

use floodwall_units::{clock, count, masked, short, span};

use crate::{data::Data, history::Of, view::View};

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Nothing that can be acted upon.
    Other(String),
    /// A source or a prefix.
    Address(String),
    /// A signature.
    Signature(u32),
}

/// What a cell is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Words.
    Words(String),
    /// A number, as it is shown, and as it is.
    Number(String, f64),
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) about: About,
    pub(crate) cells: Vec<Cell>,
}

/// What a view lists.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Each with its width in columns; the last takes what is left.
    pub(crate) headings: Vec<(&'static str, u16)>,
    pub(crate) rows: Vec<Row>,
    /// What it rests on, in words.
    pub(crate) note: String,
}

impl Cell {
    fn words(text: &str) -> Self {
        Self::Words(masked(text))
    }

    fn rate(number: f64) -> Self {
        Self::Number(short(number), number)
    }

    fn count(number: u64) -> Self {
        Self::Number(count(number), number as f64)
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Words(text) | Self::Number(text, _) => text,
        }
    }

    pub(crate) const fn is_number(&self) -> bool {
        matches!(self, Self::Number(..))
    }

    /// In the order in which people look for them: great numbers first, words by the alphabet.
    fn before(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Number(_, one), Self::Number(_, other)) => other.total_cmp(one),
            _ => self.text().cmp(other.text()),
        }
    }
}

impl Table {
    /// What a view lists; `sort` is a column, and whether the order is turned around.
    pub(crate) fn of(view: View, data: &Data, sort: (usize, bool), filter: &str) -> Self {
        let mut table = match view {
            View::Overview | View::Services => services(data),
            View::Reasons => reasons(data),
            View::Sources => shares(data, false),
            View::Prefixes => shares(data, true),
            View::Signatures => signatures(data),
            View::Events => return events(data, filter),
        };
        table.keep(filter);
        table.sort(sort);
        table
    }

    fn keep(&mut self, filter: &str) {
        let wanted = filter.to_lowercase();
        self.rows.retain(|row| row.cells.iter().any(|cell| cell.text().to_lowercase().contains(&wanted)));
    }

    fn sort(&mut self, (column, turned): (usize, bool)) {
        let column = column.min(self.headings.len() - 1);
        self.rows.sort_by(|one, other| {
            let order = one.cells[column].before(&other.cells[column]);
            if turned { order.reverse() } else { order }
        });
    }
}

/// Where the column stands that a view is sorted by at first.
pub(crate) const fn first_sort(view: View) -> usize {
    match view {
        View::Signatures => 2,
        View::Events => 0,
        _ => 1,
    }
}

fn services(data: &Data) -> Table {
    let services = data.overview.iter().flat_map(|overview| &overview.services);
    let row = |traffic: &floodwall_api::ServiceTraffic| {
        let name = &traffic.service;
        let (all, dropped) = (Of::Service(name.clone()), Of::ServiceDropped(name.clone()));
        Row {
            about: About::Other(name.clone()),
            cells: vec![
                Cell::words(name),
                Cell::rate(data.history.now(&all)),
                Cell::rate(data.history.now(&dropped)),
                Cell::rate(data.history.peak(&all)),
                Cell::count(traffic.packets),
                Cell::count(traffic.dropped),
                Cell::words(if traffic.attacked { "ATTACKED" } else { "" }),
            ],
        }
    };
    Table {
        headings: vec![
            ("SERVICE", 16),
            ("PKT/S", 8),
            ("DROP/S", 8),
            ("PEAK/S", 8),
            ("PACKETS", 15),
            ("DROPPED", 15),
            ("", 8),
        ],
        rows: services.map(row).collect(),
        note: "by service; the peak is that of the last 15 minutes, as far as they were looked at".to_owned(),
    }
}

fn reasons(data: &Data) -> Table {
    let counters = data.overview.iter().flat_map(|overview| &overview.status.counters);
    let row = |counter: &floodwall_api::ReasonCount| {
        let of = Of::Reason(counter.reason.clone());
        Row {
            about: About::Other(counter.reason.clone()),
            cells: vec![
                Cell::words(&counter.reason),
                Cell::rate(data.history.now(&of)),
                Cell::rate(data.history.peak(&of)),
                Cell::count(counter.packets),
                Cell::words(&counter.verdict),
            ],
        }
    };
    let some = counters.filter(|counter| counter.packets > 0);
    Table {
        headings: vec![("REASON", 22), ("PKT/S", 8), ("PEAK/S", 8), ("PACKETS", 17), ("VERDICT", 8)],
        rows: some.map(row).collect(),
        note: "why packets passed or were dropped; those that have not come up are left out".to_owned(),
    }
}

fn shares(data: &Data, of_prefixes: bool) -> Table {
    let sampled = data.tally.sampled();
    let shares = if of_prefixes { data.tally.prefixes() } else { data.tally.sources() };
    // A source is one source: where it is known whose it is, that stands in the place of how many they are.
    let names_networks = !of_prefixes && shares.iter().any(|share| share.origin.is_some());
    let row = |share: crate::tally::Share| Row {
        about: About::Address(share.who.clone()),
        cells: vec![
            Cell::words(&share.who),
            Cell::Number(percent(share.sampled, sampled), share.sampled as f64),
            Cell::count(share.sampled),
            if names_networks {
                Cell::words(share.origin.as_deref().unwrap_or_default())
            } else {
                Cell::count(share.sources)
            },
            Cell::words(&share.aim),
            Cell::words(&share.reason),
        ],
    };
    Table {
        headings: vec![
            (if of_prefixes { "PREFIX" } else { "SOURCE" }, 26),
            ("SHARE", 6),
            ("SAMPLED", 8),
            if names_networks { ("NETWORK", 12) } else { ("SOURCES", 8) },
            ("FOR", 12),
            ("DROPPED FOR", 14),
        ],
        rows: shares.into_iter().map(row).collect(),
        note: format!(
            "of {} drops of the last minute that were sampled; addresses can be forged",
            count(sampled)
        ),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "0 %".to_owned() } else { format!("{:.0} %", part as f64 * 100.0 / whole as f64) }
}

fn signatures(data: &Data) -> Table {
    let list = data.overview.iter().flat_map(|overview| &overview.signatures.signatures);
    let row = |signature: &floodwall_api::SignatureReport| Row {
        about: About::Signature(signature.number),
        cells: vec![
            Cell::Number(signature.number.to_string(), -f64::from(signature.number)),
            Cell::words(match (signature.enforced, signature.pinned) {
                (true, true) => "drops, pinned",
                (true, false) => "drops",
                (false, true) => "counts, pinned",
                (false, false) => "counts",
            }),
            Cell::rate(data.history.now(&Of::Signature(signature.number))),
            Cell::count(signature.packets),
            Cell::Number(span(signature.age_seconds as u64), signature.age_seconds),
            Cell::words(&signature.text),
        ],
    };
    Table {
        headings: vec![
            ("NO", 3),
            ("ACTION", 14),
            ("PKT/S", 8),
            ("PACKETS", 13),
            ("AGE", 8),
            ("SIGNATURE", 20),
        ],
        rows: list.map(row).collect(),
        note: "what is found to tell an attack's packets from others".to_owned(),
    }
}

/// The latest first, whatever the order.
fn events(data: &Data, filter: &str) -> Table {
    let row = |(number, told): (usize, &crate::data::Told)| Row {
        about: About::Other(number.to_string()),
        cells: vec![
            Cell::Words(clock(told.time_ms)),
            Cell::words(told.kind),
            Cell::words(if told.loud { "!" } else { "" }),
            Cell::words(&told.text),
        ],
    };
    let mut table = Table {
        headings: vec![("UTC", 8), ("KIND", 9), ("", 1), ("WHAT", 40)],
        rows: data.events.iter().enumerate().map(row).rev().collect(),
        note: "what has happened since this was started; drops are in Sources".to_owned(),
    };
    table.keep(filter);
    table
}
