//! Entries that stand in a list more than once.

use ipnetwork::IpNetwork;

/// Bits of an index into the list; [`MAX_PREFIXES`](super::MAX_PREFIXES) fits.
const INDEX_BITS: u32 = 26;

const _: () = assert!(super::MAX_PREFIXES <= 1 << INDEX_BITS);

/// Leaves the first of equal prefixes, in their order, and says how many others there were.
///
/// By sorting: a hash table of a million entries misses the cache at every look-up, while most lists are
/// published in order, and sorting those costs next to nothing.
pub(super) fn remove(prefixes: &mut Vec<IpNetwork>) -> u64 {
    let (mut v4, mut v6) = (Vec::with_capacity(prefixes.len()), Vec::new());
    for (index, prefix) in (0u64..).zip(prefixes.iter()) {
        match prefix {
            // Address, length and index in one word.
            IpNetwork::V4(prefix) => {
                let key = u64::from(u32::from(prefix.ip())) << 6 | u64::from(prefix.prefix());
                v4.push(key << INDEX_BITS | index);
            }
            IpNetwork::V6(prefix) => v6.push((u128::from(prefix.ip()), prefix.prefix(), index)),
        }
    }
    v4.sort_unstable();
    v6.sort_unstable();
    let index = |entry: u64| entry & ((1 << INDEX_BITS) - 1);
    let again_v4 = v4.windows(2).filter(|pair| pair[0] >> INDEX_BITS == pair[1] >> INDEX_BITS);
    let again_v6 = v6.windows(2).filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
    let mut again: Vec<u64> =
        again_v4.map(|pair| index(pair[1])).chain(again_v6.map(|pair| pair[1].2)).collect();
    again.sort_unstable();

    let mut next = again.iter().copied().peekable();
    let mut at = 0;
    prefixes.retain(|_| {
        let duplicate = next.next_if_eq(&at).is_some();
        at += 1;
        !duplicate
    });
    again.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stays_in_its_place() {
        let list = |text: &str| text.split(' ').map(|p| p.parse().unwrap()).collect::<Vec<IpNetwork>>();
        let mut prefixes = list(
            "9.0.0.0/8 ::/0 1.0.0.0/8 9.0.0.0/8 1.0.0.0/9 0.0.0.0/0 ::/0 ::/1 9.0.0.0/8 255.255.255.255/32",
        );
        assert_eq!(remove(&mut prefixes), 3);
        assert_eq!(prefixes, list("9.0.0.0/8 ::/0 1.0.0.0/8 1.0.0.0/9 0.0.0.0/0 ::/1 255.255.255.255/32"));
        assert_eq!(remove(&mut prefixes), 0);
        assert_eq!(remove(&mut Vec::new()), 0);
    }
}
