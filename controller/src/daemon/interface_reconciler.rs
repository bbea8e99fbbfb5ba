//! Looks after the interfaces that are to be filtered: carries out what [`interface_step`](super::interface_step) finds is to be
//! done with each.

use tracing::{error, info, warn};

use super::{
    interface_step::{Bare, InterfaceState, Step},
    protected_interfaces::{ProtectedInterface, ProtectedInterfaces, moved},
};
use crate::{
    api::InterfaceStatus,
    event::{Bus, What},
    host::Mode,
    host::{Interface, Netlink},
    kernel::{Attachment, Kernel, Link},
    lock::Mutex,
};

/// What looking after the interfaces takes.
pub(super) struct Reconciler<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) netlink: &'a Netlink,
    pub(super) mode: Mode,
    pub(super) bus: &'a Bus,
}

impl Reconciler<'_> {
    /// Looks at all of them, and mends what can be mended. The protected are locked for no longer than it takes to read or
    /// write them.
    pub(super) async fn look(&self, protected: &Mutex<ProtectedInterfaces>) {
        let names = protected.lock().names();
        for name in names {
            match self.netlink.named(&name).await {
                Ok(named) => self.look_at(protected, &name, named).await,
                Err(error) => warn!(interface = name, error = format!("{error:#}"), "cannot be looked at"),
            }
        }
        let links = protected.lock().links_elsewhere();
        for link in links {
            self.follow(protected, &link).await;
        }
    }

    /// Has what an earlier run attached stand under the names that its interfaces have now.
    pub(super) async fn keep_names(&self) -> anyhow::Result<()> {
        let there = self.netlink.interfaces().await?;
        for (before, index, program) in self.kernel.standing()? {
            let renamed = there.iter().find(|there| there.has(index, program) && there.name != before);
            let Some(Interface { name, .. }) = renamed else { continue };
            match self.kernel.rename(&before, name) {
                Ok(()) => info!(interface = name, before, "was renamed since an earlier run protected it"),
                Err(error) => warn!(interface = name, before, error = format!("{error:#}"), "was renamed"),
            }
        }
        Ok(())
    }

    /// Looks at all of them for the first time. An error if all are there and none can be filtered.
    pub(super) async fn start(&self, protected: &Mutex<ProtectedInterfaces>) -> anyhow::Result<()> {
        // The second time it is seen that what was attached is there.
        self.look(protected).await;
        self.look(protected).await;
        if protected.lock().is_empty() {
            warn!("no interface is named, and so nothing is filtered: `floodwall setup` names them");
            return Ok(());
        }
        let there: Vec<_> = self.netlink.interfaces().await?.into_iter().map(|there| there.name).collect();
        let (mut missing, mut refused) = (Vec::new(), Vec::new());
        {
            let protected = protected.lock();
            for entry in &protected.interfaces {
                match &entry.bare {
                    Some(Bare::Refused(why)) => refused.push(why.clone()),
                    Some(_) => missing.push(entry.name.clone()),
                    None => {}
                }
            }
            let is_filtered = protected.interfaces.iter().any(|entry| entry.attachment.is_some());
            if !is_filtered && missing.is_empty() {
                let why = if refused.is_empty() {
                    "none could be looked at".to_owned()
                } else {
                    refused.join("; ")
                };
                anyhow::bail!("no interface can be filtered: {why}");
            }
        }
        for name in missing {
            error!(interface = name, there = there.join(", "), "NO INTERFACE HAS THIS NAME; is it misspelt?");
        }
        Ok(())
    }

    /// Puts the program on an interface because an operator asks for it.
    pub(super) async fn attach(
        &self,
        protected: &Mutex<ProtectedInterfaces>,
        name: &str,
    ) -> anyhow::Result<InterfaceStatus> {
        let interface = self.netlink.interface(name).await?;
        let before = {
            let mut protected = protected.lock();
            let before = protected.names();
            // What was renamed is wanted by the name that it has now.
            let renamed = Some(Bare::Renamed(interface.name.clone()));
            if let Some(entry) = protected.interfaces.iter_mut().find(|entry| entry.bare == renamed)
                && !before.iter().any(|there| there == name)
            {
                name.clone_into(&mut entry.name);
            }
            protected.want(name);
            before
        };
        self.look_at(protected, name, Some(interface)).await;
        // It is not taken on trust that what was attached is there.
        match self.netlink.named(name).await {
            Ok(named) => self.look_at(protected, name, named).await,
            Err(error) => {
                if !before.iter().any(|there| there == name) {
                    self.give_up(protected, name);
                }
                return Err(error);
            }
        }
        let mut protected = protected.lock();
        let Some(entry) = protected.interfaces.iter().find(|entry| entry.name == name) else {
            anyhow::bail!("{name} was detached meanwhile");
        };
        let Some(bare) = entry.bare.clone() else {
            let shown = entry
                .shares
                .as_ref()
                .and_then(|other| protected.interfaces.iter().find(|entry| entry.name == *other));
            return Ok(protected.status_of(shown.unwrap_or(entry)));
        };
        if !before.iter().any(|there| there == name) {
            protected.interfaces.retain(|entry| entry.name != name);
        }
        anyhow::bail!("{}", bare.of(name))
    }

    /// Forgets an interface that was to be attached, and takes off what was.
    fn give_up(&self, protected: &Mutex<ProtectedInterfaces>, name: &str) {
        let given_up = {
            let mut protected = protected.lock();
            let place = protected.interfaces.iter().position(|entry| entry.name == name);
            place.map(|place| protected.interfaces.remove(place))
        };
        let attachment = given_up.and_then(|entry| entry.attachment);
        if let Some(error) = attachment.and_then(|attachment| self.kernel.detach(&attachment.interface).err())
        {
            warn!(
                interface = name,
                error = format!("{error:#}"),
                "stays filtered though attaching has failed"
            );
        }
    }

    async fn look_at(&self, protected: &Mutex<ProtectedInterfaces>, name: &str, named: Option<Interface>) {
        let asked = protected.lock().link_of(name);
        let held = match asked {
            // That the question fails says nothing about the interface.
            Some((link, ifindex)) => link.held().unwrap_or(ifindex),
            None => 0,
        };
        let shares = {
            let ours = named.as_ref().filter(|interface| self.kernel.is_on(interface));
            let index = ours.map_or(0, |interface| interface.index);
            let others = protected.lock().others_with(name, index);
            others.into_iter().find(|(_, link)| link.held() == Some(index)).map(|(other, _)| other)
        };
        let sight = {
            let mut protected = protected.lock();
            let Some(entry) = protected.get(name) else { return };
            InterfaceState {
                attached: entry.attachment.as_ref().map(|attachment| attachment.ifindex),
                held,
                named: named.as_ref().map(|interface| (interface.index, self.kernel.is_on(interface))),
                was_put_back: entry.was_put_back,
                waits: entry.waits,
                refused: entry.refused.is_some() && entry.refused == named,
                shared: shares.is_some(),
            }
        };
        let step = sight.step();
        if step != Step::Shared {
            self.change(protected, name, |entry| entry.shares = None);
        }
        match (step, named) {
            (Step::Attach | Step::PutBack, Some(interface)) => {
                self.put_on(protected, name, &interface, step == Step::PutBack);
            }
            (Step::Elsewhere, named) => {
                self.let_go(protected, name, self.name_of(protected, name, sight.held).await);
                if let Some(interface) = named.filter(|_| !sight.named.is_some_and(|(_, ours)| ours)) {
                    self.put_on(protected, name, &interface, false);
                }
            }
            (Step::Back, Some(interface)) => self.take_back(protected, name, &interface),
            (Step::Filtered, Some(interface)) => self.is_filtered(protected, name, &interface),
            (Step::Shared, Some(interface)) => self.share(protected, name, shares, &interface),
            (Step::Detached, _) => {
                self.change(protected, name, |entry| (entry.attachment, entry.waits) = (None, true));
                self.settle(protected, name, Some(Bare::Detached), "");
            }
            (Step::Refused, _) => {}
            (Step::Gone, _) | (_, None) => {
                self.change(protected, name, |entry| {
                    (entry.attachment, entry.was_put_back, entry.waits) = (None, false, false);
                    entry.refused = None;
                });
                // Where it has gone to is known better.
                if !matches!(self.bare_now(protected, name), Some(Bare::Renamed(_) | Bare::Moved)) {
                    self.settle(protected, name, Some(Bare::Gone), "");
                }
            }
        }
    }

    /// The name here of the interface with an index that our program is on, and that none but `except` filters: numbers of
    /// interfaces are those of a network namespace, and one that is elsewhere may have the number of one that is here.
    async fn name_of(
        &self,
        protected: &Mutex<ProtectedInterfaces>,
        except: &str,
        index: u32,
    ) -> Option<String> {
        if !protected.lock().others_with(except, index).is_empty() {
            return None;
        }
        let found = self.netlink.indexed(index).await.ok().flatten();
        found.filter(|interface| self.kernel.is_on(interface)).map(|interface| interface.name)
    }

    /// Looks where an interface is that is filtered and is not where it was.
    async fn follow(&self, protected: &Mutex<ProtectedInterfaces>, link: &Link) {
        let held = link.held();
        // That the question fails says nothing about the interface.
        let Some(index) = held else { return };
        if index == 0 {
            let Some((before, attachment)) = protected.lock().take_elsewhere(link) else { return };
            info!(interface = attachment.interface, before, "is gone, and its filter with it");
            if let Err(error) = self.kernel.forget(&attachment) {
                warn!(error = format!("{error:#}"), "its pin, which holds nothing any more, is left behind");
            }
            if matches!(self.bare_now(protected, &before), Some(Bare::Renamed(_) | Bare::Moved)) {
                self.settle(protected, &before, Some(Bare::Gone), "");
            }
            return;
        }
        let now = self.name_of(protected, "", index).await;
        let Some((before, mut attachment)) = protected.lock().take_elsewhere(link) else { return };
        let stands_as = now.clone().unwrap_or_else(|| moved(&before));
        if attachment.interface != stands_as {
            self.rename(&mut attachment, &stands_as);
            if matches!(self.bare_now(protected, &before), Some(Bare::Renamed(_) | Bare::Moved)) {
                self.settle(protected, &before, Some(now.map_or(Bare::Moved, Bare::Renamed)), "");
            }
        }
        attachment.ifindex = index;
        protected.lock().elsewhere.push((before, attachment));
    }

    /// Attaches to an interface that has none of our programs.
    fn put_on(&self, protected: &Mutex<ProtectedInterfaces>, name: &str, interface: &Interface, back: bool) {
        match self.kernel.attach(interface, self.mode) {
            Ok(attachment) => {
                announce(name, &attachment);
                let (mut held, mut first) = (Some(attachment), false);
                self.change(protected, name, |entry| {
                    first = entry.attachment.is_none() && entry.bare.is_none();
                    (entry.attachment, entry.was_put_back, entry.waits) = (held.take(), back, false);
                    entry.refused = None;
                    entry.other_names.clone_from(&interface.other_names);
                });
                if held.is_some() {
                    // It was detached by a command meanwhile.
                    drop(self.kernel.detach(&interface.name));
                    return;
                }
                let text = match (back, first) {
                    (true, _) => "another tool has detached the filter: it is put back, this once",
                    (false, true) => IS_FILTERED,
                    (false, false) => "is filtered now",
                };
                self.settle(protected, name, None, text);
            }
            Err(error) => {
                self.change(protected, name, |entry| {
                    (entry.attachment, entry.refused) = (None, Some(interface.clone()));
                });
                self.settle(protected, name, Some(Bare::refused(&error)), "");
            }
        }
    }

    /// It is filtered, and its attachment stands by the name that it has.
    fn is_filtered(&self, protected: &Mutex<ProtectedInterfaces>, name: &str, interface: &Interface) {
        let mut before = None;
        self.change(protected, name, |entry| {
            let Some(attachment) = &mut entry.attachment else { return };
            attachment.ifindex = interface.index;
            entry.other_names.clone_from(&interface.other_names);
            before = (attachment.interface != interface.name).then(|| attachment.interface.clone());
        });
        let Some(before) = before else { return self.settle(protected, name, None, IS_FILTERED) };
        if let Err(error) = self.kernel.rename(&before, &interface.name) {
            warn!(interface = name, error = format!("{error:#}"), "its attachment keeps the old name");
            return;
        }
        self.change(protected, name, |entry| {
            let stands_as = entry.attachment.as_mut().map(|attachment| &mut attachment.interface);
            stands_as.into_iter().for_each(|stands_as| stands_as.clone_from(&interface.name));
        });
        self.publish(
            name,
            true,
            format!("{name} is {} now, which was {before}, and is filtered", interface.name),
        );
    }

    /// What a name stands for is filtered by another of its names.
    fn share(
        &self,
        protected: &Mutex<ProtectedInterfaces>,
        name: &str,
        with: Option<String>,
        interface: &Interface,
    ) {
        let Some(with) = with else { return };
        let mut is_new = false;
        self.change(protected, name, |entry| {
            is_new = entry.shares.as_ref() != Some(&with);
            entry.attachment = None;
            (entry.refused, entry.bare) = (None, None);
            entry.shares = Some(with.clone());
        });
        if is_new {
            let real = &interface.name;
            self.publish(
                name,
                true,
                format!("{name} and {with} are one interface, {real}, which is filtered"),
            );
        }
    }

    /// What was filtered under a name has another one now (`None`: it is in another network namespace).
    fn let_go(&self, protected: &Mutex<ProtectedInterfaces>, name: &str, now: Option<String>) {
        let mut taken = None;
        self.change(protected, name, |entry| taken = entry.attachment.take());
        let Some(mut attachment) = taken else { return };
        // Two that have swapped their names are in each other's way until both are looked at.
        let renamed = now.as_ref().filter(|now| self.kernel.rename(&attachment.interface, now).is_ok());
        match renamed {
            Some(now) => attachment.interface.clone_from(now),
            None => self.rename(&mut attachment, &moved(name)),
        }
        protected.lock().elsewhere.push((name.to_owned(), attachment));
        self.settle(protected, name, Some(now.map_or(Bare::Moved, Bare::Renamed)), "");
    }

    /// What had another name has this one again.
    fn take_back(&self, protected: &Mutex<ProtectedInterfaces>, name: &str, interface: &Interface) {
        let links = protected.lock().links_elsewhere();
        let link = links.into_iter().find(|link| link.held() == Some(interface.index));
        let Some((before, mut attachment)) = link.and_then(|link| protected.lock().take_elsewhere(&link))
        else {
            // Nobody here has let go of it: what attaching to it says is told.
            return self.put_on(protected, name, interface, false);
        };
        self.rename(&mut attachment, &interface.name);
        attachment.ifindex = interface.index;
        let mut attachment = Some(attachment);
        self.change(protected, name, |entry| {
            entry.attachment = attachment.take();
            entry.other_names.clone_from(&interface.other_names);
        });
        self.settle(protected, name, None, "has its name again, and is filtered");
        // Who had it before is not told of it as of its own any more.
        if before != name && matches!(self.bare_now(protected, &before), Some(Bare::Renamed(_) | Bare::Moved))
        {
            self.settle(protected, &before, Some(Bare::Gone), "");
        }
    }

    /// Has an attachment stand under the name that its interface has now.
    fn rename(&self, attachment: &mut Attachment, name: &str) {
        match self.kernel.rename(&attachment.interface, name) {
            Ok(()) => name.clone_into(&mut attachment.interface),
            Err(error) => {
                let interface = &attachment.interface;
                error!(interface, name, error = format!("{error:#}"), "its attachment keeps the old name");
            }
        }
    }

    fn change(
        &self,
        protected: &Mutex<ProtectedInterfaces>,
        name: &str,
        change: impl FnOnce(&mut ProtectedInterface),
    ) {
        if let Some(entry) = protected.lock().get(name) {
            change(entry);
        }
    }

    fn bare_now(&self, protected: &Mutex<ProtectedInterfaces>, name: &str) -> Option<Bare> {
        protected.lock().get(name)?.bare.clone()
    }

    /// Notes whether an interface is filtered, and tells it if that is news; `text` is what is told if it is filtered.
    fn settle(&self, protected: &Mutex<ProtectedInterfaces>, name: &str, bare: Option<Bare>, text: &str) {
        let before = {
            let mut protected = protected.lock();
            let Some(entry) = protected.get(name) else { return };
            std::mem::replace(&mut entry.bare, bare.clone())
        };
        // That it was put back is news, though it was not seen to be bare.
        if before == bare && (bare.is_some() || text == IS_FILTERED) {
            return;
        }
        let text = match &bare {
            Some(bare) => bare.of(name).to_string(),
            None => format!("{name} {text}"),
        };
        self.publish(name, bare.is_none(), text);
    }

    fn publish(&self, name: &str, filtered: bool, text: String) {
        self.bus.publish(What::Interface { interface: name.to_owned(), filtered, text });
    }
}

/// What is told of an interface that was filtered before, which is no news.
const IS_FILTERED: &str = "is filtered";

fn announce(name: &str, attachment: &Attachment) {
    let Attachment { interface, native, fallback, .. } = attachment;
    let mode = if *native { "native" } else { "generic" };
    let asked_for = (name != interface).then_some(name);
    match fallback {
        None => info!(interface, asked_for, mode, "protected"),
        Some(why) => {
            warn!(
                interface,
                asked_for, mode, why, "PROTECTED IN GENERIC MODE ONLY: several times the cost per packet"
            );
        }
    }
}
