//! Which modules of a crate import which, and whether they do so in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Modules at the top of a crate, and those that each imports.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// Reads the sources of a crate. What only tests import does not count.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn of(sources: &Path) -> Result<Self> {
        let mut graph = Self::default();
        for file in rust_files(sources)? {
            let inside = file.strip_prefix(sources).unwrap_or(&file);
            let Some(first) = inside.components().next() else { continue };
            let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let is_test = inside.components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                part == "tests" || part == "tests.rs"
            });
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let imported = graph.0.entry(module).or_default();
            if !is_test {
                imported.extend(imports(&text));
            }
        }
        let there: BTreeSet<_> = graph.0.keys().cloned().collect();
        for (module, imported) in &mut graph.0 {
            imported.retain(|other| other != module && there.contains(other));
        }
        Ok(graph)
    }

    /// Modules that import each other in a circle: one for each circle that is found, in the order of the circle.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let mut found: BTreeMap<BTreeSet<&String>, Vec<String>> = BTreeMap::new();
        for start in self.0.keys() {
            if let Some(circle) = self.back_to(start) {
                found.entry(self.members(&circle)).or_insert(circle);
            }
        }
        found.into_values().collect()
    }

    fn members<'a>(&'a self, circle: &[String]) -> BTreeSet<&'a String> {
        self.0.keys().filter(|module| circle.contains(module)).collect()
    }

    /// The shortest way from a module back to itself.
    fn back_to(&self, start: &String) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut ways = std::collections::VecDeque::from([vec![start]]);
        while let Some(way) = ways.pop_front() {
            for next in way.last().and_then(|last| self.0.get(*last)).into_iter().flatten() {
                if next == start {
                    return Some(way.into_iter().cloned().collect());
                }
                if seen.insert(next) {
                    ways.push_back([way.as_slice(), &[next]].concat());
                }
            }
        }
        None
    }
}

fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// First parts of the paths that begin with `crate::`, comments and unit tests aside.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for (place, what) in code.match_indices("crate::") {
        // `$crate::` and the like are others' business.
        let before = code[..place].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[place + what.len()..];
        match rest.strip_prefix('{') {
            Some(several) => found.extend(firsts(several)),
            None => found.extend(name(rest)),
        }
    }
    found
}

/// First names of what stands between braces, of which the first one has been read.
fn firsts(text: &str) -> Vec<String> {
    let (mut depth, mut at_start, mut names) = (0_u32, true, Vec::new());
    for (place, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            character if at_start && !character.is_whitespace() => {
                names.extend(name(&text[place..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Graph::of(directory.path()).unwrap()
    }

    #[test]
    fn paths_are_followed_to_the_module_that_they_begin_with() {
        let text = "use crate::{\n    api::{Event, lists},\n    state::Filter, // crate::no\n    tables,\n};\n\
                    fn f() -> crate::host::Nat { mycrate::x() }\n#[cfg(test)]\nmod tests {\n    use crate::lab;\n}";
        let names: Vec<_> = imports(text).into_iter().collect();
        assert_eq!(names, ["api", "host", "state", "tables"]);
    }

    #[test]
    fn circles_are_found_and_what_tests_import_is_none() {
        let sound = graph(&[
            ("a.rs", "use crate::b::X;"),
            ("b/mod.rs", "use crate::c;"),
            ("b/tests.rs", "use crate::a;"),
            ("c.rs", ""),
        ]);
        assert!(sound.circles().is_empty(), "{sound:?}");
        let unsound = graph(&[
            ("a.rs", "use crate::b::X;"),
            ("b/mod.rs", "use crate::{c, d};"),
            ("c.rs", "use crate::a;"),
            ("d.rs", ""),
        ]);
        assert_eq!(unsound.circles(), [["a", "b", "c"]]);
    }
}
