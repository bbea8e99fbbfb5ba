//! `floodwall doctor`: proves that what is said to be filtered is.

use std::io::{self, Write};

use super::{
    exit::{Done, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::api::{DoctorCheck, DoctorReport, path};

/// Asks the daemon to examine the filter; the exit code says whether all is sound.
pub(super) async fn apply(session: &mut Session<'_>) -> Result<Done, Stop> {
    let report: DoctorReport = session.client.get(path::DOCTOR).await?;
    session.answer(&report, render)?;
    let sound = report.checks.iter().all(|check| check.sound);
    Ok(if sound { Done::Plain } else { Done::Impaired })
}

fn render(report: &DoctorReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for DoctorCheck { check, interface, sound, text } in &report.checks {
        let about = interface.as_ref().map(|interface| format!(" of {interface}")).unwrap_or_default();
        let what = units::printable(&format!("{check}{about}"));
        let text = units::printable(text);
        if *sound {
            writeln!(out, "{} {what}: {text}", style.good("ok     "))?;
        } else {
            writeln!(out, "{} {what}: {text}", style.bad("NOT OK "))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_found() {
        let check = |check: &str, interface: Option<&str>, sound| DoctorCheck {
            check: check.into(),
            interface: interface.map(str::to_owned),
            sound,
            text: "as found".into(),
        };
        let report =
            DoctorReport { checks: vec![check("link", Some("eth0"), true), check("maps", None, false)] };
        let mut out = Vec::new();
        render(&report, &mut out, Style::plain()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "ok      link of eth0: as found\nNOT OK  maps: as found\n"
        );
    }
}
