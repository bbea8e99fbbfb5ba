//! What a stage answers.

use core::ops::ControlFlow;

/// A stage's answer: go on to the next one, perhaps with what was found ([`ControlFlow::Continue`]), or end here
/// ([`ControlFlow::Break`]). `?` hands an end on.
pub type Step<T = ()> = ControlFlow<End, T>;

/// Why no further stage is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The packet's judgement says what becomes of it.
    Decided,
    /// The tables could not be reached, or contradict themselves.
    Fault,
}

/// The next stage is asked.
pub const CONTINUE: Step = Step::Continue(());
/// The packet's judgement says what becomes of it.
pub const DECIDED: Step = Step::Break(End::Decided);

/// What was looked up in the tables; that it is not there is a fault.
#[inline(always)]
pub fn found<T>(entry: Option<T>) -> Step<T> {
    match entry {
        Some(entry) => Step::Continue(entry),
        None => Step::Break(End::Fault),
    }
}

/// A step as a number, for what is a function of its own in the kernel: see [`OutOfLine`](super::OutOfLine).
#[inline(always)]
pub const fn to_code(step: Step) -> u32 {
    match step {
        Step::Continue(()) => 0,
        Step::Break(End::Decided) => 1,
        Step::Break(End::Fault) => 2,
    }
}

/// The step that [`to_code`] has made this of; a fault, if it cannot have.
#[inline(always)]
pub const fn from_code(code: u32) -> Step {
    match code {
        0 => CONTINUE,
        1 => DECIDED,
        _ => Step::Break(End::Fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_being_numbers() {
        for step in [CONTINUE, DECIDED, Step::Break(End::Fault)] {
            assert_eq!(from_code(to_code(step)), step);
        }
        assert_eq!(from_code(3), Step::Break(End::Fault));
    }

    #[test]
    fn what_is_not_there_is_a_fault() {
        assert_eq!(found(Some(7)), Step::Continue(7));
        assert_eq!(found::<u32>(None), Step::Break(End::Fault));
    }
}
