//! A shape of loop that the verifier of older kernels refuses, though it runs on newer ones.
//!
//! Before it follows a program's values, the verifier walks its instructions depth first (`check_cfg` in
//! kernel/bpf/verifier.c). Linux 6.1 takes a way back to an instruction that the walk has not done with for a loop only
//! where it ends in a jump; where an instruction that is none simply precedes the head of its loop, it says "back-edge from
//! insn", and loads nothing. Which of the two it is depends on how the compiler has put the blocks of a loop in order.

use anyhow::{Context as _, ensure};
use object::File;

use crate::code::{
    ALWAYS, CALL, CLASS, EXIT, JUMP, JUMP32, OPERATION, functions, instructions, offset, value,
};

/// Refuses a compiled program that has such a loop.
///
/// # Errors
///
/// If it has, with the function and the instruction; if it is no ELF object.
pub(crate) fn check(elf: &[u8]) -> anyhow::Result<()> {
    let object = File::parse(elf).context("reading the compiled BPF program")?;
    for function in functions(&object)? {
        let name = function.name;
        let refused = fallen_into(function.code);
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
    let code: Vec<&[u8]> = instructions(code).collect();
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
    let offset = match (word[0] & CLASS, word[0] & OPERATION) {
        (_, EXIT) => return Vec::new(),
        (_, CALL) => return vec![next],
        // A long jump has its distance where others have a value.
        (JUMP32, ALWAYS) => value(word),
        _ => i32::from(offset(word)),
    };
    // One that leads out of the function is the kernel's to refuse.
    let there = next.checked_add_signed(offset as isize).unwrap_or(usize::MAX);
    match word[0] & OPERATION {
        ALWAYS => vec![there],
        _ => vec![next, there],
    }
}

/// Calls are none: the walk goes on behind them as behind a sum.
fn is_jump(word: &[u8]) -> bool {
    matches!(word[0] & CLASS, JUMP | JUMP32) && word[0] & OPERATION != CALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::testing::{THE_END, instruction};

    const NOTHING: [u8; 8] = [0xb7, 0, 0, 0, 0, 0, 0, 0];
    const HELPER: [u8; 8] = [0x85, 0, 0, 0, 5, 0, 0, 0];

    /// `ja`, and `if r0 == 0`.
    fn always(offset: i16) -> [u8; 8] {
        instruction(JUMP, 0, 0, offset, 0)
    }

    fn perhaps(offset: i16) -> [u8; 8] {
        instruction(0x15, 0, 0, offset, 0)
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
