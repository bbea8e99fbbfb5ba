//! Builds the benchmark's XDP programs, to be embedded.

fn main() -> anyhow::Result<()> {
    floodwall_bpf_build::build("bench-ebpf", "bench-filters")
}
