//! The sum of two tensors of one shape: residual connections, and gradients of what is used twice.
//!
//! | version | where | notes |
//! |---|---|---|
//! | cpu | candle | one thread; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16. candle has one, whose module the driver would compile anew in every process |
//!
//! Shapes: any, both the same. Layout: contiguous. [`crate::tape::Tape::add`] records it; its
//! gradient goes to both unchanged.

pub mod cuda;

#[cfg(feature = "cuda")]
const NAME: &str = "add";

use crate::profile;
use candle_core::{Result, Tensor};

/// `a + b`; the profile calls it `name`.
pub(crate) fn sum(name: &'static str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        return cuda::sum(name, a, b);
    }
    let bytes = a.elem_count() * a.dtype().size_in_bytes();
    let _span = profile::span(name, a.elem_count(), 3 * bytes);
    a.detach() + b.detach()
}
