//! The evidence as a bar.

/// `[#####---------------]`: how far the logarithm of the e-value has come towards its threshold.
pub(crate) fn bar(log_e: f64, threshold: f64, width: usize) -> String {
    let share = (log_e / threshold.ln()).clamp(0.0, 1.0);
    let full = if share.is_finite() {
        (share * width as f64).floor() as usize
    } else {
        0
    };
    format!("[{}{}]", "#".repeat(full), "-".repeat(width - full))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn the_bar_is_full_at_the_threshold_and_empty_below_one() {
        let check = |log_e: f64, expect: &str| assert_eq!(bar(log_e, 100.0, 4), expect, "{log_e}");
        check(f64::NEG_INFINITY, "[----]");
        check(-3.0, "[----]");
        check(0.5 * 100_f64.ln(), "[##--]");
        check(100_f64.ln(), "[####]");
        check(99.0, "[####]");
        check(f64::NAN, "[----]");
    }
}
