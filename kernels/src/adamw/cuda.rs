//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::Launch;
use candle_core::Result;

/// Threads of a block, each with one element.
pub const ADAMW_THREADS: usize = 256;

/// The update of so many elements.
///
/// # Errors
/// No elements, or more than a GPU has blocks for.
pub fn launch(elements: usize) -> Result<Launch> {
    let blocks = [elements.div_ceil(ADAMW_THREADS), 1, 1];
    Launch::new(NAME, blocks, ADAMW_THREADS)
}
