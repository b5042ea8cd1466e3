//! How much arithmetic this machine can do at most. A training that claims more did not do its work, whatever else it shows.

use std::hint::black_box;
use std::sync::{Barrier, OnceLock};
use std::time::Instant;

use outpace_process::{Context, MachineUse};
use outpace_record::{Check, Machine, Observer};
use pulp::{Arch, Simd, WithSimd};

use crate::guards::at_most;
use crate::{WorkloadError, lock_machine};

/// Independent sums: more than the multiply-add units of any machine have in flight (latency 4 to 5, two of them), and few enough to stay
/// in sixteen registers.
const SUMS: usize = 12;
/// Rounds of one try: some milliseconds.
const ROUNDS: usize = 2_000_000;
/// All copies of a try together; more than the last cache of most machines.
const COPIED_BYTES: usize = 128 << 20;
/// A peak is a maximum: what disturbs a try makes it smaller.
const TRIES: usize = 5;
/// bf16 and f16 vectors hold twice as many numbers as f32 ones.
const HALF_PRECISION: f64 = 2.0;
/// Clocks change: what was measured now may be a little less than what was reached before.
const CLOCK_SLACK: f64 = 1.1;

/// What the machine can do at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peaks {
    /// Floating-point operations a second of f32 multiply-adds, all cores together.
    pub flops_per_s: f64,
    /// Bytes read and written a second by copies from memory to memory, all cores together.
    pub copy_bytes_per_s: f64,
}

/// Measures both on all cores, with the machine locked. Takes about a second.
///
/// # Errors
/// The machine cannot be locked, or the user asked to stop.
pub fn measure_peaks(
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<Peaks, WorkloadError> {
    let _machine = lock_machine(context, MachineUse::Timing, observer)?;
    Ok(Peaks {
        flops_per_s: peak_flops_per_s(),
        copy_bytes_per_s: copy_bytes_per_s(),
    })
}

/// Floating-point operations a second of f32 multiply-adds in registers, all cores together: no matrix product of this precision is faster.
/// Measured once a process, in about a tenth of a second.
fn peak_flops_per_s() -> f64 {
    static PEAK: OnceLock<f64> = OnceLock::new();
    *PEAK.get_or_init(|| {
        let cores = cores();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(of_one_core)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(f64::INFINITY))
                .sum()
        })
    })
}

/// Bytes read and written a second by copies from memory to memory, all cores at once. Nothing is judged by it. Takes about half a second.
fn copy_bytes_per_s() -> f64 {
    let cores = cores();
    let (bytes, barrier) = (COPIED_BYTES / cores, Barrier::new(cores));
    let copies = || {
        let (from, mut to) = (vec![1u8; bytes], vec![0u8; bytes]);
        let copy = |_| {
            barrier.wait();
            let begin = Instant::now();
            to.copy_from_slice(black_box(&from));
            black_box(&to);
            // Until the last one is done.
            barrier.wait();
            begin.elapsed().as_secs_f64()
        };
        (0..TRIES).map(copy).fold(f64::INFINITY, f64::min)
    };
    let seconds = std::thread::scope(|scope| {
        for _ in 1..cores {
            scope.spawn(copies);
        }
        copies()
    });
    (2 * bytes * cores) as f64 / seconds
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn of_one_core() -> f64 {
    let tries = (0..TRIES).map(|_| Arch::new().dispatch(MultiplyAdd));
    tries.fold(0.0, f64::max)
}

struct MultiplyAdd;

impl WithSimd for MultiplyAdd {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (scale, add) = (
            simd.splat_f32s(black_box(0.999_999)),
            simd.splat_f32s(black_box(1e-6)),
        );
        let mut sums = [simd.splat_f32s(black_box(1.0)); SUMS];
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, scale, add);
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        for sum in sums {
            black_box(simd.reduce_sum_f32s(sum));
        }
        (2 * SUMS * ROUNDS * S::F32_LANES) as f64 / seconds
    }
}

/// Whether what the candidate reached is possible here. `None` where the limit is not known: with a GPU or matrix units beside the vector
/// units, or where the base itself is above it, because it computes elsewhere or counts otherwise.
pub fn plausible(machine: &Machine, [base, candidate]: [f64; 2]) -> Option<Check> {
    let limit = limit(machine, peak_flops_per_s).filter(|limit| base <= *limit)?;
    Some(at_most(
        "plausible",
        candidate,
        limit,
        "floating-point operations a second of the candidate, against the most that this machine can do",
    ))
}

fn limit(machine: &Machine, peak: impl Fn() -> f64) -> Option<f64> {
    let has = |name: &str| machine.simd.iter().any(|simd| simd == name);
    // Without these the measuring loop is scalar, and in a debug build it is no measure of anything.
    let measured = has("avx2") && has("fma") && !cfg!(debug_assertions);
    if !measured || !machine.gpus.is_empty() || has("amx_tile") || machine.arch != "x86_64" {
        return None;
    }
    let half = has("avx512_bf16") || has("avx512_fp16");
    let precision = if half { HALF_PRECISION } else { 1.0 };
    Some(CLOCK_SLACK * precision * peak())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_more_than_any_machine_lacks() {
        // One core of the oldest x86-64 does a multiplication and an addition of four numbers a cycle.
        assert!(peak_flops_per_s() > 1e9);
        // PC-133 memory of the year 2000 read or wrote a gigabyte a second.
        assert!(copy_bytes_per_s() > 1e8);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "the peak is measured in release builds")]
    fn what_nobody_can_do_is_not_plausible() {
        let machine = Machine {
            arch: "x86_64".into(),
            simd: vec!["avx2".into(), "fma".into()],
            ..Machine::default()
        };
        let check = |machine: &Machine, claimed: f64| {
            let limit = limit(machine, || 1e12);
            limit.map(|limit| claimed <= limit)
        };
        assert_eq!(check(&machine, 0.9e12), Some(true));
        assert_eq!(check(&machine, 1.2e12), Some(false));
        let with = |simd: &str| Machine {
            simd: vec!["avx2".into(), "fma".into(), simd.into()],
            ..machine.clone()
        };
        assert_eq!(check(&with("avx512_bf16"), 1.2e12), Some(true));
        assert_eq!(check(&with("amx_tile"), 1e20), None);
        let other = Machine {
            arch: "aarch64".into(),
            ..machine.clone()
        };
        assert_eq!(check(&other, 1e20), None);
        let passes = |base, candidate| plausible(&machine, [base, candidate]).map(|c| c.passed);
        assert_eq!(passes(1.0, f64::NAN), Some(false));
        assert_eq!(passes(1.0, 1e20), Some(false));
        assert_eq!(passes(1.0, 2.0), Some(true));
        assert_eq!(passes(1e20, 1e20), None, "the base counts otherwise");
    }
}
