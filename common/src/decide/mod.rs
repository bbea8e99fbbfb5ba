//! What becomes of a packet, and why: the stages in their order, a file each.
//!
//! [`decide`] is asked for every frame. The first stage that objects decides; one that is monitored only notes what it
//! would have done, and the next one is asked.
//!
//! Here is what happens to a packet. The memories and the arithmetic that a stage uses lie outside, for most in a module of
//! the same name: [`crate::challenge`] makes the numbers that [`challenge`] asks to hear again. Others are
//! [`crate::prefix`] (for `prefix_list`), [`crate::token_bucket::of_source`] (`rates`), [`crate::fruitless_sources`]
//! ([`fruitless`]), [`crate::truncation`] ([`dns_question`]) and [`crate::retransmission`] ([`second_try`], [`suspects`]).

pub mod admission;
mod bans;
mod bypass;
pub mod challenge;
mod classify;
mod context;
mod count;
pub mod dns_names;
pub mod dns_question;
pub mod echo;
mod fragments;
pub mod fruitless;
pub mod icmp_errors;
mod judgement;
mod known;
mod malformed;
mod neighbour_discovery;
pub mod offences;
mod out_of_line;
mod out_of_state;
mod prefix_list;
mod rates;
pub mod rules;
mod sample;
pub mod second_try;
pub mod signature;
mod source;
pub mod step;
pub mod suspects;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod unproven;
mod unsolicited;

pub use context::{PacketContext, Request};
pub use judgement::{Judgement, NONE};
pub use out_of_line::{Direct, OutOfLine};
pub use rules::Place;
pub use step::{CONTINUE, DECIDED, End, Step, found};

use crate::{
    frame::Frame,
    tables::Tables,
    wire::{Reason, Settings},
};
use classify::{Classified, classify};

/// Judges one frame, and counts it. What was found is left in the context.
pub fn decide_on<T: Tables, F: Frame>(tables: &T, frame: &F, context: &mut PacketContext) {
    decide(tables, frame, &Direct(tables, frame), context);
}

/// As [`decide_on`], with a way to call what is out of line. Time is read once, here.
#[inline(always)]
pub fn decide<T: Tables, F: Frame, O: OutOfLine>(
    tables: &T,
    frame: &F,
    parts: &O,
    context: &mut PacketContext,
) {
    context.clear();
    let Some(settings) = tables.settings() else {
        context.judgement.reason = Reason::Fault;
        return;
    };
    context.read_time(tables, settings);
    if judge_frame(tables, settings, frame, parts, context) == Step::Break(End::Fault) {
        context.judgement.reason = Reason::Fault;
    }
    // The verdict stands, whatever comes of counting it.
    let _ = account(tables, settings, parts, context, frame.length());
}

/// Judges a frame.
#[inline(always)]
fn judge_frame<T: Tables, F: Frame, O: OutOfLine>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    parts: &O,
    context: &mut PacketContext,
) -> Step {
    bypass::judge(settings, context)?;
    malformed::judge(settings, frame, context)?;
    judge(tables, settings, parts, context)
}

/// Judges a packet whose headers have been read.
#[inline(always)]
pub fn judge<T: Tables, O: OutOfLine>(
    tables: &T,
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
) -> Step {
    prefix_list::judge(tables, settings, context)?;
    neighbour_discovery::judge(context)?;
    let Classified { sources, service } = classify(tables, settings, context)?;
    fragments::judge(tables, settings, service, context)?;
    challenge::listen(settings, parts, context, service)?;
    unsolicited::judge(settings, parts, context)?;
    signature::judge(tables, settings, parts, context, sources)?;
    admission::judge(parts, context, service)?;
    let source = source::enter(context, sources);
    bans::judge(settings, context, source)?;
    known::recognise(context, source);
    unproven::mark(settings, context, source);
    out_of_state::judge(settings, parts, context, source)?;
    known::learn(settings, context, source);
    fruitless::judge(parts, context, source)?;
    dns_names::judge(parts, context)?;
    rates::judge(settings, parts, context, source, service)?;
    rules::judge(tables, settings, parts, context, service)?;
    fragments::first_passes(tables, settings, context)
}

/// Counts what was decided, and chooses what is sampled.
#[inline(always)]
fn account<T: Tables, O: OutOfLine>(
    tables: &T,
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    length: u32,
) -> Step {
    count::by_reason(tables, context, length)?;
    if !count::is_of_a_service(context) {
        return CONTINUE;
    }
    let counter = count::by_service(tables, context, length)?;
    unproven::count(parts, context, counter)?;
    sample::choose(tables, settings, context, counter)
}
