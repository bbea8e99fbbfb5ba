//! The table against plain models of it.

mod bans;
mod concurrent;
mod counted;
mod dense;
mod filter;
mod late;
mod model;
mod random;
mod restart;
mod scarce;
mod staged;
