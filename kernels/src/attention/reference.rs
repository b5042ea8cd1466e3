//! Causal attention by its definition (Vaswani et al. 2017): softmax(Q K^T / sqrt(head_dim)) V, the
//! future masked. Queries and keys are already turned.

use crate::rotary::Shape;

/// `qkv` (batch x sequence, 3 x heads x head_dim) to (batch x sequence, heads x head_dim).
pub fn forward(qkv: &[f64], shape: &Shape) -> Vec<f64> {
    let width = shape.heads * shape.head_dim;
    let tokens = qkv.len() / (3 * width);
    let mut y = vec![0.0; tokens * width];
    for token in 0..tokens {
        let first = token - token % shape.sequence;
        for head in 0..shape.heads {
            let at = |part: usize, token: usize| {
                &qkv[token * 3 * width + part * width + head * shape.head_dim..][..shape.head_dim]
            };
            let scores: Vec<f64> = (first..=token)
                .map(|other| {
                    let products = at(0, token).iter().zip(at(1, other)).map(|(q, k)| q * k);
                    products.sum::<f64>() / (shape.head_dim as f64).sqrt()
                })
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
            for (score, other) in scores.iter().zip(first..) {
                let probability = (score - largest).exp() / sum;
                let out = &mut y[token * width + head * shape.head_dim..][..shape.head_dim];
                for (out, v) in out.iter_mut().zip(at(2, other)) {
                    *out += probability * v;
                }
            }
        }
    }
    y
}
