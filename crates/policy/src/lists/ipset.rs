//! What `ipset save` prints, and what is written for `ipset restore` (ipset(8)).

use std::collections::HashMap;

use ipnetwork::IpNetwork;

use super::{
    Fault,
    columns::{self, Tail},
    explain,
    line_format::{self, Said},
    prefix,
};

/// Sets that are told apart; ipset itself knows no more.
const MAX_SETS: usize = 65_535;

/// A command of ipset.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    name: Name,
    words: Vec<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Add,
    Create,
    /// Changes nothing for one who only adds.
    Idle,
    /// Takes away what was added.
    Other,
}

/// The sets so far.
#[derive(Default)]
pub(super) struct Sets {
    by_name: HashMap<Vec<u8>, Set>,
}

#[derive(Clone, Copy)]
enum Set {
    /// Holds addresses or prefixes. With a length, each address stands for the prefix of that length.
    Readable { length: Option<u8> },
    /// Holds something else.
    Unreadable,
}

impl<'a> Command<'a> {
    /// The command that `line` is, if it is one.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let name = match &line[..end] {
            b"add" | b"-A" | b"--add" => Name::Add,
            b"create" | b"-N" | b"--create" => Name::Create,
            // A file for `restore` may empty the set first, and ends with COMMIT.
            b"flush" | b"-F" | b"--flush" | b"COMMIT" | b"quit" => Name::Idle,
            b"del" | b"-D" | b"--del" | b"destroy" | b"-X" | b"--destroy" | b"swap" | b"-W" | b"--swap"
            | b"rename" | b"-E" | b"--rename" => Name::Other,
            _ => return None,
        };
        let words = Tail::of(line)
            .body
            .split(u8::is_ascii_whitespace)
            // `-exist` is an option of the program, not of the command.
            .filter(|word| !matches!(*word, b"" | b"-exist" | b"--exist" | b"-!"))
            .enumerate()
            // A comment is last (ipset(8)) and may hold any word.
            .take_while(|&(at, word)| at < 3 || word != b"comment")
            .map(|(_, word)| word)
            .collect();
        Some(Self { name, words })
    }
}

impl Sets {
    /// What `command` adds. Counts entries whose timeout is not taken over.
    pub(super) fn follow(&mut self, command: Command<'_>, timeouts: &mut u64) -> Result<Said, Fault> {
        match command.name {
            Name::Add => self.add(&command.words, timeouts),
            Name::Create => self.create(&command.words),
            Name::Idle => without_entries(command.words.get(1..).unwrap_or_default()).map(|()| Said::Nothing),
            Name::Other => {
                Err(Fault::IpsetCommand(explain::quoted(command.words.first().copied().unwrap_or_default())))
            }
        }
    }

    fn add(&self, words: &[&[u8]], timeouts: &mut u64) -> Result<Said, Fault> {
        let &[_, set, entry, ref options @ ..] = words else { return Err(Fault::IpsetEnd) };
        let length = match self.by_name.get(set) {
            Some(Set::Unreadable) => return Err(Fault::IpsetUnread),
            Some(Set::Readable { length }) => *length,
            None => None,
        };
        if options.contains(&b"nomatch".as_slice()) {
            return Err(Fault::NoMatch);
        }
        if entry.contains(&b',') {
            return Err(Fault::IpsetEntry);
        }
        without_entries(&[set])?;
        without_entries(options)?;
        let said = widened(line_format::entry(entry)?, length)?;
        // A timeout of 0 is none (ipset(8)).
        let timeout = options.iter().position(|word| *word == b"timeout").and_then(|at| options.get(at + 1));
        *timeouts += u64::from(timeout.is_some_and(|seconds| *seconds != b"0"));
        Ok(said)
    }

