//! Causal attention on the CPU, one query after the other. The backward computes the probabilities again instead of keeping them.

use crate::real::{Real, add_scaled, dot, exponentiate};
use crate::rotary::cpu::{Turn, turn};
use crate::rotary::{Angles, Shape};

/// `qkv` (batch x sequence, 3 x heads x head_dim) to (batch x sequence, heads x head_dim).
pub fn forward<T: Real>(qkv: &[T], angles: Angles<'_, T>, shape: &Shape) -> Vec<T> {
    let turned = turned(qkv, angles, shape, Turn::Forward);
    let mut y = vec![T::zero(); qkv.len() / 3];
    for (token, head) in queries(y.len(), shape) {
        let sums = row_mut(&mut y, shape, [token, head]);
        let seen = token - token % shape.sequence..;
        for (weight, other) in probabilities(&turned, shape, token, head).iter().zip(seen) {
            add_scaled(sums, *weight, row(&turned, shape, [other, head], 2));
        }
    }
    y
}

/// The gradient of `qkv` for `grad` (batch x sequence, heads x head_dim).
///
/// With P the probabilities, S the scores and O the output: dV = P^T dO, dS = P (dO V^T - rowsum(P dO V^T)), dQ = dS K, dK = dS^T Q.
pub fn backward<T: Real>(qkv: &[T], grad: &[T], angles: Angles<'_, T>, shape: &Shape) -> Vec<T> {
    let turned_qkv = turned(qkv, angles, shape, Turn::Forward);
    let mut out = vec![T::zero(); qkv.len()];
    for (token, head) in queries(grad.len(), shape) {
        let weights = probabilities(&turned_qkv, shape, token, head);
        let first = token - token % shape.sequence;
        let at = |other, part| row(&turned_qkv, shape, [other, head], part);
        let width = shape.heads * shape.head_dim;
        let grad = &grad[token * width + head * shape.head_dim..][..shape.head_dim];
        let slopes: Vec<T> = (first..=token)
            .map(|other| dot(grad, at(other, 2)))
            .collect();
        let mean = dot(&weights, &slopes);
        for ((other, weight), slope) in (first..).zip(weights).zip(slopes) {
            let slope = weight * (slope - mean) * scale(shape);
            add_scaled(
                part_mut(&mut out, shape, [token, head], 0),
                slope,
                at(other, 1),
            );
            add_scaled(
                part_mut(&mut out, shape, [other, head], 1),
                slope,
                at(token, 0),
            );
            add_scaled(part_mut(&mut out, shape, [other, head], 2), weight, grad);
        }
    }
    turned(&out, angles, shape, Turn::Backward)
}

/// Queries and keys of all packed rows turned by their positions.
fn turned<T: Real>(qkv: &[T], angles: Angles<'_, T>, shape: &Shape, which: Turn) -> Vec<T> {
    let width = shape.heads * shape.head_dim;
    let mut out = qkv.to_vec();
    for (token, out) in out.chunks_mut(3 * width).enumerate() {
        for head in out[..2 * width].chunks_mut(shape.head_dim) {
            turn(head, angles.at(token % shape.sequence), which);
        }
    }
    out
}

/// Every token with every head.
fn queries(outputs: usize, shape: &Shape) -> impl Iterator<Item = (usize, usize)> {
    let heads = shape.heads;
    let tokens = outputs / (heads * shape.head_dim);
    (0..tokens).flat_map(move |token| (0..heads).map(move |head| (token, head)))
}

/// Of one query over the tokens of its sequence up to itself.
fn probabilities<T: Real>(qkv: &[T], shape: &Shape, token: usize, head: usize) -> Vec<T> {
    let seen = token - token % shape.sequence..=token;
    let query = row(qkv, shape, [token, head], 0);
    let score = |other| dot(query, row(qkv, shape, [other, head], 1)) * scale(shape);
    let mut weights: Vec<T> = seen.map(score).collect();
    let (_, sum) = exponentiate(&mut weights);
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

fn scale<T: Real>(shape: &Shape) -> T {
    T::from_f64(1.0 / (shape.head_dim as f64).sqrt())
}

/// Query (0), key (1) or value (2) of a token's head.
fn row<'a, T>(qkv: &'a [T], shape: &Shape, at: [usize; 2], part: usize) -> &'a [T] {
    &qkv[start(shape, at, part)..][..shape.head_dim]
}

fn part_mut<'a, T>(qkv: &'a mut [T], shape: &Shape, at: [usize; 2], part: usize) -> &'a mut [T] {
    &mut qkv[start(shape, at, part)..][..shape.head_dim]
}

fn start(shape: &Shape, [token, head]: [usize; 2], part: usize) -> usize {
    (token * 3 + part) * shape.heads * shape.head_dim + head * shape.head_dim
}

/// The same of the output.
fn row_mut<'a, T>(y: &'a mut [T], shape: &Shape, [token, head]: [usize; 2]) -> &'a mut [T] {
    let width = shape.heads * shape.head_dim;
    &mut y[token * width + head * shape.head_dim..][..shape.head_dim]
}
