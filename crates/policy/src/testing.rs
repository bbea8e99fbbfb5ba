//! Policies as tests write them: the parts of a configuration that make one.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::{
    Policy,
    values::Stage,
    written::{BansTable, RuleTable, ServiceTable, SuspectsTable, Tables},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    monitor: Vec<Stage>,
    suspects: Option<Spanned<SuspectsTable>>,
    bans: Option<Spanned<BansTable>>,
    #[serde(default)]
    defaults: BTreeMap<Spanned<String>, Spanned<RuleTable>>,
    #[serde(default)]
    service: Vec<Spanned<ServiceTable>>,
}

/// The policy of a text.
pub(crate) fn policy(text: &str) -> Policy {
    let Text { monitor, suspects, bans, defaults, service } =
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let tables = Tables { defaults, services: service, suspects, bans, monitor, samples_per_second: None };
    tables.policy().unwrap_or_else(|mistake| panic!("{}", mistake.message))
}