    fn create(&mut self, words: &[&[u8]]) -> Result<Said, Fault> {
        let &[_, set, kind, ref options @ ..] = words else { return Err(Fault::IpsetEnd) };
        let read = without_entries(&[set]).and_then(|()| without_entries_but_bounds(options));
        let read = read.and_then(|()| match kind {
            b"hash:ip" | b"hash:net" | b"bitmap:ip" | b"iphash" | b"nethash" => netmask(options),
            _ => Err(Fault::IpsetType(explain::quoted(kind))),
        });
        if self.by_name.len() >= MAX_SETS && !self.by_name.contains_key(set) {
            return Err(Fault::IpsetSets(MAX_SETS));
        }
        let kind = read.as_ref().map_or(Set::Unreadable, |&length| Set::Readable { length });
        self.by_name.insert(set.to_vec(), kind);
        read.map(|_| Said::Nothing)
    }
}

/// Refuses entries where none belongs: ipset takes one a line.
fn without_entries(words: &[&[u8]]) -> Result<(), Fault> {
    match words.iter().find_map(|word| columns::entry_in(word)) {
        Some(entry) => Err(Fault::OtherEntry(explain::quoted(entry))),
        None => Ok(()),
    }
}

/// Refuses entries that are neither a mask nor a bound of what a bitmap may hold.
fn without_entries_but_bounds(options: &[&[u8]]) -> Result<(), Fault> {
    const BOUNDS: [&[u8]; 6] = [b"range", b"--network", b"--from", b"--to", b"netmask", b"bitmask"];
    let mut before: &[u8] = b"";
    for option in options {
        if !BOUNDS.contains(&before) {
            without_entries(&[option])?;
        }
        before = option;
    }
    Ok(())
}

/// The length of the prefixes that addresses of the set stand for, if `create` was given one.
fn netmask(options: &[&[u8]]) -> Result<Option<u8>, Fault> {
    let Some(at) = options.iter().position(|word| matches!(*word, b"netmask" | b"bitmask")) else {
        return Ok(None);
    };
    let max = if options.windows(2).any(|pair| pair == [b"family".as_slice(), b"inet6"]) { 128 } else { 32 };
    let given = options.get(at + 1).copied().ok_or(Fault::IpsetEnd)?;
    prefix::number(given, max).map(Some).map_err(|_| Fault::IpsetNetmask(explain::quoted(given)))
}

/// The prefix that an address of a set with a netmask stands for.
fn widened(said: Said, length: Option<u8>) -> Result<Said, Fault> {
    let Some(length) = length else { return Ok(said) };
    let Said::One(prefix) = said else { return Err(Fault::IpsetEntry) };
    match prefix {
        IpNetwork::V4(prefix) => prefix::v4_network(prefix.ip(), length.min(prefix.prefix())),
        IpNetwork::V6(prefix) => prefix::v6_network(prefix.ip(), length.min(prefix.prefix())),
    }
    .map(Said::One)
}

#[cfg(test)]
mod tests {
    use crate::lists::{ParsedList, parse};

    fn list(text: &str) -> ParsedList {
        parse(text.as_bytes(), 0, &mut |_, _| {}).unwrap()
    }

