//! Services that are closed to all but known clients.

use floodwall_common::wire::Lockdown;
use serde::{Deserialize, Serialize};

/// What is known of a service that is closed. Times are Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockdownRecord {
    /// When it was closed.
    pub since: u64,
    /// When it is to be opened again, whatever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The share of others that gets in, in 2⁻³².
    #[serde(default)]
    pub admitted: u32,
    /// It was closed by itself, as its service was attacked and nothing else relieved it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_itself: bool,
    /// It is opened step by step, as far as the service stands it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reopening: bool,
}

impl LockdownRecord {
    /// As packets are judged by it.
    pub const fn in_force(&self) -> Lockdown {
        Lockdown { by_operator: !self.by_itself, by_itself: self.by_itself, admitted: self.admitted }
    }
}

const fn is_false(is: &bool) -> bool {
    !*is
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Change, Records};

    fn read(lines: &[&str]) -> Records {
        let mut records = Records::default();
        for line in lines {
            records.apply(&serde_json::from_str(line).expect("a change"));
        }
        records
    }

    #[test]
    fn a_service_is_closed_until_it_is_opened_or_its_time_is_over() {
        let close = r#"{"change":"close","service":"web","since":5,"expires":60,"admitted":7}"#;
        let records = read(&[close]);
        let closed =
            LockdownRecord { since: 5, expires: Some(60), admitted: 7, by_itself: false, reopening: false };
        assert_eq!(records.lockdowns().get("web"), Some(&closed));
        assert_eq!((records.expired(59), records.next_expiry()), (vec![], Some(60)));
        let open = Change::Open { service: "web".to_owned() };
        assert_eq!(records.expired(60), [open]);
        let again = records.changes().fold(Records::default(), |mut records, change| {
            records.apply(&change);
            records
        });
        assert_eq!(again.lockdowns(), records.lockdowns(), "it outlives a snapshot");
        let opened = read(&[close, r#"{"change":"open","service":"web"}"#]);
        assert!(opened.lockdowns().is_empty() && opened.next_expiry().is_none());
    }

    #[test]
    fn how_a_service_is_closed_and_opened_is_kept() {
        let close =
            r#"{"change":"close","service":"web","since":5,"admitted":7,"by_itself":true,"reopening":true}"#;
        let automatic = r#"{"change":"automatic","service":"web","automatic":true}"#;
        let records = read(&[close, automatic]);
        let closed =
            LockdownRecord { since: 5, expires: None, admitted: 7, by_itself: true, reopening: true };
        assert_eq!(records.lockdowns().get("web"), Some(&closed));
        let lines: Vec<_> = records
            .changes()
            .map(|change| serde_json::to_string(&change).expect("it can be written"))
            .collect();
        assert_eq!(lines, [close, automatic]);
        let reset = read(&[automatic, r#"{"change":"automatic","service":"web"}"#]);
        assert!(reset.automatic().is_empty());
    }
}
