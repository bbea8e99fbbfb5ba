//! The figures that a filter is judged by, and by how much one differs from another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// More points than this are worth telling; of a delay, seconds.
const WORTH_TELLING: f64 = 1.0;

/// How a filter does in a scenario. Shares are in per cent; `None` where there is nothing to have a share of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) attack_dropped: Option<f64>,
    pub(super) attack_dropped_after_3s: Option<f64>,
    pub(super) legit_passed: Option<f64>,
    pub(super) newcomers_refused: Option<f64>,
    /// Alarms while there is no attack yet: of a scenario without one, all.
    pub(super) alarms_in_peace: usize,
    /// From the beginning of the attack to the first alarm from then on, seconds; `None`: there is none.
    pub(super) delay: Option<f64>,
}

/// Of each scenario by name.
pub(super) type ByScenario = BTreeMap<String, Figures>;

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Figure {
    AttackDropped,
    AttackDroppedAfter3s,
    LegitPassed,
    NewcomersRefused,
    AlarmsInPeace,
    Delay,
}

impl Figure {
    pub(super) const ALL: [Self; 6] = [
        Self::AttackDropped,
        Self::AttackDroppedAfter3s,
        Self::LegitPassed,
        Self::NewcomersRefused,
        Self::AlarmsInPeace,
        Self::Delay,
    ];

    /// Above a column.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::AttackDropped => "attack dropped",
            Self::AttackDroppedAfter3s => "from 3 s on",
            Self::LegitPassed => "legit passed",
            Self::NewcomersRefused => "newcomers refused",
            Self::AlarmsInPeace => "alarms in peace",
            Self::Delay => "delay, s",
        }
    }

    fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::AttackDropped => figures.attack_dropped,
            Self::AttackDroppedAfter3s => figures.attack_dropped_after_3s,
            Self::LegitPassed => figures.legit_passed,
            Self::NewcomersRefused => figures.newcomers_refused,
            Self::AlarmsInPeace => Some(figures.alarms_in_peace as f64),
            Self::Delay => figures.delay,
        }
    }

    /// Whether a move is more than what chance and rounding make. Of alarms, each is.
    fn is_worth_telling(self, by: By) -> bool {
        match by {
            By::Comes | By::Goes => true,
            By::Much(_) if self == Self::AlarmsInPeace => true,
            By::Much(much) => much.abs() > WORTH_TELLING,
        }
    }
}

/// By how much a figure has moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// Points, alarms or seconds.
    Much(f64),
    /// There is one where there was none.
    Comes,
    /// There is none where there was one.
    Goes,
}

impl By {
    fn size(self) -> f64 {
        match self {
            Self::Much(much) => much.abs(),
            Self::Comes | Self::Goes => f64::INFINITY,
        }
    }
}

/// A figure of a scenario that has moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Moved {
    pub(super) figure: Figure,
    pub(super) scenario: String,
    pub(super) by: By,
    /// It is more than a point, a second, or an alarm.
    pub(super) is_worth_telling: bool,
}

/// All that has moved from one to the other, the most first, figure by figure.
pub(super) fn moves(before: &ByScenario, now: &ByScenario) -> Vec<Moved> {
    let mut moves = Vec::new();
    for figure in Figure::ALL {
        let of_scenario = |(scenario, before): (&String, &Figures)| {
            let by = match (figure.of(before), figure.of(now.get(scenario)?)) {
                (Some(before), Some(now)) => By::Much(rounded(now - before)),
                (None, Some(_)) => By::Comes,
                (Some(_), None) => By::Goes,
                (None, None) => return None,
            };
            let is_worth_telling = figure.is_worth_telling(by);
            (by != By::Much(0.0)).then(|| Moved { figure, scenario: scenario.clone(), by, is_worth_telling })
        };
        let mut moved: Vec<_> = before.iter().filter_map(of_scenario).collect();
        moved.sort_by(|one, other| other.by.size().total_cmp(&one.by.size()));
        moves.extend(moved);
    }
    moves
}

/// To what figures are told in; a difference that is less is none.
fn rounded(number: f64) -> f64 {
    // Without the sign that a rounded 0 may have.
    (number * 100.0).round() / 100.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenarios(figures: &[(&str, Figures)]) -> ByScenario {
        figures.iter().map(|(name, figures)| ((*name).to_owned(), figures.clone())).collect()
    }

    fn figures(attack: f64, legit: f64, alarms: usize, delay: Option<f64>) -> Figures {
        Figures {
            attack_dropped: Some(attack),
            legit_passed: Some(legit),
            alarms_in_peace: alarms,
            delay,
            ..Figures::default()
        }
    }

    #[test]
    fn what_has_moved_is_told_the_most_first() {
        let before = scenarios(&[
            ("d01", figures(99.0, 100.0, 0, Some(0.15))),
            ("d12", figures(97.0, 100.0, 0, Some(17.0))),
            ("d26", figures(0.0, 100.0, 1, None)),
        ]);
        let now = scenarios(&[
            ("d01", figures(98.4, 99.998, 0, Some(1.1))),
            ("d12", figures(90.0, 100.0, 0, None)),
            ("d26", figures(0.0, 100.0, 0, Some(3.0))),
        ]);
        let told: Vec<_> = moves(&before, &now)
            .into_iter()
            .map(|Moved { figure, scenario, by, is_worth_telling }| (figure, scenario, by, is_worth_telling))
            .collect();
        let expected = [
            (Figure::AttackDropped, "d12", By::Much(-7.0), true),
            (Figure::AttackDropped, "d01", By::Much(-0.6), false),
            (Figure::AlarmsInPeace, "d26", By::Much(-1.0), true),
            (Figure::Delay, "d12", By::Goes, true),
            (Figure::Delay, "d26", By::Comes, true),
            (Figure::Delay, "d01", By::Much(0.95), false),
        ];
        assert_eq!(told, expected.map(|(figure, name, by, worth)| (figure, name.to_owned(), by, worth)));
        assert!(moves(&before, &before).is_empty());
    }
}
