//! The product of two matrices, as a school book writes it.

/// `x` (rows, inner) times `weight` (inner, columns).
pub fn forward(x: &[f64], weight: &[f64], inner: usize) -> Vec<f64> {
    let columns = weight.len() / inner;
    x.chunks(inner)
        .flat_map(|row| {
            (0..columns).map(move |column| {
                let terms = row.iter().enumerate();
                terms.map(|(i, v)| v * weight[i * columns + column]).sum()
            })
        })
        .collect()
}
