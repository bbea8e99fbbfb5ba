//! `floodwall status`: how the filter stands.

mod checks;
mod machine;
mod render;

use clap::Args;

use super::{
    exit::{Done, Stop},
    session::Session,
};
use crate::api;

#[derive(Debug, Args)]
pub(super) struct Status {}

impl Status {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let Self {} = self;
        let status: api::Status = session.client.get(api::path::STATUS).await?;
        session.answer(&status, render::render)?;
        Ok(if status.problems.is_empty() { Done::Plain } else { Done::Impaired })
    }
}
