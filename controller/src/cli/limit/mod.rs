//! `floodwall limit`: how much of everything a source may send.

mod rate;
mod set;
mod show;

pub(super) use self::show::words;

use clap::Subcommand;

use super::{
    exit::{Done, Stop},
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(super) enum Limit {
    /// The limits in force.
    Show,
    /// Change a limit, and leave the other: `limit set packets 5000/s --burst 10000`, `limit set syn off`.
    Set(set::Set),
}

impl Limit {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::Show => show::apply(session).await,
            Self::Set(set) => set.apply(session).await,
        }
    }
}
