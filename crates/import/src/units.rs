//! Units, as tools write them.

/// How many of a unit of time make a second; nothing where it is not one. `ns/iter` and `ns/op` are
/// times too.
pub(crate) fn per_second(unit: &str) -> Option<f64> {
    let unit = unit.trim().to_lowercase();
    let time = unit
        .strip_suffix("/iter")
        .or_else(|| unit.strip_suffix("/op"))
        .unwrap_or(&unit);
    match time {
        "ns" | "nsec" => Some(1e9),
        "us" | "usec" | "µs" | "μs" => Some(1e6),
        "ms" | "msec" => Some(1e3),
        "s" | "sec" => Some(1.0),
        _ => None,
    }
}

/// Whether a unit counts something by time, as `ops/sec`, `MB/s` and `ops/us` do.
pub(crate) fn is_rate(unit: &str) -> bool {
    let Some((_, denominator)) = unit.rsplit_once('/') else {
        return false;
    };
    !denominator.contains(char::is_whitespace) && per_second(denominator).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_told_apart() {
        for (unit, per, rate) in [
            ("ns/iter", Some(1e9), false),
            ("ns/op", Some(1e9), false),
            ("µs", Some(1e6), false),
            ("\u{3bc}s", Some(1e6), false),
            ("sec", Some(1.0), false),
            ("iter/sec", None, true),
            ("ops/us", None, true),
            ("MB/s", None, true),
            ("KiB", None, false),
            ("B/op", None, false),
            ("", None, false),
        ] {
            assert_eq!((per_second(unit), is_rate(unit)), (per, rate), "{unit:?}");
        }
    }
}
