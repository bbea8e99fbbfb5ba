//! A draw: two minutes of ordinary traffic, of which a few numbers decide, and these of a seed.

use std::fmt;

use floodwall_lab::random::Random;
use serde::Serialize;

/// The list of captures that the traffic is made of, as it stands beside the corpus's own recipes.
pub(super) const LIST: &str = "legit-dev.txt";
/// How long each draw is, seconds.
pub(super) const SECONDS: u32 = 120;
/// Packets/s, from and to.
const RATES: [u32; 2] = [100, 900];
/// One of so many draws has a rush of customers, and then at most so many packets/s besides.
const RUSH_EACH: u32 = 6;
const MOST_IN_RUSH: u32 = 300;
/// How long a rush lasts, when it begins (from and to), seconds, and how many times the customers there are.
const RUSH_SECONDS: u32 = 50;
const RUSH_BEGINS: [u32; 2] = [15, 50];
const RUSH_TIMES: [u32; 3] = [4, 8, 10];
/// What the host offers, in each of the corpus's own peaceful scenarios.
const SERVICES: &str = r#"["tcp/22", "tcp/25", "tcp/80", "tcp/443", "tcp/8080", "udp/443", "udp/500", "udp/4500", "udp/1194", "udp/51820"]"#;

/// A rush of customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rush {
    /// When it begins, seconds.
    pub(super) begins: u32,
    /// How many times the usual customers there are.
    pub(super) times: u32,
}

/// What is asked of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Draw {
    pub(super) seed: u64,
    /// From 1 on.
    pub(super) draw: u32,
    /// Packets/s, without the rush.
    pub(super) rate: u32,
    pub(super) rush: Option<Rush>,
    /// It is for a filter that goes on from draw to draw: no long connection is older than it.
    pub(super) warm: bool,
}

impl Draw {
    /// The draw of this number. A `warm` one has none of the long connections that are open when others begin, as a filter
    /// that goes on would have seen their beginning.
    pub(super) fn new(seed: u64, draw: u32, warm: bool) -> Self {
        // Each number has a sequence of its own, so that it is the same whatever others are drawn.
        let mut random = Random::new(Random::new(seed).bits() ^ u64::from(draw));
        let mut between = |[from, to]: [u32; 2]| from + random.below(to - from + 1);
        let rate = between(RATES);
        let begins = between(RUSH_BEGINS);
        let times = RUSH_TIMES[between([0, 2]) as usize];
        let rush = draw.is_multiple_of(RUSH_EACH).then_some(Rush { begins, times });
        let rate = if rush.is_some() { rate.min(MOST_IN_RUSH) } else { rate };
        Self { seed, draw, rate, rush, warm }
    }

    /// What its files are called, but for their endings.
    pub(super) fn name(&self) -> String {
        let kind = if self.warm { "warm" } else { "fresh" };
        format!("peace-{kind}-{}-{}", self.seed, self.draw)
    }

    /// The recipe, as the generator reads it.
    pub(super) fn recipe(&self) -> String {
        let rush = self.rush.map_or(String::new(), |Rush { begins, times }| {
            let ends = begins + RUSH_SECONDS;
            format!("surge = {{window = [{begins}, {ends}], factor = {times}, ports = [443, 80]}}\n")
        });
        let midstream = if self.warm { "midstream = 0.0\n" } else { "" };
        format!(
            "name = \"{name}\"\nwhat = \"No attack: ordinary traffic\"\ntell = \"nothing\"\nseed = \"{name}\"\n\
             duration = {SECONDS}\nservices = {SERVICES}\n{rush}\n[legit]\nlist = \"{LIST}\"\npps = {}\n{midstream}",
            self.rate,
            name = self.name(),
        )
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "draw {}, {}/s", self.draw, self.rate)?;
        self.rush
            .map_or(Ok(()), |rush| write!(formatter, " and a rush of {} times the customers", rush.times))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_draw_is_the_same_whatever_others_are_drawn_and_no_two_are_alike() {
        assert_eq!(Draw::new(3, 17, false), Draw::new(3, 17, false));
        let draws = (0..4).flat_map(|seed| (1..=180).map(move |draw| Draw::new(seed, draw, false)));
        let draws: Vec<_> = draws.collect();
        let recipes: HashSet<_> = draws.iter().map(Draw::recipe).collect();
        assert_eq!(recipes.len(), draws.len());
        assert_eq!(draws.iter().filter(|draw| draw.rush.is_some()).count(), draws.len() / 6);
        assert!(draws.iter().all(|draw| (100..=900).contains(&draw.rate)));
        let rates: HashSet<_> = draws.iter().map(|draw| draw.rate).collect();
        assert!(rates.len() > 300 && rates.iter().max() > Some(&850) && rates.iter().min() < Some(&120));
        let rushes: HashSet<_> = draws.iter().filter_map(|draw| draw.rush).map(|rush| rush.times).collect();
        assert_eq!(rushes.len(), 3);
        assert!(draws.iter().all(|draw| draw.rush.is_none_or(|rush| rush.begins + RUSH_SECONDS <= 100)));
    }

    #[test]
    fn a_recipe_says_what_was_drawn() {
        let rush = Draw { rush: Some(Rush { begins: 20, times: 8 }), ..Draw::new(7, 6, true) };
        let recipe = rush.recipe();
        for part in [
            "name = \"peace-warm-7-6\"",
            "seed = \"peace-warm-7-6\"",
            "surge = {window = [20, 70], factor = 8,",
            "list = \"legit-dev.txt\"",
            "midstream = 0",
            &format!("pps = {}\n", rush.rate),
        ] {
            assert!(recipe.contains(part), "{part} is not in {recipe}");
        }
        let plain = Draw::new(7, 1, false).recipe();
        assert!(!plain.contains("surge") && !plain.contains("midstream"), "{plain}");
    }
}
