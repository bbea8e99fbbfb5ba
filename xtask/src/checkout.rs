//! Other states of this repository, checked out beside this checkout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// All of its hexadecimal digits.
    pub(crate) id: String,
}

impl Commit {
    /// Finds what a name, such as `HEAD~1`, stands for.
    ///
    /// # Errors
    /// When git knows no such commit.
    pub(crate) fn named(repository: &Path, name: &str) -> Result<Self> {
        // A name that begins with a dash would be an option.
        let mut git = git(repository);
        git.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(format!("{name}^{{commit}}"));
        let id =
            shell::output(&mut git).with_context(|| format!("`{name}` is no commit of this repository"))?;
        Ok(Self { id: id.trim().to_owned() })
    }

    /// The first digits, for people.
    pub(crate) fn short(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }
}

/// Whether tracked files differ from what is committed.
///
/// # Errors
/// When git cannot tell.
pub(crate) fn changed(repository: &Path) -> Result<bool> {
    let status = shell::output(git(repository).args(["status", "--porcelain", "--untracked-files=no"]))?;
    Ok(!status.trim().is_empty())
}

fn git(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(directory);
    git
}

/// A folder below a target directory, for what is checked out and built. One task at a time has it.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    _lock: File,
}

impl Place {
    /// Opens it, by its name.
    ///
    /// # Errors
    /// When another task has it, or it cannot be made.
    pub(crate) fn open(target: &Path, name: &str) -> Result<Self> {
        let folder = target.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        // Git and cargo are run elsewhere.
        let folder = folder.canonicalize().with_context(|| format!("finding {}", folder.display()))?;
        let path = folder.join("lock");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        file.try_lock().with_context(|| format!("another task holds {}", path.display()))?;
        Ok(Self { folder, _lock: file })
    }
}

/// A work tree of git's, which is gone when this is dropped.
pub(crate) struct Checkout {
    repository: PathBuf,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

impl Checkout {
    /// Checks a commit out there, in the place of what is left of an earlier one.
    ///
    /// # Errors
    /// When something else is in the way, or git fails.
    pub(crate) fn new(repository: &Path, path: PathBuf, commit: &Commit) -> Result<Self> {
        let checkout = Self { repository: repository.to_owned(), path };
        // A task that was killed has left it.
        checkout.remove();
        if checkout.path.exists() {
            bail!("{} is in the way, and cannot be removed", checkout.path.display());
        }
        let mut add = git(repository);
        // By force: git may still know the place of one whose files were deleted.
        add.args(["worktree", "add", "--force", "--detach", "--quiet"]).arg(&checkout.path).arg(&commit.id);
        shell::output(&mut add).with_context(|| format!("checking out {}", commit.short()))?;
        let tools = checkout.path.join(".tools");
        std::os::unix::fs::symlink(shell::tools(), &tools)
            .with_context(|| format!("linking {} to this checkout's", tools.display()))?;
        Ok(checkout)
    }

    fn remove(&self) {
        if self.path.exists() {
            let mut remove = git(&self.repository);
            remove.args(["worktree", "remove", "--force", "--force"]).arg(&self.path);
            if shell::output(&mut remove).is_err() {
                // No work tree, or no longer one that git knows.
                let _ = fs::remove_dir_all(&self.path);
            }
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(directory: &Path, arguments: &[&str]) -> String {
        let mut git = git(directory);
        git.args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "core.hooksPath=/dev/null"]);
        shell::output(git.args(arguments)).unwrap()
    }

    /// A repository of two commits, the ids of which are returned.
    fn repository(path: &Path) -> [Commit; 2] {
        run(path, &["init", "--quiet"]);
        ["old", "new"].map(|text| {
            fs::write(path.join("text"), text).unwrap();
            run(path, &["add", "text"]);
            run(path, &["commit", "--quiet", "-m", text]);
            Commit { id: run(path, &["rev-parse", "HEAD"]).trim().to_owned() }
        })
    }

    #[test]
    fn a_checkout_is_of_its_commit_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let repository_path = folder.path().join("repository");
        fs::create_dir(&repository_path).unwrap();
        let [old, new] = repository(&repository_path);
        let path = folder.path().join("checkout");
        let text = |commit: &Commit| {
            let checkout = Checkout::new(&repository_path, path.clone(), commit).unwrap();
            fs::read_to_string(checkout.path.join("text")).unwrap()
        };
        assert_eq!(text(&old), "old");
        assert!(!path.exists());
        // One that was left over, one whose files alone are gone, and a folder that git knows nothing of.
        std::mem::forget(Checkout::new(&repository_path, path.clone(), &old).unwrap());
        assert_eq!(text(&new), "new");
        std::mem::forget(Checkout::new(&repository_path, path.clone(), &old).unwrap());
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(text(&new), "new");
        fs::create_dir(&path).unwrap();
        assert_eq!(text(&old), "old");
        assert_eq!(run(&repository_path, &["worktree", "list"]).lines().count(), 1);
        assert_eq!(fs::read_to_string(repository_path.join("text")).unwrap(), "new");
    }

    #[test]
    fn a_commit_has_many_names_and_what_is_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = repository(folder.path());
        for (name, commit) in [("HEAD~1", &old), ("HEAD", &new), (new.short(), &new)] {
            assert_eq!(Commit::named(folder.path(), name).unwrap(), *commit);
        }
        for name in ["no-such-branch", "--all", "", "HEAD:text"] {
            let error = Commit::named(folder.path(), name).unwrap_err().to_string();
            assert!(error.contains("no commit of this repository"), "{error}");
        }
        assert!(!changed(folder.path()).unwrap());
        fs::write(folder.path().join("text"), "newer").unwrap();
        assert!(changed(folder.path()).unwrap());
    }
}
