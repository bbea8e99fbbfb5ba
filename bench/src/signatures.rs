//! As many signatures as there can be, of the forms that detection makes.

use anyhow::Context as _;
use floodwall::signature::{Effect, Image, Signature};
use floodwall_common::wire::signature::{HALF_WORDS, MAX_SIGNATURES};

use crate::floodwall::Floodwall;

/// The half of the table that they are written to, as the settings tell it.
pub(crate) const HALF: u64 = 1;

/// Writes them where the kernel program looks for them; none is in force yet.
pub(crate) fn write(floodwall: &Floodwall) -> anyhow::Result<()> {
    let signatures: Vec<Signature> = (0..MAX_SIGNATURES).map(signature).collect::<anyhow::Result<_>>()?;
    // Most drop; each eighth is still on trial.
    let effect = |bit: usize| if bit.is_multiple_of(8) { Effect::Count } else { Effect::DropOnce };
    let listed: Vec<_> =
        signatures.iter().enumerate().map(|(bit, signature)| Some((signature, effect(bit)))).collect();
    let image = Image::new(&listed).context("laying signatures out")?;
    image.write(&floodwall.tables.signatures[..HALF_WORDS as usize]);
    Ok(())
}

/// Different ones for each number. A quarter is about ACKs, as those that are measured, so that these are held against
/// more than the first fields; none matches them.
fn signature(number: u32) -> anyhow::Result<Signature> {
    let text = match number % 4 {
        0 => format!(
            "tcp flags=syn ttl={}-{} len=40 window={} sport=1024-65535 dport={}",
            230 + number % 16,
            236 + number % 16,
            512 * (1 + number),
            [80, 443, 22, 25_565][number as usize / 4 % 4],
        ),
        1 => {
            format!(
                "tcp flags=ack ttl=40-{} header=5 window={} dport=443 new-sources",
                64 + number,
                1 + number
            )
        }
        2 => format!(
            "udp ttl=30-{} len={}-1500 sport={} byte0={:#04x} byte3=0x2a",
            100 + number,
            400 + number,
            [53, 123, 389, 1_900][number as usize / 4 % 4],
            number,
        ),
        _ => format!(
            "tcp flags=psh+ack header=8 options=0x0108 data={}-{} byte0=0x16 byte{}=0x01 new-sources",
            number,
            100 + number,
            1 + number % 15,
        ),
    };
    text.parse().with_context(|| format!("making the signature `{text}`"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_are_different() {
        let all: HashSet<Signature> = (0..MAX_SIGNATURES).map(|number| signature(number).unwrap()).collect();
        assert_eq!(all.len(), MAX_SIGNATURES as usize);
    }
}
