//! The corpus's own generator of traffic, used where it lies.
//!
//! Traffic that is to show that a filter is quiet must not come from whoever made the filter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::draw::{Draw, LIST};
use crate::shell;

/// Below the corpus: the generator, and what it reads.
const PROGRAM: &str = "tools/mkscenario.py";
const CAPTURES: &str = "pcaps";
const PREFIXES: &str = "prefixes/full-table-prefixes.txt.gz";
const RECIPES: &str = "recipes";
/// What it writes of which a replay is told, the last one last.
const WRITTEN: [&str; 4] = [".labels", ".egress.csv.gz", ".pcap.gz", ".json"];

/// The generator, and where its captures are put.
#[derive(Debug)]
pub(super) struct Generator<'a> {
    corpus: &'a Path,
    folder: &'a Path,
}

/// The files of a draw.
#[derive(Clone, Debug)]
pub(super) struct Made {
    base: PathBuf,
}

/// What a corpus lacks of what draws are made of.
pub(super) fn lacking(corpus: &Path) -> Option<PathBuf> {
    let list = Path::new(RECIPES).join(LIST);
    let needed = [Path::new(PROGRAM), Path::new(CAPTURES), Path::new(PREFIXES), &list];
    needed.into_iter().map(|path| corpus.join(path)).find(|path| !path.exists())
}

impl<'a> Generator<'a> {
    /// One that puts its captures into a folder, which is made.
    ///
    /// # Errors
    /// When the folder cannot be made, or the list of captures not be copied into it, where recipes lie.
    pub(super) fn new(corpus: &'a Path, folder: &'a Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let list = corpus.join(RECIPES).join(LIST);
        fs::copy(&list, folder.join(LIST)).with_context(|| format!("copying {}", list.display()))?;
        Ok(Self { corpus, folder })
    }

    /// The captures of a draw: those that are there of the same recipe, or new ones.
    ///
    /// # Errors
    /// When the generator cannot be run, or fails.
    pub(super) fn make(&self, draw: Draw) -> Result<Made> {
        let made = Made { base: self.folder.join(draw.name()) };
        let (recipe, told) = (made.file(".toml"), draw.recipe());
        let all_there = WRITTEN.iter().all(|ending| made.file(ending).exists());
        if all_there && fs::read_to_string(&recipe).is_ok_and(|text| text == told) {
            return Ok(made);
        }
        made.remove();
        fs::write(&recipe, told).with_context(|| format!("writing {}", recipe.display()))?;
        // Elsewhere first: what a task that was killed has left is not whole.
        let unfinished = self.folder.join(format!("{}.unfinished", draw.name()));
        let mut command = Command::new("python3");
        command.arg(self.corpus.join(PROGRAM)).arg("--raw").arg(self.corpus.join(CAPTURES));
        command.arg("--prefixes").arg(self.corpus.join(PREFIXES));
        command.arg("--out").arg(&unfinished).arg(&recipe);
        // The corpus is not ours to write to.
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        shell::output(&mut command).with_context(|| format!("drawing traffic ({draw})"))?;
        for ending in WRITTEN {
            let from = unfinished.join(format!("{}{ending}", draw.name()));
            fs::rename(&from, made.file(ending)).with_context(|| format!("moving {}", from.display()))?;
        }
        fs::remove_dir_all(&unfinished).with_context(|| format!("removing {}", unfinished.display()))?;
        made.check()?;
        Ok(made)
    }
}

