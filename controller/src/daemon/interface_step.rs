//! Decides, from its link and its name alone, what is to be done with an interface that is to be filtered: attach the program,
//! put it back after another tool has detached it, follow the interface to its new name, or leave it.
//!
//! A link goes along with its device: through a new name, and into another network namespace. A device that is made
//! anew has none. Another tool may have detached it; the link then says the same as if the device were gone. None of
//! this is told by an event, so that it is asked: what the link holds, and what the name stands for.

use std::fmt;

/// An interface, as its link and its name tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InterfaceState {
    /// Index of the interface when the program was attached; `None` if it is not.
    pub(super) attached: Option<u32>,
    /// Index of the interface that the link holds now, perhaps in another network namespace; 0: none.
    pub(super) held: u32,
    /// What the name stands for at this moment: an index, and whether our program is on it.
    pub(super) named: Option<(u32, bool)>,
    /// The program has been put back already after another tool had detached it.
    pub(super) was_put_back: bool,
    /// It is not to be attached without a command.
    pub(super) waits: bool,
    /// It could not be attached, and the interface is as it was then.
    pub(super) refused: bool,
    /// What the name stands for is filtered already, by another name of the same interface.
    pub(super) shared: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is filtered; nothing.
    Filtered,
    /// There is no such interface.
    Gone,
    /// An interface has this name that is not filtered: it gets the program.
    Attach,
    /// Another tool has detached the program for the first time: it is put back.
    PutBack,
    /// Another tool has detached the program again: it stays off until somebody asks for it.
    Detached,
    /// What is filtered has another name now, or is in another network namespace.
    Elsewhere,
    /// What had another name, and is filtered, has this one again.
    Back,
    /// It could not be attached, and would not be now.
    Refused,
    /// It is filtered by another of its names.
    Shared,
}

impl InterfaceState {
    pub(super) fn step(self) -> Step {
        let Self { attached, held, named, was_put_back, waits, refused, shared } = self;
        match (attached, held, named) {
            (None | Some(_), 0, None) | (None, _, None) => Step::Gone,
            (None, _, Some(_)) | (Some(_), 0, Some(_)) if shared => Step::Shared,
            (_, 0, Some((_, true))) | (None, _, Some((_, true))) => Step::Back,
            (None, _, Some(_)) if waits => Step::Detached,
            (None, _, Some(_)) if refused => Step::Refused,
            (None, _, Some(_)) => Step::Attach,
            (Some(before), 0, Some((now, _))) if before != now => Step::Attach,
            (Some(_), 0, Some(_)) if was_put_back || waits => Step::Detached,
            (Some(_), 0, Some(_)) => Step::PutBack,
            (Some(_), held, Some((now, true))) if held == now => Step::Filtered,
            (Some(_), _, _) => Step::Elsewhere,
        }
    }
}

/// Why an interface is not filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// There is no interface of that name.
    Gone,
    /// It has another name now, under which it is filtered.
    Renamed(String),
    /// It is filtered in another network namespace.
    Moved,
    /// Another tool has detached the program, and again after it was put back.
    Detached,
    /// The program could not be attached.
    Refused(String),
}

impl Bare {
    /// That attaching has failed.
    pub(super) fn refused(error: &anyhow::Error) -> Self {
        Self::Refused(shortened(format!("{error:#}")))
    }

    /// What an operator is told of `interface`.
    pub(super) fn of<'a>(&'a self, interface: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |formatter| {
            write!(formatter, "{interface} IS NOT FILTERED: ")?;
            match self {
                Self::Gone => write!(
                    formatter,
                    "there is no interface of that name; it is filtered as soon as there is one"
                ),
                Self::Renamed(name) => write!(
                    formatter,
                    "what had that name is {name} now, and is filtered under it; `floodwall attach {name}` says that \
                     this is as it should be"
                ),
                Self::Moved => write!(
                    formatter,
                    "what had that name is in another network namespace now, and is filtered there; \
                     `floodwall detach {interface}` takes the filter off it"
                ),
                Self::Detached => write!(
                    formatter,
                    "another tool has detached the filter again after it was put back; `floodwall attach {interface}` \
                     puts it back"
                ),
                Self::Refused(why) => write!(
                    formatter,
                    "{why}; it is tried again once the interface changes, and by `floodwall attach {interface}`"
                ),
            }
        })
    }
}

