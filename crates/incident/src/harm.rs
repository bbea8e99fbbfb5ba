//! Estimates from samples which share of customers' packets was dropped.

use floodwall_api::{Confidence, IncidentHarm};
use floodwall_units as units;

/// Samples from which on a share is estimated, and those for each higher confidence.
const FEW: u64 = 30;
const SOME: u64 = 300;
const MANY: u64 = 3_000;
/// Standard deviations of a 95 % confidence interval.
const DEVIATIONS: f64 = 1.96;

/// Adds the estimate to the counts, if there are enough samples.
pub(crate) fn estimate(harm: IncidentHarm) -> IncidentHarm {
    let IncidentHarm { sampled, dropped, .. } = harm;
    let confidence = match sampled {
        ..FEW => return harm,
        FEW..SOME => Confidence::Low,
        SOME..MANY => Confidence::Medium,
        MANY.. => Confidence::High,
    };
    let (low, high) = interval(dropped, sampled);
    IncidentHarm { share: Some(dropped as f64 / sampled as f64), low, high, confidence, ..harm }
}

/// The Wilson score interval (E. B. Wilson, 1927), which is also valid for shares near 0 and 1.
fn interval(part: u64, whole: u64) -> (f64, f64) {
    let (whole, share) = (whole as f64, part as f64 / whole as f64);
    let square = DEVIATIONS * DEVIATIONS;
    let center = share + square / (2.0 * whole);
    let spread = DEVIATIONS * (share * (1.0 - share) / whole + square / (4.0 * whole * whole)).sqrt();
    let norm = 1.0 + square / whole;
    (((center - spread) / norm).max(0.0), ((center + spread) / norm).min(1.0))
}

/// The estimate as a sentence.
pub(crate) fn words(harm: &IncidentHarm) -> String {
    let IncidentHarm { sampled, customers, hurt, share, low, high, confidence, .. } = harm;
    let Some(share) = share else {
        return "How much of customers' traffic suffered cannot be told: too few packets of sources that had been there before \
                were sampled."
            .to_owned();
    };
    format!(
        "Of the packets of customers who had been there before, about {} were dropped (between {} and {}; confidence {}: {} \
         samples of {} customers, {} of whom lost one). Of new customers it cannot be told.",
        percent(*share),
        percent(*low),
        percent(*high),
        confidence.name(),
        units::count(*sampled),
        units::count(*customers),
        units::count(*hurt)
    )
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.1 => "less than 0.1 %".to_owned(),
        ..10.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harm(sampled: u64, dropped: u64) -> IncidentHarm {
        estimate(IncidentHarm {
            sampled,
            dropped,
            customers: 40,
            hurt: dropped.min(40),
            ..IncidentHarm::default()
        })
    }

    #[test]
    fn the_estimate_has_an_interval_and_needs_enough_samples() {
        assert_eq!((harm(29, 29).share, harm(29, 29).confidence), (None, Confidence::None));
        let none = harm(100, 0);
        assert_eq!((none.share, none.low, none.confidence), (Some(0.0), 0.0, Confidence::Low));
        assert!((0.036..0.038).contains(&none.high), "{}", none.high);
        let all = harm(5_000, 5_000);
        assert!(all.high == 1.0 && all.low > 0.999 && all.confidence == Confidence::High, "{all:?}");
        let half = harm(400, 200);
        assert!((0.450..0.452).contains(&half.low) && (0.548..0.550).contains(&half.high), "{half:?}");
    }

    #[test]
    fn the_sentence_states_the_confidence() {
        assert!(words(&harm(3, 1)).contains("cannot be told: too few"));
        assert_eq!(
            words(&harm(1_000, 12)),
            "Of the packets of customers who had been there before, about 1.2 % were dropped (between 0.7 % and 2.1 %; \
             confidence medium: 1,000 samples of 40 customers, 12 of whom lost one). Of new customers it cannot be told."
        );
    }
}
