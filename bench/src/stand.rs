//! The test stand: the wrapper, the programs behind it, and the map of sources.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData},
    programs::{Program, SchedClassifier, TestRun as _, TestRunOptions, Xdp},
};
use floodwall::tables::{Prefix, memory::Region};
use floodwall_bench_filters::{FRAME_WORDS, PLAN_WORDS, PLANS, PlanWord, host_in};
use floodwall_common::{
    prefix::{Address, Family},
    wire::Word,
};
use nix::{
    sched::sched_getcpu,
    time::{ClockId, clock_gettime},
};

use crate::{
    bpf,
    candidate::Candidate,
    frames::Frame,
    sources::{self, Window},
};

/// What `build.rs` made of `bench-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/bench-filters"));
/// Entries of the LRU hash: as many as floodwall's source table holds by default.
const LRU_ENTRIES: u32 = 1_000_000;

/// `TC_ACT_UNSPEC`, by which a filter has the next one asked.
const GO_ON: u32 = u32::MAX;

/// A program that sees what leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outgoing {
    /// Does nothing.
    Empty = 0,
    /// floodwall's.
    Floodwall = 1,
}

/// The wrapper with its programs.
pub(crate) struct Stand {
    ebpf: Ebpf,
    /// One for each processor.
    plans: Region<Word>,
    /// What the frame is made of again.
    frame: Region<Word>,
    /// See [`Window`].
    pub(crate) sources: Region<Word>,
}

/// The program that only passes, for an interface.
pub(crate) struct Passer(Ebpf);

impl Passer {
    const NAME: &str = "passing";

    pub(crate) fn load() -> anyhow::Result<Self> {
        let mut ebpf = Ebpf::load(OBJECT).context("creating the maps of the benchmark")?;
        let program =
            ebpf.program_mut(Self::NAME).context("the benchmark has no program that only passes")?;
        let program: &mut Xdp = program.try_into().context("a program of the benchmark is not for XDP")?;
        program.load().context("loading the program that only passes")?;
        Ok(Self(ebpf))
    }

    pub(crate) fn program(&self) -> anyhow::Result<BorrowedFd<'_>> {
        let program = self.0.program(Self::NAME).context("the benchmark has no program that only passes")?;
        let program: &Xdp = program.try_into().context("a program of the benchmark is not for XDP")?;
        Ok(program.fd()?.as_fd())
    }
}

/// What a run of the wrapper came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Time for one packet, ns.
    pub(crate) nanoseconds: f64,
    /// What the program answered about the last packet.
    pub(crate) action: u32,
}

impl Stand {
    /// Loads everything, with these prefixes in the LPM tries.
    pub(crate) fn load(prefixes: &[&[Prefix]]) -> anyhow::Result<Self> {
        let count = |family| {
            prefixes.iter().copied().flatten().filter(|prefix| prefix.family() == family).count().max(1)
        };
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("SOURCES", sources::WORDS as u32)
            .map_max_entries("COUNTS", LRU_ENTRIES)
            .map_max_entries("BLOCKED_V4", count(Family::V4) as u32)
            .map_max_entries("BLOCKED_V6", count(Family::V6) as u32)
            .load(OBJECT)
            .context("creating the maps of the benchmark")?;
        for (name, program) in ebpf.programs_mut() {
            let loaded = match program {
                Program::Xdp(program) => program.load(),
                Program::SchedClassifier(program) => program.load(),
                other => bail!("program `{name}` is {other:?}, which the benchmark does not use"),
            };
            loaded.with_context(|| format!("loading `{name}`"))?;
        }
        let plans =
            Region::mapped(map_fd(&ebpf, "PLAN")?, PLANS * PLAN_WORDS).context("mapping the plans")?;
        let sources =
            Region::mapped(map_fd(&ebpf, "SOURCES")?, sources::WORDS).context("mapping the sources")?;
        let frame = Region::mapped(map_fd(&ebpf, "FRAME")?, FRAME_WORDS).context("mapping the frame")?;
        let stand = Self { ebpf, plans, frame, sources };
        for candidate in Candidate::ALL {
            if let Some(name) = candidate.own_program() {
                stand.set(candidate, stand.program(name)?.fd()?.as_fd())?;
            }
        }
        stand.fill_tries(prefixes)?;
        Ok(stand)
    }

