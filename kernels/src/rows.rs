//! Rows copied from one tensor into another, in place. candle's own copies on CUDA either take a
//! whole storage or load a module that the driver compiles anew in every process.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};

const NAME: &str = "rows";

/// Numbers to copy, from and to counted from the beginning of the tensors.
struct Copy {
    from: usize,
    to: usize,
    count: usize,
}

/// Copies `rows` rows of `from`, from `first` on, over those of `to` from `at` on.
///
/// # Errors
/// Rows that differ in length or dtype, or are not there; tensors that are not contiguous.
pub fn copy(from: &Tensor, first: usize, to: &Tensor, at: usize, rows: usize) -> Result<()> {
    let (from_rows, to_rows) = (from.dim(0)?, to.dim(0)?);
    let row = from.elem_count() / from_rows.max(1);
    if from.dims()[1..] != to.dims()[1..] || first + rows > from_rows || at + rows > to_rows {
        bail!(
            "{NAME}: {rows} rows of {:?} from {first} on do not fit {:?} from {at} on",
            from.shape(),
            to.shape()
        );
    }
    let copy = Copy {
        from: first * row,
        to: at * row,
        count: rows * row,
    };
    to.inplace_op2(from, &copy)
}

impl Copy {
    /// Where the numbers begin in both storages.
    fn starts(&self, to: &Layout, from: &Layout) -> Result<[usize; 2]> {
        match (to.contiguous_offsets(), from.contiguous_offsets()) {
            (Some((to, _)), Some((from, _))) => Ok([to + self.to, from + self.from]),
            _ => bail!("{NAME}: both tensors must be contiguous"),
        }
    }
}

impl InplaceOp2 for Copy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &Layout,
        from: &CpuStorage,
        from_layout: &Layout,
    ) -> Result<()> {
        let [at, first] = self.starts(to_layout, from_layout)?;
        match (to, from) {
            (CpuStorage::F32(to), CpuStorage::F32(from)) => {
                to[at..][..self.count].copy_from_slice(&from[first..][..self.count]);
            }
            (CpuStorage::F64(to), CpuStorage::F64(from)) => {
                to[at..][..self.count].copy_from_slice(&from[first..][..self.count]);
            }
            _ => bail!("{NAME}: both must be f32, or both f64"),
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        to: &mut candle_core::CudaStorage,
        to_layout: &Layout,
        from: &candle_core::CudaStorage,
        from_layout: &Layout,
    ) -> Result<()> {
        use crate::cuda::device::for_cuda_real;
        use candle_core::backend::BackendStorage as _;
        let [at, first] = self.starts(to_layout, from_layout)?;
        let device = from.device().clone();
        for_cuda_real!(NAME, from.dtype(), T => {
            let from = from.as_cuda_slice::<T>()?.slice(first..first + self.count);
            let mut to = to.as_cuda_slice_mut::<T>()?.slice_mut(at..at + self.count);
            device.memcpy_dtod(&from, &mut to)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn rows_land_where_they_belong() {
        let tensor = |v: &[f32]| Tensor::from_slice(v, (v.len() / 2, 2), &Device::Cpu).unwrap();
        let (from, to) = (tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), tensor(&[0.0; 6]));
        copy(&from, 1, &to, 0, 2).unwrap();
        let values = to.to_vec2::<f32>().unwrap();
        assert_eq!(values, [[3.0, 4.0], [5.0, 6.0], [0.0, 0.0]]);
        assert!(copy(&from, 2, &to, 0, 2).is_err());
    }
}
