//! What the running daemon has in force.

use crate::{
    api::{Limits, ListName},
    cli::{
        exit::{Failed, Kind, Stop},
        prefixes::Pages,
        session::Session,
    },
    replay::world::Lists,
    tables::Prefix,
};

/// Adds the daemon's lists, and returns its limits.
pub(super) fn take(session: &Session<'_>, lists: &mut Lists) -> Result<Limits, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Kind::Internal, format!("starting: {error}")))?;
    runtime.block_on(async {
        lists.allow.extend(list(session, ListName::Allow).await?);
        lists.block.extend(list(session, ListName::Block).await?);
        Ok(session.client.get("/v1/limit").await?)
    })
}

async fn list(session: &Session<'_>, list: ListName) -> Result<Vec<Prefix>, Stop> {
    let mut prefixes = Vec::new();
    let mut pages = Pages::new(list, None);
    while let Some(page) = pages.next(session).await? {
        for entry in &page.entries {
            prefixes.push(entry.prefix.parse().map_err(|error| {
                Failed::new(Kind::Internal, format!("the daemon lists something that is no prefix: {error}"))
            })?);
        }
    }
    Ok(prefixes)
}
