//! Writes the next source into the packet and hands it to the program under measure.
//!
//! The sources stand in an array in the order they are to come in, and it is read from front to back: the
//! processor fetches it ahead, so that their number costs the wrapper itself nothing.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, xdp_action},
    helpers::bpf_get_smp_processor_id,
    macros::{map, xdp},
    maps::{Array, ProgramArray},
    programs::XdpContext,
};
use floodwall_bench_filters::{
    FRAME_WORDS, PLAN_WORDS, PLANS, PlanWord, SOURCE_OFFSET_V4, SOURCE_OFFSET_V6, host_in,
};
use floodwall_common::wire::Word;

use crate::source::at;

#[map]
static PLAN: Array<[Word; PLAN_WORDS]> = Array::with_max_entries(PLANS as u32, BPF_F_MMAPABLE);
/// First 64 bits of each source, in host order; an IPv4 address fills the top 32. The loader sets the size.
#[map]
static SOURCES: Array<Word> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// What the frame is made of again where a program writes into it, as it stands in memory.
#[map]
static FRAME: Array<[Word; FRAME_WORDS]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(16, 0);
/// Of programs without `frags`.
#[map]
static PLAIN_PROGRAMS: ProgramArray = ProgramArray::with_max_entries(16, 0);

#[xdp(frags)]
pub fn wrapper(ctx: XdpContext) -> u32 {
    if let Some(program) = next(&ctx) {
        // SAFETY: the programs that are called expect the context of an XDP program.
        unsafe { PROGRAMS.tail_call(&ctx, program) };
    }
    // Only reached if something is amiss: the benchmark looks for it.
    xdp_action::XDP_ABORTED
}

#[xdp]
pub fn plain_wrapper(ctx: XdpContext) -> u32 {
    if let Some(program) = next(&ctx) {
        // SAFETY: as above.
        unsafe { PLAIN_PROGRAMS.tail_call(&ctx, program) };
    }
    xdp_action::XDP_ABORTED
}

/// Makes the frame again what it was before a program wrote into it.
#[inline(always)]
fn restore(ctx: &XdpContext) -> Option<()> {
    let frame: *mut [u64; FRAME_WORDS] = at(ctx, 0)?;
    let words = FRAME.get(0)?;
    for (place, word) in words.iter().enumerate() {
        // SAFETY: `at` has compared with the end of the packet; packets may be written unaligned.
        unsafe { (&raw mut (*frame)[place]).write_unaligned(word.load()) };
    }
    Some(())
}

/// This processor's plan.
#[inline(always)]
fn plan() -> Option<&'static [Word; PLAN_WORDS]> {
    // SAFETY: the helper takes no argument and has no effect.
    PLAN.get(unsafe { bpf_get_smp_processor_id() })
}

/// Goes on to the next source; says which one it is, and which program is to judge the packet.
#[inline(always)]
pub fn next_source() -> Option<(u64, u32)> {
    let plan = plan()?;
    let word = |which: PlanWord| &plan[which as usize];
    let position = word(PlanWord::Position).load();
    let following = position + 1;
    word(PlanWord::Position).store(if following >= word(PlanWord::Count).load() { 0 } else { following });
    let high = SOURCES.get((word(PlanWord::First).load() + position) as u32)?.load();
    Some((high, word(PlanWord::Program).load() as u32))
}

/// Writes the next source; says which program is to judge the packet.
#[inline(always)]
fn next(ctx: &XdpContext) -> Option<u32> {
    let (high, program) = next_source()?;
    let plan = plan()?;
    let word = |which: PlanWord| &plan[which as usize];
    if word(PlanWord::Restore).load() != 0 {
        restore(ctx)?;
    }
    if word(PlanWord::Family).load() == 4 {
        let source: *mut u32 = at(ctx, SOURCE_OFFSET_V4)?;
        // SAFETY: `at` has compared with the end of the packet.
        unsafe { *source = ((high >> 32) as u32).to_be() };
    } else {
        let source: *mut [u64; 2] = at(ctx, SOURCE_OFFSET_V6)?;
        // SAFETY: as above; packets may be written unaligned.
        unsafe {
            (*source)[0] = high.to_be();
            (*source)[1] = host_in(high).to_be();
        }
    }
    Some(program)
}
