//! Captures through the filter, in virtual time: what would it do, without a network and without waiting?
//!
//! A packet's way: `floodwall_capture` reads it → [`clock`] says when it is → [`direction`] whether it came in →
//! [`engine`] judges it, by the very program in the kernel or by the same core on the host → [`verdicts`] writes it down, [`summary`] counts it, and
//! [`chart`] draws it; or [`difference`] holds it against what another configuration makes of the same packet.
//! What the host has sent is not judged: the engine learns from it, as the program at the egress does. Nor is what the
//! capture has [`truncated`] too early; [`caveats`] counts both. A packet that was dropped, and whose flow goes on in the capture,
//! is judged once more as if its client had sent it again (`retries`).
//! [`run`] is the loop that does so, and in between calls [`controller`], which does what the daemon does beside
//! the kernel program. [`world`] is what all of them work on: tables, lists, limits; [`host`] and [`opened_flows`] are
//! what a daemon would read off its machine, and [`capture_context`] says which of them goes with which of several captures.
//!
//! Nothing here looks at the machine's clock or draws a random number: the same input gives the same output.

pub mod capture_context;
pub mod caveats;
pub mod chart;
pub mod clock;
pub mod controller;
pub mod difference;
pub mod direction;
pub mod engine;
pub mod host;
pub mod opened_flows;
mod outgoing_frame;
mod retries;
pub mod run;
pub mod summary;
pub mod timeline;
pub mod truncated;
pub mod verdicts;
pub mod watch;
pub mod world;
