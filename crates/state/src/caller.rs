//! Whether whoever asked for a change still waits for it.
//!
//! A change may wait long: for others before it, or for a disk that does not answer. Whoever asked for it may have given up
//! meanwhile, and have asked for something else since; a change that nobody waits for any more is not begun. One that was
//! begun is made.

use std::{cell::RefCell, fmt, sync::Arc};

use super::trial::Wanted;

/// Whoever asks for the changes that a thread asks for.
#[derive(Clone, Default)]
pub struct Caller {
    gone: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// Their changes are on trial.
    trial: Option<Arc<Wanted>>,
}

thread_local! {
    static CURRENT: RefCell<Caller> = const { RefCell::new(Caller { gone: None, trial: None }) };
}

impl Caller {
    /// One who has gone once this says so.
    pub fn gone_if(gone: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { gone: Some(Arc::new(gone)), trial: None }
    }

    /// The same one, whose changes are on trial.
    pub(super) fn on_trial(self, trial: Arc<Wanted>) -> Self {
        Self { trial: Some(trial), ..self }
    }

    /// The trial that their changes are on, if they are.
    pub(super) fn trial(&self) -> Option<&Wanted> {
        self.trial.as_deref()
    }

    /// Does something on the account of this one.
    pub fn asks<T>(self, work: impl FnOnce() -> T) -> T {
        /// Puts the one before back, also when the work panics.
        struct Before(Caller);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(std::mem::take(&mut self.0));
            }
        }
        let _before = Before(CURRENT.replace(self));
        work()
    }

    /// On whose account this thread does what it does: by default on that of floodwall itself, which does not go.
    pub(super) fn current() -> Self {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(super) fn has_gone(&self) -> bool {
        self.gone.as_ref().is_some_and(|gone| gone())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Caller").field("has_gone", &self.has_gone()).finish()
    }
}
