//! New vectors, made by all threads at once.

use crate::real::Real;
use crate::simd::vectorised;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A vector of `n` numbers, made in tasks of `task` of them: `fill(first, part)` writes those from
/// number `first` on. It runs as vector code, so it must be `#[inline(always)]`. What it leaves out
/// is zero.
///
/// # Panics
/// When `task` is 0, or `fill` panics.
#[inline(always)]
pub(crate) fn filled<T: Real>(
    n: usize,
    task: usize,
    fill: impl Fn(usize, &mut [T]) + Sync + Send,
) -> Vec<T> {
    filled_and(n, task, fill).0
}

/// As [`filled`], with what `fill` gives back, in order.
///
/// Each task writes its own zeros first, which then lie in its core's cache. `vec![0.0; n]` would
/// have one thread write the whole vector to memory beforehand, while the others wait.
#[inline(always)]
#[expect(
    unsafe_code,
    reason = "the only way to memory that is not written twice"
)]
pub(crate) fn filled_and<T: Real, R: Send>(
    n: usize,
    task: usize,
    fill: impl Fn(usize, &mut [T]) -> R + Sync + Send,
) -> (Vec<T>, Vec<R>) {
    let mut data = Vec::with_capacity(n);
    let parts = data.spare_capacity_mut()[..n].par_chunks_mut(task);
    let results = parts.enumerate().map(|(index, part)| {
        part.fill(MaybeUninit::new(T::zero()));
        // SAFETY: the line above has written all of it.
        let part = unsafe { part.assume_init_mut() };
        vectorised(
            #[inline(always)]
            || fill(index * task, part),
        )
    });
    let results = results.collect();
    // SAFETY: the capacity is at least n, and every task has written its part of the first n.
    unsafe { data.set_len(n) };
    (data, results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_written_once_whatever_the_size_of_a_task() {
        for n in [0, 1, 7, 8, 9, 100] {
            for task in [1, 7, 8, 200] {
                let (data, lengths) = filled_and(n, task, |first, part: &mut [f32]| {
                    for (i, value) in part.iter_mut().enumerate().skip(1) {
                        *value += (first + i) as f32;
                    }
                    part.len()
                });
                let expected: Vec<f32> = (0..n)
                    .map(|i| if i % task == 0 { 0.0 } else { i as f32 })
                    .collect();
                assert_eq!(data, expected, "{n} in tasks of {task}");
                assert_eq!(lengths.iter().sum::<usize>(), n);
            }
        }
    }
}