    fn fill_tries(&self, prefixes: &[&[Prefix]]) -> anyhow::Result<()> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes.iter().copied().flatten() {
            let (address, length) = (prefix.address(), u32::from(prefix.length()));
            match prefix.family() {
                Family::V4 => v4.push([length, ((address.high >> 32) as u32).to_be()]),
                Family::V6 => {
                    let [a, b] = halves(address.high);
                    let [c, d] = halves(address.low);
                    v6.push([length, a, b, c, d]);
                }
            }
        }
        bpf::insert_zeros(map_fd(&self.ebpf, "BLOCKED_V4")?, &v4).context("filling the LPM trie for IPv4")?;
        bpf::insert_zeros(map_fd(&self.ebpf, "BLOCKED_V6")?, &v6).context("filling the LPM trie for IPv6")
    }

    /// Puts a program in its place.
    pub(crate) fn set(&self, candidate: Candidate, program: BorrowedFd<'_>) -> anyhow::Result<()> {
        let array = if candidate.is_plain() { "PLAIN_PROGRAMS" } else { "PROGRAMS" };
        bpf::set_program(map_fd(&self.ebpf, array)?, candidate as u32, program)
            .with_context(|| format!("putting {} behind the wrapper", candidate.name()))
    }

    /// Shows `frame`, with the sources of the window one after the other, to a program, `repeat` times, in a thread that keeps
    /// to one processor.
    ///
    /// The time is the thread's own on the processor, so that other processes that are given it meanwhile do
    /// not count; what they do to the caches does.
    pub(crate) fn run(
        &self,
        candidate: Candidate,
        frame: Frame,
        window: Window,
        repeat: u32,
    ) -> anyhow::Result<Run> {
        self.run_on(
            sched_getcpu().context("asking which processor this is")?,
            candidate,
            frame,
            window,
            repeat,
        )
    }

    /// The same in a thread that keeps to a processor, while others may do so on other ones with the same frame.
    pub(crate) fn run_on(
        &self,
        processor: usize,
        candidate: Candidate,
        frame: Frame,
        window: Window,
        repeat: u32,
    ) -> anyhow::Result<Run> {
        let bytes = frame.bytes(window.family);
        self.plan_for(processor, candidate as u64, window, frame.is_written_to())?;
        self.keep(&bytes);
        let name = if candidate.is_plain() { "plain_wrapper" } else { "wrapper" };
        let wrapper = self.program(name)?;
        let options = TestRunOptions { data_in: Some(&bytes), repeat, ..TestRunOptions::default() };
        let start = processor_time()?;
        let action =
            wrapper.test_run(options).with_context(|| format!("running {}", candidate.name()))?.return_value;
        let time = processor_time()?.saturating_sub(start);
        Ok(Run { nanoseconds: time.as_secs_f64() * 1e9 / f64::from(repeat), action })
    }

    /// Puts floodwall's program for what leaves in its place, and the one that does nothing.
    pub(crate) fn set_outgoing(&self, program: BorrowedFd<'_>) -> anyhow::Result<()> {
        let empty = self.outgoing("empty_outgoing")?.fd()?.as_fd();
        for (place, program) in [(Outgoing::Empty, empty), (Outgoing::Floodwall, program)] {
            bpf::set_program(map_fd(&self.ebpf, "OUTGOING")?, place as u32, program)
                .with_context(|| format!("putting {place:?} behind the wrapper"))?;
        }
        Ok(())
    }

    /// Shows a frame that leaves, with the addresses of the window as its destination one after the other, to a program,
    /// `repeat` times; says what one takes, ns.
    pub(crate) fn leave(
        &self,
        outgoing: Outgoing,
        frame: &[u8],
        window: Window,
        repeat: u32,
    ) -> anyhow::Result<f64> {
        let processor = sched_getcpu().context("asking which processor this is")?;
        self.plan_for(processor, outgoing as u64, window, false)?;
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let wrapper = self.outgoing("next_outgoing")?;
        let start = processor_time()?;
        let action = wrapper.test_run(options).with_context(|| format!("running {outgoing:?}"))?.return_value;
        let time = processor_time()?.saturating_sub(start);
        ensure!(action == GO_ON, "{outgoing:?} answered {action}");
        Ok(time.as_secs_f64() * 1e9 / f64::from(repeat))
    }

    /// Keeps the frame, to be put back before each packet if the plan says so.
    fn keep(&self, frame: &[u8]) {
        for (word, bytes) in self.frame.iter().zip(frame.as_chunks::<8>().0) {
            word.store(u64::from_ne_bytes(*bytes));
        }
    }

    /// The sources of a window.
    pub(crate) fn sources_of(&self, window: Window) -> impl Iterator<Item = Address> {
        self.sources[window.first..window.first + window.count].iter().map(move |word| match window.family {
            Family::V4 => Address::v4((word.load() >> 32) as u32),
            Family::V6 => Address::v6(word.load(), host_in(word.load())),
        })
    }

    /// Goes on where the last run with this window ended.
    fn plan_for(&self, processor: usize, program: u64, window: Window, restores: bool) -> anyhow::Result<()> {
        ensure!(
            processor < PLANS,
            "processor {processor} is none of the first {PLANS}, on which can be measured"
        );
        let word = |which: PlanWord| &self.plans[processor * PLAN_WORDS + which as usize];
        let same = word(PlanWord::First).load() == window.first as u64
            && word(PlanWord::Count).load() == window.count as u64;
        if !same {
            word(PlanWord::First).store(window.first as u64);
            word(PlanWord::Count).store(window.count as u64);
            word(PlanWord::Position).store(0);
        }
        word(PlanWord::Family).store(match window.family {
            Family::V4 => 4,
            Family::V6 => 6,
        });
        word(PlanWord::Program).store(program);
        word(PlanWord::Restore).store(u64::from(restores));
        Ok(())
    }

    fn outgoing(&self, name: &str) -> anyhow::Result<&SchedClassifier> {
        self.ebpf
            .program(name)
            .ok_or_else(|| anyhow!("the benchmark has no program `{name}`"))?
            .try_into()
            .context("a program of the benchmark is not for what leaves")
    }

    fn program(&self, name: &str) -> anyhow::Result<&Xdp> {
        self.ebpf
            .program(name)
            .ok_or_else(|| anyhow!("the benchmark has no program `{name}`"))?
            .try_into()
            .context("a program of the benchmark is not for XDP")
    }
}

/// The 32-bit words of 64 bits in network order.
fn halves(bits: u64) -> [u32; 2] {
    [((bits >> 32) as u32).to_be(), (bits as u32).to_be()]
}

/// Time that this thread has had on a processor.
fn processor_time() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("reading the thread's clock")?.into())
}

fn map_fd<'a>(ebpf: &'a Ebpf, name: &str) -> anyhow::Result<BorrowedFd<'a>> {
    let data: &MapData = match ebpf.map(name).ok_or_else(|| anyhow!("the benchmark has no map `{name}`"))? {
        Map::Array(data) | Map::ProgramArray(data) | Map::LpmTrie(data) | Map::LruHashMap(data) => data,
        other => anyhow::bail!("map `{name}` is {other:?}, which the benchmark does not use"),
    };
    Ok(data.fd().as_fd())
}
