//! The command line: syntax in, meaning out.
//!
//! A file a verb: each holds the verb's syntax, what it asks of the daemon and how the answer is shown. All
//! but `run` and `replay` are clients of the control socket and nothing else (`detach` does without one if there
//! is none).
//! What a verb works with is [`session`]; how it ends, [`exit`].

mod applied;
mod arguments;
mod attach;
mod audit;
mod bundle;
mod completions;
mod detach;
mod doctor;
mod events;
mod evidence;
mod exit;
mod incident;
mod limit;
mod man;
mod notify;
mod now;
mod prefixes;
#[cfg(test)]
mod reference;
mod replay;
mod rules;
mod run;
#[cfg(test)]
mod schemas;
mod session;
mod setup;
mod signature;
mod source;
mod state;
mod status;
mod style;
mod table;
#[cfg(test)]
mod tests;
mod top;
mod trial;
mod units;
mod web;
mod why;

use std::{env, ffi::OsString, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};
use crate::client::Client;

/// Where the daemon listens unless told otherwise.
const SOCKET: &str = "/run/floodwall/floodwall.sock";
/// Heads what every command takes.
const EVERYWHERE: &str = "Options of every command";
/// Where the daemon pins unless told otherwise.
const BPFFS: &str = "/sys/fs/bpf/floodwall";
/// Where the state is unless told otherwise.
const STATE_DIR: &str = "/var/lib/floodwall";

/// Keeps a host serving while it is flooded: an XDP packet filter and its controller.
///
/// Without a command it says whether this is an attack, and what can be done now.
#[derive(Debug, Parser)]
#[command(name = "floodwall", version, after_help = exit::CODES)]
#[command(max_term_width = 100)]
struct Cli {
    /// Control socket of the daemon.
    #[arg(long, global = true, env = "FLOODWALL_SOCKET", default_value = SOCKET, value_name = "PATH")]
    #[arg(hide_env_values = true, help_heading = EVERYWHERE)]
    socket: PathBuf,
    /// Print JSON instead of text, failures too: one document, or one a line for what comes in lines.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Protect interfaces: load the filter, attach it, and take commands until it is told to stop.
    Run(run::Run),
    /// Say what the filter would do with a capture, packet by packet, in virtual time.
    Replay(replay::Replay),
    #[command(flatten)]
    Ask(Ask),
}

/// What clients of the daemon do.
#[derive(Debug, Subcommand)]
enum Ask {
    /// Whether this is an attack, and what can be done now; the same without any command.
    Now,
    Setup(setup::Setup),
    /// How the filter stands: interfaces, counters, lists, limits, memory, warnings.
    Status(status::Status),
    /// Watch in the terminal how the filter fares, and act: `?` says which keys there are.
    ///
    /// What passes and what is dropped now and over the last 15 minutes, by service and reason; whose packets are dropped, as
    /// far as a sample tells; signatures, incidents, events. It goes on over restarts of the daemon.
    Top(top::Top),
    #[command(subcommand)]
    Web(web::Web),
    /// The blocklist: sources that are dropped.
    #[command(subcommand)]
    Block(prefixes::Block),
    /// The allowlist: sources that always pass, whatever else is said of them.
    #[command(subcommand)]
    Allow(prefixes::Allow),
    /// Say what becomes of an address's packets, and why: lists, signatures, bans, limits, rules.
    Why(why::Why),
    /// Signatures: what tells an attack's packets from others.
    #[command(subcommand)]
    Signature(signature::Signature),
    /// Limits that hold for every source, and the rules of services.
    #[command(subcommand)]
    Limit(limit::Limit),
    /// The rules: what holds, and what it has done.
    #[command(subcommand)]
    Rule(rules::rule::Rules),
    /// Who is banned, as a rule was crossed.
    #[command(subcommand)]
    Ban(rules::ban::Ban),
    /// Let everything pass for a time.
    #[command(subcommand)]
    Bypass(rules::bypass::Bypass),
    /// Close a service to all but known clients, and open it again, at once or by and by.
    #[command(subcommand)]
    Lockdown(rules::lockdown::Lockdown),
    /// Say whether a configuration is sound; where not, line and column, and what is allowed there.
    Check(rules::check::Check),
    /// Read the configuration again, say what that changes, and change it.
    Reload(rules::reload::Reload),
    /// Have changes stay that were made with --confirm-within, and would be undone.
    Confirm(trial::Confirm),
    /// Prove that what is said to be filtered is; exit code 9 if something is not.
    ///
    /// By what the kernel says of links, programs and maps, and by packets of floodwall's own which the program
    /// judges: one that is not IP, a malformed one, and one from a blocked address if there is one. They are
    /// counted as others are, and arrive nowhere.
    Doctor,
    /// What tells that the host or a service suffers before it is down.
    Health,
    /// Incidents: attacks from their first packet to the post-mortem.
    #[command(subcommand)]
    Incident(incident::Incident),
    /// Who is told of incidents: people, pagers, programs.
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Who has asked for which change, and what became of it.
    Audit(audit::Audit),
    /// Put what whoever helps has to know into one archive, with secrets left out and addresses cut.
    Bundle(bundle::Bundle),
    /// Single sources.
    #[command(subcommand)]
    Source(source::Source),
    /// Watch a sample of what is dropped, and what becomes of interfaces, until interrupted.
    ///
    /// The kernel tells of a bounded number of drops a second, however many there are. With --json, one a
    /// line.
    Events(events::Events),
    /// Put the filter on an interface, or back on one that another tool has taken it off.
    Attach(attach::Attach),
    /// Take the filter off an interface; off the last one, remove every trace of it.
    ///
    /// If no daemon answers, the filter that an earlier one left in force is taken off all the same.
    Detach(detach::Detach),
    /// The state directory: check, repair, export and import it while no daemon uses it.
    #[command(subcommand)]
    State(state::State),
    /// Print completions for a shell.
    #[command(hide = true)]
    Completions(completions::Completions),
    /// Print the manual page, or write those of all commands.
    #[command(hide = true)]
    Man(man::Man),
}

