//! The interfaces that are to be filtered, and the attachments that do it.

use super::interface_step::Bare;
use crate::{
    api::InterfaceStatus,
    host::Interface,
    kernel::{Attachment, Link},
};

/// An interface that is to be filtered.
#[derive(Debug)]
pub(super) struct ProtectedInterface {
    /// What it was asked for by: its name, or an alternative one.
    pub(super) name: String,
    /// Stands under the name that the interface has.
    pub(super) attachment: Option<Attachment>,
    /// Why it is not filtered; `None` if it is, or has not been looked at yet.
    pub(super) bare: Option<Bare>,
    pub(super) was_put_back: bool,
    /// It is not attached by itself any more.
    pub(super) waits: bool,
    /// The interface as it was when it could not be attached.
    pub(super) refused: Option<Interface>,
    /// The other entry that this name stands for the interface of.
    pub(super) shares: Option<String>,
    /// Other names that the interface has.
    pub(super) other_names: Vec<String>,
}

/// All of them, and what was one of them once.
#[derive(Debug, Default)]
pub(super) struct ProtectedInterfaces {
    pub(super) interfaces: Vec<ProtectedInterface>,
    /// Attachments whose interface has another name now, or is in another network namespace; with the name it had.
    pub(super) elsewhere: Vec<(String, Attachment)>,
}

impl ProtectedInterfaces {
    /// Interfaces that are to be filtered, and have not been looked at yet.
    pub(super) fn new(names: &[String]) -> Self {
        Self {
            interfaces: names.iter().map(|name| ProtectedInterface::new(name)).collect(),
            elsewhere: Vec::new(),
        }
    }

    /// What the interfaces that are to be filtered were asked for by.
    pub(super) fn names(&self) -> Vec<String> {
        self.interfaces.iter().map(|entry| entry.name.clone()).collect()
    }

    /// Names under which attachments stand.
    pub(super) fn attached(&self) -> Vec<String> {
        self.attachments().map(|attachment| attachment.interface.clone()).collect()
    }

    /// Indices of the interfaces that are filtered, as far as they are in this network namespace.
    pub(super) fn indices(&self) -> Vec<u32> {
        self.attachments().map(|attachment| attachment.ifindex).collect()
    }

    fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        let elsewhere = self.elsewhere.iter().map(|(_, attachment)| attachment);
        self.interfaces.iter().filter_map(|entry| entry.attachment.as_ref()).chain(elsewhere)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.interfaces.is_empty() && self.elsewhere.is_empty()
    }

    pub(super) fn statuses(&self) -> Vec<InterfaceStatus> {
        let elsewhere = self.elsewhere.iter().map(|(before, attachment)| status(attachment, [before]));
        let own = self.interfaces.iter().filter(|entry| entry.shares.is_none());
        own.map(|entry| self.status_of(entry)).chain(elsewhere).collect()
    }

    /// How an entry stands, with all names that it is known by.
    pub(super) fn status_of(&self, entry: &ProtectedInterface) -> InterfaceStatus {
        let sharing = self.interfaces.iter().filter(|other| other.shares.as_ref() == Some(&entry.name));
        let mut status = entry.status();
        let others = sharing.map(|other| &other.name).filter(|name| !status.is_called(name));
        let others: Vec<_> = others.cloned().collect();
        status.other_names.extend(others);
        status
    }

    /// Why interfaces are not filtered that are to be.
    pub(super) fn problems(&self) -> Vec<String> {
        let bare =
            self.interfaces.iter().filter_map(|entry| Some(entry.bare.as_ref()?.of(&entry.name).to_string()));
        bare.collect()
    }

    /// What an operator should know about those that are filtered.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.interfaces.iter().filter_map(|entry| warning(entry.attachment.as_ref()?)).collect()
    }

    /// What was asked for by this name.
    pub(super) fn get(&mut self, name: &str) -> Option<&mut ProtectedInterface> {
        self.interfaces.iter_mut().find(|entry| entry.name == name)
    }

    /// Takes an interface up, or out of its waiting: it is attached at the next look.
    pub(super) fn want(&mut self, name: &str) {
        if self.get(name).is_none() {
            self.interfaces.push(ProtectedInterface::new(name));
        }
        if let Some(entry) = self.get(name) {
            (entry.waits, entry.was_put_back, entry.refused) = (false, false, None);
        }
    }

    /// What holds an interface's attachment, and the index that it had when it was attached.
    pub(super) fn link_of(&self, name: &str) -> Option<(Link, u32)> {
        let entry = self.interfaces.iter().find(|entry| entry.name == name)?;
        entry.attachment.as_ref().map(|attachment| (attachment.link(), attachment.ifindex))
    }

    /// What holds the attachments of other entries to the interface with this index, and the names that these were asked for by.
    pub(super) fn others_with(&self, name: &str, index: u32) -> Vec<(String, Link)> {
        let others = self.interfaces.iter().filter(|entry| entry.name != name);
        let held = others.filter_map(|entry| Some((&entry.name, entry.attachment.as_ref()?)));
        let held = held.filter(|(_, attachment)| attachment.ifindex == index);
        held.map(|(other, attachment)| (other.clone(), attachment.link())).collect()
    }

    /// What holds the attachments whose interface is not where it was.
    pub(super) fn links_elsewhere(&self) -> Vec<Link> {
        self.elsewhere.iter().map(|(_, attachment)| attachment.link()).collect()
    }

    /// Takes out the one of them that this link holds, with the name that its interface had.
    pub(super) fn take_elsewhere(&mut self, link: &Link) -> Option<(String, Attachment)> {
        let place = self.elsewhere.iter().position(|(_, attachment)| attachment.link().is(link))?;
        Some(self.elsewhere.remove(place))
    }

    /// Names under which attachments stand that are to be detached if this interface is no longer to be filtered.
    pub(super) fn held(&self, name: &str) -> Vec<String> {
        let own = self.interfaces.iter().filter(|entry| self.is_meant(entry, name));
        let own = own.filter_map(|entry| entry.attachment.as_ref());
        let elsewhere = self.elsewhere.iter().filter(|(before, held)| self.was(before, held, name));
        let elsewhere = elsewhere.map(|(_, attachment)| attachment);
        own.chain(elsewhere).map(|attachment| attachment.interface.clone()).collect()
    }

    /// The interface is no longer to be filtered, by whichever of its names.
    pub(super) fn forget(&mut self, name: &str) {
        let gone = |(before, held): &(String, Attachment)| self.was(before, held, name);
        let elsewhere: Vec<bool> = self.elsewhere.iter().map(gone).collect();
        let before = self.elsewhere.iter().zip(&elsewhere).filter(|(_, gone)| **gone);
        let before: Vec<String> = before.map(|((before, _), _)| before.clone()).collect();
        let own = self.interfaces.iter().filter(|entry| {
            // One that has taken the name of what was renamed is another interface.
            self.is_meant(entry, name) || entry.attachment.is_none() && before.contains(&entry.name)
        });
        let own: Vec<String> = own.map(|entry| entry.name.clone()).collect();
        let shares =
            |entry: &ProtectedInterface| entry.shares.as_ref().is_some_and(|other| own.contains(other));
        self.interfaces.retain(|entry| !(own.contains(&entry.name) || shares(entry)));
        let mut elsewhere = elsewhere.into_iter();
        self.elsewhere.retain(|_| !elsewhere.next().unwrap_or(false));
    }

    /// Whether a name means an entry: its own, another of its interface, or one of an entry that shares it.
    fn is_meant(&self, entry: &ProtectedInterface, name: &str) -> bool {
        let shares =
            |other: &ProtectedInterface| other.name == name && other.shares.as_ref() == Some(&entry.name);
        entry.is_called(name) || self.interfaces.iter().any(shares)
    }

    /// Whether a name means an attachment whose interface is elsewhere: it has it, or had it and nothing else has it now.
    fn was(&self, before: &str, attachment: &Attachment, name: &str) -> bool {
        let stands_as = &attachment.interface;
        let is_taken =
            || self.interfaces.iter().any(|entry| entry.name == name && entry.attachment.is_some());
        stands_as == name || *stands_as == moved(name) || before == name && !is_taken()
    }
}

impl ProtectedInterface {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            attachment: None,
            bare: None,
            was_put_back: false,
            waits: false,
            refused: None,
            shares: None,
            other_names: Vec::new(),
        }
    }

    /// Whether it was asked for by this name, or its interface has it.
    fn is_called(&self, name: &str) -> bool {
        let attached = self.attachment.as_ref();
        self.name == name
            || attached.is_some_and(|attachment| {
                attachment.interface == name || self.other_names.iter().any(|other| other == name)
            })
    }

    pub(super) fn status(&self) -> InterfaceStatus {
        match (&self.attachment, &self.bare) {
            (Some(attachment), None) => status(attachment, self.other_names.iter().chain([&self.name])),
            _ => InterfaceStatus {
                name: self.name.clone(),
                other_names: Vec::new(),
                ifindex: 0,
                mode: "none".to_owned(),
                filtered: false,
            },
        }
    }
}

fn status<'a>(attachment: &Attachment, names: impl IntoIterator<Item = &'a String>) -> InterfaceStatus {
    let Attachment { interface, ifindex, native, .. } = attachment;
    let mode = if *native { "native" } else { "generic" };
    let mut other_names: Vec<_> = names.into_iter().filter(|name| *name != interface).cloned().collect();
    other_names.sort();
    other_names.dedup();
    let (name, mode) = (interface.clone(), mode.to_owned());
    InterfaceStatus { name, other_names, ifindex: *ifindex, mode, filtered: true }
}

/// The name under which an attachment stands whose interface is in another network namespace. No interface has it.
pub(super) fn moved(name: &str) -> String {
    format!("{name} elsewhere")
}

/// What an operator should know about an attachment.
fn warning(attachment: &Attachment) -> Option<String> {
    let Attachment { interface, native, fallback, .. } = attachment;
    if *native {
        return None;
    }
    let why = fallback.as_deref().unwrap_or("it was asked for");
    Some(format!("{interface} is filtered in generic mode, at several times the cost per packet: {why}"))
}
