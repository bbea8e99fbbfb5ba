//! Where the show is seen: a picture that is drawn anew in its place on a terminal, lines elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::canvas::{HEIGHT, WIDTH};
use super::film::Film;
use super::picture::draw;
use super::story::{Column, Moment, Story, clock, took};

/// Where the show is seen.
pub(super) struct Screen {
    /// A picture, else lines.
    live: bool,
    colour: bool,
    /// Write to standard error, since standard output is for a machine.
    aside: bool,
    /// How long the show is.
    length: Duration,
    /// A picture stands above the cursor.
    drawn: bool,
    /// Lines that were written.
    columns: usize,
    moments: usize,
    film: Option<Film>,
}

impl Screen {
    pub(super) fn new(json: bool, length: Duration, record: bool) -> Self {
        let terminal = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let (width, height) = crossterm::terminal::size().unwrap_or_default();
        let live = terminal && usize::from(width) >= WIDTH && usize::from(height) > HEIGHT;
        Self {
            live,
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            aside: json,
            length,
            drawn: false,
            columns: 0,
            moments: 0,
            film: record.then(Film::default),
        }
    }

    /// Shows what has happened so far.
    pub(super) fn show(&mut self, story: &Story, elapsed: Duration) {
        let canvas = (self.live || self.film.is_some()).then(|| draw(story, elapsed, self.length));
        match &canvas {
            Some(canvas) if self.live => {
                // Up to the first line of the old picture; each line is cleared behind its end.
                let up = if self.drawn { format!("\x1b[{HEIGHT}A") } else { "\x1b[?25l".to_owned() };
                let picture = canvas.ansi(self.colour).replace('\n', "\x1b[K\n");
                self.drawn = true;
                self.write(&format!("{up}{picture}"));
            }
            _ => self.lines(story, elapsed),
        }
        if let (Some(film), Some(canvas)) = (&mut self.film, canvas) {
            film.take(elapsed, canvas);
        }
    }

    /// What was recorded, if that was wanted.
    pub(super) fn film(&self) -> Option<&Film> {
        self.film.as_ref()
    }

    fn lines(&mut self, story: &Story, elapsed: Duration) {
        for moment in story.moments().get(self.moments..).unwrap_or_default() {
            self.write(&told(moment));
        }
        self.moments = story.moments().len();
        for column in story.columns().get(self.columns..).unwrap_or_default() {
            self.write(&line(column, elapsed));
        }
        self.columns = story.columns().len();
    }

    /// A closed pipe ends nobody's show before it is taken down.
    fn write(&self, text: &str) {
        let _ = if self.aside {
            io::stderr().write_all(text.as_bytes())
        } else {
            let mut out = io::stdout();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.drawn {
            // The cursor again.
            self.write("\x1b[?25h");
        }
    }
}

/// What happened, as a line.
pub(super) fn told(moment: &Moment) -> String {
    format!("{:>5}  {}\n", clock(moment.at), moment.text)
}

/// A column of the charts as a line.
fn line(column: &Column, elapsed: Duration) -> String {
    let whole = |rate: f64| floodwall_units::count(rate.round() as u64);
    let half = column.half.map_or_else(|| "-".to_owned(), took);
    let floodwall = match column.dropped {
        None => "off".to_owned(),
        Some(_) => format!("{} dropped/s", whole(column.dropping())),
    };
    format!(
        "{:>5}  [{}] customers: {} answered/s, {} failed/s, half within {half}; flood: {} packets/s reach the host; \
         floodwall: {floodwall}\n",
        clock(elapsed),
        column.act.title(),
        whole(column.answered),
        whole(column.failed),
        whole(column.reaching()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::story::Act;

    #[test]
    fn a_pipe_gets_lines() {
        let column = Column {
            act: Act::Guarded,
            span: Duration::from_secs(1),
            answered: 711.2,
            failed: 0.0,
            half: Some(Duration::from_micros(412)),
            sent: 40_000,
            arrived: 10,
            dropped: Some(39_990),
        };
        assert_eq!(
            line(&column, Duration::from_secs(61)),
            " 1:01  [the same flood] customers: 711 answered/s, 0 failed/s, half within 0.4 ms; flood: 10 packets/s \
             reach the host; floodwall: 39,990 dropped/s\n"
        );
    }
}
