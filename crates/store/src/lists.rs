//! The prefixes of an import, in parts of some thousand, each with a checksum.

use floodwall_common::prefix::{Address, Family};
use floodwall_tables::Prefix;

use super::record::Sum;
use crate::records::Origin;

/// Prefixes in a part: one that is damaged costs no more than these.
pub(super) const PART: usize = 4_096;

const V4: u8 = 4;
const V6: u8 = 6;

/// A part of a list, as bytes: whose it is (two bytes), and then each prefix as family, length and address.
pub(super) fn encode(origin: Origin, prefixes: &[Prefix]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + prefixes.len() * 6);
    bytes.extend(origin.owner().to_le_bytes());
    for prefix in prefixes {
        let address = prefix.address();
        match prefix.family() {
            Family::V4 => {
                bytes.extend([V4, prefix.length()]);
                bytes.extend(((address.high >> 32) as u32).to_be_bytes());
            }
            Family::V6 => {
                bytes.extend([V6, prefix.length()]);
                bytes.extend(address.high.to_be_bytes());
                bytes.extend(address.low.to_be_bytes());
            }
        }
    }
    bytes
}

/// Whose part it is, and its prefixes; `None` if it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<(Origin, Vec<Prefix>)> {
    let (owner, mut rest) = bytes.split_first_chunk::<2>()?;
    let origin = Origin::of_owner(u16::from_le_bytes(*owner))?;
    let mut prefixes = Vec::with_capacity(rest.len() / 6);
    while let Some(([family, length], after)) = rest.split_first_chunk::<2>() {
        let (address, after) = match *family {
            V4 => {
                let (address, after) = after.split_first_chunk::<4>()?;
                (Address::v4(u32::from_be_bytes(*address)), after)
            }
            V6 => {
                let (high, after) = after.split_first_chunk::<8>()?;
                let (low, after) = after.split_first_chunk::<8>()?;
                (Address::v6(u64::from_be_bytes(*high), u64::from_be_bytes(*low)), after)
            }
            _ => return None,
        };
        prefixes.push(Prefix::new(address, *length).ok()?);
        rest = after;
    }
    rest.is_empty().then_some((origin, prefixes))
}

/// The checksum of a part.
pub(super) fn sum(list: u64, part: u64, bytes: &[u8]) -> Sum {
    Sum::of(&[b"part", &list.to_le_bytes(), &part.to_le_bytes(), bytes])
}

/// The checksum of a list whose parts have these.
pub(super) fn total(sums: &[Sum]) -> Sum {
    let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.0).collect();
    Sum::of(&[b"list", &bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_both_families_are_read_as_they_were_written() {
        let prefixes: Vec<Prefix> =
            ["0.0.0.0/0", "192.0.2.1/32", "203.0.113.0/24", "::/0", "2001:db8::/32", "2001:db8::1/128"]
                .map(|text| text.parse().unwrap())
                .into();
        let bytes = encode(Origin::Import(7), &prefixes);
        assert_eq!(decode(&bytes), Some((Origin::Import(7), prefixes)));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None, "cut off");
        assert_eq!(decode(&encode(Origin::Feed(1), &[])), Some((Origin::Feed(1), Vec::new())));
    }

    #[test]
    fn the_sum_of_a_list_is_that_of_its_parts_in_their_order() {
        let [one, other] = [0, 1].map(|part| sum(1, part, b"text"));
        assert_ne!(one, other, "the same text in another place");
        assert_ne!(total(&[one, other]), total(&[other, one]));
        assert_ne!(total(&[one]), total(&[]));
    }
}
