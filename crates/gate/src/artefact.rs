//! When two builds are the same program.
//!
//! Two files are the same if their bytes are. Of an ELF executable only what is loaded counts, and of that not the build id
//! and not the line and column of panic messages: a patch that only moves lines leaves the same program.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use object::read::elf::{ElfFile64, FileHeader as _};
use object::{Endianness, Object, ObjectSection, SectionFlags, elf};
use sha2::{Digest, Sha256};

/// A source path longer than this is no source path.
const LONGEST_SOURCE_PATH: u64 = 1024;

/// The identity of one file, as a hex hash.
///
/// # Errors
/// It cannot be read.
pub(crate) fn identity_of_file(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    Ok(identity(&bytes))
}

fn identity(bytes: &[u8]) -> String {
    hex::encode(loaded_parts(bytes).unwrap_or_else(|| Sha256::digest(bytes).to_vec()))
}

/// Hash over the loaded sections of an ELF file with panic locations blanked; `None` if it is none that the system's loader runs. Kernels of a GPU
/// are ELF files too, whose sections all have the address 0.
fn loaded_parts(bytes: &[u8]) -> Option<Vec<u8>> {
    let file: ElfFile64<'_, Endianness> = ElfFile64::parse(bytes).ok()?;
    let header = file.elf_header();
    let machine = header.e_machine(file.endian());
    if header.e_type(file.endian()) == elf::ET_REL
        || ![elf::EM_X86_64, elf::EM_AARCH64].contains(&machine)
    {
        return None;
    }
    let mut sections = BTreeMap::new();
    let mut hash = Sha256::new();
    for section in file.sections() {
        let name = section.name().ok()?.to_owned();
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            return None;
        };
        if !sh_flags.contains(elf::SHF_ALLOC) || name == ".note.gnu.build-id" {
            continue;
        }
        let (address, size) = (section.address(), section.size());
        let data = section.data().ok()?.to_vec();
        if data.is_empty() {
            // Zeros, which take no place: those of a thread have the address of what follows them.
            hash.update(format!("{name} {address:x} {size:x}\n"));
        } else if sections.insert(address, (name, size, data)).is_some() {
            return None;
        }
    }
    blank_locations(&file, &mut sections);
    for (address, (name, size, data)) in &sections {
        hash.update(format!("{name} {address:x} {size:x}\n"));
        hash.update(data);
    }
    Some(hash.finalize().to_vec())
}

type Sections = BTreeMap<u64, (String, u64, Vec<u8>)>;

/// rustc stores a `core::panic::Location` as pointer to the file's name, its length, line (u32), column (u32). The pointer
/// is a relative relocation, so that each one can be found and its line and column set to zero.
fn blank_locations(file: &ElfFile64<'_, Endianness>, sections: &mut Sections) {
    let Some(relocations) = file.dynamic_relocations() else {
        return;
    };
    let places: Vec<(u64, u64)> = relocations
        .filter(|(_, relocation)| matches!(relocation.target(), object::RelocationTarget::Absolute))
        .map(|(place, relocation)| (place, relocation.addend() as u64))
        .collect();
    for (place, target) in places {
        let Some(length) = read_u64(sections, place + 8) else {
            continue;
        };
        if is_source_path(sections, target, length) {
            blank(sections, place + 16, 8);
        }
    }
}

fn locate(sections: &Sections, address: u64, length: u64) -> Option<(u64, std::ops::Range<usize>)> {
    let (&start, (_, _, data)) = sections.range(..=address).next_back()?;
    let from = usize::try_from(address - start).ok()?;
    let to = from.checked_add(usize::try_from(length).ok()?)?;
    (to <= data.len()).then_some((start, from..to))
}

fn read_u64(sections: &Sections, address: u64) -> Option<u64> {
    let (start, range) = locate(sections, address, 8)?;
    Some(u64::from_le_bytes(
        sections[&start].2[range].try_into().ok()?,
    ))
}

fn is_source_path(sections: &Sections, address: u64, length: u64) -> bool {
    if !(4..=LONGEST_SOURCE_PATH).contains(&length) {
        return false;
    }
    locate(sections, address, length).is_some_and(|(start, range)| {
        let text = &sections[&start].2[range];
        text.ends_with(b".rs") && text.iter().all(u8::is_ascii_graphic)
    })
}

fn blank(sections: &mut Sections, address: u64, length: u64) {
    if let Some((start, range)) = locate(sections, address, length)
        && let Some((_, _, data)) = sections.get_mut(&start)
    {
        data[range].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_their_bytes() {
        assert_eq!(identity(b"print(1)"), identity(b"print(1)"));
        assert_ne!(identity(b"print(1)"), identity(b"print(2)"));
    }

    /// A file of two sections as compilers of GPU kernels write them: type "executable", machine 190, addresses 0.
    fn kernels(code: u8) -> Vec<u8> {
        let section = |name: u32, kind: u32, flags: u64, offset: u64, size: u64| {
            let mut bytes = [name.to_le_bytes(), kind.to_le_bytes()].concat();
            for value in [flags, 0, offset, size] {
                bytes.extend(value.to_le_bytes());
            }
            bytes.extend([0; 24]);
            bytes
        };
        let names = b"\0.names\0.text.a\0.text.b\0";
        let texts = [[code; 16], [7; 16]].concat();
        let (names_at, texts_at) = (64, 64 + names.len() as u64);
        let table_at = texts_at + texts.len() as u64;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for value in [2_u16, 190] {
            file.extend(value.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        for value in [0, 0, table_at] {
            file.extend(value.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        for value in [64_u16, 0, 0, 64, 4, 1] {
            file.extend(value.to_le_bytes());
        }
        file.extend(names);
        file.extend(&texts);
        file.extend([0; 64]);
        file.extend(section(1, 3, 0, names_at, names.len() as u64));
        file.extend(section(8, 1, 6, texts_at, 16));
        file.extend(section(16, 1, 6, texts_at + 16, 16));
        file
    }

    #[test]
    fn kernels_of_a_gpu_are_all_their_bytes() {
        let file = kernels(1);
        let parsed: ElfFile64<'_, Endianness> = ElfFile64::parse(&*file).unwrap();
        assert_eq!(parsed.sections().count(), 3, "it is a good ELF file");
        assert_eq!(identity(&kernels(1)), identity(&kernels(1)));
        assert_ne!(identity(&kernels(1)), identity(&kernels(2)));
    }

    #[test]
    fn an_executable_is_what_is_loaded() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let parts = loaded_parts(&this).expect("the test itself is an ELF file");
        let mut longer = this.clone();
        longer.extend_from_slice(b"debug information");
        assert_eq!(
            loaded_parts(&longer).unwrap(),
            parts,
            "what is not loaded does not count"
        );
    }
}
