//! Who wants a prefix listed.

use std::{collections::BTreeSet, fmt, str::FromStr};

use floodwall_tables::prefixes::Owner;
use serde::{Deserialize, Serialize};

/// Who wants a prefix listed, or has a source banned. A prefix is listed as long as somebody wants it.
///
/// The [table](floodwall_tables::prefixes::OwnerSets) knows each by a number, [`Self::owner`]; on disk only imports and
/// feeds have one, which names their file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Origin {
    /// An operator, by hand.
    Manual,
    /// A rule that was crossed.
    #[default]
    Rule,
    /// Detection, of an attack.
    Detection,
    /// Another host of the fleet.
    Fleet,
    /// A list that an operator has imported, by its number: 1 to [`Self::MOST`].
    Import(u16),
    /// A list that is fetched now and then, by its number: 1 to [`Self::MOST`].
    Feed(u16),
}

impl Origin {
    /// How many imports can be kept apart, and how many feeds.
    pub const MOST: u16 = 4_096;
    /// Those that ban.
    pub const BANS: [Self; 3] = [Self::Rule, Self::Detection, Self::Fleet];
    /// Those that have no number.
    const PLAIN: [(Self, &'static str); 4] = [
        (Self::Manual, "manual"),
        (Self::Rule, "rule"),
        (Self::Detection, "detection"),
        (Self::Fleet, "fleet"),
    ];

    /// The import with this number.
    pub fn import(number: u16) -> Option<Self> {
        (1..=Self::MOST).contains(&number).then_some(Self::Import(number))
    }

    /// The feed with this number.
    pub fn feed(number: u16) -> Option<Self> {
        (1..=Self::MOST).contains(&number).then_some(Self::Feed(number))
    }

    /// Whether it brings a list, which has a file of its own.
    pub const fn has_list(self) -> bool {
        matches!(self, Self::Import(_) | Self::Feed(_))
    }

    /// As the table knows it. What is asked for most has the lowest numbers.
    pub const fn owner(self) -> Owner {
        match self {
            Self::Manual => 0,
            Self::Rule => 1,
            Self::Detection => 2,
            Self::Fleet => 3,
            Self::Import(number) => 3 + number,
            Self::Feed(number) => 3 + Self::MOST + number,
        }
    }

    /// The one that the table knows so.
    pub fn of_owner(owner: Owner) -> Option<Self> {
        if let Some((plain, _)) = Self::PLAIN.get(usize::from(owner)) {
            return Some(*plain);
        }
        let number = owner.checked_sub(3)?;
        Self::import(number).or_else(|| Self::feed(number.checked_sub(Self::MOST)?))
    }

    fn wrong(number: u64) -> String {
        format!("imports have the numbers 1 to {}, not {number}", Self::MOST)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import(number) => write!(formatter, "import-{number}"),
            Self::Feed(number) => write!(formatter, "feed-{number}"),
            Self::Manual | Self::Rule | Self::Detection | Self::Fleet => {
                let name = Self::PLAIN.iter().find(|(plain, _)| plain == self).map_or("", |(_, name)| name);
                formatter.write_str(name)
            }
        }
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((plain, _)) = Self::PLAIN.iter().find(|(_, name)| *name == text) {
            return Ok(*plain);
        }
        let number = |kind| text.strip_prefix(kind)?.parse().ok();
        number("import-")
            .and_then(Self::import)
            .or_else(|| number("feed-").and_then(Self::feed))
            .filter(|origin| origin.to_string() == text)
            .ok_or_else(|| format!("`{text}` is nobody who wants prefixes"))
    }
}

/// An origin as it is written down: an import as its number, as it always was, any other by name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Name(String),
}

impl From<Origin> for Written {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Import(number) => Self::Number(number.into()),
            other => Self::Name(other.to_string()),
        }
    }
}

impl TryFrom<Written> for Origin {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => {
                let import = u16::try_from(number).ok().and_then(Self::import);
                import.ok_or_else(|| Self::wrong(number))
            }
            Written::Name(name) => name.parse(),
        }
    }
}

/// Several who want a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenSet")]
pub struct Origins(pub BTreeSet<Origin>);

impl Origins {
    /// Is there nobody?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Origin> for Origins {
    fn from_iter<T: IntoIterator<Item = Origin>>(origins: T) -> Self {
        Self(origins.into_iter().collect())
    }
}

/// Several as they are written down: by themselves, or, by versions before this one, as a bit for each of 30 imports.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenSet {
    Bits(u32),
    All(BTreeSet<Origin>),
}

impl From<WrittenSet> for Origins {
    fn from(written: WrittenSet) -> Self {
        match written {
            WrittenSet::Bits(bits) => {
                (1..=30).filter(|number| bits >> number & 1 == 1).filter_map(Origin::import).collect()
            }
            WrittenSet::All(all) => Self(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_tables::prefixes::PROVISIONAL;

    use super::*;

    #[test]
    fn each_is_known_by_a_number_of_its_own() {
        let most = Origin::MOST;
        let all: Vec<_> =
            (0..=3 + 2 * most).map(|owner| Origin::of_owner(owner).expect("somebody")).collect();
        for (owner, origin) in (0..).zip(&all) {
            assert_eq!(origin.owner(), owner, "{origin}");
            assert_eq!(origin.to_string().parse(), Ok(*origin));
            let json = serde_json::to_string(origin).expect("JSON");
            assert_eq!(serde_json::from_str::<Origin>(&json).expect("the same"), *origin);
        }
        assert_eq!(Origin::of_owner(4 + 2 * most), None);
        assert_eq!(Origin::BANS.map(Origin::owner), PROVISIONAL);
        assert_eq!((all[4], all.last()), (Origin::Import(1), Some(&Origin::Feed(most))));
        assert_eq!((Origin::import(0), Origin::import(most + 1), Origin::feed(0)), (None, None, None));
    }

    #[test]
    fn imports_are_written_as_they_always_were() {
        assert_eq!(serde_json::to_string(&Origin::Import(7)).expect("JSON"), "7");
        assert_eq!(serde_json::to_string(&Origin::Feed(7)).expect("JSON"), "\"feed-7\"");
        for (json, why) in [
            ("0", "imports have the numbers 1 to 4096, not 0"),
            ("4097", "imports have the numbers 1 to 4096, not 4097"),
            ("\"import-07\"", "`import-07` is nobody who wants prefixes"),
        ] {
            let error = serde_json::from_str::<Origin>(json).expect_err(json).to_string();
            assert!(error.starts_with(why), "{error}");
        }
        let bits: Origins = serde_json::from_str("1073741830").expect("bits 1, 2 and 30");
        let all: Origins = [1, 2, 30].into_iter().filter_map(Origin::import).collect();
        assert_eq!(bits, all);
        assert_eq!(serde_json::to_string(&all).expect("JSON"), "[1,2,30]");
        assert_eq!(serde_json::from_str::<Origins>("[1,2,30]").expect("the same"), all);
    }
}
