//! Lines of more than one entry, and lines whose words say something else than to block: read in full, or
//! refused.

use super::{ParsedList, parse};

fn list(text: &str) -> ParsedList {
    parse(text.as_bytes(), text.len() as u64, &mut |_, _| {}).unwrap()
}

/// The prefixes of a list without a refused line.
fn prefixes(text: &str) -> String {
    let list = list(text);
    assert_eq!(list.problems, [], "{text}");
    list.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What is wrong with the one line that is.
fn why(line: &str) -> String {
    let list = list(line);
    assert_eq!((list.refused, list.prefixes.len()), (1, 0), "{line}");
    list.problems[0].message.clone()
}

/// The numbers of the refused lines.
fn refused(text: &str) -> Vec<u64> {
    list(text).problems.iter().map(|problem| problem.line).collect()
}

fn left_out(entry: &str) -> String {
    format!("`{entry}` stands in the same line and would be left out; write one entry a line")
}

#[test]
fn a_line_of_nothing_but_prefixes_and_ranges_is_read_in_full() {
    for line in [
        "192.0.2.0/24,198.51.100.0/24,203.0.113.0/24",
        "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24",
        "192.0.2.0/24;198.51.100.0/24 ; 203.0.113.0/24",
        "192.0.2.0/24\t198.51.100.0/255.255.255.0, 203.0.113.0-203.0.113.255",
        "\"192.0.2.0/24\",\"198.51.100.0/24\",\"203.0.113.0/24\"",
        "192.0.2.0/24; 198.51.100.0/24; 203.0.113.0/24; # 192.0.2.0 and others",
        "192.0.2.0/24, 198.51.100.0/24,\n   203.0.113.0/24 }",
    ] {
        assert_eq!(prefixes(line), "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24", "{line}");
    }
    assert_eq!(prefixes("2001:db8:1::/48, 2001:db8:2::/48"), "2001:db8:1::/48 2001:db8:2::/48");
    assert_eq!(
        prefixes("192.0.2.0-192.0.2.2, 198.51.100.0-198.51.100.1"),
        "192.0.2.0/31 192.0.2.2/32 198.51.100.0/31"
    );
    let of_a_set = "203.0.113.0/25, 203.0.113.128/25,\n203.0.112.1-203.0.112.2, 203.0.111.0/24 }\n";
    assert_eq!(
        prefixes(of_a_set),
        "203.0.113.0/25 203.0.113.128/25 203.0.112.1/32 203.0.112.2/32 203.0.111.0/24"
    );
}

#[test]
fn one_wrong_entry_refuses_all_of_its_line() {
    assert_eq!(why("192.0.2.0/24, 198.51.100.7/24"), "host bits set; meant 198.51.100.0/24?");
    assert_eq!(why("192.0.2.7/24, 198.51.100.0/24"), "host bits set; meant 192.0.2.0/24?");
    assert_eq!(why("192.0.2.0/24 198.51.100.0/33"), "`33` is no prefix length; it is a number from 0 to 32");
    assert_eq!(why("192.0.2.0/24, 198.51.100.9-198.51.100.1"), "the range ends before it starts");
    assert_eq!(why("192.0.2.0/24, 198.51.100.300"), left_out("198.51.100.300"));
}

#[test]
fn entries_among_other_columns_are_not_left_out() {
    for line in [
        "192.0.2.1 x 198.51.100.0/24",
        "192.0.2.1,NL,198.51.100.0/24",
        "192.0.2.1,\"NL\",\"198.51.100.0/24\"",
        "192.0.2.1;NL;198.51.100.0/24",
        "192.0.2.1 | NL | 198.51.100.0/24",
        "192.0.2.0/24 | 198.51.100.0/24",
        "192.0.2.1;198.51.100.0/24",
        "\"192.0.2.0/24\";\"198.51.100.0/24\";10 203.0.113.0/24",
        "192.0.2.1 ; 198.51.100.0/24 x",
        "192.0.2.0/24 198.51.100.0/24 x",
        "192.0.2.1 http://a/#b 198.51.100.0/24",
        "192.0.2.1,\"a # b\",198.51.100.0/24",
        "192.0.2.1 {\"net\":\"198.51.100.0/24\"}",
        "192.0.2.1 net=198.51.100.0/24",
        "192.0.2.1 note=\"a # b\" 198.51.100.0/24",
        "192.0.2.1 5\" \"\"a # b\" 198.51.100.0/24",
        "192.0.2.0 - 192.0.2.9, 198.51.100.0/24",
        "192.0.2.1 !198.51.100.0/24",
        "192.0.2.0/24 timeout 1h expires 59m, 198.51.100.0/24 timeout 1h",
    ] {
        assert_eq!(why(line), left_out("198.51.100.0/24"), "{line}");
    }
    assert_eq!(why("192.0.2.0/24 via 198.51.100.1 dev eth0"), left_out("198.51.100.1"));
    assert_eq!(why("192.0.2.7 Corp:198.51.100.0-198.51.100.9"), left_out("Corp:198.51.100.0-198.51.100.9"));
    let two = "two addresses in a line; write a prefix, a range `a-b`, or two lines";
    for line in [
        "192.0.2.1 192.0.2.2 192.0.2.3",
        "192.0.2.1, 192.0.2.2, 192.0.2.3,",
        "192.0.2.0 -192.0.2.9",
        "192.0.2.0 to 192.0.2.9",
        "192.0.2.1,-,198.51.100.1",
        "192.0.2.0, wildcard bits 0.0.0.255",
        "192.0.2.0\t192.0.2.255\t24\t1000\tNAME",
        "192.0.2.1;192.0.2.2",
    ] {
        assert_eq!(why(line), two, "{line}");
    }
}

#[test]
fn tables_and_comments_are_read_as_ever() {
    let text = "192.0.2.1\t10\n192.0.2.2,NL,NO,\"Oslo, old town\",3.14\n192.0.2.3;h\n192.0.2.4 ; SBL1, was 198.51.100.1\n\
                192.0.2.5 # 198.51.100.1\n192.0.2.6 // 198.51.100.1\n192.0.2.7 | x |\n192.0.2.8 REJECT listed\n\
                192.0.2.9 drop\n192.0.2.10,x,allow\n192.0.2.11 :127.0.0.2:spam\n192.0.2.12 1;\n192.0.2.13;\n\
                192.0.2.14,\"pass the hash\"\n192.0.2.15,pass the hash,9.8/10\n192.0.2.16 - - \n192.0.2.17 -,x\n";
    let list = list(text);
    let refused: Vec<_> = list.problems.iter().map(|problem| problem.line).collect();
    assert_eq!((refused, list.prefixes.len()), (vec![16, 17], 15));
}

#[test]
fn verdicts_that_let_pass_are_refused() {
    for line in [
        "192.0.2.7 allow",
        "192.0.2.8 permit",
        "192.0.2.0/24 PERMIT",
        "198.51.100.7 DUNNO",
        "192.0.2.7\tOK",
        "192.0.2.7,allow,x",
        "192.0.2.7, \"Allow\"",
        "192.0.2.7;whitelist",
        "192.0.2.7 ; exempt ; x",
        "192.0.2.7 | pass |",
        "192.0.2.7 : accept,",
        "192.0.2.7 action=permit",
        "192.0.2.7 permit_mynetworks",
        "192.0.2.7/32 except;",
        "192.0.2.7 0;",
        "192.0.2.7 -> return",
        "192.0.2.7 !",
        "192.0.2.0-192.0.2.9 ignore",
        "192.0.2.0 - 192.0.2.9 allow",
        "192.0.2.7 allow # x",
        "2001:db8::/32 accept",
    ] {
        let why = why(line);
        assert!(
            why.ends_with("says to let it pass; take out the line, or put the entry on the allowlist"),
            "{why}"
        );
    }
    for line in ["!192.0.2.7", "! 192.0.2.0/24", "!2001:db8::1 x"] {
        assert_eq!(why(line), "`!` makes it an exception; put it on the allowlist instead", "{line}");
    }
    for line in ["192.0.2.64/26 nomatch", "192.0.2.64/26 timeout 5 nomatch", "192.0.2.0/24,nomatch"] {
        assert_eq!(why(line), "`nomatch` makes it an exception; put it on the allowlist instead", "{line}");
    }
}

#[test]
fn members_of_sets_as_ipset_lists_them() {
    let list = list(
        "Name: bl\nType: hash:net\nHeader: family inet hashsize 1024\nMembers:\n192.0.2.0/24\n192.0.2.64/26 nomatch\n\
         198.51.100.0/24 timeout 300 packets 3 bytes 4\n203.0.113.0/24 timeout 0\n192.0.2.1,tcp:80\n127.0.0.1 timeout 9\n",
    );
    let refused: Vec<_> = list.problems.iter().map(|problem| problem.line).collect();
    assert_eq!((refused, list.prefixes.len(), list.timeouts), (vec![1, 2, 3, 4, 6, 9], 4, 2));
}

#[test]
fn hosts_files_are_refused() {
    let hosts =
        "a line of a hosts file, whose address is where the name is sent; list addresses to block, not names";
    for line in [
        "0.0.0.0 ads.example.org",
        "127.0.0.1\tlocalhost",
        "127.0.1.1 x y z",
        "::1 localhost",
        ":: ads.example.org # c",
        "255.255.255.255 broadcasthost",
        "ff02::1 ip6-allnodes",
        "fe00::0 ip6-localnet",
        "0.0.0.0 b\u{fc}cher.example",
    ] {
        assert_eq!(why(line), hosts, "{line}");
    }
    assert_eq!(refused("# ads\r\n0.0.0.0 ads.example.org\r\n0.0.0.0 track.example.net # c\r\n"), [2, 3]);
    assert_eq!(
        prefixes("0.0.0.0\n127.0.0.1 # x\n0.0.0.0/8 this\n192.0.2.1 scanner.example.org\n127.0.0.2 5"),
        "0.0.0.0/32 127.0.0.1/32 0.0.0.0/8 192.0.2.1/32 127.0.0.2/32"
    );
}

#[test]
fn what_nft_prints_is_read_line_by_line_or_refused() {
    let text = "table inet filter {\n\tset bl {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.0/24, 198.51.100.0/24,\n\
                \t\t\t     203.0.113.0/25, 203.0.113.128/25 }\n\t}\n}\n";
    assert_eq!(refused(text), [1, 2, 3, 4, 6, 7]);
    assert_eq!(list(text).prefixes.len(), 2);
}

#[test]
fn lines_of_other_formats_are_refused() {
    for line in [
        "deny from 192.0.2.1 198.51.100.1",
        "deny 192.0.2.1;",
        "access-list 10 deny 192.0.2.0 0.0.0.255",
        "10 deny ip 192.0.2.0 0.0.0.255 any",
        "-A INPUT -s 192.0.2.0/24 -j DROP",
        "blackhole 192.0.2.0/24",
        "name:192.0.2.0-192.0.2.9",
        "001.002.003.000 - 001.002.003.255 , 000 , x",
        "ALL: 192.0.2.1",
        "tcp|in|d=22|s=192.0.2.1",
        "- 192.0.2.0/24",
        "x;{\"ip\":\"192.0.2.1\"}",
        "192.0.2.1|x|y",
        "[192.0.2.0/24,",
        "add list=bl address=192.0.2.0/24",
        "192.0.2.0 - 192.0.2.9 , 200 , trusted",
        "192.0.2.1: allow",
    ] {
        why(line);
    }
    assert_eq!(
        prefixes("192.0.2.0 - 192.0.2.255 , 000 , name\n198.51.100.0 - 198.51.100.1,127,x"),
        "192.0.2.0/24 198.51.100.0/31"
    );
}
