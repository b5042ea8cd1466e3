//! RMSNorm as its paper (Zhang and Sennrich 2019, equation 4) writes it.

/// `x / sqrt(mean(x^2) + epsilon) * weight`, row by row.
pub fn forward(x: &[f64], weight: &[f64], epsilon: f64) -> Vec<f64> {
    x.chunks(weight.len())
        .flat_map(|row| {
            let mean_square = row.iter().map(|v| v * v).sum::<f64>() / row.len() as f64;
            let scale = 1.0 / (mean_square + epsilon).sqrt();
            row.iter().zip(weight).map(move |(v, w)| v * scale * w)
        })
        .collect()
}
