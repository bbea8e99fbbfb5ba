//! What the detector wants done. It does none of it itself: whoever owns it has it applied.

use floodwall_common::source::Key;

use crate::signature::Image;

/// Something that is to be put in force.
#[derive(Clone, Debug)]
pub enum Action {
    /// Has one in so many packets of a service sampled.
    Sample {
        /// Number of the service.
        service: u8,
        /// One packet in so many.
        every: u64,
    },
    /// A service is attacked, or not any more: in an attack, being one of few makes nobody known.
    Attacked {
        /// Number of the service.
        service: u8,
        /// Whether it is.
        attacked: bool,
    },
    /// Sources whose connections come to nothing get no new ones of a service, or get them again.
    RefuseFruitless {
        /// Number of the service.
        service: u8,
        /// Whether they get none.
        refuse: bool,
    },
    /// Sources that come time and again get no new connections of services that are attacked, or get them again.
    Return {
        /// Whose they are.
        sources: Vec<Key>,
        /// Whether they get none.
        returns: bool,
    },
    /// Of questions for names that were never asked for before only a few pass to a service, or all again.
    LimitNames {
        /// Number of the service.
        service: u8,
        /// Whether only a few do.
        limit: bool,
    },
    /// Has the kernel program know something, or not any more.
    Know {
        /// Bits of [`floodwall_common::wire::knowledge`].
        what: u64,
        /// Whether it is so.
        known: bool,
    },
    /// Puts these signatures in force, all at once, in place of those that are.
    Deploy(Deployment),
}

/// Signatures as the kernel program wants them.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// What is written to the half that is not in use.
    pub image: Image,
    /// There is none: packets are not held against any.
    pub is_empty: bool,
}
