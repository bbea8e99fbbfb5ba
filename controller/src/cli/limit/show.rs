//! `floodwall limit show`.

use std::io::{self, Write};

use crate::{
    api::{Limit, Limits, path},
    cli::{
        exit::{Done, Stop},
        session::Session,
        style::Style,
        units,
    },
};

pub(super) async fn apply(session: &mut Session<'_>) -> Result<Done, Stop> {
    let limits: Limits = session.client.get(path::LIMIT).await?;
    session.answer(&limits, render)?;
    Ok(Done::Plain)
}

pub(super) fn render(limits: &Limits, out: &mut dyn Write, _: Style) -> io::Result<()> {
    let Limits { packets, syn } = limits;
    writeln!(out, "packets  {}", words(packets.as_ref()))?;
    writeln!(out, "syn      {}", words(syn.as_ref()))
}

/// A limit, or none, as `limit set` would read it.
pub(in crate::cli) fn words(limit: Option<&Limit>) -> String {
    match limit {
        None => "off".to_owned(),
        Some(Limit { rate, burst }) => format!("{}/s, burst {}", units::count(*rate), units::count(*burst)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_words() {
        let mut out = Vec::new();
        let limits = Limits { packets: Some(Limit { rate: 20_000, burst: 40_000 }), syn: None };
        render(&limits, &mut out, Style::plain()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "packets  20,000/s, burst 40,000\nsyn      off\n");
    }
}
