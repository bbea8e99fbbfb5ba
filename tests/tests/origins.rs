//! Networks and countries by databases that change, on a daemon: their lists follow, and a country is blocked while a service is
//! attacked.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{
    maxmind::{country, database},
    or_skip,
    skip::require_root,
};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::Protected,
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Databases are looked at every ten seconds, and taken once they have stayed the same; an attack ends some seconds after its
/// last packet.
const PATIENCE: Duration = Duration::from_secs(90);

fn until(
    host: &Protected,
    what: &str,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        anyhow::ensure!(Instant::now() < deadline, "never: {what}\n{}", host.log());
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn is_blocked(host: &Protected, address: &str) -> anyhow::Result<bool> {
    Ok(host.json(&["block", "test", address])?["decided_by"] == "block")
}

#[test]
fn lists_follow_databases_and_attacks() -> anyhow::Result<()> {
    or_skip!(require_root());
    let directory = tempfile::tempdir()?;
    let file = |name: &str| directory.path().join(name);
    fs::write(file("networks.txt"), "203.0.113.0\t24\t64500\n")?;
    fs::write(file("countries.mmdb"), database(&[("198.51.100.0/24", country("ZZ"))]))?;
    let configuration = format!(
        "[origin]\nasn = \"{}\"\ncountry = \"{}\"\n",
        file("networks.txt").display(),
        file("countries.mmdb").display()
    );
    let host = Protected::start_as_configured("origins", BINARY, &configuration)?;
    let _listener = listen(&host)?;

    until(&host, "the databases are read", || {
        let source = host.json(&["source", "show", "198.51.100.7"])?;
        Ok(source["origin"]["country"] == "ZZ")
    })?;
    assert!(host.ok(&["block", "add", "asn:64500"])?.contains("blocked asn:64500 (1 prefixes)"));
    assert!(is_blocked(&host, "203.0.113.7")?);
    let why = host.ok(&["why", "203.0.113.7"])?;
    assert!(why.contains("of AS64500") && why.contains("floodwall block rm asn:64500"), "{why}");
    let (code, said) = host.fails(&["block", "add", "asn:64999"])?;
    assert!(code == 3 && said.contains("asn:64999 has no prefix in"), "{code} {said}");

    fs::write(file("networks.txt"), "203.0.113.0\t25\t64500\n")?;
    until(&host, "the list follows the database", || Ok(!is_blocked(&host, "203.0.113.200")?))?;
    assert!(is_blocked(&host, "203.0.113.7")?);

    host.ok(&["block", "add", "country:ZZ", "--only-while-attacked"])?;
    assert!(!is_blocked(&host, "198.51.100.7")?, "there is peace");
    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(60))?;
    until(&host, "an attack has the country blocked", || is_blocked(&host, "198.51.100.7"))?;
    flood.stop()?;
    until(&host, "its end lets the country pass", || Ok(!is_blocked(&host, "198.51.100.7")?))?;
    assert!(is_blocked(&host, "203.0.113.7")?, "the other list stays");
    Ok(())
}
