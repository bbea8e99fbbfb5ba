//! The functions of a compiled program, and what an instruction is (Documentation/bpf/standardization/instruction-set.rst).

use anyhow::Context as _;
use object::{File, Object as _, ObjectSection as _, ObjectSymbol as _, SectionIndex, SymbolKind};

/// `bpf_insn` in linux/bpf.h.
pub(crate) const INSTRUCTION_BYTES: usize = 8;

/// Bits of the operation: its class, and what the class has it do.
pub(crate) const CLASS: u8 = 0x07;
pub(crate) const OPERATION: u8 = 0xf0;

pub(crate) const LOAD_REGISTER: u8 = 0x01;
pub(crate) const STORE_VALUE: u8 = 0x02;
pub(crate) const STORE_REGISTER: u8 = 0x03;
pub(crate) const JUMP: u8 = 0x05;
pub(crate) const JUMP32: u8 = 0x06;
pub(crate) const ARITHMETIC64: u8 = 0x07;

/// Operations of jumps.
pub(crate) const ALWAYS: u8 = 0x00;
pub(crate) const CALL: u8 = 0x80;
pub(crate) const EXIT: u8 = 0x90;

/// Operations of 64-bit arithmetic, whole: with a value, and with a register.
pub(crate) const ADD_VALUE: u8 = 0x07;
pub(crate) const COPY_REGISTER: u8 = 0xbf;

/// A function as it stands in its section.
pub(crate) struct Function<'data> {
    pub(crate) name: &'data str,
    pub(crate) section: SectionIndex,
    /// Where it begins in its section, in bytes.
    pub(crate) start: u64,
    pub(crate) code: &'data [u8],
}

/// All functions of an object.
///
/// # Errors
///
/// If one has no name, or lies in no section.
pub(crate) fn functions<'data>(object: &File<'data>) -> anyhow::Result<Vec<Function<'data>>> {
    let functions = object.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
    functions
        .map(|symbol| {
            let name = symbol.name().context("a function has no name")?;
            let section = symbol.section_index().with_context(|| format!("{name} lies in no section"))?;
            let code = object
                .section_by_index(section)?
                .data_range(symbol.address(), symbol.size())?
                .with_context(|| format!("{name} reaches beyond its section"))?;
            Ok(Function { name, section, start: symbol.address(), code })
        })
        .collect()
}

/// The instructions of a function, in order.
pub(crate) fn instructions(code: &[u8]) -> impl Iterator<Item = &[u8]> {
    code.chunks_exact(INSTRUCTION_BYTES)
}

/// The register that an instruction writes to or stores by.
pub(crate) fn destination(word: &[u8]) -> u8 {
    word[1] & 0x0f
}

/// The register that an instruction reads.
pub(crate) fn source(word: &[u8]) -> u8 {
    word[1] >> 4
}

/// By how much an access or a jump is off.
pub(crate) fn offset(word: &[u8]) -> i16 {
    i16::from_le_bytes([word[2], word[3]])
}

/// The value that stands in an instruction.
pub(crate) fn value(word: &[u8]) -> i32 {
    i32::from_le_bytes([word[4], word[5], word[6], word[7]])
}

/// Instructions for the tests of what reads them.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) const THE_END: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

    /// An instruction of its parts.
    pub(crate) fn instruction(
        operation: u8,
        destination: u8,
        source: u8,
        offset: i16,
        value: i32,
    ) -> [u8; 8] {
        let ([low, high], [a, b, c, d]) = (offset.to_le_bytes(), value.to_le_bytes());
        [operation, source << 4 | destination, low, high, a, b, c, d]
    }
}
