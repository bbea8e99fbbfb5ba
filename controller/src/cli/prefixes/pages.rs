//! A list, page by page.

use crate::{
    api::{ListName, ListPage, MAX_PAGE, path},
    cli::{
        exit::{Failed, Kind, Stop},
        session::Session,
    },
    client::target,
};

/// Entries that are asked for at once.
const PAGE: u64 = MAX_PAGE as u64;

/// A list as it is read, page by page. What changes meanwhile is seen or not.
pub(in crate::cli) struct Pages {
    list: ListName,
    after: Option<String>,
    /// Entries still wanted; `None` wants all.
    left: Option<u64>,
    over: bool,
}

impl Pages {
    /// The first `limit` entries, or all.
    pub(in crate::cli) fn new(list: ListName, limit: Option<u64>) -> Self {
        Self { list, after: None, left: limit, over: false }
    }

    /// The next page; `None` at the end. The first is there even if it is empty.
    pub(in crate::cli) async fn next(&mut self, session: &Session<'_>) -> Result<Option<ListPage>, Stop> {
        if self.over {
            return Ok(None);
        }
        let limit = self.left.map_or(PAGE, |left| left.min(PAGE));
        let path = path::of_list(path::LIST, self.list);
        let target = match &self.after {
            None => target(&path, [("limit", &limit as _)]),
            Some(after) => target(&path, [("after", after as _), ("limit", &limit as _)]),
        };
        let page: ListPage = session.client.get(&target).await?;
        if page.next.is_some() && page.next == self.after {
            return Err(Failed::new(Kind::Internal, "the daemon gives the same page again and again").into());
        }
        self.left = self.left.map(|left| left.saturating_sub(page.entries.len() as u64));
        self.after.clone_from(&page.next);
        self.over = page.next.is_none() || self.left == Some(0);
        Ok(Some(page))
    }
}
