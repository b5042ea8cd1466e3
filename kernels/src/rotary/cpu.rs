//! Rotary embedding on the CPU: one row of one head, in place.

use crate::real::Real;

/// Which way to turn: the backward of a rotation is the rotation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// By the angle.
    Forward,
    /// By its negative.
    Backward,
}

/// Turns the pairs (i, i + half) of `row` by the angles whose cosines and sines, half of them each,
/// are given.
#[inline(always)]
pub fn turn<T: Real>(row: &mut [T], (cos, sin): (&[T], &[T]), turn: Turn) {
    let (low, high) = row.split_at_mut(cos.len());
    let pairs = low.iter_mut().zip(high);
    for ((low, high), (&cos, &sin)) in pairs.zip(cos.iter().zip(sin)) {
        let sin = if turn == Turn::Forward { sin } else { -sin };
        (*low, *high) = (*low * cos - *high * sin, *low * sin + *high * cos);
    }
}
