//! Prefixes that together cover so much that hardly anybody is left.

use floodwall_common::prefix::Family;

use floodwall_tables::Prefix;

/// The addresses that clients have: of IPv4 all but multicast and what is reserved (RFC 5771, RFC 1112), of IPv6 what the
/// IANA has given to the registries (IANA, IPv6 Global Unicast Address Assignments). First and last; of IPv6 the upper 64
/// bits.
const IN_USE: [(Family, u64, u64); 8] = [
    (Family::V4, 0, 0xdfff_ffff),
    (Family::V6, 0x2001_0000_0000_0000, 0x2001_ffff_ffff_ffff),
    (Family::V6, 0x2003_0000_0000_0000, 0x2003_3fff_ffff_ffff),
    (Family::V6, 0x2400_0000_0000_0000, 0x241f_ffff_ffff_ffff),
    (Family::V6, 0x2600_0000_0000_0000, 0x263f_ffff_ffff_ffff),
    (Family::V6, 0x2800_0000_0000_0000, 0x280f_ffff_ffff_ffff),
    (Family::V6, 0x2a00_0000_0000_0000, 0x2a1f_ffff_ffff_ffff),
    (Family::V6, 0x2c00_0000_0000_0000, 0x2c0f_ffff_ffff_ffff),
];
/// So many hundredths of a family are too much to be meant.
const TOO_MUCH: u128 = 50;

/// How many hundredths of the addresses that clients have these prefixes cover together, of the family of which it is more;
/// `None` if that is not so much.
pub(super) fn covers_most(prefixes: impl IntoIterator<Item = Prefix>) -> Option<(Family, u64)> {
    let mut ranges: [Vec<(u64, u64)>; 2] = [Vec::new(), Vec::new()];
    for prefix in prefixes {
        ranges[prefix.family() as usize].push(range(prefix));
    }
    let shares = [Family::V4, Family::V6].map(|family| {
        let ranges = merged(std::mem::take(&mut ranges[family as usize]));
        let in_use = IN_USE.iter().filter(|(of, ..)| *of == family);
        let (mut covered, mut all) = (0_u128, 0_u128);
        for (_, first, last) in in_use {
            all += u128::from(last - first) + 1;
            for (from, to) in &ranges {
                let (from, to) = (from.max(first), to.min(last));
                if from <= to {
                    covered += u128::from(to - from) + 1;
                }
            }
        }
        (family, covered * 100 / all.max(1))
    });
    let (family, share) = shares.into_iter().max_by_key(|(_, share)| *share)?;
    (share >= TOO_MUCH).then_some((family, u64::try_from(share).unwrap_or(100)))
}

/// First and last address; of IPv6 the upper 64 bits. Longer IPv6 prefixes count as the /64 that they are in: nobody
/// covers much by these.
fn range(prefix: Prefix) -> (u64, u64) {
    let address = prefix.address();
    let (first, bits) = match address.family {
        Family::V4 => (address.high >> 32, 32),
        Family::V6 => (address.high, 64),
    };
    let free = bits - u32::from(prefix.length()).min(bits);
    let last = if free >= 64 { u64::MAX } else { first | ((1 << free) - 1) };
    (first, last)
}

/// Ranges that do not overlap, in order.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(texts: &[&str]) -> Option<(Family, u64)> {
        covers_most(texts.iter().map(|text| text.parse().expect("a prefix")))
    }

    #[test]
    fn halves_are_a_whole() {
        assert_eq!(covered(&["0.0.0.0/1", "128.0.0.0/1"]), Some((Family::V4, 100)));
        assert_eq!(covered(&["0.0.0.0/1"]), Some((Family::V4, 57)), "those of clients");
        assert_eq!(covered(&["128.0.0.0/2", "0.0.0.0/3"]), None);
        assert_eq!(covered(&["2000::/3"]), Some((Family::V6, 100)));
        assert_eq!(covered(&["::/1"]), Some((Family::V6, 100)));
        assert_eq!(covered(&["2600::/11", "2800::/5"]), Some((Family::V6, 59)));
        let quarters: Vec<_> = (0..224).map(|first| format!("{first}.0.0.0/8")).collect();
        let quarters: Vec<_> = quarters.iter().map(String::as_str).collect();
        assert_eq!(covered(&quarters), Some((Family::V4, 100)));
        assert_eq!(covered(&quarters[..100]), None);
    }

    #[test]
    fn what_nobody_has_may_be_blocked_whole() {
        // What lists of bogons hold.
        assert_eq!(covered(&["0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"]), None);
        assert_eq!(covered(&["::/3", "3000::/4", "4000::/2", "8000::/1"]), None);
        assert_eq!(covered(&["203.0.113.0/24", "203.0.113.0/24", "2001:db8::/32"]), None);
        assert_eq!(covered(&[]), None);
    }
}
