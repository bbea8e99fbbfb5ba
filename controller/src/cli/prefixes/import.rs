//! `floodwall block import`.

use std::{
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;

use super::report;
use crate::{
    api::{Changed, ImportLine, ImportReport, path},
    cli::{
        arguments,
        exit::{Done, Failed, Kind, Stop},
        session::Session,
        trial::OnTrial,
    },
    client::{Lines, Upload, target},
};

/// Stands for standard input.
const STDIN: &str = "-";

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The list; `-` is standard input.
    file: PathBuf,
    /// What to call it, so that it can be replaced or flushed later [default: the file's name without its
    /// ending].
    #[arg(long)]
    name: Option<String>,
    /// Leave out the lines that are refused, and import the rest.
    #[arg(long)]
    skip_bad: bool,
    /// Remove what an earlier import under this name brought and this list no longer holds.
    #[arg(long)]
    replace: bool,
    /// Take it back after this time, such as 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
    /// Do it even if it would cut off this host, its gateway, or you.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trial: OnTrial,
}

impl Import {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let name = self.name.clone().unwrap_or_else(|| name_of(&self.file));
        let (reader, length) = self.open().await?;
        let bar = if session.watched { ProgressBar::new(length.unwrap_or(0)) } else { ProgressBar::hidden() };
        let sending =
            if length.is_some() { "{msg:8} {wide_bar} {bytes}/{total_bytes}" } else { "{msg:8} {bytes}" };
        appear(&bar, sending, "sending");
        let upload = Upload::new(reader, {
            let bar = bar.clone();
            move |sent| bar.set_position(sent)
        });
        let outcome = async {
            let mut lines = session.client.upload(&self.target(&name), upload).await?;
            follow(&mut lines, &bar).await
        }
        .await;
        bar.finish_and_clear();
        match outcome? {
            Ok(changed) => {
                session.changed(&changed, |found, out, _| report::render(&name, found, true, out))?;
                Ok(Done::Plain)
            }
            Err((failure, report)) => {
                if let (Some(found), false) = (&report, session.json) {
                    report::render(&name, found, false, &mut *session.out)?;
                }
                Err(Failed::told(failure, report).into())
            }
        }
    }

    fn target(&self, name: &str) -> String {
        let Self { skip_bad, replace, force, lifetime, trial, .. } = self;
        let within = trial.seconds();
        let seconds = lifetime.map(|lifetime| lifetime.as_secs());
        let mut parameters: Vec<(&str, &dyn std::fmt::Display)> =
            vec![("name", &name), ("skip_bad", skip_bad), ("replace", replace), ("force", force)];
        if let Some(seconds) = &seconds {
            parameters.push(("seconds", seconds));
        }
        if let Some(within) = &within {
            parameters.push(("confirm_within", within));
        }
        target(path::IMPORT, parameters)
    }

    /// The list and, where it can be told, its length in bytes.
    async fn open(&self) -> Result<(File, Option<u64>), Failed> {
        let refused = |error: io::Error| {
            Failed::new(Kind::of_io(&error), format!("opening {}: {error}", self.file.display()))
        };
        let file = if self.file == Path::new(STDIN) {
            File::from_std(io::stdin().as_fd().try_clone_to_owned().map_err(refused)?.into())
        } else {
            File::open(&self.file).await.map_err(refused)?
        };
        let metadata = file.metadata().await.map_err(refused)?;
        if metadata.is_dir() {
            return Err(Failed::new(Kind::Invalid, format!("{} is a directory", self.file.display())));
        }
        Ok((file, metadata.is_file().then_some(metadata.len())))
    }
}

type Outcome = Result<Changed<ImportReport>, (crate::api::Failure, Option<ImportReport>)>;

/// Shows how far the daemon is, until it is done or has given up.
async fn follow(lines: &mut Lines<ImportLine>, bar: &ProgressBar) -> Result<Outcome, Stop> {
    let mut shown = String::new();
    while let Some(line) = lines.next().await? {
        match line {
            ImportLine::Progress { stage, done, total } => {
                if stage != shown {
                    appear(bar, "{msg:8} {wide_bar} {percent} %", &stage);
                    shown = stage;
                }
                bar.set_length(total);
                bar.set_position(done);
            }
            ImportLine::Done(report) => return Ok(Ok(report)),
            ImportLine::Failed { failure, report } => return Ok(Err((failure, report))),
        }
    }
    Err(Failed::new(
        Kind::Internal,
        "floodwall did not say how the import ended; `floodwall status` shows how it stands",
    )
    .into())
}

fn appear(bar: &ProgressBar, template: &str, message: &str) {
    // A template that is wrong would show in the tests; the default bar will do then.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(message.to_owned());
}

/// A file's name without its ending, nor that of its compression.
fn name_of(file: &Path) -> String {
    if file == Path::new(STDIN) {
        return "stdin".to_owned();
    }
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_called_as_its_file_is() {
        let named = |file: &str| name_of(Path::new(file));
        assert_eq!(named("/a/b/firehol_level1.netset"), "firehol_level1");
        assert_eq!(named("full-table.txt.gz"), "full-table");
        assert_eq!(named("list"), "list");
        assert_eq!(named("list.gz"), "list");
        assert_eq!(named(".hidden"), ".hidden");
        assert_eq!(named("a.b.txt"), "a.b");
        assert_eq!(named("-"), "stdin");
    }

    #[test]
    fn templates_are_valid() {
        for template in
            ["{msg:8} {wide_bar} {bytes}/{total_bytes}", "{msg:8} {bytes}", "{msg:8} {wide_bar} {percent} %"]
        {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
