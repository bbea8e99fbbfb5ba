//! How a state directory is opened: it is read in full, held against the witness, and gone on with if it is sound.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use floodwall_tables::Prefix;
use tracing::{error, info, warn};

use super::{
    claim::claim,
    damage_report::{Damage, DamageReport, Damaged, Flaw},
    files::{LOCK, PRIVATE, WITNESS, database_name, make_directory},
    offline::Obstacle,
    reading::{Form, Found, Resume},
    replace::{replace, tidy},
    sqlite::Database,
    store::{At, Store},
    witness::Witness,
};
use crate::records::{Origin, Records};

/// The lock of a state directory, for as long as it is held.
pub(super) type Lock = Arc<File>;

/// A state directory, and all that could be read of it.
pub struct Opened {
    /// The directory.
    pub kept: Kept,
    /// What is known.
    pub records: Records,
    /// The prefixes of imports that there are records of; one that is missing could not be read.
    pub lists: BTreeMap<Origin, Vec<Prefix>>,
    /// Where the files are that others have taken the place of, if any have.
    pub set_aside: Option<PathBuf>,
}

/// Where changes are kept, if they are.
pub enum Kept {
    /// On disk.
    OnDisk(Box<Store>),
    /// Nowhere: the directory is damaged.
    Nowhere(Damaged),
}

impl Store {
    /// Opens the directory, or makes it, and reads what it holds. Where it is damaged, nothing in it is changed,
    /// unless what can be read is accepted as all that there is.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read at all, or not be made, another process uses it, or it is of another version's
    /// format.
    pub fn open(directory: &Path, accept: bool) -> anyhow::Result<Opened> {
        make_directory(directory)?;
        let lock = Arc::new(lock(directory, claim)?);
        let mut found = Found::read(directory)?;
        if !found.damage.is_empty() && !accept {
            return Ok(found.nowhere(directory, lock));
        }
        match found.go_on(directory, Arc::clone(&lock)) {
            Ok((store, set_aside)) => {
                let Found { records, lists, .. } = found;
                Ok(Opened { kept: Kept::OnDisk(Box::new(store)), records, lists, set_aside })
            }
            Err(error) if accept || matches!(found.form, Form::New) => Err(error),
            // What is known is in force all the same.
            Err(error) => {
                found.damage.push(Damage {
                    file: directory.display().to_string(),
                    flaw: Flaw::Unwritable { why: format!("{error:#}") },
                });
                Ok(found.nowhere(directory, lock))
            }
        }
    }
}

impl Found {
    fn nowhere(self, directory: &Path, lock: Lock) -> Opened {
        for damage in &self.damage {
            error!("{damage}: {}", damage.remedy());
        }
        let report = DamageReport { directory: directory.to_owned(), damage: self.damage };
        error!("what could be read is enforced, and no change is taken: {report}");
        let kept = Kept::Nowhere(Damaged { report, _lock: lock });
        Opened { kept, records: self.records, lists: self.lists, set_aside: None }
    }

    /// Goes on with what was read: with the database that there is, if it is sound, and else with one that is made of it.
    fn go_on(&mut self, directory: &Path, lock: Lock) -> anyhow::Result<(Store, Option<PathBuf>)> {
        if let (true, Form::Database(resume)) = (self.damage.is_empty(), &mut self.form)
            && let Some(resume) = resume.take()
        {
            return Ok((resumed(directory, lock, resume)?, None));
        }
        for damage in &self.damage {
            warn!("{damage}: accepted");
        }
        let (store, aside) = replace(directory.to_owned(), lock, &self.records, &self.lists)?;
        if let Some(aside) = &aside {
            let aside = aside.display();
            if self.damage.is_empty() {
                info!(set_aside = %aside, "the state was of an earlier format and is of the present one now; its files are set aside");
            } else {
                warn!(set_aside = %aside, "what could be read of the state is the state now; the files as they were are set aside");
            }
        }
        Ok((store, aside))
    }
}

/// Goes on where the last daemon has ended, however it did.
fn resumed(directory: &Path, lock: Lock, resume: Resume) -> anyhow::Result<Store> {
    let Resume { said, whole, sound, lists, unused } = resume;
    let at = At { base: sound.base, copied: sound.copied, last: sound.last };
    let database = Database::open(&directory.join(database_name(said.database)))?;
    let witness = Witness::resume(&directory.join(WITNESS), said)?;
    let mut store = Store::new(directory.to_owned(), database, witness, at, lists, lock);
    // What was written and not acknowledged is in force, and so it is acknowledged by now.
    if whole {
        store.catch_up()?;
    } else {
        store.witness.say(at.base, at.last)?;
    }
    // None of this is needed, and a disk that is full is no reason not to start.
    let tidied = tidy(directory, said.database);
    let tidied = tidied.and_then(|()| if unused { store.drop_unused() } else { Ok(()) });
    if let Err(error) = tidied {
        warn!(error = format!("{error:#}"), "the state directory could not be tidied");
    }
    Ok(store)
}

/// Takes the lock of a state directory, in one of the ways to [claim] it.
pub(super) fn lock(directory: &Path, claim: fn(File) -> Result<File, TryLockError>) -> anyhow::Result<File> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(&path);
    let file = file.or_else(|error| {
        warn!(
            file = %path.display(), %error,
            "the lock cannot be opened, and is held otherwise; should something else be in its place, remove that while no daemon runs"
        );
        // What cannot be written, or is something else, can be locked as well: by everybody in the same way.
        File::open(&path).or_else(|_| File::open(directory))
    });
    claim(file.with_context(|| format!("opening {}", directory.display()))?).map_err(|error| {
        let used = format!(
            "another floodwall uses the state directory {} ({error}); stop it, or name another --state-dir",
            directory.display()
        );
        Obstacle::InUse(used).into()
    })
}
