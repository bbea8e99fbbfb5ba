//! Programs of the benchmark, for XDP but for those in [`outgoing`]. None of them is part of floodwall.
//!
//! [`wrapper`] makes each packet another one and hands it on; the others are handed it: nothing but a drop
//! ([`floor`]), a drop after one read from memory, and the kernel's own maps doing floodwall's work ([`peers`]).
//!
//! All are `frags` programs, as floodwall's is: the kernel lets only like call like. The two in `floor` and
//! `wrapper` that are not are for filters that are not.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unreachable_pub, reason = "what the XDP macro and the map statics export has no Rust caller")
)]

#[cfg(target_arch = "bpf")]
mod floor;
#[cfg(target_arch = "bpf")]
mod outgoing;
#[cfg(target_arch = "bpf")]
mod peers;
#[cfg(target_arch = "bpf")]
mod source;
#[cfg(target_arch = "bpf")]
mod wrapper;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// As floodwall's own.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// The host has no packets; this lets the workspace be built and linted as a whole.
#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("these programs run in the kernel; `cargo xtask bench` loads them");
}
