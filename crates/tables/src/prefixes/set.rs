//! One prefix of one generation gets a rule, another one, or none.

use floodwall_common::prefix::Family;

use super::{
    engine::{Engine, Half},
    entry::{List, Rule},
    error::TableError,
    rules::NoRules,
    wanted::Wanted,
};
use crate::Prefix;

/// One generation: the half that it stands in, and its prefixes.
pub(super) struct Generation<'a> {
    pub(super) half: Half,
    pub(super) wanted: &'a mut Wanted,
}

impl Engine {
    /// The rule of a prefix in a generation once it has this owner there, or none.
    ///
    /// A prefix that is in another generation, too, has the number that it has there, so that its hits are counted
    /// together. Where the number is another than before, one use of it is counted.
    pub(super) fn rule_after(
        &mut self,
        old: Option<Rule>,
        owner: Option<u32>,
        elsewhere: Option<Rule>,
    ) -> Result<Option<Rule>, TableError> {
        let Some(owner) = owner else { return Ok(None) };
        let number = match (old, elsewhere) {
            (Some(old), None) => old.number,
            (Some(old), Some(elsewhere)) if old.number == elsewhere.number => old.number,
            (_, Some(elsewhere)) => {
                self.rules.share(elsewhere.number);
                elsewhere.number
            }
            (None, None) => self.rules.take().map_err(|NoRules| TableError::OutOfRules)?,
        };
        Ok(Some(Rule { number, owner }))
    }

    /// A prefix has got another rule, or none: releases the number that it does not have any more.
    pub(super) fn release_after(&mut self, old: Option<Rule>, rule: Option<Rule>) {
        if let Some(old) = old.filter(|old| rule.is_none_or(|rule| rule.number != old.number)) {
            self.release_rule(old.number);
        }
    }

    /// Gives a prefix a rule, or none. Not for prefixes shorter than a slot.
    ///
    /// If the rule's number is another than before, one use of it must have been counted for this generation;
    /// an error gives that back, and leaves everything as it was.
    ///
    /// With `twin`, the other half shares the slot's tree, and goes on doing so.
    pub(super) fn set(
        &mut self,
        generation: Generation<'_>,
        list: List,
        prefix: Prefix,
        rule: Option<Rule>,
        twin: bool,
    ) -> Result<(), TableError> {
        let Generation { half, wanted } = generation;
        let old = wanted.get(list, &prefix);
        put(wanted, list, prefix, rule);
        let leaf = |rule: Option<Rule>| rule.map(|rule| list.leaf(rule));
        if leaf(old) == leaf(rule) {
            return Ok(());
        }
        match self.patch(half, wanted, list, &prefix) {
            Ok(Some(patch)) => self.publish(half, patch, twin),
            Ok(None) => {}
            Err(error) => {
                put(wanted, list, prefix, old);
                self.release_after(rule, old);
                return Err(self.out_of_memory(error));
            }
        }
        self.mark(half, wanted, &prefix, rule.is_some());
        self.release_after(old, rule);
        Ok(())
    }

    /// Brings what is asked before the trees are up to date with a prefix that came or went: the bitmap of the half, or
    /// the filters of both. The trees of the half must be so by now.
    pub(super) fn mark(&mut self, half: Half, wanted: &Wanted, prefix: &Prefix, came: bool) {
        match (prefix.family(), came) {
            (Family::V4, true) => self.set_bits(half, prefix),
            (Family::V4, false) => self.clear_bits(half, wanted, prefix),
            (Family::V6, true) => Half::BOTH.into_iter().for_each(|half| self.put_into_filter(half, prefix)),
            (Family::V6, false) => self.wear_filter(prefix),
        }
    }
}

/// Gives a prefix a rule, or none, in `wanted` alone.
pub(super) fn put(wanted: &mut Wanted, list: List, prefix: Prefix, rule: Option<Rule>) {
    match rule {
        Some(rule) => wanted.put(list, prefix, rule),
        None => {
            wanted.remove(list, &prefix);
        }
    }
}
