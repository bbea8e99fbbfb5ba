//! Networks and countries by databases that change, on a daemon: their lists follow, and a country is blocked while a service is
//! attacked. So do the ranges of a CDN.

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
    requests::syn,
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

#[test]
fn the_ranges_of_a_cdn_get_through_a_lockdown_and_follow_their_file() -> anyhow::Result<()> {
    or_skip!(require_root());
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("ranges.json");
    let write = |address: &str| fs::write(&file, format!("{{\"addresses\": [\"{address}\"]}}"));
    write("198.51.100.0/25")?;
    let configuration = format!("[origin]\ncdn.edge = \"{}\"\n", file.display());
    let host = Protected::start_as_configured("cdn", BINARY, &configuration)?;
    until(&host, "the ranges are read", || Ok(host.run(&["allow", "add", "cdn:edge"])?.status.success()))?;
    host.ok(&["lockdown", "on", "default"])?;
    assert!(host.passes(&syn(&host, "198.51.100.7", 40_000))?, "it is of the CDN's");
    assert!(!host.passes(&syn(&host, "198.51.100.200", 40_000))?, "it is not");
    let why = host.ok(&["why", "198.51.100.7"])?;
    assert!(why.contains("cdn:edge"), "{why}");

    // The list follows its file.
    write("198.51.100.128/25")?;
    until(&host, "the list follows its file", || host.passes(&syn(&host, "198.51.100.200", 40_001)))?;
    assert!(!host.passes(&syn(&host, "198.51.100.7", 40_001))?);

    let hand = directory.path().join("crawler.txt");
    fs::write(&hand, "203.0.113.0/24\n")?;
    let hand = hand.display().to_string();
    let said = host.ok(&["allow", "import", &hand, "--as", "cdn:crawler"])?;
    assert_eq!(said, "allowed cdn:crawler (1 prefixes): 1 new, 0 were there already\n");
    assert!(host.passes(&syn(&host, "203.0.113.7", 40_000))?);
    fs::write(directory.path().join("crawler.txt"), "")?;
    let (code, said) = host.fails(&["allow", "import", &hand, "--as", "cdn:crawler"])?;
    assert!(code == 2 && said.contains("crawler.txt: it holds no range"), "{code} {said}");
    assert!(host.passes(&syn(&host, "203.0.113.8", 40_000))?, "what was there stays");
    host.ok(&["allow", "rm", "cdn:crawler"])?;
    assert!(!host.passes(&syn(&host, "203.0.113.9", 40_000))?);
    Ok(())
}
