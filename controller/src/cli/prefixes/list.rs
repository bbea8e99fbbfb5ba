//! `floodwall block list`, `floodwall allow list`.

use clap::Args;

use super::{name, pages::Pages};
use crate::{
    api::{Entry, ListName},
    cli::{
        exit::{Done, Stop},
        session::Session,
        table::{Lean, Table},
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Show only the first of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl List {
    pub(super) async fn apply(self, list: ListName, session: &mut Session<'_>) -> Result<Done, Stop> {
        let now = units::now();
        let mut table = Table::new([
            ("PREFIX", Lean::Left),
            ("PACKETS", Lean::Right),
            ("LISTED", Lean::Left),
            ("EXPIRES", Lean::Left),
            ("IMPORT", Lean::Left),
            ("NOTE", Lean::Left),
        ]);
        let mut pages = Pages::new(list, self.limit);
        let (mut shown, mut total) = (0, 0);
        while let Some(page) = pages.next(session).await? {
            (shown, total) = (shown + page.entries.len() as u64, page.total);
            if session.json {
                page.entries.iter().try_for_each(|entry| session.write_json(entry))?;
            } else if !page.entries.is_empty() {
                let rows: Vec<_> = page.entries.iter().map(|entry| row(entry, now)).collect();
                table.write(&rows, &mut *session.out, session.style)?;
            }
            // A page is worth showing while the next is fetched, and `head` may have seen enough.
            session.out.flush()?;
        }
        if !session.json {
            let list = name(list);
            match (shown, total) {
                (0, _) => writeln!(session.out, "the {list}list is empty")?,
                (shown, total) if shown < total => {
                    writeln!(
                        session.out,
                        "the first {} of {} in the {list}list",
                        units::count(shown),
                        units::count(total)
                    )?;
                }
                (shown, _) => writeln!(session.out, "{} in the {list}list", units::prefixes(shown))?,
            }
        }
        Ok(Done::Plain)
    }
}

fn row(entry: &Entry, now: u64) -> [String; 6] {
    let Entry { prefix, hits, import, since, expires, note } = entry;
    let foreign = |text: &Option<String>| text.as_deref().map(units::printable).unwrap_or_default();
    [
        prefix.clone(),
        units::count(*hits),
        units::ago(*since, now),
        expires.map_or_else(|| "never".to_owned(), |expires| units::within(expires, now)),
        foreign(import),
        foreign(note),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_as_a_row() {
        let mut entry = Entry {
            prefix: "192.0.2.0/24".into(),
            hits: 1_234,
            import: None,
            since: 1_000,
            expires: Some(4_660),
            note: Some("scan\x1b[2J".into()),
        };
        assert_eq!(row(&entry, 1_060), ["192.0.2.0/24", "1,234", "1m ago", "in 1h", "", "scan\\u{1b}[2J"]);
        entry.expires = None;
        entry.import = Some("ipsum".into());
        assert_eq!(row(&entry, 1_060)[3..5], ["never", "ipsum"]);
    }
}
