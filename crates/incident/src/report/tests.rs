use std::collections::BTreeMap;

use floodwall_api::{
    Incident, IncidentActor, IncidentCountry, IncidentHarm, IncidentLine, IncidentNetwork, IncidentPhase,
    IncidentPrefix, IncidentReport, IncidentSecond, IncidentService, IncidentSeverity, IncidentSources,
    IncidentStrain, IncidentTraffic, IncidentTurn, IncidentVector, IncidentWave,
};

use super::*;

const BEGAN: u64 = 1_796_000_000_000;

/// An incident of two waves that is over, with text that a terminal, Markdown or HTML would act on.
pub(crate) fn report() -> IncidentReport {
    let turn = |phase, seconds: u64| IncidentTurn { phase, time_ms: BEGAN + seconds * 1_000 };
    let wave = |number, from: u64, until: u64, peak| IncidentWave {
        number,
        began_ms: BEGAN + from * 1_000,
        ended_ms: Some(BEGAN + until * 1_000),
        peak_packets: peak + 100,
        peak_dropped: peak,
    };
    let line = |seconds: u64, by: IncidentActor, text: &str| IncidentLine {
        time_ms: BEGAN + seconds * 1_000,
        kind: "attack".into(),
        by,
        text: text.to_owned(),
        count: 1,
    };
    let hostile = "list <script>alert(1)</script> | a\nb \u{1b}[2J host.example.net 203.0.113.7".to_owned();
    let mut timeline = vec![
        line(
            0,
            IncidentActor::Outside,
            "attack 1 on web: 8000 requests for connections/s that nothing follows",
        ),
        line(
            1,
            IncidentActor::Automatic,
            "signature 1 found: tcp to web flags=syn ttl=242,244 len=40 window=0",
        ),
        line(2, IncidentActor::Operator("uid 0 (pid 7)".into()), &hostile),
    ];
    timeline.extend((3..40).map(|at| line(at, IncidentActor::Automatic, "banned 1: 203.0.113.9/32")));
    let incident = Incident {
        id: 7,
        key: "floodwall-0123456789abcdef".into(),
        phase: IncidentPhase::Resolved,
        turns: vec![
            turn(IncidentPhase::Investigating, 0),
            turn(IncidentPhase::Identified, 2),
            turn(IncidentPhase::Monitoring, 4),
            turn(IncidentPhase::Identified, 400),
            turn(IncidentPhase::Monitoring, 404),
            turn(IncidentPhase::Resolved, 1_100),
        ],
        severity: IncidentSeverity::Critical,
        began_ms: BEGAN,
        ended_ms: Some(BEGAN + 500_000),
        seen_ms: BEGAN + 500_000,
        waves: vec![wave(1, 0, 120, 9_000), wave(2, 400, 500, 22_000)],
        services: vec![IncidentService { service: "web".into(), ..IncidentService::default() }],
        vectors: vec![IncidentVector {
            name: "syn-flood".into(),
            words: "spoofed SYN flood".into(),
            spoofed: true,
            same_way: false,
            fingerprints: vec!["tcp to web flags=syn ttl=242,244 len=40 window=0".into()],
            sampled: 4_000,
            first_ms: BEGAN,
            last_ms: BEGAN + 500_000,
        }],
        traffic: IncidentTraffic {
            seconds: 220,
            packets: 3_302_000,
            bytes: 198_120_000,
            dropped: 3_280_000,
            dropped_bytes: 196_800_000,
            peak_packets: 22_100,
            peak_bytes: 1_326_000,
            peak_dropped: 22_000,
            reasons: BTreeMap::from([("signature".into(), 3_280_000), ("clean".into(), 22_000)]),
            before: Some(100.0),
        },
        sources: IncidentSources {
            sampled: 4_000,
            sources: 3_990,
            once: 3_980,
            bogons: 4_000,
            prefixes: vec![IncidentPrefix { prefix: "198.18.7.0/24".into(), sampled: 41 }],
            networks: vec![IncidentNetwork {
                asn: 64_500,
                name: Some("Example <Net>".into()),
                dropped: 3_000,
                passed: 2,
            }],
            countries: vec![IncidentCountry { country: "DE".into(), dropped: 4_000, passed: 9 }],
            ..IncidentSources::default()
        },
        harm: IncidentHarm { sampled: 900, dropped: 9, customers: 40, hurt: 6, ..IncidentHarm::default() },
        destinations: vec![IncidentPrefix { prefix: "192.0.2.10/32".into(), sampled: 4_000 }],
        strain: vec![IncidentStrain {
            what: "use of link eth0".into(),
            worst: 97.0,
            text: "97 %".into(),
            time_ms: BEGAN + 410_000,
        }],
        warnings: vec!["Packets were lost before they reached this host.".into()],
        timeline,
        left_out: 12,
    };
    let second = |at: u64| {
        let dropped = match at {
            30..150 => 9_000,
            430..530 => 22_000,
            _ => 0,
        };
        let packets = dropped + 100;
        IncidentSecond {
            time: BEGAN / 1_000 - 30 + at,
            span: 1,
            packets,
            bytes: packets * 60,
            dropped,
            ..Default::default()
        }
    };
    let series = (0..210).chain(400..590).map(second).collect();
    IncidentReport { incident, series, incomplete: None }
}

