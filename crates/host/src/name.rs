//! Names of interfaces.

/// Longest alternative name, bytes (ALTIFNAMSIZ less its end).
const LONGEST: usize = 127;

/// Whether this can be a name of an interface, its own or an alternative one; nothing that could be a path is.
pub fn is_interface_name(given: &str) -> bool {
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | ':');
    !given.is_empty() && given.len() <= LONGEST && !matches!(given, "." | "..") && given.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_what_is_longer_than_any_name_are_none() {
        for name in ["eth0", "enp3s0f0np0", "br-4f2a", "eth0.17", "wan@home", &"x".repeat(LONGEST)] {
            assert!(is_interface_name(name), "{name}");
        }
        for other in ["", ".", "..", "a/b", "a b", "eth0:1", "a\n", &"x".repeat(LONGEST + 1)] {
            assert!(!is_interface_name(other), "{other}");
        }
    }
}
