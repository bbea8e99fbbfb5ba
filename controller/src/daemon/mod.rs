//! `floodwall run`: wires state, kernel and server together, and nothing more.

mod background;
mod bans;
mod capacity;
mod clients;
mod detection;
mod disks;
mod doctor;
mod drop_events;
mod egress;
mod expiry;
mod health;
mod host_role;
mod incidents;
mod interface_reconciler;
mod interface_step;
mod link_load;
mod lockdowns;
mod machine;
mod metrics;
mod older_flows;
mod opening;
mod origins;
mod periodically;
mod protected_interfaces;
mod protection;
mod prove_answers;
mod rule_conditions;
mod running;
mod server_view;
mod service_manager;
mod serving;
mod signals;
mod socket;
mod starting;
mod steady_clock;
mod strain;
mod tasks;
mod undo_unconfirmed;
mod watchdog;
mod web;

use self::{opening::Opened, running::Running, signals::Others};
use crate::{config::Config, options::RunOptions};

/// Protects the interfaces until SIGTERM, SIGINT, or the last one is detached.
///
/// The order is what keeps packets filtered throughout: the tables are filled first, then the program takes
/// over each interface through its link, then commands are taken. Ending leaves the filter in force. Whatever
/// another daemon may be using (state, socket, pins) is claimed before anything of it is touched.
pub async fn run(options: RunOptions, config: Config) -> anyhow::Result<()> {
    let options = RunOptions { interfaces: config.interfaces.clone(), ..options };
    let others = Others::watch()?;
    let opened = Opened::open(&options, &config).await?;
    let mut running = Running::start(opened, &options, config, others).await?;
    let end = running.until_end(&options).await;
    running.shut_down(end, &options).await
}
