//! Reading lists of prefixes in the forms that they are published in.
//!
//! A line holds an address, prefix (`203.0.113.0/24`, `10.0.0.0/255.0.0.0`) or range (`192.0.2.1-192.0.2.9`,
//! split into prefixes), of either family. Read are plain lists, FireHOL's `.netset` and `.ipset`, Spamhaus's
//! DROP, ipsum, tables whose first column is the address, and what `ipset save` prints; all of it plain or
//! gzipped. Comments start with `#`, `//` or `;`; but what follows a `;` is no comment if an entry stands
//! right after one. Lines end with a line feed, a carriage return, or both. What is not understood to the
//! letter is refused with the line's number and what was probably meant: a list that is half read protects
//! nobody.
//!
//! No line is read in part. If it holds more than one entry, it is read in full where it holds nothing but
//! prefixes and ranges, between blanks, commas or semicolons, and refused otherwise: two bare addresses may
//! as well be start and end, or address and netmask. Refused are also lines whose words say not to block:
//! `nomatch` anywhere; `!` before an entry; and verdicts such as `allow`, `permit`, `OK` or `DUNNO` in the
//! column right after the entry, but not further on, where they are most often part of a description. So are
//! the lines of hosts files, whose address is where a name is sent. Verdicts that block, like `deny` or
//! `REJECT`, are columns like any other. Of this, no difference is made between blocklists and allowlists.
//!
//! A line's way: `input` (bytes, gunzipped) → `lines` (whole lines) → `line_format` (what it says; `ipset` for those
//! of `ipset save`) → `prefix`, `range` → `duplicates`. `columns` takes apart what follows an entry,
//! `meaning` judges it. `explain` words what is wrong; [`Fault`] lists it all.

mod columns;
mod duplicates;
mod explain;
mod fault;
mod input;
mod ipset;
mod line_format;
mod lines;
mod meaning;
mod parsed;
mod prefix;
#[cfg(test)]
mod properties;
mod range;
#[cfg(test)]
mod tests;
mod text;

pub use fault::{Fault, PrefixError};
pub use input::{ListError, MAX_TEXT, parse};
pub use parsed::{MAX_PREFIXES, MAX_PROBLEMS, ParsedList, Problem};
pub use prefix::{parse_address, parse_prefix};
