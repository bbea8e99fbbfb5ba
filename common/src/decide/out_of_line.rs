//! Parts that are functions of their own in the kernel.

use super::{
    PacketContext, Step, admission, challenge, dns_names, dns_question, echo, found, fruitless, icmp_errors,
    offences, rules, second_try, suspects, unproven,
};
use crate::{busy, frame::Frame, tables::Tables, wire::Suspicion};

/// How the largest parts are called. On the host they are ordinary functions. In the kernel each is a function of its
/// own for the verifier, too: it then looks at each once, and not once for each way that leads there. A call costs
/// some ten nanoseconds where the kernel guards returns (SRSO), as much as a stage does: so these parts are only those
/// that most packets have no need of.
pub trait OutOfLine {
    /// [`PacketContext::read_features`].
    fn read_features(&self, context: &mut PacketContext);
    /// [`suspects::judge`].
    fn judge_suspect(&self, context: &mut PacketContext, suspicion: Suspicion) -> Step;
    /// [`PacketContext::read_quotation`], and [`icmp_errors::judge`].
    fn judge_icmp_error(&self, context: &mut PacketContext) -> Step;
    /// [`echo::judge`].
    fn judge_echo_reply(&self, context: &mut PacketContext) -> Step;
    /// [`busy::count`].
    fn count_busy(&self, context: &mut PacketContext) -> Step;
    /// [`unproven::count_marked`].
    fn count_unproven(&self, context: &mut PacketContext) -> Step;
    /// [`fruitless::follow`].
    fn follow_connection(&self, context: &mut PacketContext) -> Step;
    /// [`PacketContext::measure_name`].
    fn measure_name(&self, context: &mut PacketContext);
    /// [`dns_names::look_up`].
    fn judge_name(&self, context: &mut PacketContext) -> Step;
    /// [`suspects::ask_flow`].
    fn ask_flow(&self, context: &mut PacketContext) -> Step;
    /// [`second_try::ask_again`].
    fn ask_again(&self, context: &mut PacketContext) -> Step;
    /// [`dns_question::judge`].
    fn judge_question(&self, context: &mut PacketContext, number: u32, asks_all: bool) -> Step;
    /// [`challenge::hear`].
    fn hear_answer(&self, context: &mut PacketContext) -> Step;
    /// [`admission::admit`].
    fn admit(&self, context: &mut PacketContext) -> Step;
    /// [`offences::charge`]. It decides if the source is over the limit.
    fn charge_offence(&self, context: &mut PacketContext, limit: u32) -> Step;
    /// [`rules::place`].
    fn place_rule(&self, context: &mut PacketContext, number: u32) -> Step;
    /// [`rules::apply`].
    fn apply_rule(&self, context: &mut PacketContext, number: u32) -> Step;
}

/// The parts as ordinary functions.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a, T, F>(pub &'a T, pub &'a F);

impl<T: Tables, F: Frame> OutOfLine for Direct<'_, T, F> {
    fn read_features(&self, context: &mut PacketContext) {
        context.read_features(self.1);
    }

    fn judge_suspect(&self, context: &mut PacketContext, suspicion: Suspicion) -> Step {
        suspects::judge(self.0, found(self.0.settings())?, context, suspicion)
    }

    fn judge_icmp_error(&self, context: &mut PacketContext) -> Step {
        context.read_quotation(self.1);
        icmp_errors::judge(self.0, found(self.0.settings())?, context)
    }

    fn judge_echo_reply(&self, context: &mut PacketContext) -> Step {
        echo::judge(self.0, found(self.0.settings())?, context)
    }

    fn count_busy(&self, context: &mut PacketContext) -> Step {
        let PacketContext { key, packet, time_ns, .. } = context;
        found(busy::count(self.0, found(self.0.settings())?, *key, packet.length, *time_ns))
    }

    fn count_unproven(&self, context: &mut PacketContext) -> Step {
        unproven::count_marked(self.0, found(self.0.settings())?, context)
    }

    fn follow_connection(&self, context: &mut PacketContext) -> Step {
        fruitless::follow(self.0, found(self.0.settings())?, self.1, context)
    }

    fn measure_name(&self, context: &mut PacketContext) {
        context.measure_name(self.1);
    }

    fn judge_name(&self, context: &mut PacketContext) -> Step {
        dns_names::look_up(self.0, found(self.0.settings())?, self.1, context)
    }

    fn ask_flow(&self, context: &mut PacketContext) -> Step {
        suspects::ask_flow(self.0, found(self.0.settings())?, context)
    }

    fn ask_again(&self, context: &mut PacketContext) -> Step {
        second_try::ask_again(self.0, found(self.0.settings())?, context)
    }

    fn judge_question(&self, context: &mut PacketContext, number: u32, asks_all: bool) -> Step {
        context.measure_name(self.1);
        dns_question::judge(self.0, found(self.0.settings())?, self.1, context, number, asks_all)
    }

    fn hear_answer(&self, context: &mut PacketContext) -> Step {
        challenge::hear(self.0, found(self.0.settings())?, self.1, context)
    }

    fn admit(&self, context: &mut PacketContext) -> Step {
        if dns_question::is_asked(context) {
            context.measure_name(self.1);
        }
        admission::admit(self.0, found(self.0.settings())?, self.1, context)
    }

    fn charge_offence(&self, context: &mut PacketContext, limit: u32) -> Step {
        offences::charge(self.0, found(self.0.settings())?, context, limit)
    }

    fn place_rule(&self, context: &mut PacketContext, number: u32) -> Step {
        rules::place(self.0, found(self.0.settings())?, context, number)
    }

    fn apply_rule(&self, context: &mut PacketContext, number: u32) -> Step {
        rules::apply(self.0, found(self.0.settings())?, context, number)
    }
}