/// Writes the reports for whoever looks at them: `FLOODWALL_REPORTS=DIR`.
#[test]
fn a_report_says_the_same_in_every_form() {
    let report = report();
    let forms = [text(&report), markdown(&report, &[]), html(&report)];
    for form in &forms {
        for said in [
            "spoofed SYN flood",
            "22,100",
            "flags=syn",
            "2026-11-30 00:53:20",
            "8 min 20 s",
            "99.3 %",
            "AS64500 Example",
        ] {
            assert!(form.contains(said), "{said} is missing in {form}");
        }
        assert!(!form.contains('\u{1b}'), "{form}");
    }
    if let Some(directory) = std::env::var_os("FLOODWALL_REPORTS") {
        for (name, form) in ["txt", "md", "html"].into_iter().zip(&forms) {
            std::fs::write(std::path::Path::new(&directory).join(format!("report.{name}")), form).unwrap();
        }
    }
}

#[test]
fn a_terminal_of_eighty_columns_is_enough() {
    let text = text(&report());
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    assert!(text.contains("… 24 more") && text.contains("floodwall incident report 7"), "{text}");
}

#[test]
fn whoever_was_woken_has_it_on_one_screen() {
    let mut incident = report().incident;
    incident.phase = IncidentPhase::Monitoring;
    incident.waves[1].ended_ms = None;
    incident.ended_ms = None;
    let said = brief(&incident);
    assert!(said.lines().count() <= 24, "{} lines: {said}", said.lines().count());
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    for part in [
        "UNDER ATTACK since 2026-11-30 00:53:20 UTC",
        "spoofed SYN flood",
        "web, most of it to 192.0.2.10/32",
        "99.3 %",
        "97 %",
        "floodwall why ADDRESS",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_others_have_written_is_text_and_nothing_else() {
    let report = report();
    let (page, post_mortem) = (html(&report), markdown(&report, &[]));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert!(page.starts_with("<!doctype html>") && !page.contains("http://x") && !page.contains("src="));
    assert!(
        !post_mortem.contains("<script")
            && post_mortem.contains("&lt;script&gt;alert(1)&lt;/script&gt; \\| a b")
    );
}

#[test]
fn a_status_page_names_no_host_no_service_and_no_address() {
    let updates = status_page(&report().incident);
    let states: Vec<_> = updates.iter().map(|update| update.status.name()).collect();
    assert_eq!(states, ["investigating", "identified", "monitoring", "resolved"]);
    let all: String = updates.iter().map(|update| update.body.as_str()).collect();
    for secret in ["web", "192.0.2", "203.0.113", "198.18", "host.example", "eth0"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert!(
        all.contains("22,100 packets a second (11 Mbit/s) arrived, 221 times as much as before it"),
        "{all}"
    );
    assert!(all.contains("99.3 % of what arrived") && all.contains("in 2 waves"), "{all}");
    let mut young = report().incident;
    young.turns.truncate(1);
    assert_eq!(status_page(&young).len(), 1, "nothing is said of what has not come about");
}

#[test]
fn pictures_show_waves_and_rates_and_an_empty_one_is_one_too() {
    let report = report();
    let svg = Chart::new(&report.incident, &report.series, Quantity::Packets).svg();
    assert_eq!(svg.matches("#f6ead9").count(), 2, "waves");
    assert_eq!(svg.matches("fill=\"#b5412f\"").count(), 220 + 1, "a column a second, and the legend");
    assert!(svg.contains(">monitoring<") && svg.contains(">20,000<"), "{svg}");
    let bits = Chart::new(&report.incident, &report.series, Quantity::Bits).svg();
    assert!(bits.contains("10 Mbit/s"));
    assert!(Chart::new(&report.incident, &[], Quantity::Bits).svg().ends_with("</svg>\n"));
}

#[test]
fn long_words_and_texts_are_cut_into_lines() {
    assert_eq!(wrapped("ab cd efgh", 5), ["ab cd", "efgh"]);
    assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    assert_eq!(wrapped("", 5), [""]);
    let row = list_row(&report().incident);
    assert_eq!(row[0..4], ["7", "resolved", "2026-11-30 00:53", "8 min 20 s"].map(String::from));
}

#[test]
fn addresses_are_called_forged_where_that_is_certain_and_not_after_a_wave_that_repeats_them() {
    let mut incident = report().incident;
    incident.sources.bogons = 0;
    let whose = |incident: &Incident| summary(incident).join(" ");
    assert!(whose(&incident).contains("their addresses are forged"));
    incident.sources.once = 1_200;
    let later = whose(&incident);
    assert!(!later.contains("are forged") && later.contains("not certain of all"), "{later}");
    incident.sources.bogons = 400;
    incident.sources.contradict = 40;
    let certain = whose(&incident);
    assert!(
        certain.contains("10 % claim an address that nobody has: these are certainly forged"),
        "{certain}"
    );
    assert!(certain.contains("1 % came by another way"), "{certain}");
}
