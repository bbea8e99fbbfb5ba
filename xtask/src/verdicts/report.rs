//! What came out, for people and for machines.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::compare::{First, Judged, Standing};
use super::reference::Subject;

/// Everything that came out.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The file with the reference.
    pub(super) file: String,
    /// Whether it was written, and nothing compared.
    pub(super) written: bool,
    /// What was not done, and why.
    pub(super) skipped: Vec<String>,
    #[serde(skip)]
    pub(super) verdicts: Vec<Judged>,
    /// What the reference has of scenarios that are not there.
    pub(super) gone: Vec<Subject>,
    /// Scenarios that the engines do not judge alike.
    pub(super) engines_disagree: Vec<String>,
}

/// The report with what follows from it.
#[derive(Serialize)]
struct Document<'a> {
    good: bool,
    #[serde(flatten)]
    report: &'a Report,
    verdicts: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    judged: &'a Judged,
    /// `None` if nothing was compared.
    standing: Option<Standing>,
}

impl Report {
    /// Whether nothing differs.
    pub(super) fn good(&self) -> bool {
        let same = self.verdicts.iter().all(|judged| judged.standing() == Standing::Same);
        (self.written || same && self.gone.is_empty()) && self.engines_disagree.is_empty()
    }

    /// One document.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which it can.
    pub(super) fn json(&self) -> Result<String> {
        let standing = |judged: &Judged| (!self.written).then(|| judged.standing());
        let rows = self.verdicts.iter().map(|judged| Row { judged, standing: standing(judged) });
        let document = Document { good: self.good(), report: self, verdicts: rows.collect() };
        serde_json::to_string_pretty(&document).context("writing the verdicts as JSON")
    }

    /// A line for whatever is not as it should be, and one for all.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for reason in &self.skipped {
            line(&mut text, &format!("skipped   {reason}"));
        }
        for pair in &self.engines_disagree {
            line(&mut text, &format!("DISAGREE  the model and the kernel differ on {pair}"));
        }
        if self.written {
            let hashes = self.verdicts.len();
            line(&mut text, &format!("{hashes} hashes written to {}", self.file));
            return text;
        }
        for judged in &self.verdicts {
            match judged.standing() {
                Standing::Same => {}
                Standing::New => {
                    line(&mut text, &format!("NEW       {}: no line in the file", judged.subject));
                }
                Standing::Differs => differing(&mut text, judged),
            }
        }
        for subject in &self.gone {
            line(&mut text, &format!("GONE      {subject}: there is no such scenario"));
        }
        let same = self.verdicts.iter().filter(|judged| judged.standing() == Standing::Same).count();
        if !self.verdicts.is_empty() {
            let all = self.verdicts.len();
            line(&mut text, &format!("{same} of {all} as {} has them", self.file));
        }
        text
    }
}

fn differing(text: &mut String, judged: &Judged) {
    line(text, &format!("DIFFERS   {}", judged.subject));
    let Some(before) = &judged.before else { return };
    if let Some(problem) = &before.problem {
        line(text, &format!("          (no packet is named: {problem})"));
        return;
    }
    match &before.first {
        Some(first) => line(text, &format!("          {}", told(first, judged.packets))),
        None => line(text, "          no packet is judged otherwise than in the verdicts of --before"),
    }
    if !before.is_reference {
        line(text, "          (the verdicts of --before are not those that the file has the hash of)");
    }
}

/// `packet 7 (tcp …, 1.5 s): before clean, now banned; 3 of 90 packets differ`.
fn told(first: &First, packets: u64) -> String {
    let kind = first.kind.as_deref().unwrap_or("not in the capture");
    let seconds = first.seconds.map(|seconds| format!(", {seconds:.3} s")).unwrap_or_default();
    let (before, now) = (first.before.unwrap_or("no verdict"), first.now.unwrap_or("no verdict"));
    format!(
        "packet {} ({kind}{seconds}): before {before}, now {now}; {} of {packets} packets differ",
        first.packet, first.packets
    )
}

fn line(text: &mut String, words: &str) {
    // A string takes all that is written to it.
    let _ = writeln!(text, "{words}");
}

#[cfg(test)]
mod tests {
    use super::super::compare::Before;
    use super::*;
    use crate::corpus::{Engine, Told};

    fn report(hash: &str, before: Option<Before>) -> Report {
        let subject = Subject { engine: Engine::Kernel, scenario: "d01-a".to_owned(), told: Told::Egress };
        let reference = Some("aa".to_owned());
        Report {
            file: "tests/verdicts.sha256".to_owned(),
            written: false,
            skipped: Vec::new(),
            verdicts: vec![Judged { subject, hash: hash.to_owned(), packets: 90, reference, before }],
            gone: Vec::new(),
            engines_disagree: Vec::new(),
        }
    }

    #[test]
    fn what_is_as_it_was_is_one_line() {
        let report = report("aa", None);
        assert!(report.good());
        assert_eq!(report.text(), "1 of 1 as tests/verdicts.sha256 has them\n");
    }

    #[test]
    fn what_differs_is_named_with_its_first_packet() {
        let first = First {
            packet: 7,
            seconds: Some(1.5),
            kind: Some("tcp high->80 flags 0x02".to_owned()),
            before: Some("clean"),
            now: Some("banned"),
            packets: 3,
        };
        let report = report("bb", Some(Before { is_reference: true, first: Some(first), problem: None }));
        assert!(!report.good());
        assert_eq!(
            report.text(),
            "DIFFERS   kernel  d01-a/egress\n          packet 7 (tcp high->80 flags 0x02, 1.500 s): before clean, \
             now banned; 3 of 90 packets differ\n0 of 1 as tests/verdicts.sha256 has them\n"
        );
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["good"], false);
        assert_eq!(json["verdicts"][0]["scenario"], "d01-a");
        assert_eq!(json["verdicts"][0]["standing"], "differs");
        assert_eq!(json["verdicts"][0]["before"]["first"]["packet"], 7);
    }

    #[test]
    fn a_lost_scenario_a_new_one_and_engines_that_differ_are_no_good() {
        let mut lost = report("aa", None);
        lost.gone.push(lost.verdicts[0].subject.clone());
        let mut new = report("aa", None);
        new.verdicts[0].reference = None;
        let mut apart = report("aa", None);
        apart.engines_disagree.push("d01-a/alone".to_owned());
        for (report, word) in [(lost, "GONE"), (new, "NEW"), (apart, "DISAGREE")] {
            assert!(!report.good() && report.text().starts_with(word), "{word}");
        }
    }
}
