//! The same for programs at the egress of interfaces: writes the next destination into the packet, and hands it to the one
//! under measure, or to one that does nothing.

use aya_ebpf::{
    bindings::TC_ACT_UNSPEC,
    macros::{classifier, map},
    maps::ProgramArray,
    programs::TcContext,
};
use floodwall_bench_filters::DESTINATION_OFFSET_V4;

use crate::wrapper::next_source;

/// What a run answers of a packet that was not handed on.
const FAILED: i32 = 2;

/// Filters, and these alone.
#[map]
static OUTGOING: ProgramArray = ProgramArray::with_max_entries(2, 0);

#[classifier]
pub fn next_outgoing(ctx: TcContext) -> i32 {
    if let Some(program) = next(&ctx) {
        // SAFETY: the programs that are called expect the context of a filter.
        unsafe { OUTGOING.tail_call(&ctx, program) };
    }
    FAILED
}

#[classifier]
pub fn empty_outgoing(_: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Writes the next destination, of IPv4; says which program is to see the packet.
#[inline(always)]
fn next(ctx: &TcContext) -> Option<u32> {
    let (high, program) = next_source()?;
    let start = ctx.data() + DESTINATION_OFFSET_V4;
    if start + size_of::<u32>() > ctx.data_end() {
        return None;
    }
    // SAFETY: it was compared with the end of the packet, which may be written unaligned.
    unsafe { (start as *mut u32).write_unaligned(((high >> 32) as u32).to_be()) };
    Some(program)
}
