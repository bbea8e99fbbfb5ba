//! Is the source banned, as it has crossed a limit? And how it comes to be.

use super::{CONTINUE, NONE, PacketContext, Step, source::Source};
use crate::{
    source,
    wire::{Reason, Settings, Way},
};

/// Objects to a source that is banned. Where nobody answers any more for what was decided by itself, its ban is over.
#[inline(always)]
pub(super) fn judge(settings: &Settings, context: &mut PacketContext, source: Source<'_>) -> Step {
    if !source::is_banned(source.way, context.time_ns) {
        return CONTINUE;
    }
    if settings.lapsed(context.time_ns) {
        source::unban(source.way, context.time_ns);
        return CONTINUE;
    }
    context.object(settings, Reason::Banned, NONE)
}

/// Bans a source for so many ns from now on, for this very packet. Not one that is spared, nor for no time at all.
#[inline(always)]
pub(super) fn impose(context: &mut PacketContext, way: &Way, ban_ns: u64) {
    let until_ns = context.time_ns + ban_ns;
    if ban_ns != 0 && source::ban(way, until_ns) {
        context.judgement.banned_until = until_ns;
    }
}

/// Asks the controller for a ban of so many ns: it bans what is not a single source.
#[inline(always)]
pub(super) fn request(context: &mut PacketContext, ban_ns: u64) {
    if ban_ns != 0 {
        context.judgement.banned_until = context.time_ns + ban_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::DECIDED,
        decide::testing::{Memory, NOW, SECOND, syn},
        source::spare,
    };

    #[test]
    fn a_ban_holds_until_its_time_is_over() {
        let memory = Memory::new();
        let (mut context, source) = memory.entered(syn());
        assert_eq!(judge(memory.set(), &mut context, source), CONTINUE);
        impose(&mut context, source.way, 10 * SECOND);
        assert_eq!(context.judgement.banned_until, NOW + 10 * SECOND);
        for (seconds, expected) in [(0, DECIDED), (9, DECIDED), (10, CONTINUE), (11, CONTINUE)] {
            let (mut context, source) = memory.entered_at(syn(), NOW + seconds * SECOND);
            assert_eq!(judge(memory.set(), &mut context, source), expected, "after {seconds} s");
            let reason = if expected == DECIDED { Reason::Banned } else { Reason::Clean };
            assert_eq!((context.reason(), context.judgement.banned_until), (reason, 0));
        }
    }

    #[test]
    fn nobody_stays_banned_for_whom_nobody_answers_any_more() {
        let memory = Memory::new();
        memory.set().lease_until.store(NOW + 2 * SECOND);
        let (mut context, source) = memory.entered(syn());
        impose(&mut context, source.way, 600 * SECOND);
        for (seconds, expected) in [(0, DECIDED), (1, DECIDED), (2, CONTINUE), (3, CONTINUE)] {
            let (mut context, source) = memory.entered_at(syn(), NOW + seconds * SECOND);
            assert_eq!(judge(memory.set(), &mut context, source), expected, "after {seconds} s");
        }
        memory.set().lease_until.store(NOW + 60 * SECOND);
        let (mut context, source) = memory.entered_at(syn(), NOW + 4 * SECOND);
        assert_eq!(judge(memory.set(), &mut context, source), CONTINUE, "it has ended");
    }

    #[test]
    fn bans_that_are_monitored_only_note() {
        let memory = Memory::new();
        memory.monitor(Reason::Banned);
        let (mut context, source) = memory.entered(syn());
        impose(&mut context, source.way, SECOND);
        assert_eq!(judge(memory.set(), &mut context, source), CONTINUE);
        assert_eq!(context.judgement.would, Reason::Banned);
    }

    #[test]
    fn who_is_spared_is_not_banned_nor_is_anyone_for_no_time() {
        let memory = Memory::new();
        let (mut context, source) = memory.entered(syn());
        impose(&mut context, source.way, 0);
        spare(source.way, true);
        impose(&mut context, source.way, SECOND);
        assert_eq!(judge(memory.set(), &mut context, source), CONTINUE);
        assert_eq!(context.judgement.banned_until, 0);
    }

    #[test]
    fn what_the_controller_is_asked_to_ban_is_not_banned_here() {
        let memory = Memory::new();
        let (mut context, source) = memory.entered(syn());
        request(&mut context, 0);
        assert_eq!(context.judgement.banned_until, 0);
        request(&mut context, SECOND);
        assert_eq!(context.judgement.banned_until, NOW + SECOND);
        assert_eq!(judge(memory.set(), &mut context, source), CONTINUE);
    }
}
