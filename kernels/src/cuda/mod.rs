//! What the CUDA kernels (`*/cuda.cu`) have in common, as far as it needs no GPU: how many blocks
//! and threads a launch has. The tests run the kernels with these numbers, thread by thread, on a
//! CPU.

#[cfg(feature = "cuda")]
pub mod compile;
#[cfg(feature = "cuda")]
pub mod device;
pub mod settings;

use candle_core::{DType, Result, bail};

/// Threads of a warp.
pub const WARP: usize = 32;
/// A thread loads so many bytes at once.
const PACK_BYTES: usize = 16;
/// What every GPU since sm_50 takes.
const MOST_BLOCKS: [usize; 3] = [i32::MAX as usize, 65_535, 65_535];
/// Of a block.
pub(crate) const MOST_THREADS: usize = 1024;

/// The size of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks in x, y and z.
    pub blocks: [u32; 3],
    /// Threads of a block, all in x; whole warps.
    pub threads: u32,
    /// Shared memory of a block in bytes, beyond what its kernel declares.
    pub shared: u32,
}

impl Launch {
    /// # Errors
    /// More blocks than a GPU takes, or none; threads that are no whole number of warps up to
    /// 1,024.
    pub fn new(operation: &'static str, blocks: [usize; 3], threads: usize) -> Result<Self> {
        if !threads.is_multiple_of(WARP) || !(WARP..=MOST_THREADS).contains(&threads) {
            bail!(
                "{operation}: blocks of {threads} threads, not a whole number of warps up to {MOST_THREADS}"
            );
        }
        for (&blocks, most) in blocks.iter().zip(MOST_BLOCKS) {
            if blocks == 0 || blocks > most {
                bail!(
                    "{operation}: a launch of {blocks} blocks, between 1 and {most} are possible"
                );
            }
        }
        Ok(Self {
            blocks: blocks.map(|n| n as u32),
            threads: threads as u32,
            shared: 0,
        })
    }

    /// With so many bytes of shared memory a block.
    #[must_use]
    pub fn with_shared(self, bytes: usize) -> Self {
        Self {
            shared: bytes as u32,
            ..self
        }
    }
}

/// Numbers that a thread loads at once.
///
/// # Errors
/// A dtype other than f32 and bf16.
pub fn pack(operation: &'static str, dtype: DType) -> Result<usize> {
    match dtype {
        DType::F32 | DType::BF16 => Ok(PACK_BYTES / dtype.size_in_bytes()),
        other => bail!("{operation}: no CUDA version for {other:?}, only for f32 and bf16"),
    }
}

/// How many packs a row of `width` numbers has.
///
/// # Errors
/// A width that is no whole number of packs, or a dtype other than f32 and bf16.
pub fn packs(operation: &'static str, width: usize, dtype: DType) -> Result<usize> {
    let pack = pack(operation, dtype)?;
    if !width.is_multiple_of(pack) {
        bail!(
            "{operation}: {width} numbers of {dtype:?} are no multiple of {pack}, which the CUDA version needs"
        );
    }
    Ok(width / pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gpu_cannot_do_is_said() {
        let message = |result: Result<Launch>| result.unwrap_err().to_string();
        assert!(message(Launch::new("x", [1, 70_000, 1], 32)).contains("70000 blocks"));
        assert!(message(Launch::new("x", [0, 1, 1], 32)).contains("0 blocks"));
        assert!(message(Launch::new("x", [1; 3], 40)).contains("40 threads"));
        assert!(message(Launch::new("x", [1; 3], 2048)).contains("2048 threads"));
        let odd = packs("x", 12, DType::BF16).unwrap_err().to_string();
        assert!(odd.contains("multiple of 8"), "{odd}");
        let double = packs("x", 12, DType::F64).unwrap_err().to_string();
        assert!(double.contains("F64"), "{double}");
        assert_eq!(packs("x", 12, DType::F32).unwrap(), 3);
    }
}
