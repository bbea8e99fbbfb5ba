//! What the kernel program itself has to say: hardly ever anything.

use anyhow::{Context as _, anyhow};
use aya::Ebpf;
use aya_log::EbpfLogger;
use tokio::io::{Interest, unix::AsyncFd};

/// The reading end of the program's log; there is one.
pub struct LogReader(AsyncFd<EbpfLogger<&'static dyn log::Log>>);

impl LogReader {
    pub(super) fn new(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        let logger = EbpfLogger::init(ebpf).context("opening the kernel program's log")?;
        // SAFETY: the logger owns its descriptor, gives out the same one for as long as it lives, and is not
        // replaced inside the `AsyncFd`.
        let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }
            .map_err(|error| anyhow!("watching the kernel program's log: {}", error.into_parts().1))?;
        Ok(Self(logger))
    }

    /// Hands on what the program says, for ever.
    pub async fn forward(&mut self) -> anyhow::Result<()> {
        loop {
            let mut guard = self.0.readable_mut().await.context("waiting for the kernel program's log")?;
            guard.get_inner_mut().flush();
            guard.clear_ready();
        }
    }
}
