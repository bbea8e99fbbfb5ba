//! A program in a terminal: the screen that it draws, and keys that are pressed.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::pty::{OpenptyResult, Winsize, openpty};

use crate::protected::PATIENCE;

/// A terminal with a program in it, which ends when dropped.
pub struct Terminal {
    child: Child,
    end: File,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts a program in a terminal of so many rows and columns.
    ///
    /// # Errors
    /// When there is no terminal to be had, or the program does not start.
    pub fn start(mut command: Command, rows: u16, columns: u16) -> anyhow::Result<Self> {
        let OpenptyResult { master, slave } =
            openpty(&size(rows, columns), None).context("opening a terminal")?;
        let again = || slave.try_clone().context("sharing the terminal");
        let (input, output, errors): (OwnedFd, OwnedFd, OwnedFd) = (again()?, again()?, again()?);
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
        // SAFETY: between fork and exec the closure makes system calls only.
        unsafe {
            // The terminal is the program's own (/dev/tty), which also hears of a new size.
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().context("starting a program in a terminal")?;
        // The program's ends are its own now; else its end would not be seen.
        drop((command, slave));
        let end = File::from(master);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let reader = {
            let (mut end, screen) = (end.try_clone().context("sharing the terminal")?, Arc::clone(&screen));
            thread::spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                // An error is the terminal's word for that nobody has its other end any more.
                while let Ok(read @ 1..) = end.read(&mut bytes) {
                    screen.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
                }
            })
        };
        Ok(Self { child, end, screen, reader: Some(reader) })
    }

    /// What is on the screen, a line each.
    #[must_use]
    pub fn screen(&self) -> String {
        self.with_screen(vt100::Screen::contents)
    }

    /// Whether anything on the screen has a colour.
    #[must_use]
    pub fn has_colours(&self) -> bool {
        self.with_screen(|screen| {
            let (rows, columns) = screen.size();
            let cells =
                (0..rows).flat_map(|row| (0..columns).filter_map(move |column| screen.cell(row, column)));
            let plain = vt100::Color::Default;
            cells.into_iter().any(|cell| cell.fgcolor() != plain || cell.bgcolor() != plain)
        })
    }

    fn with_screen<T>(&self, of: impl FnOnce(&vt100::Screen) -> T) -> T {
        of(self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }

    /// Waits until the screen shows what is wanted, and returns what `found` makes of it.
    ///
    /// # Errors
    /// When it does not for too long; the screen is told.
    pub fn wait_for<T>(&self, what: &str, found: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if let Some(found) = found(&screen) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("{what} is not seen in\n{screen}");
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the screen shows this text.
    ///
    /// # Errors
    /// As of [`Self::wait_for`].
    pub fn wait_until_shown(&self, text: &str) -> anyhow::Result<()> {
        self.wait_for(text, |screen| screen.contains(text).then_some(()))
    }

    /// Presses keys.
    ///
    /// # Errors
    /// When the terminal does not take them.
    pub fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        self.end.write_all(keys.as_bytes()).context("pressing keys")
    }

    /// Makes the terminal larger or smaller.
    ///
    /// # Errors
    /// When the kernel does not.
    pub fn resize(&self, rows: u16, columns: u16) -> anyhow::Result<()> {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen_mut().set_size(rows, columns);
        // SAFETY: the descriptor is open, and the size is read only.
        let done = unsafe { libc::ioctl(self.end.as_raw_fd(), libc::TIOCSWINSZ, &size(rows, columns)) };
        if done < 0 {
            bail!("resizing the terminal: {}", std::io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits for the program to end.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the program does not end:\n{}", self.screen());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}
