//! Who is logged in, and from where: as the kernel's sockets and logind have it.
//!
//! What a process says of itself (`SSH_CONNECTION` in its environment) it may have made up, so that nothing rests on it. A
//! login is a connection to a port at which something listens, held by an SSH server that the one who asks descends from; of
//! whoever else is logged in, one that an SSH server of root's holds for a session that has begun, which it is only once
//! somebody has proven who they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::sockets::{Accepted, accepted};

/// Processes that are followed upwards; a chain of shells, sudo and a terminal multiplexer is far shorter.
const MAX_ANCESTORS: usize = 64;
/// Programs that let people in by SSH: OpenSSH (before 9.8 and since), Dropbear, tinyssh.
const SERVERS: [&str; 5] = ["sshd", "sshd-session", "sshd-auth", "dropbear", "tinysshd"];
/// Where logind keeps its sessions, a file each (sd-login(3)).
const SESSIONS: &str = "/run/systemd/sessions";

/// The connections by which the process `pid` is logged in: those that an SSH server has accepted that it descends from.
/// Empty if it is a local login.
pub fn logins_of(pid: i32) -> Vec<Accepted> {
    let accepted = accepted().unwrap_or_default();
    if accepted.is_empty() {
        return Vec::new();
    }
    let mut found = BTreeSet::new();
    let mut pid = pid;
    for _ in 0..MAX_ANCESTORS {
        if is_server(pid) {
            found.extend(sockets_of(pid).filter_map(|inode| accepted.get(&inode).copied()));
        }
        match stat(pid) {
            Some(Process { parent, .. }) if parent > 1 => pid = parent,
            _ => break,
        }
    }
    found.into_iter().collect()
}

/// Addresses that anybody is logged in from.
pub fn all_login_addresses() -> Vec<IpAddr> {
    let mut addresses = sessions(Path::new(SESSIONS));
    addresses.extend(by_sockets());
    addresses.into_iter().collect()
}

/// Addresses of the connections that SSH servers hold for sessions.
fn by_sockets() -> BTreeSet<IpAddr> {
    let accepted = accepted().unwrap_or_default();
    if accepted.is_empty() {
        return BTreeSet::new();
    }
    let processes: BTreeMap<i32, Process> = numbered().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let mut servers = BTreeSet::new();
    for (pid, process) in &processes {
        // What is begun for somebody who has proven who they are leads a session of processes of its own; what an SSH
        // server asks before that (AuthorizedKeysCommand) does not.
        if process.session != *pid || is_server(*pid) {
            continue;
        }
        let mut above = process.parent;
        for _ in 0..MAX_ANCESTORS {
            if above <= 1 {
                break;
            }
            if is_server(above) && is_of_root(above) {
                servers.insert(above);
            }
            match processes.get(&above) {
                Some(next) => above = next.parent,
                None => break,
            }
        }
    }
    let inodes = servers.into_iter().flat_map(sockets_of);
    inodes.filter_map(|inode| accepted.get(&inode)).map(|login| login.peer).collect()
}

/// Addresses of the sessions from elsewhere that logind has.
fn sessions(directory: &Path) -> BTreeSet<IpAddr> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| remote(&fs::read_to_string(file.path()).ok()?)).collect()
}

/// Where a session comes from, if it is one from elsewhere and not at its end.
fn remote(session: &str) -> Option<IpAddr> {
    let value = |name: &str| session.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    if value("REMOTE") != Some("1") || !matches!(value("STATE"), Some("active" | "online")) {
        return None;
    }
    // It may be a name, as PAM had it.
    let address = value("REMOTE_HOST")?.split('%').next()?.parse::<IpAddr>().ok()?.to_canonical();
    (!address.is_loopback()).then_some(address)
}

fn numbered() -> impl Iterator<Item = i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Inodes of the sockets that a process has open.
fn sockets_of(pid: i32) -> impl Iterator<Item = u64> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

/// Whether a process runs the program of an SSH server, as the kernel has it.
fn is_server(pid: i32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // One that was upgraded meanwhile.
    SERVERS.contains(&name.strip_suffix(" (deleted)").unwrap_or(name))
}

fn is_of_root(pid: i32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok_and(|metadata| metadata.uid() == 0)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    parent: i32,
    session: i32,
}

fn stat(pid: i32) -> Option<Process> {
    process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `12 (name) S 7 12 12 …`: state, parent, group and session stand behind the name, which may hold anything.
fn process(stat: &str) -> Option<Process> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_command_name_does_not_hide_the_parent() {
        assert_eq!(process("12 (a) S 99 (b) R 7 12 13 0"), Some(Process { parent: 7, session: 13 }));
        assert_eq!(process("garbage"), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_not_logged_in() {
        assert!(logins_of(i32::MAX).is_empty());
    }

    #[test]
    fn sessions_from_elsewhere_are_found_by_their_address() {
        let session = |remote: &str, host: &str, state: &str| {
            format!("UID=0\nUSER=root\nREMOTE={remote}\nREMOTE_HOST={host}\nSTATE={state}\n")
        };
        let found = |text: &str| remote(text).map(|address| address.to_string());
        assert_eq!(found(&session("1", "198.51.100.7", "active")).as_deref(), Some("198.51.100.7"));
        assert_eq!(found(&session("1", "::ffff:198.51.100.7", "online")).as_deref(), Some("198.51.100.7"));
        assert_eq!(found(&session("1", "fe80::1%eth0", "active")).as_deref(), Some("fe80::1"));
        for (remote, host, state) in [
            ("0", "198.51.100.7", "active"),
            ("1", "198.51.100.7", "closing"),
            ("1", "client.example", "active"),
            ("1", "127.0.0.1", "active"),
        ] {
            assert_eq!(found(&session(remote, host, state)), None, "{remote} {host} {state}");
        }
        assert_eq!(found("REMOTE_HOST=198.51.100.7\n"), None);
    }
}