    fn prefixes(list: &ParsedList) -> String {
        list.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_save_prints() {
        let list = list(
            "create bad hash:ip family inet hashsize 1024 maxelem 65536 timeout 300 counters comment bucketsize 12\n\
             add bad 192.0.2.1 timeout 297 packets 0 bytes 0 comment \"an add nomatch of mine\"\n\
             add bad 192.0.2.2 timeout 0 packets 0 bytes 0\n\
             create bad6 hash:net family inet6 hashsize 1024 maxelem 65536\n\
             add bad6 2001:db8::/32\n\
             create map bitmap:ip range 192.0.2.0-192.0.2.255\n\
             add map 192.0.2.9\n",
        );
        assert_eq!(list.problems, []);
        assert_eq!(prefixes(&list), "192.0.2.1/32 192.0.2.2/32 2001:db8::/32 192.0.2.9/32");
        assert_eq!((list.lines, list.timeouts), (7, 1));
    }

    #[test]
    fn what_is_written_for_restore() {
        let list = list(
            "flush bad\nadd bad 192.0.2.0-192.0.2.3 -exist # 192.0.2.77\nadd -exist bad 192.0.2.9\n-A bad 192.0.2.10\nCOMMIT\n",
        );
        assert_eq!(list.problems, []);
        assert_eq!(prefixes(&list), "192.0.2.0/30 192.0.2.9/32 192.0.2.10/32");
    }

    #[test]
    fn an_address_of_a_set_with_a_netmask_is_a_prefix() {
        let list = list(
            "create a hash:ip family inet netmask 24\nadd a 192.0.2.0\nadd a 192.0.2.1\nadd b 192.0.2.1\n\
             create c hash:ip family inet6 netmask 64\nadd c 2001:db8::\ncreate d hash:ip netmask 99\nadd d 192.0.2.8",
        );
        assert_eq!(prefixes(&list), "192.0.2.0/24 192.0.2.1/32 2001:db8::/64");
        let why: Vec<_> = list.problems.iter().map(|p| (p.line, p.message.as_str())).collect();
        assert_eq!(
            why,
            [
                (3, "host bits set; meant 192.0.2.0/24?"),
                (7, "`netmask 99` is none for this set"),
                (8, "an entry of a set that could not be read (see its `create` line)"),
            ]
        );
    }

    #[test]
    fn what_cannot_be_taken_over_is_refused() {
        let why = |line: &str| {
            let list = list(line);
            assert_eq!((list.refused, list.prefixes.len()), (1, 0), "{line}");
            list.problems[0].message.clone()
        };
        assert_eq!(
            why("add a 192.0.2.0/28 nomatch"),
            "`nomatch` makes it an exception; put it on the allowlist instead"
        );
        assert_eq!(why("add a 192.0.2.1,tcp:80"), "an `ipset` entry of more than an address or prefix");
        let left_out =
            "`198.51.100.0/24` stands in the same line and would be left out; write one entry a line";
        for line in [
            "add a 192.0.2.0/24 198.51.100.0/24",
            "add 198.51.100.0/24 192.0.2.0/24",
            "add a 192.0.2.0/24 \"# x\" 198.51.100.0/24",
            "flush a 198.51.100.0/24",
            "create a hash:net 198.51.100.0/24",
            "create a bitmap:ip range 192.0.2.0/24 198.51.100.0/24",
        ] {
            assert_eq!(why(line), left_out, "{line}");
        }
        assert_eq!(why("add a 192.0.2.1/24"), "host bits set; meant 192.0.2.0/24?");
        assert_eq!(why("add a"), "an `ipset` line that ends too early");
        assert_eq!(why("create a"), "an `ipset` line that ends too early");
        assert_eq!(why("del a 192.0.2.1"), "`ipset del` cannot be followed; a list only adds");
        assert_eq!(
            why("create a hash:ip,port family inet"),
            "a set of type `hash:ip,port`; only hash:ip, hash:net and bitmap:ip hold nothing but addresses"
        );
    }

    #[test]
    fn no_entry_of_a_set_is_read_whose_creation_is_refused() {
        let list = list("create a hash:ip netmask 24 198.51.100.0/24\nadd a 192.0.2.0\n");
        assert_eq!((list.refused, list.prefixes.len()), (2, 0));
    }

    #[test]
    fn sets_cost_bounded_memory() {
        let text: String = (0..super::MAX_SETS + 2).map(|set| format!("create s{set} hash:ip\n")).collect();
        assert_eq!(list(&text).refused, 2);
    }

    #[test]
    fn addresses_that_start_like_a_command() {
        assert_eq!(prefixes(&list("add::1 x\nadd:1::/32\n")), "add::1/128 add:1::/32");
    }
}
