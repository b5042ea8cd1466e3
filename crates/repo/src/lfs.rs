//! Git LFS: a file's tracked content is a pointer, and the object lies in the clone's own store.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use outpace_record::sha256_of;

use crate::Repo;
use crate::left_out::LeftOut;
use crate::trees::TreeFile;

/// Pointers are smaller than this (git-lfs's own limit).
pub(crate) const MOST_BYTES: usize = 1024;
const FIRST_LINE: &str = "version https://git-lfs.github.com/spec/v1";

/// What a pointer says of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    sha256: String,
    bytes: u64,
}

impl Pointer {
    /// The pointer that a tracked file is, if it is one.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        if content.len() >= MOST_BYTES {
            return None;
        }
        let mut lines = std::str::from_utf8(content).ok()?.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let (mut sha256, mut bytes) = (None, None);
        for line in lines {
            match line.split_once(' ')? {
                ("oid", id) => sha256 = id.strip_prefix("sha256:").map(str::to_owned),
                ("size", size) => bytes = size.parse().ok(),
                _ => {}
            }
        }
        let sha256 = sha256.filter(|id: &String| outpace_text::is_hex_id(id, 64));
        Some(Self {
            sha256: sha256?,
            bytes: bytes?,
        })
    }

    /// Whether a file on disk is the object.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn is_object(&self, path: &Path) -> io::Result<bool> {
        if fs::metadata(path)?.len() != self.bytes {
            return Ok(false);
        }
        Ok(sha256_of(File::open(path)?)? == self.sha256)
    }
}

impl Repo {
    /// The object of a pointer, where this clone has it. Its name is its hash; git-lfs checked it
    /// when it was fetched, so its size is enough here.
    pub(crate) fn lfs_object(&self, pointer: &Pointer) -> Option<PathBuf> {
        let id = &pointer.sha256;
        let store = self.git.commondir().join("lfs").join("objects");
        let path = store.join(&id[..2]).join(&id[2..4]).join(id);
        let whole = fs::metadata(&path).is_ok_and(|meta| meta.len() == pointer.bytes);
        whole.then_some(path)
    }
}

/// What is said of a pointer whose object this clone lacks.
pub(crate) fn no_object(file: &TreeFile) -> LeftOut {
    let why = "is an LFS pointer whose object is not in this clone, and is laid as the pointer. If \
               the program reads it: `git lfs pull`";
    LeftOut::new(&file.path, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn only_whole_pointers_are_pointers() {
        let text = format!("{FIRST_LINE}\noid sha256:{ID}\nsize 12345\n");
        let pointer = Pointer::parse(text.as_bytes()).unwrap();
        assert_eq!((pointer.bytes, &*pointer.sha256), (12345, ID));
        for broken in [
            text.replace(ID, "../../../etc/passwd"),
            text.replace("12345", "many"),
            text.replace("version", "Version"),
            format!("{FIRST_LINE}\nsize 12345\n"),
        ] {
            assert_eq!(Pointer::parse(broken.as_bytes()), None, "{broken}");
        }
    }
}