/// What is told of an error: all of it, unless it holds what the kernel's verifier has to say.
fn shortened(text: String) -> String {
    /// Characters of the beginning and of the end.
    const KEPT: usize = 300;
    let length = text.chars().count();
    if length <= 3 * KEPT {
        return text;
    }
    let (begin, end): (String, String) =
        (text.chars().take(KEPT).collect(), text.chars().skip(length - KEPT).collect());
    format!("{begin} […] {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_verifier_has_to_say_is_cut() {
        assert_eq!(shortened("no driver".into()), "no driver");
        let said = shortened(format!("begin {} end", "ü".repeat(5_000)));
        assert!(said.starts_with("begin ü") && said.ends_with("ü end"), "{said}");
        assert_eq!(said.chars().count(), 605);
    }

    #[test]
    fn what_link_and_name_tell() {
        let fine = InterfaceState {
            attached: Some(4),
            held: 4,
            named: Some((4, true)),
            ..InterfaceState::default()
        };
        for (sight, expected) in [
            (fine, Step::Filtered),
            (InterfaceState { held: 9, named: Some((9, true)), ..fine }, Step::Filtered),
            (InterfaceState { named: None, ..fine }, Step::Elsewhere),
            (InterfaceState { named: Some((7, false)), ..fine }, Step::Elsewhere),
            // Another namespace has numbers of its own.
            (InterfaceState { named: Some((4, false)), ..fine }, Step::Elsewhere),
            (InterfaceState { held: 0, named: None, ..fine }, Step::Gone),
            (InterfaceState { held: 0, named: Some((5, false)), ..fine }, Step::Attach),
            (InterfaceState { held: 0, named: Some((5, false)), was_put_back: true, ..fine }, Step::Attach),
            (InterfaceState { held: 0, named: Some((4, false)), ..fine }, Step::PutBack),
            (InterfaceState { held: 0, named: Some((4, false)), was_put_back: true, ..fine }, Step::Detached),
            (InterfaceState { attached: None, held: 0, named: None, ..fine }, Step::Gone),
            (InterfaceState { attached: None, held: 0, named: Some((6, false)), ..fine }, Step::Attach),
            (
                InterfaceState { attached: None, held: 0, named: Some((6, false)), waits: true, ..fine },
                Step::Detached,
            ),
            (InterfaceState { attached: None, held: 0, named: Some((4, true)), ..fine }, Step::Back),
            (
                InterfaceState { attached: None, held: 0, named: Some((6, false)), refused: true, ..fine },
                Step::Refused,
            ),
            (InterfaceState { attached: None, held: 0, named: None, refused: true, ..fine }, Step::Gone),
            (
                InterfaceState { attached: None, held: 0, named: Some((4, true)), shared: true, ..fine },
                Step::Shared,
            ),
            (InterfaceState { attached: Some(3), held: 0, shared: true, ..fine }, Step::Shared),
            (InterfaceState { attached: Some(3), held: 3, shared: true, ..fine }, Step::Elsewhere),
            // What had this name meanwhile went at the same moment.
            (InterfaceState { attached: Some(7), held: 0, named: Some((4, true)), ..fine }, Step::Back),
        ] {
            assert_eq!(sight.step(), expected, "{sight:?}");
        }
    }

    #[test]
    fn what_is_told_names_the_command_that_helps() {
        let said = |bare: Bare| bare.of("e0").to_string();
        assert!(said(Bare::Detached).contains("`floodwall attach e0`"));
        assert!(said(Bare::Renamed("wan0".into())).contains("wan0 now, and is filtered"));
        assert!(said(Bare::Gone).starts_with("e0 IS NOT FILTERED: there is no interface"));
    }
}
