//! Locks that are counted by the thread that holds them.
//!
//! No lock is held across what may take long or for ever: a write to a disk, a grace period, a call about a link. Where
//! one of these begins, [`assert_none_held`] says so, in every build with debug assertions, which all tests are.

use std::cell::Cell;

use parking_lot::lock_api;

thread_local! {
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// A mutual exclusion lock.
pub type Mutex<T> = lock_api::Mutex<Counted<parking_lot::RawMutex>, T>;
/// One that is given to those who wait in the order in which they came.
pub type FairMutex<T> = lock_api::Mutex<Counted<parking_lot::RawFairMutex>, T>;
/// What holds a [`Mutex`].
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, Counted<parking_lot::RawMutex>, T>;

/// A lock that tells its holder's thread of itself.
pub struct Counted<R>(R);

// SAFETY: all is left to the lock within, which keeps what the trait asks for; a guard stays in its thread, so that the
// count is that of the thread that holds it.
unsafe impl<R: lock_api::RawMutex> lock_api::RawMutex for Counted<R> {
    const INIT: Self = Self(R::INIT);
    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        self.0.lock();
        HELD.set(HELD.get() + 1);
    }

    fn try_lock(&self) -> bool {
        let locked = self.0.try_lock();
        HELD.set(HELD.get() + u32::from(locked));
        locked
    }

    unsafe fn unlock(&self) {
        HELD.set(HELD.get() - 1);
        // SAFETY: the caller holds the lock, as the trait asks for.
        unsafe { self.0.unlock() };
    }

    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

/// Asserts that this thread holds no lock, before what may take long.
#[track_caller]
pub fn assert_none_held(before: &str) {
    debug_assert_eq!(HELD.get(), 0, "a lock is held across {before}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_of_its_own_locks_only() {
        let (one, other) = (Mutex::new(1), FairMutex::new(2));
        assert_none_held("nothing");
        let held = one.lock();
        assert!(one.try_lock().is_none());
        std::thread::scope(|scope| {
            scope.spawn(|| assert_none_held("nothing"));
        });
        let both = other.lock();
        drop(held);
        let caught = std::panic::catch_unwind(|| assert_none_held("a test"));
        assert!(caught.is_err(), "the other one is held still");
        drop(both);
        assert_none_held("nothing");
    }
}
