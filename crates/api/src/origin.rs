//! Which network and country an address is of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the databases that are configured tell of an address. An address in a packet can be forged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressOrigin {
    /// Number of the autonomous system that announces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// The name of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The country that it is said to be in, two letters (ISO 3166-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

impl AddressOrigin {
    /// `AS64500 Example Net, DE`; `None` if nothing is known.
    pub fn words(&self) -> Option<String> {
        let network = self.asn.map(|asn| match &self.name {
            Some(name) => format!("AS{asn} {name}"),
            None => format!("AS{asn}"),
        });
        let known: Vec<_> = network.into_iter().chain(self.country.clone()).collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_said() {
        let known =
            AddressOrigin { asn: Some(64_500), name: Some("Example".into()), country: Some("DE".into()) };
        assert_eq!(known.words().as_deref(), Some("AS64500 Example, DE"));
        assert_eq!(
            AddressOrigin { name: None, country: None, ..known.clone() }.words().as_deref(),
            Some("AS64500")
        );
        assert_eq!(AddressOrigin { asn: None, ..known }.words().as_deref(), Some("DE"));
        assert_eq!(AddressOrigin::default().words(), None);
    }
}
