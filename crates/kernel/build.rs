//! Builds the kernel program, to be embedded.

fn main() -> anyhow::Result<()> {
    floodwall_bpf_build::build("filter-ebpf", "floodwall-filter")
}
