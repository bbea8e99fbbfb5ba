//! The tables of the views: headings, rows, and sorting.

use floodwall_units::{clock, count, masked, short, span};

use crate::{history::Metric, model::Model, view::View};

/// The heading of networks and countries, of which there are any only where the daemon has databases of them.
pub(crate) const NETWORK: &str = "NETWORK";

/// What a row describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Something that no change applies to.
    Other(String),
    /// A source or a prefix.
    Address(String),
    /// A signature.
    Signature(u32),
}

/// The contents of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Text.
    Words(String),
    /// A number, as it is shown and as it is sorted.
    Number(String, f64),
}

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) cells: Vec<Cell>,
}

/// The table of a view.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The headings with their widths in columns; the last one takes the remaining width.
    pub(crate) headings: Vec<(&'static str, u16)>,
    pub(crate) rows: Vec<Row>,
    /// What the table shows, in words.
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

    /// The default order: numbers descending, text ascending.
    fn before(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Number(_, one), Self::Number(_, other)) => other.total_cmp(one),
            _ => self.text().cmp(other.text()),
        }
    }
}

impl Table {
    /// The table of a view. `sort` is the column to sort by, and whether to reverse the order.
    pub(crate) fn of(view: View, model: &Model, sort: (usize, bool), filter: &str) -> Self {
        let mut table = match view {
            View::Overview | View::Services => services(model),
            View::Reasons => reasons(model),
            View::Sources => shares(model, false),
            View::Prefixes => shares(model, true),
            View::Signatures => signatures(model),
            View::Events => return events(model, filter),
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

/// The column that a view is sorted by at first.
pub(crate) const fn first_sort(view: View) -> usize {
    match view {
        View::Signatures => 2,
        View::Events => 0,
        _ => 1,
    }
}

fn services(model: &Model) -> Table {
    let services = model.overview.iter().flat_map(|overview| &overview.services);
    let row = |traffic: &floodwall_api::ServiceTraffic| {
        let name = &traffic.service;
        let (all, dropped) = (Metric::Service(name.clone()), Metric::ServiceDropped(name.clone()));
        Row {
            subject: Subject::Other(name.clone()),
            cells: vec![
                Cell::words(name),
                Cell::rate(model.history.now(&all)),
                Cell::rate(model.history.now(&dropped)),
                Cell::rate(model.history.peak(&all)),
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
        note: "the peak is that of the last 15 minutes, as far as they were seen".to_owned(),
    }
}

fn reasons(model: &Model) -> Table {
    let counters = model.overview.iter().flat_map(|overview| &overview.status.counters);
    let row = |counter: &floodwall_api::ReasonCount| {
        let of = Metric::Reason(counter.reason.clone());
        Row {
            subject: Subject::Other(counter.reason.clone()),
            cells: vec![
                Cell::words(&counter.reason),
                Cell::rate(model.history.now(&of)),
                Cell::rate(model.history.peak(&of)),
                Cell::count(counter.packets),
                Cell::words(&counter.verdict),
            ],
        }
    };
    let some = counters.filter(|counter| counter.packets > 0);
    Table {
        headings: vec![("REASON", 22), ("PKT/S", 8), ("PEAK/S", 8), ("PACKETS", 17), ("VERDICT", 8)],
        rows: some.map(row).collect(),
        note: "why packets passed or were dropped, as far as that came up".to_owned(),
    }
}

fn shares(model: &Model, of_prefixes: bool) -> Table {
    let sampled = model.drops.sampled();
    let shares = if of_prefixes { model.drops.prefixes() } else { model.drops.sources() };
    let names_networks = shares.iter().any(|share| share.origin.is_some());
    let row = |share: crate::sampled_drops::Share| {
        let mut cells = vec![
            Cell::words(&share.who),
            Cell::Number(percent(share.sampled, sampled), share.sampled as f64),
            Cell::count(share.sampled),
        ];
        if of_prefixes {
            cells.push(Cell::count(share.sources));
        }
        cells.extend([Cell::words(&share.aim), Cell::words(&share.reason)]);
        if names_networks {
            cells.push(Cell::words(share.origin.as_deref().unwrap_or("not known")));
        }
        Row { subject: Subject::Address(share.who), cells }
    };
    let mut headings = if of_prefixes {
        vec![("PREFIX", 19), ("SHARE", 6), ("SAMPLED", 8), ("SOURCES", 8)]
    } else {
        vec![("SOURCE", 28), ("SHARE", 6), ("SAMPLED", 8)]
    };
    headings.extend([("FOR", 9), ("DROPPED FOR", 12)]);
    if names_networks {
        headings.push((NETWORK, 12));
    }
    Table {
        headings,
        rows: shares.into_iter().map(row).collect(),
        note: if model.drops.are_forged() {
            format!("of {} drops sampled in a minute; FORGED: hardly one came twice", count(sampled))
        } else {
            format!("of {} drops sampled in a minute; addresses can be forged", count(sampled))
        },
    }
}

fn percent(part: u64, whole: u64) -> String {
    match part as f64 * 100.0 / whole.max(1) as f64 {
        share if share > 0.0 && share < 0.5 => "<1 %".to_owned(),
        share => format!("{share:.0} %"),
    }
}

fn signatures(model: &Model) -> Table {
    let list = model.overview.iter().flat_map(|overview| &overview.signatures.signatures);
    let row = |signature: &floodwall_api::SignatureReport| Row {
        subject: Subject::Signature(signature.number),
        cells: vec![
            Cell::Number(signature.number.to_string(), -f64::from(signature.number)),
            Cell::words(match (signature.enforced, signature.pinned) {
                (true, true) => "drops, pinned",
                (true, false) => "drops",
                (false, true) => "counts, pinned",
                (false, false) => "counts",
            }),
            Cell::rate(model.history.now(&Metric::Signature(signature.number))),
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

/// Events are always sorted by time, the latest first.
fn events(model: &Model, filter: &str) -> Table {
    let row = |(number, told): (usize, &crate::words::EventLine)| Row {
        subject: Subject::Other(number.to_string()),
        cells: vec![
            Cell::Words(clock(told.time_ms)),
            Cell::words(&told.kind),
            Cell::words(if told.loud { "!" } else { "" }),
            Cell::words(&told.text),
        ],
    };
    let mut table = Table {
        headings: vec![("UTC", 8), ("KIND", 9), ("", 1), ("WHAT", 40)],
        rows: model.events.iter().enumerate().map(row).rev().collect(),
        note: "the latest first; drops are in Sources".to_owned(),
    };
    table.keep(filter);
    table
}
