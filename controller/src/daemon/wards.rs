//! The interfaces that are to be filtered, and the attachments that do it.

use tracing::{error, info, warn};

use super::links::{Bare, Sight, Step};
use crate::{
    api::InterfaceStatus,
    event::{Bus, What},
    host::{Interface, Netlink},
    kernel::{Attachment, Kernel, Link},
    lock::Mutex,
    options::Mode,
};

/// An interface that is to be filtered.
#[derive(Debug)]
pub(super) struct Ward {
    name: String,
    attachment: Option<Attachment>,
    /// Why it is not filtered; `None` if it is.
    bare: Option<Bare>,
    was_put_back: bool,
    /// It is not attached by itself any more.
    waits: bool,
}

/// All of them, and what was one of them once.
#[derive(Debug, Default)]
pub(super) struct Wards {
    wards: Vec<Ward>,
    /// Attachments whose interface has another name now, or is in another network namespace; with the name it had.
    elsewhere: Vec<(String, Attachment)>,
}

impl Wards {
    pub(super) fn new(attachments: Vec<Attachment>) -> Self {
        attachments.iter().for_each(announce);
        let wards = attachments.into_iter().map(Ward::attached).collect();
        Self { wards, elsewhere: Vec::new() }
    }

    /// Names of the interfaces that are to be filtered.
    pub(super) fn names(&self) -> Vec<String> {
        self.wards.iter().map(|ward| ward.name.clone()).collect()
    }

    /// Indices of the interfaces that are filtered, as far as they are in this network namespace.
    pub(super) fn indices(&self) -> Vec<u32> {
        let elsewhere = self.elsewhere.iter().map(|(_, attachment)| attachment);
        let attached = self.wards.iter().filter_map(|ward| ward.attachment.as_ref()).chain(elsewhere);
        attached.map(|attachment| attachment.ifindex).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wards.is_empty() && self.elsewhere.is_empty()
    }

    pub(super) fn statuses(&self) -> Vec<InterfaceStatus> {
        let elsewhere = self.elsewhere.iter().map(|(_, attachment)| status(attachment));
        self.wards.iter().map(Ward::status).chain(elsewhere).collect()
    }

    /// Why interfaces are not filtered that are to be.
    pub(super) fn problems(&self) -> Vec<String> {
        let bare = self.wards.iter().filter_map(|ward| Some(ward.bare.as_ref()?.of(&ward.name).to_string()));
        bare.collect()
    }

    /// What an operator should know about those that are filtered.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.wards.iter().filter_map(|ward| warning(ward.attachment.as_ref()?)).collect()
    }

    /// Takes an interface up, or out of its waiting: it is attached at the next look.
    fn want(&mut self, name: &str) -> &mut Ward {
        let place = self.wards.iter().position(|ward| ward.name == name).unwrap_or_else(|| {
            self.wards.push(Ward::bare(name));
            self.wards.len() - 1
        });
        let ward = &mut self.wards[place];
        (ward.waits, ward.was_put_back) = (false, false);
        ward
    }

    /// What holds an interface's attachment, and the index that it had when it was attached.
    fn link_of(&self, name: &str) -> Option<(Link, u32)> {
        let ward = self.wards.iter().find(|ward| ward.name == name)?;
        ward.attachment.as_ref().map(|attachment| (attachment.link(), attachment.ifindex))
    }

    /// What holds the attachments whose interface is not where it was.
    fn links_elsewhere(&self) -> Vec<Link> {
        self.elsewhere.iter().map(|(_, attachment)| attachment.link()).collect()
    }

    /// Takes out the one of them that this link holds, with the name that its interface had.
    fn take_elsewhere(&mut self, link: &Link) -> Option<(String, Attachment)> {
        let place = self.elsewhere.iter().position(|(_, attachment)| attachment.link().is(link))?;
        Some(self.elsewhere.remove(place))
    }

    /// Names under which attachments stand that are to be detached if this interface is no longer to be filtered.
    pub(super) fn held(&self, name: &str) -> Vec<String> {
        let own =
            self.wards.iter().filter(|ward| ward.name == name).filter_map(|ward| ward.attachment.as_ref());
        let elsewhere = self.elsewhere.iter().map(|(_, attachment)| attachment);
        let elsewhere = elsewhere.filter(|attachment| is_named(attachment, name));
        own.chain(elsewhere).map(|attachment| attachment.interface.clone()).collect()
    }

    /// The interface is no longer to be filtered.
    pub(super) fn forget(&mut self, name: &str) {
        self.wards.retain(|ward| ward.name != name);
        self.elsewhere.retain(|(_, attachment)| !is_named(attachment, name));
    }
}

impl Ward {
    fn attached(attachment: Attachment) -> Self {
        let name = attachment.interface.clone();
        Self { name, attachment: Some(attachment), bare: None, was_put_back: false, waits: false }
    }

