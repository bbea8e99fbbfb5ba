//! Where the one who asks is logged in from.

use std::{fs, net::IpAddr};

/// Processes that are followed upwards; a chain of shells, sudo and a terminal multiplexer is far shorter.
const MAX_ANCESTORS: usize = 64;

/// Addresses that the process `pid`, or one that it descends from, is logged in from by SSH.
///
/// Read off `SSH_CONNECTION` (sshd(8)) in the environment of the process and of its ancestors, since sudo
/// strips the variable from the process itself. Empty if it is a local login.
pub fn login_addresses(pid: i32) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut pid = pid;
    for _ in 0..MAX_ANCESTORS {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        addresses.extend(ssh_client(&environment));
        match fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| parent(&stat)) {
            Some(above) if above > 1 => pid = above,
            _ => break,
        }
    }
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Addresses that any process of this machine is logged in from by SSH.
pub fn all_login_addresses() -> Vec<IpAddr> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered =
        processes.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    let mut addresses: Vec<_> =
        numbered.filter_map(|process| ssh_client(&fs::read(process.path().join("environ")).ok()?)).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// The client's address out of a block of `NAME=value` entries that end in NUL.
fn ssh_client(environment: &[u8]) -> Option<IpAddr> {
    environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .find_map(|entry| entry.strip_prefix("SSH_CONNECTION=").or_else(|| entry.strip_prefix("SSH_CLIENT=")))
        .and_then(|connection| connection.split_whitespace().next())
        // A link-local address comes with its interface: fe80::1%eth0.
        .and_then(|address| address.split('%').next())
        .and_then(|address| address.parse::<IpAddr>().ok())
        .map(|address| address.to_canonical())
}

/// The parent's process id out of `/proc/PID/stat`; the command in it may contain anything, parentheses too.
fn parent(stat: &str) -> Option<i32> {
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_found_among_other_variables() {
        let environment = b"HOME=/home/op\0SSH_CONNECTION=198.51.100.7 50022 192.0.2.10 22\0PATH=/bin\0";
        assert_eq!(ssh_client(environment), "198.51.100.7".parse().ok());
        assert_eq!(ssh_client(b"SSH_CLIENT=fe80::1%eth0 50022 22\0"), "fe80::1".parse().ok());
        assert_eq!(ssh_client(b"NOT_SSH_CONNECTION=198.51.100.7 1 2 3\0"), None);
        assert_eq!(ssh_client(b"SSH_CONNECTION=\0"), None);
    }

    #[test]
    fn a_hostile_command_name_does_not_hide_the_parent() {
        assert_eq!(parent("12 (a) S 99 (b) R 7 12 12 0"), Some(7));
        assert_eq!(parent("garbage"), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_not_logged_in() {
        assert!(login_addresses(i32::MAX).is_empty());
    }
}
