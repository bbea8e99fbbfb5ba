//! `floodwall setup`: the first hour on a host.

mod enforce;
mod host;
mod place;
mod propose;

#[cfg(test)]
pub(super) use self::{enforce::Enforced, propose::Proposed};

use clap::{Args, Subcommand};

use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};

/// The configuration of the service, unless another one is named.
pub(super) const CONFIGURATION: &str = "/etc/floodwall/floodwall.toml";

/// Propose a configuration for this host, and write it; `setup enforce` has it drop what it counted.
///
/// Proposed are a service for each kind of what listens here, and the interfaces that default routes lead by. Nothing is
/// filtered before the daemon is started anew, and then it only counts what it would drop (`observe = true`), but for what
/// you have named yourself. What stands in the configuration already stays.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Setup {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    propose: propose::Propose,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Say what would have been dropped, and have it dropped from now on.
    Enforce(enforce::Enforce),
}

impl Setup {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self.step {
            Some(Step::Enforce(enforce)) => enforce.apply(session).await,
            None => self.propose.apply(session).await,
        }
    }
}

/// Whether a person who looks at the terminal agrees. Who does not, and cannot be asked, has to say `--yes`.
fn agrees(question: &str, session: &mut Session<'_>) -> Result<bool, Stop> {
    if !session.interactive {
        return Ok(false);
    }
    write!(session.out, "{question} [y/N] ")?;
    session.out.flush()?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failed::new(Kind::Internal, format!("reading the answer: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
