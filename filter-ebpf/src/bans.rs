//! Bans, as told to the controller.

use floodwall_common::{decide::PacketContext, tables::Tables, wire::BanEvent};

use crate::maps::{BANS, Maps};

/// Tells of the ban that this packet has brought upon its source. One that finds the ring full is counted, and found by
/// the controller where it stands: in the source table.
#[inline(always)]
pub fn tell(context: &PacketContext) {
    if context.judgement.banned_until == 0 {
        return;
    }
    let Some(mut entry) = BANS.reserve::<BanEvent>(0) else {
        if let Some(settings) = Maps::WITHOUT_CONTEXT.settings() {
            settings.lost_bans.add(1);
        }
        return;
    };
    let source = context.packet.source;
    entry.write(BanEvent {
        time_ns: context.time_ns,
        until_ns: context.judgement.banned_until,
        source: [source.high, source.low],
        reason: context.reason() as u32,
        number: context.judgement.number,
        service: context.judgement.service,
        family: source.family.number(),
        known: u8::from(context.known),
        spare: [0; 2],
    });
    entry.submit(0);
}