impl Made {
    fn file(&self, ending: &str) -> PathBuf {
        let mut name = self.base.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// The capture.
    pub(super) fn capture(&self) -> PathBuf {
        self.file(".pcap.gz")
    }

    /// What a replay is told of the host.
    pub(super) fn host(&self) -> PathBuf {
        self.file(".json")
    }

    /// The flows that the host opened.
    pub(super) fn egress(&self) -> PathBuf {
        self.file(".egress.csv.gz")
    }

    /// Whether all of it is ordinary: what is to be quiet must not hold anything else.
    fn check(&self) -> Result<()> {
        let path = self.file(".labels");
        let labels = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(!labels.trim().is_empty(), "{} names no packet", path.display());
        match labels.lines().find(|line| !line.ends_with(" legit")) {
            Some(line) => bail!("{}: `{line}` is no ordinary traffic", path.display()),
            None => Ok(()),
        }
    }

    /// Removes the files, as far as they are there.
    pub(super) fn remove(&self) {
        for ending in WRITTEN.into_iter().chain([".toml"]) {
            // What is left over is overwritten, or goes with the folder.
            let _ = fs::remove_file(self.file(ending));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A corpus whose generator writes a line to `runs` beside it, and labels as in `labels`.
    pub(in super::super) fn corpus(labels: &str) -> tempfile::TempDir {
        let corpus = tempfile::tempdir().unwrap();
        for folder in ["tools", CAPTURES, "prefixes", RECIPES] {
            fs::create_dir(corpus.path().join(folder)).unwrap();
        }
        fs::write(corpus.path().join(PREFIXES), "").unwrap();
        fs::write(corpus.path().join(RECIPES).join(LIST), "a.pcap\n").unwrap();
        let program = format!(
            "import os, sys, tomllib\nout, recipe = sys.argv[-2:]\nname = tomllib.load(open(recipe, 'rb'))['name']\n\
             os.makedirs(out)\nopen(os.path.join(os.path.dirname(__file__), 'runs'), 'a').write(name + '\\n')\n\
             assert open(os.path.join(os.path.dirname(recipe), '{LIST}')).read() == 'a.pcap\\n'\n\
             for ending in ('pcap.gz', 'json', 'egress.csv.gz'): open(f'{{out}}/{{name}}.{{ending}}', 'w').write(name)\n\
             open(f'{{out}}/{{name}}.labels', 'w').write({labels:?})\n"
        );
        fs::write(corpus.path().join(PROGRAM), program).unwrap();
        corpus
    }

    #[test]
    fn what_is_there_of_the_same_recipe_is_not_made_again() {
        let (corpus, folder) = (corpus("0-9 legit\n"), tempfile::tempdir().unwrap());
        assert_eq!(lacking(corpus.path()), None);
        let generator = Generator::new(corpus.path(), folder.path()).unwrap();
        let runs = || fs::read_to_string(corpus.path().join("tools/runs")).unwrap().lines().count();
        let draw = Draw::new(1, 1, false);
        for _ in 0..2 {
            let made = generator.make(draw).unwrap();
            assert_eq!(fs::read_to_string(made.capture()).unwrap(), draw.name());
            assert!(made.host().exists() && made.egress().exists());
        }
        assert_eq!(runs(), 1);
        generator.make(Draw::new(1, 2, false)).unwrap();
        // The same name, and another recipe.
        let other = Draw { rate: draw.rate + 1, ..draw };
        let made = generator.make(other).unwrap();
        assert_eq!(runs(), 3);
        // One that was broken off.
        fs::remove_file(made.capture()).unwrap();
        generator.make(other).unwrap();
        assert_eq!(runs(), 4);
        made.remove();
        assert!(!made.capture().exists() && !made.host().exists());
    }

    #[test]
    fn what_is_not_ordinary_is_refused_and_what_is_lacking_is_named() {
        let (corpus, folder) = (corpus("0-3 legit\n4-4 scan\n"), tempfile::tempdir().unwrap());
        let generator = Generator::new(corpus.path(), folder.path()).unwrap();
        let error = format!("{:#}", generator.make(Draw::new(1, 1, false)).unwrap_err());
        assert!(error.contains("`4-4 scan` is no ordinary traffic"), "{error}");
        fs::remove_file(corpus.path().join(PROGRAM)).unwrap();
        assert_eq!(lacking(corpus.path()), Some(corpus.path().join(PROGRAM)));
        let error = format!("{:#}", generator.make(Draw::new(1, 2, false)).unwrap_err());
        assert!(error.contains("drawing traffic (draw 2, "), "{error}");
    }
}