    fn bare(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            attachment: None,
            bare: Some(Bare::Gone),
            was_put_back: false,
            waits: false,
        }
    }

    fn status(&self) -> InterfaceStatus {
        match (&self.attachment, &self.bare) {
            (Some(attachment), None) => status(attachment),
            _ => InterfaceStatus {
                name: self.name.clone(),
                ifindex: 0,
                mode: "none".to_owned(),
                filtered: false,
            },
        }
    }
}

fn status(attachment: &Attachment) -> InterfaceStatus {
    let Attachment { interface, ifindex, native, .. } = attachment;
    let mode = if *native { "native" } else { "generic" };
    InterfaceStatus { name: interface.clone(), ifindex: *ifindex, mode: mode.to_owned(), filtered: true }
}

/// The name under which an attachment stands whose interface is in another network namespace. No interface has it.
fn moved(name: &str) -> String {
    format!("{name} elsewhere")
}

fn announce(attachment: &Attachment) {
    let Attachment { interface, native, fallback, .. } = attachment;
    let mode = if *native { "native" } else { "generic" };
    match fallback {
        None => info!(interface, mode, "protected"),
        Some(why) => {
            warn!(interface, mode, why, "PROTECTED IN GENERIC MODE ONLY: several times the cost per packet");
        }
    }
}

/// Whether an attachment whose interface is elsewhere is meant by a name.
fn is_named(attachment: &Attachment, name: &str) -> bool {
    attachment.interface == name || attachment.interface == moved(name)
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

/// What looks after the wards works with.
pub(super) struct Warden<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) netlink: &'a Netlink,
    pub(super) mode: Mode,
    /// Our program's number.
    pub(super) program: u32,
    pub(super) bus: &'a Bus,
}

