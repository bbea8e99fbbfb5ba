//! The whole task, with a stand-in for floodwall.

use clap::Parser;
use floodwall_lab::frame::Frame;
use floodwall_lab::pcap::Writer;
use tempfile::TempDir;

use super::*;
use crate::verdicts::compare::Standing;

/// Judges by lines `ENGINE SCENARIO MODE REASON` of the file `reasons`.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/verdicts/stand-in.sh");

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// A corpus of two scenarios, with something that judges them.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(desk.file("scenarios")).unwrap();
        for name in ["d01-one", "d02-two"] {
            desk.scenario(name);
        }
        desk.reasons("");
        desk
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn scenario(&self, name: &str) {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for port in [80, 443] {
            let syn = Frame::ipv4("198.51.100.7", "192.0.2.10").tcp(40_000, port).syn().build();
            writer.frame(1_767_225_600_000_000_000, &syn).unwrap();
        }
        // Readers tell by the first bytes whether it is compressed.
        fs::write(self.file(&format!("scenarios/{name}.pcap.gz")), writer.finish().unwrap()).unwrap();
        for ending in ["labels", "json", "egress.csv.gz"] {
            fs::write(self.file(&format!("scenarios/{name}.{ending}")), "").unwrap();
        }
    }

    /// Lines `ENGINE SCENARIO MODE REASON`.
    fn reasons(&self, lines: &str) {
        fs::write(self.file("reasons"), lines).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Result<Report> {
        let file = |name: &str| self.file(name).to_string_lossy().into_owned();
        let given = ["--corpus", &file(""), "--binary", STAND_IN, "--reference", &file("reference")]
            .map(str::to_owned);
        let arguments = arguments.iter().map(|argument| argument.replace("DESK", &file("")));
        let line = std::iter::once("verdicts".to_owned()).chain(given).chain(arguments);
        judge(&Line::try_parse_from(line)?.options)
    }

    fn reference(&self) -> String {
        fs::read_to_string(self.file("reference")).unwrap()
    }
}

#[test]
fn what_was_written_is_what_comes_out_again() {
    let desk = Desk::new();
    let written = desk.run(&["--write", "--engine", "model"]).unwrap();
    assert!(written.written && written.good());
    let text = desk.reference();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].ends_with("  model   d01-one/alone") && lines[3].ends_with("  model   d02-two/egress"));
    assert!(desk.run(&["--engine", "model"]).unwrap().good());
}

#[test]
fn another_reason_fails_and_names_the_packet() {
    let desk = Desk::new();
    desk.run(&["--write", "--engine", "model", "--keep", "DESK/kept"]).unwrap();
    desk.reasons("model d02-two alone banned\n");
    let report = desk.run(&["--engine", "model", "--before", "DESK/kept"]).unwrap();
    assert!(!report.good());
    let differing: Vec<_> =
        report.verdicts.iter().filter(|judged| judged.standing() == Standing::Differs).collect();
    let [judged] = differing[..] else { panic!("{report:?}") };
    assert_eq!((judged.subject.scenario.as_str(), judged.subject.told), ("d02-two", Told::Alone));
    let before = judged.before.as_ref().unwrap();
    let first = before.first.as_ref().unwrap();
    assert!(before.is_reference);
    assert_eq!((first.packet, first.before, first.now), (1, Some("clean"), Some("banned")));
    assert_eq!(first.kind.as_deref(), Some("tcp high->443 flags 0x02"));
    assert!(desk.run(&["--engine", "model", "--scenarios", "d01"]).unwrap().good());
}

#[test]
fn scenarios_that_came_and_went_fail_until_they_are_written() {
    let desk = Desk::new();
    desk.run(&["--write", "--engine", "model"]).unwrap();
    fs::remove_file(desk.file("scenarios/d01-one.labels")).unwrap();
    desk.scenario("d03-three");
    let report = desk.run(&["--engine", "model"]).unwrap();
    assert!(!report.good());
    assert_eq!(report.gone.len(), 2);
    assert!(report.gone.iter().all(|subject| subject.scenario == "d01-one"));
    assert_eq!(
        report.verdicts.iter().filter(|judged| judged.standing() == Standing::New).count(),
        2,
        "{report:?}"
    );
    desk.run(&["--write", "--engine", "model"]).unwrap();
    assert!(desk.run(&["--engine", "model"]).unwrap().good());
}

#[test]
fn writing_a_selection_leaves_the_other_lines() {
    let desk = Desk::new();
    desk.run(&["--write", "--engine", "model"]).unwrap();
    let before = desk.reference();
    desk.reasons("model d02-two egress out-of-state\nmodel d01-one egress out-of-state\n");
    desk.run(&["--write", "--engine", "model", "--scenarios", "d02"]).unwrap();
    let now = desk.reference();
    let changed: Vec<_> = before.lines().zip(now.lines()).filter(|(before, now)| before != now).collect();
    let [(_, now)] = changed[..] else { panic!("{changed:?}") };
    assert!(now.ends_with("d02-two/egress"));
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let desk = Desk::new();
    for (arguments, expected) in [
        (&["--engine", "model"][..], "--write writes it"),
        (&["--engine", "model", "--scenarios", "d01,d9"], "`d9` begins none"),
        (&["--engine", "model", "--write", "--before", "DESK"], "cannot be used with"),
    ] {
        let error = format!("{:#}", desk.run(arguments).unwrap_err());
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    desk.run(&["--write", "--engine", "model"]).unwrap();
    desk.reasons("model d02-two egress lost\n");
    let error = format!("{:#}", desk.run(&["--engine", "model"]).unwrap_err());
    assert!(
        error.contains("d02-two, told of the flows") && error.contains("packet 0 has no verdict"),
        "{error}"
    );
    desk.reasons("");
    fs::remove_file(desk.file("scenarios/d01-one.pcap.gz")).unwrap();
    let error = format!("{:#}", desk.run(&["--engine", "model"]).unwrap_err());
    assert!(error.contains("no capture") && error.contains("d01-one"), "{error}");
}

#[test]
fn engines_are_taken_as_they_can_be_had() {
    let options = |engine: &[&str]| {
        Line::try_parse_from([&["verdicts"][..], engine].concat()).map(|line| line.options).unwrap()
    };
    let mut skipped = Vec::new();
    assert_eq!(engines(&options(&[]), true, &mut skipped).unwrap(), Engine::ALL);
    assert!(skipped.is_empty());
    assert_eq!(engines(&options(&[]), false, &mut skipped).unwrap(), [Engine::Model]);
    assert_eq!(skipped, ["kernel: needs root"]);
    assert!(engines(&options(&["--engine", "kernel"]), false, &mut skipped).is_err());
}

#[test]
fn a_disagreement_of_the_engines_is_not_written_down() {
    if !shell::is_root() {
        // Without root the task leaves the kernel out; `compare` has tests of its own.
        floodwall_lab::skip!("needs root to ask for both engines");
    }
    let desk = Desk::new();
    desk.run(&["--write"]).unwrap();
    desk.reasons("kernel d01-one alone out-of-state\n");
    let error = desk.run(&["--write"]).unwrap_err().to_string();
    assert!(error.contains("the engines differ on d01-one/alone"), "{error}");
    let report = desk.run(&[]).unwrap();
    assert_eq!(report.engines_disagree, ["d01-one/alone"]);
}
