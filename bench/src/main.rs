//! Cost per packet.
mod bpf; mod candidate; mod floodwall; mod frames; mod measure; mod shapes; mod sources; mod stand; mod xdp_filter;
use std::time::Instant;
use candidate::Candidate as C;
use floodwall_common::{prefix::Family, wire::Reason};
use floodwall_lab::random::Random;
use ::floodwall::tables::Capacity;
fn main() -> anyhow::Result<()> {
    let t = Instant::now();
    let mut r = Random::new(1);
    let v4 = shapes::mixed(Family::V4, &mut r);
    let v6 = shapes::mixed(Family::V6, &mut r);
    eprintln!("shapes {:?}", t.elapsed());
    let stand = stand::Stand::load(&[&v4, &v6])?;
    eprintln!("stand {:?}", t.elapsed());
    let fw = floodwall::Floodwall::load(Capacity::default())?;
    let un = floodwall::Floodwall::load(Capacity { prefixes: 1000, ..Capacity::default() })?;
    eprintln!("floodwall {:?}", t.elapsed());
    fw.block(&[&v4, &v6])?;
    eprintln!("blocked {:?}", t.elapsed());
    stand.set(C::Floodwall, fw.program()?)?;
    stand.set(C::Unlisted, un.program()?)?;
    let x = xdp_filter::XdpFilter::load()?;
    stand.set(C::XdpFilter, x.program()?)?;
    for f in [Family::V4, Family::V6] {
        sources::fill_clean(&stand.sources, sources::Window::clean(f, sources::CLEAN), &fw.tables, None, &mut r)?;
        sources::fill_blocked(&stand.sources, sources::Window::blocked(f), if f == Family::V4 { &v4 } else { &v6 }, &mut r)?;
    }
    eprintln!("sources {:?}", t.elapsed());
    measure::stay_on_one_processor()?;
    let all = vec![C::OneRead, C::Lpm, C::Lru, C::LpmAndLru, C::XdpFilter, C::Unlisted, C::Floodwall];
    let mut groups = vec![];
    for f in [Family::V4, Family::V6] {
        for n in [1, 100_000, 1_000_000, 10_000_000] {
            groups.push(measure::Group { name: format!("{f:?} {n}"), frame: frames::Frame::Ack, window: sources::Window::clean(f, n), limits: if n == 1 { floodwall::Limits::OutOfReach } else { floodwall::Limits::Default }, candidates: all.clone(), expected: Reason::Clean });
        }
        groups.push(measure::Group { name: format!("{f:?} hot"), frame: frames::Frame::Ack, window: sources::Window::clean(f, 1), limits: floodwall::Limits::Default, candidates: all.clone(), expected: Reason::PacketRate });
        groups.push(measure::Group { name: format!("{f:?} blocked"), frame: frames::Frame::Ack, window: sources::Window::blocked(f), limits: floodwall::Limits::Default, candidates: all.clone(), expected: Reason::Blocked });
    }
    let b = measure::Bench { stand: &stand, floodwall: &fw, unlisted: &un };
    let m = b.measure(groups, measure::Pace { rounds: 5, packets: 200_000, time: 8e7 }, |n| eprintln!("round {n} {:?}", t.elapsed()))?;
    for m in m {
        print!("{:14} {:.4}", m.group.name, m.share);
        for c in &all { print!("  {}={:.1}", c.name(), m.median(*c).unwrap_or(0.0)); }
        println!();
    }
    println!("insns {:?} {:?}", fw.verified_instructions()?, t.elapsed());
    Ok(())
}