/// The program: reads the command line, carries it out, and says how it went.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli.carry_out(),
        Err(error) => misunderstood(&error, &arguments),
    }
}

/// Help, or what is wrong with the command line.
fn misunderstood(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    if json && error.use_stderr() {
        return Failed::new(Kind::Invalid, wrong(&error.render().to_string())).report(true);
    }
    // Whoever closed the output wants no help.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { Kind::Invalid.code() } else { Done::Plain.code() })
}

/// What is wrong, out of clap's words, without where more can be read.
fn wrong(rendered: &str) -> String {
    let end = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|end| rendered.find(end)).min();
    let message = &rendered[..end.unwrap_or(rendered.len())];
    message.strip_prefix("error: ").unwrap_or(message).trim_end().to_owned()
}

impl Cli {
    fn carry_out(self) -> ExitCode {
        let Self { socket, json, verb } = self;
        let outcome = match verb.unwrap_or(Verb::Ask(Ask::Now)) {
            Verb::Run(run) => run.apply(socket),
            Verb::Replay(replay) => {
                let mut session = Session::of_process(Client::new(socket), json);
                let outcome = replay.apply(&mut session);
                session.out.flush().map_err(Stop::from).and(outcome)
            }
            Verb::Ask(ask) => ask.carry_out(Session::of_process(Client::new(socket), json)),
        };
        match outcome {
            Ok(done) => ExitCode::from(done.code()),
            Err(Stop::Closed) => ExitCode::from(Done::Plain.code()),
            Err(Stop::Failed(failed)) => failed.report(json),
        }
    }
}

impl Ask {
    fn carry_out(self, mut session: Session<'_>) -> Result<Done, Stop> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed::new(Kind::Internal, format!("starting: {error}")))?;
        let outcome = runtime.block_on(self.apply(&mut session));
        // A read of standard input that is under way would hold up an ordinary end.
        runtime.shutdown_background();
        // What was written before a failure is shown before it.
        let flushed = session.out.flush();
        let done = outcome?;
        flushed?;
        Ok(done)
    }

    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::Now => now::apply(session).await,
            Self::Setup(verb) => verb.apply(session).await,
            Self::Status(verb) => verb.apply(session).await,
            Self::Top(verb) => verb.apply(session).await,
            Self::Web(verb) => verb.apply(session).await,
            Self::Block(verb) => verb.apply(session).await,
            Self::Allow(verb) => verb.apply(session).await,
            Self::Why(verb) => verb.apply(session).await,
            Self::Signature(verb) => verb.apply(session).await,
            Self::Limit(verb) => verb.apply(session).await,
            Self::Rule(verb) => verb.apply(session).await,
            Self::Ban(verb) => verb.apply(session).await,
            Self::Bypass(verb) => verb.apply(session).await,
            Self::Lockdown(verb) => verb.apply(session).await,
            Self::Check(verb) => verb.apply(session),
            Self::Reload(verb) => verb.apply(session).await,
            Self::Confirm(verb) => verb.apply(session).await,
            Self::Doctor => doctor::apply(session).await,
            Self::Health => rules::health::apply(session).await,
            Self::Incident(verb) => verb.apply(session).await,
            Self::Notify(verb) => verb.apply(session).await,
            Self::Audit(verb) => verb.apply(session).await,
            Self::Bundle(verb) => verb.apply(session).await,
            Self::Source(verb) => verb.apply(session).await,
            Self::Events(verb) => verb.apply(session).await,
            Self::Attach(verb) => verb.apply(session).await,
            Self::Detach(verb) => verb.apply(session).await,
            Self::State(verb) => verb.apply(session),
            Self::Completions(verb) => verb.apply(session),
            Self::Man(verb) => verb.apply(session),
        }
    }
}
