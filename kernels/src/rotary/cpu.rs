//! Rotary embedding on the CPU: tokens in parallel, angles from a table.

use crate::real::Real;
use crate::simd::vectorised;
use rayon::prelude::*;

/// Tokens that one task rotates. A token's row is three times the model's width.
pub const ROTARY_TOKENS_PER_TASK: usize = 32;

/// Which way to turn: the backward of a rotation is the rotation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// By the angle.
    Forward,
    /// By its negative.
    Backward,
}

/// Rotates the queries and keys of packed rows `qkv` (tokens, 3 x heads x head_dim); values are copied. `cos` and `sin` are
/// (sequence, head_dim / 2).
pub fn rotate<T: Real>(
    qkv: &[T],
    cos: &[T],
    sin: &[T],
    shape: &super::Shape,
    turn: Turn,
) -> Vec<T> {
    let half = shape.head_dim / 2;
    let width = shape.heads * shape.head_dim;
    let task = ROTARY_TOKENS_PER_TASK * 3 * width;
    let sign = if turn == Turn::Forward {
        T::one()
    } else {
        -T::one()
    };
    let mut y = vec![T::zero(); qkv.len()];
    y.par_chunks_mut(task)
        .zip(qkv.par_chunks(task))
        .enumerate()
        .for_each(|(index, (y, x))| {
            let first = index * ROTARY_TOKENS_PER_TASK;
            let rows = y.chunks_mut(3 * width).zip(x.chunks(3 * width));
            vectorised(
                #[inline(always)]
                || {
                    for (token, (y, x)) in rows.enumerate() {
                        let angles = (first + token) % shape.sequence * half..;
                        let (cos, sin) = (&cos[angles.clone()][..half], &sin[angles][..half]);
                        rotate_token(&mut y[..2 * width], &x[..2 * width], cos, sin, sign);
                        y[2 * width..].copy_from_slice(&x[2 * width..]);
                    }
                },
            );
        });
    y
}

#[inline(always)]
fn rotate_token<T: Real>(y: &mut [T], x: &[T], cos: &[T], sin: &[T], sign: T) {
    let half = cos.len();
    for (y, x) in y.chunks_mut(2 * half).zip(x.chunks(2 * half)) {
        let (y_low, y_high) = y.split_at_mut(half);
        let (x_low, x_high) = x.split_at(half);
        for i in 0..half {
            let sin = sin[i] * sign;
            y_low[i] = x_low[i] * cos[i] - x_high[i] * sin;
            y_high[i] = x_low[i] * sin + x_high[i] * cos[i];
        }
    }
}
