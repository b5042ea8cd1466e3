//! What this machine can do at most, measured: the yardsticks that a training step and its
//! operations are held against.

use crate::place::Place;
use anyhow::Result;
use candle_core::{DType, Tensor};
use outpace_kernels::linear::cpu::{View, product};
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;

/// Rows and columns of the matrices; large enough that packing them costs nothing beside their
/// product.
const SIDE: usize = 1024;
/// Floats that are copied, 128 MiB: more than the last cache of most machines. Where it is not, the
/// limit is that of the cache.
const FLOATS: usize = 32 << 20;
/// Floats that one task copies.
const FLOATS_PER_TASK: usize = 1 << 20;
/// The same on a GPU, which has more to fill and is timed over several in a row, so that launching
/// them costs nothing. One with little free memory gets less.
const GPU_SIDE: usize = 8192;
const GPU_FLOATS: usize = 256 << 20;
const GPU_IN_A_ROW: usize = 8;
/// The best of so many counts: a peak is a maximum, and everything that disturbs makes it smaller.
const TRIES: usize = 6;

/// The most that all threads together, or a GPU, reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peaks {
    /// Floating-point operations a second of a large matrix product, in the numbers that train.
    pub matmul_flops_per_s: f64,
    /// Bytes read and written a second by a copy from memory to memory.
    pub copy_bytes_per_s: f64,
}

impl Peaks {
    /// The shortest time in which so much work could be done: arithmetic and memory overlap at
    /// best.
    #[must_use]
    pub fn limit_s(&self, flops: f64, bytes: f64) -> f64 {
        (flops / self.matmul_flops_per_s).max(bytes / self.copy_bytes_per_s)
    }
}

/// Takes about a second.
///
/// # Errors
/// What a GPU's driver reports.
pub fn measure(place: &Place) -> Result<Peaks> {
    if place.is_cuda() {
        return of_gpu(place);
    }
    Ok(of_cpu())
}

fn of_gpu(place: &Place) -> Result<Peaks> {
    // Of zeros a GPU draws less power and clocks higher: not what training meets.
    let (side, floats) = gpu_sizes(free_bytes(place)?);
    let values: Vec<f32> = (0..side * side)
        .map(|i| (i % 97) as f32 / 97.0 - 0.5)
        .collect();
    let matrix = Tensor::from_vec(values, (side, side), &candle_core::Device::Cpu)?;
    let matrix = matrix.to_dtype(place.dtype)?.to_device(&place.device)?;
    let matmul_s = shortest_on(place, || matrix.matmul(&matrix))?;
    let bytes = Tensor::zeros(floats, DType::F32, &place.device)?;
    let copy_s = shortest_on(place, || bytes.copy())?;
    Ok(Peaks {
        matmul_flops_per_s: 2.0 * (side as f64).powi(3) / matmul_s,
        copy_bytes_per_s: 2.0 * (bytes.elem_count() * size_of::<f32>()) as f64 / copy_s,
    })
}

/// Sides of the matrices and floats to copy: at most a quarter of the free memory for either,
/// products and copies in flight included.
fn gpu_sizes(free_bytes: u64) -> (usize, usize) {
    let quarter = usize::try_from(free_bytes / 4).unwrap_or(usize::MAX);
    // In the f32 that they are made in: two factors that are one, and products that wait to be
    // freed.
    let most = (quarter / (4 * size_of::<f32>())).isqrt();
    let side = (most + 1).next_power_of_two() / 2;
    (side.clamp(64, GPU_SIDE), (quarter / 8).clamp(1, GPU_FLOATS))
}

#[cfg(feature = "cuda")]
fn free_bytes(place: &Place) -> Result<u64> {
    Ok(outpace_kernels::cuda::device::free_memory_bytes(
        &place.device,
    )?)
}

#[cfg(not(feature = "cuda"))]
fn free_bytes(_: &Place) -> Result<u64> {
    anyhow::bail!("this outpace-gpt was built without CUDA")
}

/// Seconds of one piece of work, of which several are queued before anybody waits.
fn shortest_on(place: &Place, work: impl Fn() -> candle_core::Result<Tensor>) -> Result<f64> {
    let mut best_s = f64::INFINITY;
    for _ in 0..TRIES {
        place.synchronize()?;
        let start = Instant::now();
        for _ in 0..GPU_IN_A_ROW {
            work()?;
        }
        place.synchronize()?;
        best_s = best_s.min(start.elapsed().as_secs_f64() / GPU_IN_A_ROW as f64);
    }
    Ok(best_s)
}

/// What the CPU's threads reach.
#[must_use]
pub fn of_cpu() -> Peaks {
    let values: Vec<f32> = (0..SIDE * SIDE).map(|i| (i % 97) as f32 / 97.0).collect();
    let matrix = View::new(&values, SIDE);
    let matmul_s = shortest(|| {
        std::hint::black_box(product(matrix, matrix));
    });
    let from = vec![1.0f32; FLOATS];
    let mut to = vec![0.0f32; FLOATS];
    let copy_s = shortest(|| {
        to.par_chunks_mut(FLOATS_PER_TASK)
            .zip(from.par_chunks(FLOATS_PER_TASK))
            .for_each(|(to, from)| to.copy_from_slice(from));
        std::hint::black_box(&to);
    });
    Peaks {
        matmul_flops_per_s: 2.0 * (SIDE * SIDE * SIDE) as f64 / matmul_s,
        copy_bytes_per_s: 2.0 * (FLOATS * size_of::<f32>()) as f64 / copy_s,
    }
}

fn shortest(mut work: impl FnMut()) -> f64 {
    let mut best_s = f64::INFINITY;
    for _ in 0..TRIES {
        let start = Instant::now();
        work();
        best_s = best_s.min(start.elapsed().as_secs_f64());
    }
    best_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_with_little_memory_gets_smaller_work() {
        let gib = 1_u64 << 30;
        assert_eq!(gpu_sizes(60 * gib), (GPU_SIDE, GPU_FLOATS));
        assert_eq!(gpu_sizes(gib), (4096, 32 << 20));
        assert_eq!(gpu_sizes(32 << 20), (512, 1 << 20));
        assert_eq!(gpu_sizes(0), (64, 1));
    }

    #[test]
    fn the_limit_is_the_slower_of_arithmetic_and_memory() {
        let peaks = Peaks {
            matmul_flops_per_s: 100.0,
            copy_bytes_per_s: 10.0,
        };
        assert_eq!(peaks.limit_s(200.0, 10.0), 2.0);
        assert_eq!(peaks.limit_s(200.0, 50.0), 5.0);
    }
}
