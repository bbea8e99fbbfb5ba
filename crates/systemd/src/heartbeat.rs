//! Whether the service goes on.

/// Watches a time that is moved forward by those who do the work, and by nobody else: a service that is alive, and of which
/// those are stuck, does not move it.
#[derive(Debug, Default)]
pub struct Heartbeat {
    last: Option<u64>,
}

impl Heartbeat {
    /// Whether it was moved since it was looked at last. The first look is a beat, as nothing can be told of it.
    pub fn goes_on(&mut self, time: u64) -> bool {
        self.last.replace(time) != Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_when_nobody_moves_the_time() {
        let mut heartbeat = Heartbeat::default();
        let beats = [7, 8, 8, 8, 9].map(|time| heartbeat.goes_on(time));
        assert_eq!(beats, [true, true, false, false, true]);
    }
}
