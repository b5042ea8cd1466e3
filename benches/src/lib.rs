//! criterion benchmarks of the verdict and of the kernels; `cargo bench -p outpace-benches`. What they time is in `benches/`.

/// Deterministic numbers between -1 and 1: a benchmark must do the same work in every run.
pub fn numbers(n: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}
