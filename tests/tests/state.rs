//! The state directory is damaged: what is left is enforced, and nothing is made worse until an operator says so.

use std::{collections::BTreeMap, fs, path::Path};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::protected::Protected;
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Exit code of `status` while something is wrong.
const IMPAIRED: i32 = 9;
/// Exit code of a change that is refused as the state is damaged.
const REFUSED: i32 = 13;

fn files(directory: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
    }
    Ok(files)
}

#[test]
fn a_state_without_its_witness_is_enforced_and_left_as_it_is_until_it_is_accepted() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("nowitness", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.ok(&["block", "add", "198.51.100.0/24", "--for", "3s"])?;
    host.end(Signal::SIGTERM)?;
    // What is in force is to be what the daemon has read, and not what an earlier one has left.
    host.ok(&["detach", "eth0", "--bpffs", &host.bpffs().display().to_string()])?;
    let state = host.state_dir();
    fs::remove_file(state.join("witness"))?;
    let before = files(&state)?;
    let [blocked, for_a_time] =
        ["203.0.113.7", "198.51.100.7"].map(|source| host.from(source).udp(1, 2).build());

    host.launch_with(&[], IMPAIRED)?;
    assert!(!host.passes(&blocked)?, "what can be read is not enforced");
    let (_, said) = host.fails(&["status"])?;
    assert!(said.contains("witness is missing") && said.contains("--accept-state"), "{said}");
    assert!(host.log().contains("witness is missing"), "{}", host.log());
    let list = host.file("list.txt");
    fs::write(&list, "192.0.2.128\n")?;
    let changes: [&[&str]; 7] = [
        &["block", "add", "192.0.2.128"],
        &["allow", "add", "203.0.113.7"],
        &["block", "rm", "203.0.113.0/24"],
        &["block", "flush", "--yes"],
        &["block", "import", &list.display().to_string()],
        &["limit", "set", "packets", "10/s"],
        &["signature", "add", "tcp", "flags=syn", "window=0"],
    ];
    for change in changes {
        let (code, said) = host.fails(change)?;
        assert_eq!(code, REFUSED, "{change:?}: {said}");
        assert!(said.contains("witness is missing") && said.contains("--accept-state"), "{said}");
    }
    let signatures = host.json(&["signature", "list"])?;
    assert_eq!(signatures["signatures"], serde_json::json!([]), "a signature that was refused is there");
    host.ok(&["bypass", "on", "--for", "1m"])?;
    assert!(host.passes(&blocked)?, "a bypass is possible at all times");
    host.ok(&["bypass", "off"])?;
    assert!(!host.passes(&blocked)?);
    let deadline = std::time::Instant::now() + floodwall_tests::protected::PATIENCE;
    while !host.passes(&for_a_time)? {
        assert!(std::time::Instant::now() < deadline, "an entry does not expire");
    }
    host.end(Signal::SIGTERM)?;
    assert_eq!(files(&state)?, before, "something was written, or removed");

    host.launch_with(&["--accept-state"], 0)?;
    assert!(!host.passes(&blocked)?);
    assert!(host.log().contains("witness is missing: accepted"), "{}", host.log());
    host.ok(&["block", "add", "192.0.2.128"])?;
    host.end(Signal::SIGTERM)?;
    host.launch()?;
    assert_eq!(host.json_lines(&["block", "list"])?.len(), 2);
    let aside = fs::read_dir(&state)?.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.is_dir());
    let aside = files(&aside.expect("nothing was set aside"))?;
    assert_eq!(aside.get("state-1.db"), before.get("state-1.db"));
    Ok(())
}

