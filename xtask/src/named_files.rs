//! Files of the tree that the documentation names, in backquotes: by their paths from the root, or sources by their names alone.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::shell;

/// Pages about what once was: their paths are those of then.
const HISTORY: [&str; 2] = ["CHANGELOG.md", "verified.md"];

/// Files that pages name and that are not there, each as `page: path`.
///
/// # Errors
/// When a folder or a page cannot be read.
pub(crate) fn missing(root: &Path) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let sources = sources(root)?;
    for folder in [root.to_owned(), root.join("docs"), root.join("bench")] {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let page = entry?.path();
            let name = page.file_name().unwrap_or_default().to_string_lossy();
            if page.extension().is_none_or(|extension| extension != "md") || HISTORY.contains(&&*name) {
                continue;
            }
            let text = fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
            let absent = named(&text).filter(|path| is_of_the_tree(root, path) && !root.join(path).exists());
            missing.extend(absent.map(|path| format!("{name}: {path}")));
            let unknown = bare(&text).filter(|source| !sources.contains(*source));
            missing.extend(unknown.map(|source| format!("{name}: {source}")));
        }
    }
    missing.sort_unstable();
    missing.dedup();
    Ok(missing)
}

/// What stands in backquotes and looks like the path of a file: folders, and a name with an extension.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
            && word.rsplit_once('/').is_some_and(|(_, file)| file.contains('.') && !file.ends_with('.'))
    };
    text.split('`').skip(1).step_by(2).filter(is_path)
}

/// What stands in backquotes and is the name of a source without its folder.
fn bare(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        word.strip_suffix(".rs").is_some_and(|name| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
    };
    text.split('`').skip(1).step_by(2).filter(is_name)
}

/// Names of the sources of the tree, without their folders.
fn sources(root: &Path) -> Result<BTreeSet<String>> {
    let listed = shell::output(Command::new("git").args(["ls-files", "*.rs"]).current_dir(root))?;
    Ok(listed.lines().filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
}

/// Whether the path begins with a folder that is in the root of the tree: `common/src/flow.rs`, and not `lists/feed.txt`.
fn is_of_the_tree(root: &Path, path: &str) -> bool {
    path.split_once('/').is_some_and(|(folder, _)| !folder.is_empty() && root.join(folder).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_other_words() {
        let text =
            "`common/src/flow.rs` and `ip/24`, `a b/c.rs`, `docs/` or `--json`, `x/y.toml`; not/this.rs";
        assert_eq!(named(text).collect::<Vec<_>>(), ["common/src/flow.rs", "x/y.toml"]);
    }

    #[test]
    fn sources_may_be_named_without_their_folders() {
        assert_eq!(
            bare("`flow.rs`, `common/src/flow.rs`, `a b.rs` and `mod`").collect::<Vec<_>>(),
            ["flow.rs"]
        );
        assert!(sources(&shell::root()).unwrap().contains("named_files.rs"));
    }

    #[test]
    fn only_what_begins_with_a_folder_of_the_tree_is_looked_for() {
        let root = shell::root();
        assert!(is_of_the_tree(&root, "xtask/src/nothing.rs"));
        assert!(!is_of_the_tree(&root, "/etc/floodwall/floodwall.toml"));
        assert!(!is_of_the_tree(&root, "lists/feed.txt"));
    }

    #[test]
    fn all_that_the_pages_name_is_there() {
        assert_eq!(missing(&shell::root()).unwrap(), Vec::<String>::new());
    }
}
