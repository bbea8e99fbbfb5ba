//! One 64-bit word of memory that the kernel program and the controller both touch.

use core::cell::UnsafeCell;
#[cfg(not(target_arch = "bpf"))]
use core::sync::atomic::{AtomicU64, Ordering};

/// A 64-bit word shared between CPUs, and between kernel and user space.
///
/// Loads and stores never tear. On the host they acquire and release, so that what was written before a
/// word was published is seen by whoever reads it; the BPF side reads through dependent addresses, which
/// every architecture Linux runs BPF on keeps in order.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Word(UnsafeCell<u64>);

// SAFETY: every access is a single aligned 64-bit load, store or atomic operation.
unsafe impl Sync for Word {}

impl Word {
    /// A word that holds `value`.
    pub const fn new(value: u64) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value now.
    #[inline(always)]
    pub fn load(&self) -> u64 {
        #[cfg(target_arch = "bpf")]
        // SAFETY: the pointer comes from a live, aligned word; a volatile read is one BPF load.
        return unsafe { core::ptr::read_volatile(self.0.get()) };
        #[cfg(not(target_arch = "bpf"))]
        self.atomic().load(Ordering::Acquire)
    }

    /// Publishes `value`.
    #[inline(always)]
    pub fn store(&self, value: u64) {
        #[cfg(target_arch = "bpf")]
        // SAFETY: as in `load`; a volatile write is one BPF store.
        unsafe {
            core::ptr::write_volatile(self.0.get(), value);
        }
        #[cfg(not(target_arch = "bpf"))]
        self.atomic().store(value, Ordering::Release);
    }

    /// Adds `value`, exactly, whatever other CPUs do.
    #[inline(always)]
    pub fn add(&self, value: u64) {
        #[cfg(target_arch = "bpf")]
        // SAFETY: one atomic instruction on a live, aligned word. `core` has no read-modify-write operations
        // for this target.
        unsafe {
            core::arch::asm!(
                "lock *(u64 *)({word} + 0) += {value}",
                word = in(reg) self.0.get(),
                value = in(reg) value,
                options(nostack),
            );
        }
        #[cfg(not(target_arch = "bpf"))]
        self.atomic().fetch_add(value, Ordering::Relaxed);
    }

    /// Adds `value` where no other CPU writes: a per-CPU counter.
    #[inline(always)]
    pub fn add_local(&self, value: u64) {
        self.store(self.load().wrapping_add(value));
    }

    /// Gives the bits of `mask` the values that they have in `value`, and leaves the others as somebody else may just be
    /// changing them.
    #[cfg(not(target_arch = "bpf"))]
    pub fn store_bits(&self, mask: u64, value: u64) {
        let changed = |now: u64| {
            let wanted = now & !mask | value & mask;
            (wanted != now).then_some(wanted)
        };
        // An error says that it is so already.
        let _ = self.atomic().fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
    }

    /// Replaces `old` by `new` if the word still holds `old`; says whether it did.
    #[inline(always)]
    pub fn replace(&self, old: u64, new: u64) -> bool {
        #[cfg(target_arch = "bpf")]
        {
            let found: u64;
            // SAFETY: one atomic instruction on a live, aligned word.
            unsafe {
                core::arch::asm!(
                    "r0 = cmpxchg_64({word} + 0, r0, {new})",
                    word = in(reg) self.0.get(),
                    new = in(reg) new,
                    inout("r0") old => found,
                    options(nostack),
                );
            }
            found == old
        }
        #[cfg(not(target_arch = "bpf"))]
        self.atomic().compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    #[cfg(not(target_arch = "bpf"))]
    fn atomic(&self) -> &AtomicU64 {
        // SAFETY: the pointer is valid and aligned for as long as `self` is, and all access is atomic.
        unsafe { AtomicU64::from_ptr(self.0.get()) }
    }
}

const _: () = assert!(size_of::<Word>() == 8);
