//! `docs/cli.md`: what `--help` says of every command, out of the same definitions.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::Cli;

/// Where the page is checked in, for those who read it without the program.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
/// Columns of the page.
const WIDTH: usize = 100;

/// The page.
fn page() -> String {
    let mut page = "# Commands\n\n\
                    What `--help` says of each, made from the definitions in `controller/src/cli/`. What options of every\n\
                    command are is told once, of `floodwall` itself. How commands end: [exit codes](exit-codes.md).\n"
        .to_owned();
    let mut command = Cli::command().term_width(WIDTH);
    command.build();
    write(&mut command, &[], &mut page);
    page
}

fn write(command: &mut Command, above: &[String], page: &mut String) {
    let names: Vec<_> = above.iter().cloned().chain([command.get_name().to_owned()]).collect();
    if !above.is_empty() {
        *command = std::mem::take(command).mut_args(|argument| {
            let is_told = argument.is_global_set();
            argument.hide(is_told)
        });
    }
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    // Writing to a string does not fail.
    _ = write!(page, "\n## {}\n\n```\n{}\n```\n", names.join(" "), lines.join("\n"));
    let wanted = |command: &&mut Command| !command.is_hide_set() && command.get_name() != "help";
    command.get_subcommands_mut().filter(wanted).for_each(|below| write(below, &names, page));
}

#[test]
fn the_page_that_is_checked_in_is_this_one() {
    let now = page();
    if std::env::var_os("UPDATE_CLI").is_some() {
        std::fs::write(CHECKED_IN, &now).unwrap();
    }
    let before = std::fs::read_to_string(CHECKED_IN).unwrap();
    assert!(before == now, "docs/cli.md is another one: UPDATE_CLI=1 writes it anew");
}

#[test]
fn every_command_has_a_heading_and_what_is_hidden_has_none() {
    let page = page();
    for heading in ["floodwall", "floodwall run", "floodwall block import", "floodwall confirm"] {
        assert!(page.contains(&format!("\n## {heading}\n")), "{heading}");
    }
    assert!(!page.contains("## floodwall completions"));
    assert_eq!(page.matches("Options of every command").count(), 1, "these are told once");
    assert!(page.contains("A signature is a list of terms"), "what stands below the options");
    assert!(page.lines().all(|line| !line.ends_with(' ')));
}
