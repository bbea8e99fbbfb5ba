//! Which lines go out, in whatever form: of each kind only so many.

use std::{fmt, sync::Arc};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Filter};

use super::{Clock, Kind, Quotas, volume::Room};

/// Bytes that an entry of the journal takes beside the values of its own fields: its place in the code, priority, and names.
const OF_ENTRY: u64 = 400;

/// Lets lines through as long as there are not too many of their kind, and, of forms that are not written as bytes, not too
/// much in all.
pub(super) struct Bounded {
    clock: Clock,
    quotas: Arc<Quotas>,
    room: Option<parking_lot::Mutex<Room>>,
}

impl Bounded {
    /// By kind alone: what is written is bounded where it is.
    pub(super) fn by_kind(clock: &Clock, quotas: &Arc<Quotas>) -> Self {
        Self { clock: Arc::clone(clock), quotas: Arc::clone(quotas), room: None }
    }

    /// By kind, and in all.
    pub(super) fn by_kind_and_volume(clock: &Clock, quotas: &Arc<Quotas>) -> Self {
        Self { room: Some(parking_lot::Mutex::new(Room::new(clock()))), ..Self::by_kind(clock, quotas) }
    }
}

impl<S: Subscriber> Filter<S> for Bounded {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let looked = Looked::at(event);
        let now = (self.clock)();
        let metadata = event.metadata();
        if *metadata.level() <= Level::INFO {
            let module = || metadata.module_path().unwrap_or_default().to_owned();
            let kind = Kind { place: metadata.callsite(), name: looked.kind.unwrap_or_else(module) };
            if !self.quotas.lock().take(&kind, now) {
                return false;
            }
        }
        self.room.as_ref().is_none_or(|room| room.lock().take(looked.bytes + OF_ENTRY, now).is_some())
    }
}

/// What an event says of itself.
#[derive(Default)]
struct Looked {
    /// The kind that it names.
    kind: Option<String>,
    /// Bytes of its fields.
    bytes: u64,
}

impl Looked {
    fn at(event: &Event<'_>) -> Self {
        let mut looked = Self::default();
        event.record(&mut looked);
        looked
    }
}

impl Visit for Looked {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "kind" {
            self.kind = Some(value.to_owned());
        }
        self.bytes += (field.name().len() + value.len()) as u64;
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.bytes += (field.name().len() + format!("{value:?}").len()) as u64;
    }
}