impl Warden<'_> {
    /// Looks at all of them, and mends what can be mended. The wards are locked for no longer than it takes to read or
    /// write them.
    pub(super) async fn look(&self, wards: &Mutex<Wards>) {
        let names = wards.lock().names();
        for name in names {
            match self.netlink.named(&name).await {
                Ok(named) => self.look_at(wards, &name, named).await,
                Err(error) => warn!(interface = name, error = format!("{error:#}"), "cannot be looked at"),
            }
        }
        let links = wards.lock().links_elsewhere();
        for link in links {
            if link.held() != Some(0) {
                continue;
            }
            let Some((before, attachment)) = wards.lock().take_elsewhere(&link) else { continue };
            info!(interface = attachment.interface, before, "is gone, and its filter with it");
            if let Err(error) = self.kernel.forget(&attachment) {
                warn!(error = format!("{error:#}"), "its pin, which holds nothing any more, is left behind");
            }
        }
    }

    /// Puts the program on an interface because an operator asks for it.
    pub(super) async fn attach(&self, wards: &Mutex<Wards>, name: &str) -> anyhow::Result<InterfaceStatus> {
        let interface = self.netlink.interface(name).await?;
        let before = wards.lock().names();
        wards.lock().want(name);
        self.look_at(wards, name, Some(interface)).await;
        let mut wards = wards.lock();
        let ward = wards.wards.iter().find(|ward| ward.name == name);
        let (status, bare) = match ward {
            Some(ward) => (ward.status(), ward.bare.clone()),
            None => anyhow::bail!("{name} was detached meanwhile"),
        };
        let Some(bare) = bare else { return Ok(status) };
        if !before.iter().any(|there| there == name) {
            wards.wards.retain(|ward| ward.name != name);
        }
        anyhow::bail!("{}", bare.of(name))
    }

    async fn look_at(&self, wards: &Mutex<Wards>, name: &str, named: Option<Interface>) {
        let asked = wards.lock().link_of(name);
        let held = match asked {
            // That the question fails says nothing about the interface.
            Some((link, ifindex)) => link.held().unwrap_or(ifindex),
            None => 0,
        };
        let sight = {
            let wards = wards.lock();
            let Some(ward) = wards.wards.iter().find(|ward| ward.name == name) else { return };
            let ours = |interface: &Interface| interface.xdp_programs.contains(&self.program);
            Sight {
                attached: ward.attachment.as_ref().map(|attachment| attachment.ifindex),
                held,
                named: named.as_ref().map(|interface| (interface.index, ours(interface))),
                was_put_back: ward.was_put_back,
                waits: ward.waits,
            }
        };
        let step = sight.step();
        match (step, named) {
            (Step::Attach | Step::PutBack, Some(interface)) => {
                self.put_on(wards, name, &interface, step == Step::PutBack);
            }
            (Step::Elsewhere, named) => {
                let found = self.netlink.indexed(sight.held).await.ok().flatten();
                let found = found.filter(|interface| interface.xdp_programs.contains(&self.program));
                self.let_go(wards, name, found.map(|interface| interface.name));
                if let Some(interface) = named.filter(|_| !sight.named.is_some_and(|(_, ours)| ours)) {
                    self.put_on(wards, name, &interface, false);
                }
            }
            (Step::Back, Some(interface)) => self.take_back(wards, name, &interface),
            (Step::Filtered, _) => self.settle(wards, name, None, "is filtered"),
            (Step::Detached, _) => {
                self.change(wards, name, |ward| (ward.attachment, ward.waits) = (None, true));
                self.settle(wards, name, Some(Bare::Detached), "");
            }
            (Step::Gone, _) | (_, None) => {
                self.change(wards, name, |ward| {
                    (ward.attachment, ward.was_put_back, ward.waits) = (None, false, false);
                });
                // Where it has gone to is known better.
                if self.bare_now(wards, name).is_none() {
                    self.settle(wards, name, Some(Bare::Gone), "");
                }
            }
        }
    }

    /// Attaches to an interface that has none of our programs.
    fn put_on(&self, wards: &Mutex<Wards>, name: &str, interface: &Interface, back: bool) {
        let wanted = Interface { name: name.to_owned(), ..interface.clone() };
        let outcome = self.kernel.attach(&wanted, self.mode);
        match outcome {
            Ok(attachment) => {
                announce(&attachment);
                let mut held = Some(attachment);
                self.change(wards, name, |ward| {
                    (ward.attachment, ward.was_put_back, ward.waits) = (held.take(), back, false);
                });
                if held.is_some() {
                    // It was detached by a command meanwhile.
                    drop(self.kernel.detach(name));
                    return;
                }
                let text = if back {
                    "another tool has detached the filter: it is put back, this once"
                } else {
                    "is filtered now"
                };
                self.settle(wards, name, None, text);
            }
            Err(error) => {
                self.change(wards, name, |ward| (ward.attachment, ward.waits) = (None, true));
                self.settle(wards, name, Some(Bare::Refused(format!("{error:#}"))), "");
            }
        }
    }

    /// What was filtered under a name has another one now (`None`: it is in another network namespace).
    fn let_go(&self, wards: &Mutex<Wards>, name: &str, now: Option<String>) {
        let mut taken = None;
        self.change(wards, name, |ward| taken = ward.attachment.take());
        let Some(mut attachment) = taken else { return };
        // Two that have swapped their names are in each other's way until both are looked at.
        let renamed = match &now {
            Some(now) => self.kernel.rename(&mut attachment, now),
            None => Err(anyhow::anyhow!("it has no name here")),
        };
        if let Err(error) = renamed.or_else(|_| self.kernel.rename(&mut attachment, &moved(name))) {
            error!(interface = name, error = format!("{error:#}"), "its attachment keeps the old name");
        }
        wards.lock().elsewhere.push((name.to_owned(), attachment));
        self.settle(wards, name, Some(now.map_or(Bare::Moved, Bare::Renamed)), "");
    }

    /// What had another name has this one again.
    fn take_back(&self, wards: &Mutex<Wards>, name: &str, interface: &Interface) {
        let links = wards.lock().links_elsewhere();
        let link = links.into_iter().find(|link| link.held() == Some(interface.index));
        let Some((_, mut attachment)) = link.and_then(|link| wards.lock().take_elsewhere(&link)) else {
            // Nobody here has let go of it: what attaching to it says is told.
            return self.put_on(wards, name, interface, false);
        };
        if let Err(error) = self.kernel.rename(&mut attachment, name) {
            error!(interface = name, error = format!("{error:#}"), "its attachment keeps the other name");
        }
        attachment.ifindex = interface.index;
        let mut attachment = Some(attachment);
        self.change(wards, name, |ward| ward.attachment = attachment.take());
        self.settle(wards, name, None, "has its name again, and is filtered");
    }

    fn change(&self, wards: &Mutex<Wards>, name: &str, change: impl FnOnce(&mut Ward)) {
        if let Some(ward) = wards.lock().wards.iter_mut().find(|ward| ward.name == name) {
            change(ward);
        }
    }

    fn bare_now(&self, wards: &Mutex<Wards>, name: &str) -> Option<Bare> {
        wards.lock().wards.iter().find(|ward| ward.name == name)?.bare.clone()
    }

    /// Notes whether an interface is filtered, and tells it if that is news; `text` is what is told if it is filtered.
    fn settle(&self, wards: &Mutex<Wards>, name: &str, bare: Option<Bare>, text: &str) {
        let before = {
            let mut wards = wards.lock();
            let Some(ward) = wards.wards.iter_mut().find(|ward| ward.name == name) else { return };
            std::mem::replace(&mut ward.bare, bare.clone())
        };
        // That it was put back is news, though it was not seen to be bare.
        if before == bare && (bare.is_some() || text == "is filtered") {
            return;
        }
        let text = match &bare {
            Some(bare) => bare.of(name).to_string(),
            None => format!("{name} {text}"),
        };
        let interface = name.to_owned();
        self.bus.publish(What::Interface { interface, filtered: bare.is_none(), text });
    }
}
