//! Rotary position embedding (Su et al. 2021), the half-split form of GPT-NeoX: pairs are (i, i +
//! half).

/// Rotates queries and keys of packed rows (query, key, value; each heads x head_dim) by their
/// position in the sequence.
pub fn forward(qkv: &[f64], sequence: usize, heads: usize, head_dim: usize, base: f64) -> Vec<f64> {
    let width = heads * head_dim;
    let half = head_dim / 2;
    let mut y = qkv.to_vec();
    for (row, y) in y.chunks_mut(3 * width).enumerate() {
        let position = (row % sequence) as f64;
        // Queries and keys are the first two thirds; values stay.
        for head in y[..2 * width].chunks_mut(head_dim) {
            for i in 0..half {
                let angle = position * base.powf(-2.0 * i as f64 / head_dim as f64);
                let (a, b) = (head[i], head[i + half]);
                head[i] = a * angle.cos() - b * angle.sin();
                head[i + half] = a * angle.sin() + b * angle.cos();
            }
        }
    }
    y
}
