//! Cost per packet.
fn main() {}
