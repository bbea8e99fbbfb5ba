//! xdp-filter, as the distribution has it.

use std::{
    fs,
    net::Ipv4Addr,
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::{PerCpuHashMap, PerCpuValues},
    programs::Xdp,
    util::nr_cpus,
};

/// All features; drops what is listed and passes the rest, which is its default.
const OBJECT: &str = "xdpfilt_alw_all.o";
/// Its map of IPv4 addresses, and the value of one that is dropped as a source (`MAP_FLAG_SRC`; the counter is above).
const ADDRESSES: &str = "filter_ipv4";
const AS_SOURCE: u64 = 1;

/// Its program, loaded.
pub(crate) struct XdpFilter {
    ebpf: Ebpf,
    program: String,
}

impl XdpFilter {
    /// Loads it, or says why there is none to be compared with.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let path =
            object().ok_or_else(|| anyhow!("no {OBJECT} below /usr/lib; the package is called xdp-tools"))?;
        // Its maps ask to be pinned. In a place of our own they neither meet those of an xdp-filter that is in use
        // nor outlive this.
        let pins = Path::new("/sys/fs/bpf").join(format!("floodwall-bench-{}", process::id()));
        fs::create_dir_all(&pins).with_context(|| format!("creating {}", pins.display()))?;
        let loaded = EbpfLoader::new()
            .default_map_pin_directory(&pins)
            .load_file(&path)
            .with_context(|| format!("loading {}", path.display()));
        fs::remove_dir_all(&pins).with_context(|| format!("removing {}", pins.display()))?;
        let mut ebpf = loaded?;
        let (name, program) =
            ebpf.programs_mut().next().ok_or_else(|| anyhow!("{OBJECT} holds no program"))?;
        let name = name.to_owned();
        let program: &mut Xdp = program.try_into().with_context(|| format!("{OBJECT} is not for XDP"))?;
        program.load().with_context(|| format!("the verifier refuses {OBJECT}"))?;
        Ok(Self { ebpf, program: name })
    }

    /// Lists addresses as sources to be dropped.
    pub(crate) fn block(&self, addresses: impl Iterator<Item = Ipv4Addr>) -> anyhow::Result<()> {
        let map = self.ebpf.map(ADDRESSES).ok_or_else(|| anyhow!("xdp-filter has no map {ADDRESSES}"))?;
        let aya::maps::Map::PerCpuHashMap(data) = map else {
            anyhow::bail!("xdp-filter's {ADDRESSES} is another kind of map")
        };
        let fd = data.fd().as_fd().try_clone_to_owned().context("opening xdp-filter's map")?;
        let data = aya::maps::MapData::from_fd(fd).context("opening xdp-filter's map")?;
        let mut map: PerCpuHashMap<_, u32, u64> =
            aya::maps::Map::PerCpuHashMap(data).try_into().context("opening xdp-filter's map")?;
        let processors = nr_cpus().map_err(|(_, error)| error).context("counting processors")?;
        for address in addresses {
            let value = PerCpuValues::try_from(vec![AS_SOURCE; processors]).context("too few processors")?;
            map.insert(u32::from(address).to_be(), value, 0).context("listing an address")?;
        }
        Ok(())
    }

    /// The program.
    pub(crate) fn program(&self) -> anyhow::Result<BorrowedFd<'_>> {
        let program =
            self.ebpf.program(&self.program).ok_or_else(|| anyhow!("xdp-filter's program is gone"))?;
        Ok(program.fd().context("xdp-filter's program is not loaded")?.as_fd())
    }
}

/// Distributions keep it in a directory that is named after the architecture, or not.
fn object() -> Option<PathBuf> {
    let plain = ["/usr/lib", "/usr/lib64"].map(PathBuf::from);
    let named = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    plain
        .into_iter()
        .chain(named)
        .map(|directory| directory.join("bpf").join(OBJECT))
        .find(|path| path.exists())
}
