//! Tells a service that works from one that is stuck.

/// Watches a time that only the working threads advance. If these are stuck, the time stands still although the process is
/// alive.
#[derive(Debug, Default)]
pub struct Progress {
    last: Option<u64>,
}

impl Progress {
    /// Whether the time has advanced since the previous call; true at the first call.
    pub fn has_advanced(&mut self, time: u64) -> bool {
        self.last.replace(time) != Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_when_the_time_stands_still() {
        let mut progress = Progress::default();
        let beats = [7, 8, 8, 8, 9].map(|time| progress.has_advanced(time));
        assert_eq!(beats, [true, true, false, false, true]);
    }
}
