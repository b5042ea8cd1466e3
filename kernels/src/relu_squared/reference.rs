//! ReLU squared (So et al. 2021, Primer).

/// `max(x, 0)^2`.
pub fn forward(x: &[f64]) -> Vec<f64> {
    x.iter()
        .map(|&v| if v < 0.0 { 0.0 } else { v * v })
        .collect()
}
