//! Plain descriptive statistics.

/// Standard deviations of a normal distribution in one median absolute deviation:
/// `1 / quantile(0.75)`.
pub const NORMAL_PER_MAD: f64 = 1.482_602_218_505_602;

/// Standard error of a median over that of a mean, for samples of a normal distribution:
/// sqrt(pi / 2).
pub const MEDIAN_ERROR: f64 = 1.2533;

/// Median; the mean of the two middle values where their number is even. NaN for an empty slice.
/// Expected time is linear.
pub fn median(values: &[f64]) -> f64 {
    median_in_place(&mut values.to_vec())
}

/// [`median`] that reorders its input instead of copying it.
pub(crate) fn median_in_place(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return *upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp);
    0.5 * (lower.unwrap_or(*upper) + *upper)
}

/// Mean; NaN for an empty slice.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard error of the mean, in the unit of the values. NaN for fewer than two values.
pub fn standard_error(values: &[f64]) -> f64 {
    standard_deviation(values) / (values.len() as f64).sqrt()
}

/// Sample standard deviation (divides by n - 1), in the unit of the values. NaN for fewer than two
/// values.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let n = values.len() as f64;
    let mean = mean(values);
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (squares / (n - 1.0)).sqrt()
}

/// Median absolute deviation from the median times [`NORMAL_PER_MAD`]: the standard deviation where
/// the values are normal, and a few outliers do not move it. NaN for an empty slice.
pub fn robust_deviation(values: &[f64]) -> f64 {
    let centre = median(values);
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    NORMAL_PER_MAD * median_in_place(&mut deviations)
}
