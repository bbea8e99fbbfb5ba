//! File descriptors: how many this process may hold, and how many it does.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// With fewer than this, floodwall has to turn clients away that it would serve otherwise.
pub(super) const ENOUGH: u64 = 1_024;

/// What this process may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Most that it may hold at once (RLIMIT_NOFILE).
    pub limit: u64,
    /// Those that it holds.
    pub used: u64,
}

impl Descriptors {
    /// Raises the limit as far as this process may, which is up to the hard limit (setrlimit(2)), and looks how it is.
    pub fn raise() -> Self {
        if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
            && soft < hard
        {
            // What cannot be raised stays as it is, which is told by the limit below.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        Self::now()
    }

    /// As it is now. What cannot be read is taken for little.
    pub fn now() -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(256, |(soft, _)| soft);
        let used = fs::read_dir("/proc/self/fd").map_or(64, |entries| entries.count() as u64);
        Self { limit, used }
    }

    /// What an operator should know; `None` if there are enough.
    pub fn warning(&self) -> Option<String> {
        (self.limit < ENOUGH).then(|| {
            format!(
                "only {} files may be open at once: clients of the control socket are turned away early; raise the limit \
                 (LimitNOFILE= of the unit, or `ulimit -n`) to {ENOUGH}",
                self.limit
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_it_may_be_and_a_low_one_is_told() {
        let raised = Descriptors::raise();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, raised.limit), (hard, hard));
        assert!(raised.used >= 3, "standard input, output and error: {raised:?}");
        assert_eq!(Descriptors { limit: ENOUGH, used: 3 }.warning(), None);
        let warning = Descriptors { limit: 64, used: 3 }.warning().unwrap();
        assert!(warning.contains("64") && warning.contains("LimitNOFILE"), "{warning}");
    }
}
