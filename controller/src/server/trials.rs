//! Changes on trial: undone unless they are confirmed.

use std::time::Duration;

use axum::extract::State;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Body, Refused, answer},
    peer::Peer,
};
use crate::{
    api::{Changed, ConfirmRequest, TrialList},
    host::Accepted,
    state::Terms,
};

/// How long a change may be confirmed that is on trial though nobody has asked for that.
const OF_ITSELF: Duration = Duration::from_secs(60);

/// Whether a change is on trial, as its query says.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialQuery {
    confirm_within: Option<u64>,
}

impl TrialQuery {
    /// As it is said.
    pub(super) fn within(seconds: Option<u64>) -> Self {
        Self { confirm_within: seconds }
    }

    /// What a command is held to; `None` if it stays. Where nothing is said of it, a change that `touches` the connection by
    /// which whoever asks is logged in, through a protected interface, is on trial: they may not be there any more to take
    /// it back.
    pub(super) fn terms(
        self,
        context: &Context,
        peer: Peer,
        touches: impl Fn(&Accepted) -> bool,
        command: impl FnOnce() -> String,
    ) -> Option<Terms> {
        let within = match self.confirm_within {
            Some(0) => return None,
            Some(seconds) => Duration::from_secs(seconds),
            None => {
                let mut logins = peer.logins().into_iter();
                logins.find(|login| context.dataplane.is_reached_by(login.local) && touches(login))?;
                OF_ITSELF
            }
        };
        Some(Terms { within, command: command() })
    }
}

/// Makes a change of the state, on trial if there are terms for that.
pub(super) fn tried<T>(
    context: &Context,
    terms: Option<Terms>,
    work: impl FnOnce() -> Result<T, Refused>,
) -> Result<Changed<T>, Refused> {
    let (outcome, trial) = context.filter.on_trial(terms, work);
    Ok(Changed { answer: outcome?, trial })
}

/// Changes that wait to be confirmed.
pub(super) async fn list(State(context): State<Context>) -> Answer<TrialList> {
    answer(&context, |context| Ok(TrialList { trials: context.filter.trials() })).await
}

pub(super) async fn confirm(
    State(context): State<Context>,
    Body(ConfirmRequest { number }): Body<ConfirmRequest>,
) -> Answer<TrialList> {
    answer(&context, move |context| Ok(TrialList { trials: context.filter.confirm(number)? })).await
}
