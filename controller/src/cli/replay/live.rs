//! What the running daemon has in force.

use super::{Given, invalid};
use crate::{
    api::{InForce, ListName, SignatureList, path},
    cli::{
        exit::{Failed, Kind, Stop},
        prefixes::Pages,
        session::Session,
    },
    config::Config,
    tables::{Capacity, Prefix},
};

/// Adds the daemon's lists and signatures to what is given, and returns its policy and capacity.
pub(super) fn take(session: &Session<'_>, given: &mut Given) -> Result<Config, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Kind::Internal, format!("starting: {error}")))?;
    runtime.block_on(async {
        given.lists.allow.extend(list(session, ListName::Allow).await?);
        given.lists.block.extend(list(session, ListName::Block).await?);
        let SignatureList { signatures, .. } = session.client.get(path::SIGNATURE).await?;
        given.signatures.extend(signatures);
        let InForce { policy, capacity, observe } = session.client.get(path::POLICY).await?;
        let policy = serde_json::from_value(policy).map_err(|error| {
            Failed::new(
                Kind::Internal,
                format!("the daemon's policy is not understood, as it may be of another version: {error}"),
            )
        })?;
        let capacity =
            Capacity { prefixes: capacity.prefixes, sources: capacity.sources, flows: capacity.flows };
        let config = Config { policy, capacity, observe, ..Config::default() };
        config.check().map_err(invalid)?;
        Ok(config)
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
