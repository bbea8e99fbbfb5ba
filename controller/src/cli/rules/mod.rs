//! `floodwall rule`, `ban`, `bypass`, `lockdown`, `reload`, `check` and `health`: what holds, and for whom.

pub(super) mod ban;
pub(super) mod bypass;
pub(super) mod check;
pub(super) mod health;
pub(super) mod lockdown;
pub(super) mod reload;
pub(super) mod rule;
