//! Clients that have proven to be there: a memory of a million addresses that were served, which outlives reboots, and of
//! those that have answered a [challenge](crate::challenge) within an hour.
//!
//! What proves it is what nobody can forge: a connection that [bears fruit](crate::fruitless_sources) while its service is not
//! attacked, or a number that only whoever receives what is sent to the address can know. A client that is known gets to a
//! service that is closed to others, and who has answered a challenge is asked no other for an hour. They are exempt from
//! nothing else, so that who forges the addresses of clients gains nothing by it but that.
//!
//! A client is an IPv4 address, or an IPv6 /64. Its secrets are not those of the other tables: they are kept with the
//! memory, from one boot to the next.

use crate::{
    memo,
    prefix::{Address, Family},
    tables::{CLIENTS_CHALLENGED, CLIENTS_SERVED, Tables},
    wire::{Line, Settings},
};

/// How long a client is known that was served, in ticks of 2³⁰ ns: thirty days.
pub const SERVED_FOR: u64 = (30 * 86_400 * 1_000_000_000) >> 30;
/// How long one is that has answered a challenge, likewise: an hour.
pub const CHALLENGED_FOR: u64 = (3_600 * 1_000_000_000) >> 30;

/// How a client has proven to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Proof {
    /// It was served: one of its connections bore fruit.
    Served = 0,
    /// It has answered a challenge.
    Challenged = 1,
}

/// A client's hash, under the secrets of this memory.
#[inline(always)]
pub fn hash(settings: &Settings, address: Address) -> u64 {
    let seed =
        [settings.client_seed[0].load(), settings.client_seed[1].load(), settings.client_seed[2].load()];
    // No IPv4 address has the hash of an IPv6 one.
    let v6 = address.family as u32 == Family::V6 as u32;
    memo::hash(seed, address.high, if v6 { 1 } else { 0 })
}

/// The line of a client with this hash, for a proof.
#[inline(always)]
fn line<T: Tables>(tables: &T, hash: u64, proof: Proof) -> Option<&Line> {
    tables.client_line(match proof {
        Proof::Served => memo::line(hash, CLIENTS_SERVED),
        Proof::Challenged => CLIENTS_SERVED + memo::line(hash, CLIENTS_CHALLENGED),
    })
}

/// Notes that a client has proven to be there. `None` if the memory could not be reached.
#[inline(always)]
pub fn note<T: Tables>(
    tables: &T,
    settings: &Settings,
    address: Address,
    proof: Proof,
    now_ns: u64,
) -> Option<()> {
    let hash = hash(settings, address);
    memo::note(line(tables, hash, proof)?, hash, now_ns);
    Some(())
}

/// Whether a client has proven to be there, and that is not too long ago. `None` if the memory could not be reached.
#[inline(always)]
pub fn is_known<T: Tables>(tables: &T, settings: &Settings, address: Address, now_ns: u64) -> Option<bool> {
    let hash = hash(settings, address);
    // Both lines are asked for before either is looked at.
    let (served, challenged) = (line(tables, hash, Proof::Served)?, line(tables, hash, Proof::Challenged)?);
    let served = memo::age(served, hash, now_ns) <= SERVED_FOR;
    let challenged = memo::age(challenged, hash, now_ns) <= CHALLENGED_FOR;
    Some(served | challenged)
}

/// Whether a client has answered a challenge within an hour. `None` if the memory could not be reached.
#[inline(always)]
pub fn has_answered<T: Tables>(
    tables: &T,
    settings: &Settings,
    address: Address,
    now_ns: u64,
) -> Option<bool> {
    let hash = hash(settings, address);
    Some(memo::age(line(tables, hash, Proof::Challenged)?, hash, now_ns) <= CHALLENGED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::{Memory, NOW, SECOND, SOURCE, SOURCE6};

    fn is_known_after(proof: Option<Proof>, noted: Address, asked: Address, seconds: u64) -> bool {
        let memory = Memory::new();
        if let Some(proof) = proof {
            note(&memory, memory.set(), noted, proof, NOW).expect("the memory is there");
        }
        is_known(&memory, memory.set(), asked, NOW + seconds * SECOND).expect("the memory is there")
    }

    #[test]
    fn a_client_is_known_for_as_long_as_its_proof_is_good() {
        for (proof, good, bad) in
            [(Proof::Served, 29 * 86_400, 31 * 86_400), (Proof::Challenged, 3_590, 3_700)]
        {
            for source in [SOURCE, SOURCE6] {
                assert!(is_known_after(Some(proof), source, source, good), "{proof:?} of {source:?}");
                assert!(!is_known_after(Some(proof), source, source, bad), "{proof:?} of {source:?}");
            }
        }
        assert!(!is_known_after(None, SOURCE, SOURCE, 0));
    }

    #[test]
    fn who_was_served_has_answered_nothing() {
        for (proof, answered) in [(Proof::Served, false), (Proof::Challenged, true)] {
            let memory = Memory::new();
            note(&memory, memory.set(), SOURCE, proof, NOW).expect("the memory is there");
            assert_eq!(has_answered(&memory, memory.set(), SOURCE, NOW), Some(answered));
        }
    }

    #[test]
    fn its_neighbours_are_not() {
        let beside = Address { high: SOURCE.high ^ 1 << 32, ..SOURCE };
        assert!(!is_known_after(Some(Proof::Served), SOURCE, beside, 1));
        let same_64 = Address { low: SOURCE6.low ^ 1, ..SOURCE6 };
        assert!(is_known_after(Some(Proof::Served), SOURCE6, same_64, 1));
        let mapped = Address { family: Family::V6, ..SOURCE };
        assert!(!is_known_after(Some(Proof::Served), SOURCE, mapped, 1), "the same bits of the other family");
    }

    #[test]
    fn a_memory_that_is_out_of_reach_is_no_answer() {
        let memory = Memory { clients: Vec::new(), ..Memory::new() };
        assert_eq!(is_known(&memory, memory.set(), SOURCE, NOW), None);
        assert_eq!(note(&memory, memory.set(), SOURCE, Proof::Served, NOW), None);
    }
}
