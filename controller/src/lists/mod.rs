//! Reading lists of prefixes in the forms that they are published in.
//!
//! A line holds one address, prefix (`203.0.113.0/24`, `10.0.0.0/255.0.0.0`) or range (`192.0.2.1-192.0.2.9`,
//! split into prefixes), of either family. Read are plain lists, FireHOL's `.netset` and `.ipset`, Spamhaus's
//! DROP, ipsum, tables whose first column is the address, and what `ipset save` prints; comments start with
//! `#`, `;` or `//`; all of it plain or gzipped. What is not understood to the letter is refused with the
//! line's number and what was probably meant: a list that is half read protects nobody.
//!
//! A line's way: `input` (bytes, gunzipped) → `lines` (whole lines) → `line` (what it says; `ipset` for those
//! of `ipset save`) → `prefix`, `range` → `duplicates`. `explain` words what is wrong; [`Fault`] lists it
//! all.

mod duplicates;
mod explain;
mod fault;
mod input;
mod ipset;
mod line;
mod lines;
mod parsed;
mod prefix;
mod range;
mod text;

pub use fault::{Fault, PrefixError};
pub use input::{ListError, MAX_TEXT, parse};
pub use parsed::{MAX_PREFIXES, MAX_PROBLEMS, ParsedList};
pub use prefix::{parse_address, parse_prefix};
