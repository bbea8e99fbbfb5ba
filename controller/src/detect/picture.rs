//! What unusual packets are held against.

use std::borrow::Cow;

use floodwall_common::features::{Features, Octet};

use super::{assumed, baseline::Usual, sample::Sample};

/// What a service usually gets.
pub(super) struct Picture<'a> {
    samples: Cow<'a, [Usual]>,
    strangers: usize,
    /// Most of it is assumed, and not seen.
    pub(super) is_assumed: bool,
}

impl<'a> Picture<'a> {
    /// A service's own samples.
    pub(super) fn of(samples: &'a [Usual]) -> Self {
        Self::new(Cow::Borrowed(samples), false)
    }

    /// Samples of other services, as if they were of this one.
    pub(super) fn standing_in(service: u8, samples: impl Iterator<Item = &'a [Usual]>) -> Self {
        Self::new(Cow::Owned(samples.flatten().map(|usual| moved_to(service, *usual)).collect()), false)
    }

    /// What samples there are, and what clients are assumed to send of the kind of `unusual` packets.
    pub(super) fn assumed(
        service: u8,
        samples: impl Iterator<Item = &'a [Usual]>,
        unusual: &[&Sample],
    ) -> Self {
        let assumed = assumed::packets_like(unusual);
        let all = samples.flatten().copied().chain(assumed).map(|usual| moved_to(service, usual));
        Self::new(Cow::Owned(all.collect()), true)
    }

    fn new(samples: Cow<'a, [Usual]>, is_assumed: bool) -> Self {
        let strangers = samples.iter().filter(|usual| usual.stranger).count();
        Self { samples, strangers, is_assumed }
    }

    /// The packets, in no order.
    pub(super) fn samples(&self) -> &[Usual] {
        &self.samples
    }

    /// How many of them came from sources that would be strangers in an attack, and are `such`.
    pub(super) fn strangers(&self, such: impl Fn(&Features) -> bool) -> usize {
        self.samples.iter().filter(|usual| usual.stranger && such(&usual.features)).count()
    }

    /// Share of them that came from sources which would be strangers in an attack.
    pub(super) fn share_of_strangers(&self) -> f64 {
        self.strangers as f64 / self.samples.len().max(1) as f64
    }
}

fn moved_to(service: u8, mut usual: Usual) -> Usual {
    usual.features.octets[Octet::Service as usize] = service;
    usual
}
