//! The program `floodwall`: the daemon and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    floodwall::cli::main()
}
