//! How much stack a program needs where its calls go deepest.
//!
//! A function may use 512 bytes, and so may all functions together that are under way at a time, each rounded up to 32
//! (`check_max_stack_depth` in kernel/bpf/verifier.c of Linux 6.1; later kernels round up to 16, and may give each
//! function a stack of its own). What is too deep for an older kernel loads on the one that a developer has.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use object::{
    File, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget,
    SectionIndex, elf,
};

use crate::code::{
    ADD_VALUE, ARITHMETIC64, CALL, CLASS, COPY_REGISTER, Function, INSTRUCTION_BYTES, JUMP, LOAD_REGISTER,
    OPERATION, STORE_REGISTER, STORE_VALUE, destination, functions, instructions, offset, source, value,
};

/// `MAX_BPF_STACK` in linux/filter.h.
const MOST: usize = 512;
/// What a frame is rounded up to; one that uses nothing counts as one.
const FRAME: usize = 32;
/// `BPF_REG_FP`: points to the end of the stack.
const FRAME_POINTER: u8 = 10;
/// `BPF_PSEUDO_CALL`: the callee is a function of the program, and no helper of the kernel's.
const OF_THE_PROGRAM: u8 = 1;

/// Refuses a compiled program whose calls go too deep.
///
/// # Errors
///
/// If they do, with the calls and the bytes of each; if a function calls itself; if it is no ELF object.
pub(crate) fn check(elf: &[u8]) -> anyhow::Result<()> {
    let object = File::parse(elf).context("reading the compiled BPF program")?;
    let functions = functions(&object)?;
    let by_place: HashMap<_, _> = functions
        .iter()
        .enumerate()
        .map(|(index, function)| ((function.section, function.start), index))
        .collect();
    let frames = functions
        .iter()
        .map(|function| {
            let callees = callees(&object, function)?;
            // What is no function's beginning is for the loader to refuse.
            let callees = callees.iter().filter_map(|place| by_place.get(place).copied()).collect();
            Ok(Frame { name: function.name, bytes: stack_bytes(function.code), callees })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (depth, chain) = deepest(&frames)?;
    ensure!(
        depth <= MOST,
        "the calls {} need {depth} bytes of stack, and Linux 6.1 gives {MOST} to all of them",
        chain
            .iter()
            .map(|&frame| format!("{} ({})", frames[frame].name, frames[frame].bytes))
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(())
}

/// What a function adds to the stack, and whom it calls.
struct Frame<'data> {
    name: &'data str,
    bytes: usize,
    callees: Vec<usize>,
}

/// How many bytes of stack a function touches.
///
/// It does so by the frame pointer, or by a copy of it that a value was added to. The compiler makes such copies just
/// before it uses them, so that they are followed as far as to the next instruction that writes to their register.
fn stack_bytes(code: &[u8]) -> usize {
    let mut copies = 1_u16 << FRAME_POINTER;
    let mut deepest = 0;
    for word in instructions(code) {
        let (operation, to, from) = (word[0], destination(word), source(word));
        let is_copy = |register: u8| copies & (1 << register) != 0;
        let reached = match operation & CLASS {
            LOAD_REGISTER if from == FRAME_POINTER => i32::from(offset(word)),
            STORE_VALUE | STORE_REGISTER if to == FRAME_POINTER => i32::from(offset(word)),
            ARITHMETIC64 if operation == ADD_VALUE && is_copy(to) => value(word),
            _ => 0,
        };
        deepest = deepest.max(usize::try_from(-i64::from(reached)).unwrap_or(0));
        if operation == COPY_REGISTER && from == FRAME_POINTER {
            copies |= 1 << to;
        } else if to != FRAME_POINTER && !matches!(operation & CLASS, STORE_VALUE | STORE_REGISTER | JUMP) {
            copies &= !(1 << to);
        }
    }
    deepest
}

/// Where the functions begin that one calls: their sections and places in these.
fn callees(object: &File<'_>, function: &Function<'_>) -> anyhow::Result<Vec<(SectionIndex, u64)>> {
    let section = object.section_by_index(function.section)?;
    let relocations: HashMap<_, _> = section.relocations().collect();
    let mut callees = Vec::new();
    for (index, word) in instructions(function.code).enumerate() {
        let at = function.start + (index * INSTRUCTION_BYTES) as u64;
        if word[0] & (CLASS | OPERATION) != JUMP | CALL || source(word) != OF_THE_PROGRAM {
            continue;
        }
        // A distance in instructions from the next one, or from the beginning of what a relocation names.
        let distance = (i64::from(value(word)) + 1) * INSTRUCTION_BYTES as i64;
        let place = match relocations.get(&at) {
            Some(relocation) => {
                ensure!(
                    relocation.flags() == RelocationFlags::Elf { r_type: elf::R_BPF_64_32 },
                    "a call in {} has a relocation that is none of a call",
                    function.name
                );
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    anyhow::bail!("a call in {} leads to no symbol", function.name);
                };
                let symbol = object.symbol_by_index(symbol)?;
                let section = symbol
                    .section_index()
                    .with_context(|| format!("{} calls what is not there", function.name))?;
                (section, symbol.address().wrapping_add_signed(distance))
            }
            None => (function.section, at.wrapping_add_signed(distance)),
        };
        callees.push(place);
    }
    Ok(callees)
}

/// The calls that need most, from the first on, and how much that is.
fn deepest(frames: &[Frame<'_>]) -> anyhow::Result<(usize, Vec<usize>)> {
    let mut under_way = Vec::new();
    let mut known = vec![None; frames.len()];
    for frame in 0..frames.len() {
        measure(frames, frame, &mut under_way, &mut known)?;
    }
    Ok(known.into_iter().flatten().max_by_key(|(depth, _)| *depth).unwrap_or_default())
}

/// What a call of a function needs at most, by which further calls.
fn measure(
    frames: &[Frame<'_>],
    frame: usize,
    under_way: &mut Vec<usize>,
    known: &mut [Option<(usize, Vec<usize>)>],
) -> anyhow::Result<(usize, Vec<usize>)> {
    if let Some(measured) = &known[frame] {
        return Ok(measured.clone());
    }
    ensure!(!under_way.contains(&frame), "{} calls itself, which no kernel loads", frames[frame].name);
    under_way.push(frame);
    let mut deepest = (0, Vec::new());
    for &callee in &frames[frame].callees {
        let below = measure(frames, callee, under_way, known)?;
        if below.0 > deepest.0 {
            deepest = below;
        }
    }
    under_way.pop();
    let (below, mut chain) = deepest;
    chain.insert(0, frame);
    let measured = (below + frames[frame].bytes.max(1).next_multiple_of(FRAME), chain);
    known[frame] = Some(measured.clone());
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::testing::{THE_END, instruction};

    /// `r1 = r10; r1 += value`.
    fn address(value: i32) -> Vec<u8> {
        [instruction(COPY_REGISTER, 1, 10, 0, 0), instruction(ADD_VALUE, 1, 0, 0, value)].concat()
    }

    #[test]
    fn the_stack_is_as_deep_as_what_is_reached_by_the_frame_pointer() {
        let store = instruction(0x7b, 10, 1, -24, 0);
        let load = instruction(0x79, 1, 10, -40, 0);
        assert_eq!(stack_bytes(&THE_END), 0);
        assert_eq!(stack_bytes(&[store, THE_END].concat()), 24);
        assert_eq!(stack_bytes(&[store, load, THE_END].concat()), 40);
        assert_eq!(stack_bytes(&[address(-184), THE_END.to_vec()].concat()), 184, "and by a copy of it");
    }

    #[test]
    fn what_is_taken_from_another_value_is_none_of_the_stack() {
        let another = instruction(COPY_REGISTER, 1, 2, 0, 0);
        let less = instruction(ADD_VALUE, 1, 0, 0, -300);
        assert_eq!(
            stack_bytes(&[&instruction(COPY_REGISTER, 1, 10, 0, 0)[..], &another, &less, &THE_END].concat()),
            0
        );
    }

    fn frame(bytes: usize, callees: &[usize]) -> Frame<'static> {
        Frame { name: "a function", bytes, callees: callees.to_vec() }
    }

    #[test]
    fn calls_add_up_along_the_deepest_way() {
        let frames = [frame(254, &[1, 2]), frame(8, &[3]), frame(200, &[]), frame(232, &[])];
        assert_eq!(deepest(&frames).unwrap(), (256 + 32 + 256, vec![0, 1, 3]));
        assert_eq!(deepest(&[frame(0, &[])]).unwrap(), (32, vec![0]), "a frame that uses nothing counts");
    }

    #[test]
    fn a_function_that_calls_itself_is_refused() {
        assert!(deepest(&[frame(8, &[1]), frame(8, &[0])]).is_err());
    }
}
