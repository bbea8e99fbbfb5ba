//! A shape of loop that the verifier of older kernels refuses, though it runs on newer ones.
//!
//! Before it follows a program's values, the verifier walks its instructions depth first (`check_cfg` in
//! kernel/bpf/verifier.c). Linux 6.1 takes a way back to an instruction that the walk has not done with for a loop only
//! where it ends in a jump; where an instruction that is none simply precedes the head of its loop, it says "back-edge from
//! insn", and loads nothing. Which of the two it is depends on how the compiler has put the blocks of a loop in order.

use anyhow::{Context as _, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// `bpf_insn` in linux/bpf.h.
const INSTRUCTION_BYTES: usize = 8;
/// Bits of the operation: its class, and the kind of jump.
const CLASS: u8 = 0x07;
const KIND: u8 = 0xf0;
const JUMP: u8 = 0x05;
const JUMP32: u8 = 0x06;
const ALWAYS: u8 = 0x00;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;

/// Refuses a compiled program that has such a loop.
///
/// # Errors
///
/// If it has, with the function and the instruction; if it is no ELF object.
pub(crate) fn check(elf: &[u8]) -> anyhow::Result<()> {
    let object = object::File::parse(elf).context("reading the compiled BPF program")?;
    for function in object.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
        let name = function.name().unwrap_or("a function without a name");
        let section = function.section_index().with_context(|| format!("{name} lies in no section"))?;
        let section = object.section_by_index(section)?;
        let code = section
            .data_range(function.address(), function.size())?
            .with_context(|| format!("{name} reaches beyond its section"))?;
        let refused = fallen_into(code);
        ensure!(
            refused.is_none(),
            "instruction {} of {name} precedes the head of a loop that it is part of and is no jump: the verifier of \
             Linux 6.1 refuses such a program",
            refused.unwrap_or_default()
        );
    }
    Ok(())
}

/// The first instruction that is no jump from which the walk goes on to one that it has not done with.
fn fallen_into(code: &[u8]) -> Option<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Walk {
        Never,
        Underway,
        Done,
    }
    let code: Vec<&[u8]> = code.chunks_exact(INSTRUCTION_BYTES).collect();
    let mut walked = vec![Walk::Never; code.len()];
    let mut path = vec![(0, 0)];
    while let Some((instruction, taken)) = path.pop() {
        let next = ways_on(&code, instruction);
        let Some(&next) = next.get(taken) else {
            walked[instruction] = Walk::Done;
            continue;
        };
        walked[instruction] = Walk::Underway;
        path.push((instruction, taken + 1));
        match walked.get(next) {
            Some(Walk::Never) => path.push((next, 0)),
            Some(Walk::Underway) if !is_jump(code[instruction]) => return Some(instruction),
            _ => {}
        }
    }
    None
}

/// Where an instruction leads to, in the order in which the verifier goes there.
fn ways_on(code: &[&[u8]], instruction: usize) -> Vec<usize> {
    let word = code[instruction];
    let next = instruction + 1;
    if !matches!(word[0] & CLASS, JUMP | JUMP32) {
        return vec![next];
    }
    let offset = match (word[0] & CLASS, word[0] & KIND) {
        (_, EXIT) => return Vec::new(),
        (_, CALL) => return vec![next],
        // A long jump has its distance where others have a value.
        (JUMP32, ALWAYS) => i32::from_le_bytes([word[4], word[5], word[6], word[7]]),
        _ => i32::from(i16::from_le_bytes([word[2], word[3]])),
    };
    // One that leads out of the function is the kernel's to refuse.
    let there = next.checked_add_signed(offset as isize).unwrap_or(usize::MAX);
    match word[0] & KIND {
        ALWAYS => vec![there],
        _ => vec![next, there],
    }
}

/// Calls are none: the walk goes on behind them as behind a sum.
fn is_jump(word: &[u8]) -> bool {
    matches!(word[0] & CLASS, JUMP | JUMP32) && word[0] & KIND != CALL
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: [u8; 8] = [0xb7, 0, 0, 0, 0, 0, 0, 0];
    const THE_END: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
    const HELPER: [u8; 8] = [0x85, 0, 0, 0, 5, 0, 0, 0];

    /// `ja`, and `if r0 == 0`.
    fn always(offset: i16) -> [u8; 8] {
        let [low, high] = offset.to_le_bytes();
        [0x05, 0, low, high, 0, 0, 0, 0]
    }

    fn perhaps(offset: i16) -> [u8; 8] {
        let [low, high] = offset.to_le_bytes();
        [0x15, 0, low, high, 0, 0, 0, 0]
    }

    #[test]
    fn a_loop_whose_last_instruction_jumps_back_is_well() {
        // The head is the second, which is left once the condition holds.
        assert_eq!(fallen_into(&[NOTHING, perhaps(2), NOTHING, always(-3), THE_END].concat()), None);
        // The condition stands last.
        assert_eq!(fallen_into(&[NOTHING, NOTHING, perhaps(-2), THE_END].concat()), None);
    }

    #[test]
    fn a_loop_that_is_entered_in_its_middle_is_not() {
        // Over the body to the condition, which jumps back to the body, which leads to the condition.
        assert_eq!(fallen_into(&[always(1), NOTHING, perhaps(-2), THE_END].concat()), Some(1));
        assert_eq!(
            fallen_into(&[always(1), HELPER, perhaps(-2), THE_END].concat()),
            Some(1),
            "nor behind a call"
        );
    }

    #[test]
    fn what_comes_together_again_without_a_loop_is_well() {
        assert_eq!(fallen_into(&[perhaps(1), NOTHING, NOTHING, THE_END].concat()), None);
    }
}
