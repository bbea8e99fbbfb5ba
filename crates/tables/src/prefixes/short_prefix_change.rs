//! One prefix that is shorter than a slot comes or goes: many slots get another cover.

use floodwall_common::wire::Leaf;

use super::{
    Other, PrefixTable,
    engine::{Engine, Half},
    entry::List,
    error::TableError,
    generation::Stage,
    patch::Patch,
    set::put,
    wanted::{Wanted, places_of},
};
use crate::Prefix;

impl PrefixTable {
    /// Gives a prefix shorter than a slot these owners, or none, in force and in what is being staged, if anything is.
    pub(super) fn edit_short(
        &mut self,
        list: List,
        prefix: Prefix,
        owner: Option<u32>,
        staged_owner: Option<Option<u32>>,
    ) -> Result<(), TableError> {
        let old = self.active.get(list, &prefix);
        let staged_old = match &self.other {
            Other::Stage(stage) => stage.wanted.get(list, &prefix),
            _ => None,
        };
        let rule = self.engine.rule_after(old, owner, staged_old)?;
        let before = covers(&self.active, &prefix);
        put(&mut self.active, list, prefix, rule);
        let patches = match rebuild_changed(&mut self.engine, &self.active, &prefix, &before) {
            Ok(patches) => patches,
            Err(error) => {
                put(&mut self.active, list, prefix, old);
                self.engine.release_after(rule, old);
                return Err(error);
            }
        };

        let mut staged_before = Vec::new();
        if let (Other::Stage(stage), Some(owner)) = (&mut self.other, staged_owner)
            && stage.failed.is_none()
        {
            staged_before = covers(&stage.wanted, &prefix);
            match self.engine.rule_after(staged_old, owner, rule) {
                Ok(staged) => {
                    put(&mut stage.wanted, list, prefix, staged);
                    self.engine.release_after(staged_old, staged);
                }
                Err(error) => stage.failed = Some(error),
            }
            stage.restart(&mut self.engine, &places_of(&prefix));
        }
        for patch in patches {
            self.publish_cover(patch);
        }
        self.engine.mark(self.half, &self.active, &prefix, rule.is_some());
        self.engine.release_after(old, rule);
        if let Other::Stage(stage) = &mut self.other
            && stage.failed.is_none()
        {
            let recovered =
                recover(&mut self.engine, self.half.other(), &self.active, stage, &prefix, &staged_before);
            stage.failed = recovered.err();
        }
        Ok(())
    }

    /// Publishes a slot of the active half that was rebuilt for a new cover.
    fn publish_cover(&mut self, patch: Patch) {
        let place = patch.place;
        let twin = self.engine.are_twins(place);
        match &self.other {
            // What is staged has another cover there, and keeps the old tree for the moment.
            Other::Stage(stage)
                if twin
                    && stage.failed.is_none()
                    && stage.wanted.cover(place) != self.active.cover(place) =>
            {
                self.engine.store(self.half, &patch);
            }
            _ => self.engine.publish(self.half, patch, twin),
        }
    }
}

/// The covers of all slots that a short prefix has a part in.
fn covers(wanted: &Wanted, prefix: &Prefix) -> Vec<Leaf> {
    places_of(prefix).map(|place| wanted.cover(place)).collect()
}

/// New trees for those slots of a short prefix whose cover is not what it was before.
fn rebuild_changed(
    engine: &mut Engine,
    wanted: &Wanted,
    prefix: &Prefix,
    before: &[Leaf],
) -> Result<Vec<Patch>, TableError> {
    let mut patches: Vec<Patch> = Vec::new();
    for (place, before) in places_of(prefix).zip(before) {
        if wanted.cover(place) == *before {
            continue;
        }
        match engine.rebuild(wanted, place) {
            Ok(patch) => patches.push(patch),
            Err(error) => {
                patches.into_iter().for_each(|patch| engine.discard_rebuilt(patch));
                return Err(engine.out_of_memory(error));
            }
        }
    }
    Ok(patches)
}

/// Gives those staged slots of a short prefix new trees whose cover is not what it was before, unless they share one
/// that has it already.
fn recover(
    engine: &mut Engine,
    half: Half,
    active: &Wanted,
    stage: &mut Stage,
    prefix: &Prefix,
    before: &[Leaf],
) -> Result<(), TableError> {
    for (place, before) in places_of(prefix).zip(before) {
        let cover = stage.wanted.cover(place);
        if !stage.is_staged(place) || cover == *before {
            continue;
        }
        let made = if !engine.are_twins(place) {
            engine.rebuild(&stage.wanted, place).map(|patch| engine.publish(half, patch, false))
        } else if active.cover(place) == cover {
            Ok(())
        } else {
            engine.part(half, &stage.wanted, place)
        };
        made.map_err(|error| engine.out_of_memory(error))?;
    }
    let came = stage.wanted.get(List::Allow, prefix).or(stage.wanted.get(List::Block, prefix)).is_some();
    engine.mark(half, &stage.wanted, prefix, came);
    Ok(())
}