#[test]
fn what_is_cut_off_is_told_and_costs_nothing_else() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("cutoff", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.ok(&["block", "add", "198.51.100.0/24"])?;
    host.end(Signal::SIGKILL)?;
    let log = host.state_dir().join("state-1.db-wal");
    let whole = fs::read(&log)?;
    fs::write(&log, &whole[..whole.len() - 1])?;
    host.launch_with(&[], IMPAIRED)?;
    let blocked = host.from("203.0.113.7").udp(1, 2).build();
    assert!(!host.passes(&blocked)?);
    let (code, said) = host.fails(&["block", "add", "192.0.2.128"])?;
    assert_eq!(code, REFUSED, "{said}");
    assert!(said.contains("record 3 of state-1.db is missing"), "{said}");
    host.end(Signal::SIGTERM)?;
    assert_eq!(fs::read(&log)?, whole[..whole.len() - 1], "what is damaged is left as it is");

    // As an operator might put it right.
    fs::write(&log, &whole)?;
    host.launch()?;
    host.ok(&["block", "rm", "203.0.113.0/24", "198.51.100.0/24"])?;
    Ok(())
}

#[test]
fn a_state_is_looked_after_while_no_daemon_uses_it() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("offline", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24", "--note", "by hand"])?;
    let list = host.file("list.txt");
    fs::write(&list, "198.51.100.7\n2001:db9::/32\n")?;
    host.ok(&["block", "import", &list.display().to_string(), "--name", "list"])?;
    let listed = host.json_lines(&["block", "list"])?;
    let state = host.state_dir();
    let directory = state.display().to_string();
    let offline = |verb: &[&str]| host.run(&[&["state"], verb, &["--state-dir", &directory]].concat());
    let repair = offline(&["repair"])?;
    let said = String::from_utf8_lossy(&repair.stderr);
    assert!(repair.status.code() == Some(4) && said.contains("another floodwall uses"), "{said}");
    // What changes nothing may be asked while the daemon goes on.
    let check = offline(&["check"])?;
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && said.contains("1 entries, 1 imports with 2 prefixes"), "{said}");
    let running = offline(&["export"])?;
    assert!(running.status.success(), "{}", String::from_utf8_lossy(&running.stderr));
    host.end(Signal::SIGKILL)?;
    let offline = |verb: &[&str]| host.run(&[&["state"], verb, &["--state-dir", &directory]].concat());
    let check = offline(&["check"])?;
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && said.contains("1 entries, 1 imports with 2 prefixes"), "{said}");

    fs::remove_file(state.join("witness"))?;
    assert_eq!(offline(&["check"])?.status.code(), Some(REFUSED));
    let export = offline(&["export"])?;
    assert_eq!(export.status.code(), Some(REFUSED), "not known to be all");
    assert!(String::from_utf8_lossy(&export.stderr).contains("witness is missing"));
    let text = host.file("state.txt");
    fs::write(&text, &export.stdout)?;
    let repair = offline(&["repair"])?;
    assert!(repair.status.success(), "{}", String::from_utf8_lossy(&repair.stderr));
    host.launch()?;
    assert_eq!(host.json_lines(&["block", "list"])?, listed, "after a repair");
    host.end(Signal::SIGTERM)?;

    fs::remove_dir_all(&state)?;
    host.ok(&["state", "import", &text.display().to_string(), "--state-dir", &directory])?;
    host.launch()?;
    assert_eq!(host.json_lines(&["block", "list"])?, listed, "from the text");
    assert!(!host.passes(&host.from("198.51.100.7").udp(1, 2).build())?);
    Ok(())
}

#[test]
fn a_state_of_an_earlier_version_is_taken_over() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("earlier", BINARY)?;
    host.end(Signal::SIGTERM)?;
    let state = host.state_dir();
    fs::remove_dir_all(&state)?;
    fs::create_dir(&state)?;
    fs::write(state.join("snapshot.jsonl"), "{\"version\":1,\"journal\":1}\n")?;
    let add = "{\"change\":\"add\",\"list\":\"block\",\"prefix\":\"203.0.113.0/24\",\"since\":1,\"note\":\"old\"}\n";
    fs::write(state.join("journal-1.jsonl"), add)?;
    host.launch()?;
    assert!(host.log().contains("the state was of an earlier format"), "{}", host.log());
    for _ in 0..2 {
        let list = host.ok(&["block", "list"])?;
        assert!(list.contains("203.0.113.0/24") && list.contains("old"), "{list}");
        host.end(Signal::SIGKILL)?;
        host.launch()?;
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&state)?.permissions());
    assert_eq!(mode & 0o777, 0o700, "others can look into it");
    Ok(())
}
