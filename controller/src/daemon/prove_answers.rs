//! Whether the kernel sends the answers that have clients prove themselves.

use floodwall_common::wire::knowledge;
use tracing::warn;

use crate::kernel::Kernel;

/// Has requests for connections challenged, and questions for a name server answered with truncated answers, while these
/// are attacked: if that is `wanted`, and the kernel shows that it can be done.
pub(super) fn prove_answers(kernel: &Kernel, wanted: bool) {
    let prove = |flag: u64, outcome: Option<anyhow::Result<()>>, warning: &str| {
        if let Some(Err(error)) = &outcome {
            warn!("{warning}, as this kernel does not do it right: {error:#}");
        }
        let known = if matches!(outcome, Some(Ok(()))) { flag } else { 0 };
        kernel.tables().settings[0].knowledge.store_bits(flag, known);
    };
    prove(
        knowledge::CHALLENGES,
        wanted.then(|| kernel.prove_challenges()),
        "requests for connections are not challenged while an attack forges them, but have to come again",
    );
    prove(
        knowledge::TRUNCATION,
        wanted.then(|| kernel.prove_truncation()),
        "questions of new sources for a name server are not answered with truncated answers while it is attacked",
    );
}
