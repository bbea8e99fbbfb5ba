//! `floodwall limit`: how much of everything a source may send.

mod rate;
mod set;
mod show;
mod words;

#[cfg(test)]
pub(super) use self::show::Shown;
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
    ///
    /// That is short for a rule of all services, `limit set default packets per source 5000/s`, and enforced unless --mode
    /// says otherwise. A service's own rule: `limit set web syn per source 200/s burst 400`.
    Set(set::Set),
    /// Have a limit or rule be as it is configured: `limit reset syn`, `limit reset web syn per source`.
    Reset(set::Reset),
}

impl Limit {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::Show => show::apply(session).await,
            Self::Set(set) => set.apply(session).await,
            Self::Reset(reset) => reset.apply(session).await,
        }
    }
}
