//! What the tests of floodwall share.
//!
//! [`engine`] judges frames by the same core in the kernel and on the host; [`parity`] shows both the same, of which an
//! [`experiment`] is a small amount that can be written down; [`seeds`] are experiments to begin with, and [`chatter`] is
//! random. [`protected`] is a host in a network namespace that a real daemon protects, with someone outside who sends it
//! packets; [`requests`] are the packets that tests of rules send; [`login`] is somebody who is logged in; [`blocked`] is a
//! blocked source that never stops; [`dns`] is a name server and who asks it; [`foreign`] is what other tools do to a filter.
//! [`world`] is a host as people run them, and what it carries for others; [`docker`] has containers there, and [`ipvs`] has
//! one hand connections on. [`browser`] and [`terminal`] show what people see. [`disk`] is one that may be full, or
//! not answer.

pub mod blocked;
pub mod browser;
pub mod business;
pub mod chatter;
pub mod disk;
pub mod dns;
pub mod docker;
pub mod engine;
pub mod experiment;
pub mod foreign;
pub mod ipvs;
pub mod login;
pub mod parity;
pub mod protected;
pub mod requests;
pub mod seeds;
pub mod terminal;
pub mod world;
