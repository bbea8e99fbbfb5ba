//! `floodwall man`: the manual, out of the same definitions as `--help`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man as Page;

use super::{
    Cli,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};

/// Of system administration.
const SECTION: &str = "8";

/// What the first page has beside what `--help` says, as roff.
const FIRST_PAGE: &str = include_str!("man.roff");

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for every command into this directory, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn apply(&self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let mut command = Cli::command();
        command.build();
        match &self.dir {
            Some(directory) => write_all(&command, true, directory).map_err(|error| {
                let message = format!("writing the manual to {}: {error}", directory.display());
                Failed::new(Kind::of_io(&error), message)
            })?,
            None => render(&command, true, &mut session.out)?,
        }
        Ok(Done::Plain)
    }
}

/// Writes the page of a command, and those of the commands below it.
fn write_all(command: &Command, is_first: bool, directory: &Path) -> io::Result<()> {
    let file = directory.join(page_of(command).get_filename());
    let mut file = BufWriter::new(File::create(file)?);
    render(command, is_first, &mut file)?;
    file.flush()?;
    let below = command.get_subcommands();
    let mut below = below.filter(|command| !command.is_hide_set() && command.get_name() != "help");
    below.try_for_each(|command| write_all(command, false, directory))
}

fn page_of(command: &Command) -> Page {
    let manual = "floodwall";
    Page::new(command.clone())
        .section(SECTION)
        .manual(manual)
        .source(concat!("floodwall ", env!("CARGO_PKG_VERSION")))
}

fn render(command: &Command, is_first: bool, out: &mut dyn Write) -> io::Result<()> {
    let page = page_of(command);
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    if command.get_arguments().next().is_some() {
        page.render_options_section(out)?;
    }
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    let after = command.get_after_long_help().or(command.get_after_help());
    if let Some(after) = after {
        // As `--help` lays it out.
        let heading = if is_first { "\"EXIT STATUS\"" } else { "NOTES" };
        write!(out, ".SH {heading}\n.nf\n{}\n.fi\n", escaped(&after.to_string()))?;
    }
    match is_first {
        true => out.write_all(FIRST_PAGE.as_bytes()),
        false => out.write_all(b".SH SEE ALSO\n.BR floodwall (8),\n.BR floodwall.toml (5)\n"),
    }
}

/// Text of which roff obeys nothing.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = text
        .lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_the_first_one_has_what_manuals_have() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Cli::command();
        command.build();
        write_all(&command, true, directory.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        let first = page("floodwall.8");
        for heading in ["NAME", "SYNOPSIS", "EXAMPLES", "FILES", "ENVIRONMENT", "\"EXIT STATUS\"", "SEE ALSO"]
        {
            assert!(first.contains(&format!("\n.SH {heading}\n")), "{heading}");
        }
        assert!(first.starts_with(".ie") && first.contains(".TH floodwall 8"), "{}", &first[..200]);
        assert!(page("floodwall-block-add.8").contains("floodwall.toml (5)"));
        assert!(!directory.path().join("floodwall-man.8").exists(), "what is hidden has no page");
    }

    #[test]
    fn roff_obeys_no_text() {
        assert_eq!(escaped(".x\n'y\n--z \\n"), "\\&.x\n\\&'y\n\\-\\-z \\en");
    }
}
