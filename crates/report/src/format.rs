//! Numbers as people read them, for the page, the Markdown and the terminal.
//!
//! There is no locale: a comma groups thousands, a point begins decimals, and a space stands
//! before the unit.

/// Stands where a number is missing.
pub const NONE: &str = "-";

/// Above this many per cent there are no tenths.
const WHOLE_PERCENT: f64 = 99.95;

/// A gain with its sign: 0.034 is `+3.4 %`, -0.11 is `-11.0 %`, 1.5 is `+150 %`. One that is not
/// finite is [`NONE`].
pub fn gain(gain: f64) -> String {
    let percent = 100.0 * gain;
    if !percent.is_finite() {
        NONE.to_owned()
    } else if percent.abs() < 0.05 {
        "0.0 %".to_owned()
    } else if percent.abs() < WHOLE_PERCENT {
        format!("{percent:+.1} %")
    } else {
        format!(
            "{}{} %",
            if percent > 0.0 { "+" } else { "-" },
            count(percent.abs())
        )
    }
}

/// What a gain in speed makes of the time: +0.37 is `27.0 % less time`.
pub fn change_of_time(gain: f64) -> String {
    let share = 100.0 * (1.0 / (1.0 + gain) - 1.0);
    let word = if share > 0.0 { "more" } else { "less" };
    if share.is_finite() {
        format!("{:.1} % {word} time", share.abs())
    } else {
        format!("an unknown share {word} time")
    }
}

/// Both bounds of a gain in brackets after a space, ` (-7.3 % to -4.0 %)`; nothing where one is
/// absent.
pub fn bounds(at_least: Option<f64>, at_most: Option<f64>) -> String {
    match (at_least, at_most) {
        (Some(low), Some(high)) => format!(" ({} to {})", gain(low), gain(high)),
        _ => String::new(),
    }
}

/// A gain that may be absent.
pub fn gain_or_none(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), gain)
}

/// A share without a sign: 0.011 is `1.1 %`, 0.005 is `0.5 %`.
pub fn share(share: f64) -> String {
    let percent = 100.0 * share;
    if !percent.is_finite() {
        NONE.to_owned()
    } else if percent != 0.0 && percent.abs() < 0.1 {
        format!("{} %", trim_zeros(&format!("{percent:.3}")))
    } else {
        format!("{} %", trim_zeros(&format!("{percent:.1}")))
    }
}

/// A share as it was configured: 0.05 is `5 %`, 0.0025 is `0.25 %`, without the digits that
/// binary fractions add.
pub fn exact_share(share: f64) -> String {
    let percent = (share * 1e6).round() / 1e4;
    if percent.is_finite() {
        format!("{percent} %")
    } else {
        NONE.to_owned()
    }
}

/// A count or a rate: `41,210`, `12.3`, `0.42`.
pub fn count(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        NONE.to_owned()
    } else if size >= 1e15 {
        format!("{value:.1e}")
    } else if size >= 100.0 || value == value.trunc() {
        group_thousands(&format!("{value:.0}"))
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Seconds of wall time: `0.4 s`, `26 s`, `4 min 10 s`, `2 h 5 min`, `1 d 3 h`.
pub fn duration(seconds: f64) -> String {
    if !(seconds.is_finite() && seconds >= 0.0) {
        return NONE.to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    match whole {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => two_units(s, 60.0, "min", "s"),
        s if s < 86_400.0 => two_units((s / 60.0).round(), 60.0, "h", "min"),
        s => two_units((s / 3600.0).round(), 24.0, "d", "h"),
    }
}

/// Seconds to three digits below a minute, `7.74 s`, for times that are compared; from there on as
/// [`duration`] writes them.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 59.95 || s.is_nan() || s < 0.0 => duration(s),
        s if s >= 9.995 => format!("{s:.1} s"),
        s if s >= 0.9995 => format!("{s:.2} s"),
        s => format!("{s:.3} s"),
    }
}

/// An e-value from its natural logarithm: `0.04`, `71`, `1,234`, `1e12`.
pub fn e_value(log_e: f64) -> String {
    match log_e.exp() {
        _ if log_e.is_nan() => NONE.to_owned(),
        e if log_e > 1e6_f64.ln() && e.is_finite() => format!("{e:.0e}"),
        e if e.is_infinite() => "more than 1e308".to_owned(),
        e if e >= 9.95 => count(e.round()),
        e if e >= 0.995 => format!("{e:.1}"),
        e if e >= 0.1 => format!("{e:.2}"),
        e if e >= 0.001 => trim_zeros(&format!("{e:.3}")),
        _ => "below 0.001".to_owned(),
    }
}

/// A measured figure of unknown scale, such as a loss difference: `3.1e-6`, `0.0087`, `4.812`,
/// `41,210`, `1.19 trillion`.
pub fn figure(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "not finite".to_owned(),
        0.0 => "0".to_owned(),
        size if size >= 1e15 => count(value),
        size if size >= 1e12 => format!("{} trillion", trim_zeros(&count(value / 1e12))),
        size if size >= 1e9 => format!("{} billion", trim_zeros(&count(value / 1e9))),
        size if size >= 1000.0 => count(value),
        size if size >= 0.01 => trim_zeros(&format!("{value:.3}")),
        size if size >= 0.001 => trim_zeros(&format!("{value:.4}")),
        _ => format!("{value:.1e}"),
    }
}

/// A sentence of a record with its figures as [`figure`] writes them: records hold `3.032e0`
/// where a person expects `3.032`.
pub fn with_figures(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_free = true;
    while let Some(c) = rest.chars().next() {
        let length = if is_free { scientific(rest) } else { 0 };
        let (head, tail) = rest.split_at(length.max(c.len_utf8()));
        match head.parse() {
            Ok(value) if length > 0 => out.push_str(&figure(value)),
            _ => out.push_str(head),
        }
        is_free = !(c.is_alphanumeric() || "._-".contains(c));
        rest = tail;
    }
    out
}

/// Length of a figure as Rust's `{:e}` writes it (`-1.106e-1`) that stands here by itself, else 0.
/// One without a point is left alone: it may be part of an id.
fn scientific(text: &str) -> usize {
    let digits = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let sign = |s: &str| usize::from(s.starts_with('-'));
    let mut at = sign(text);
    if digits(&text[at..]) != 1 || !text[at + 1..].starts_with('.') {
        return 0;
    }
    at += 2;
    let decimals = digits(&text[at..]);
    if decimals == 0 || !text[at + decimals..].starts_with('e') {
        return 0;
    }
    at += decimals + 1;
    at += sign(&text[at..]);
    let exponent = digits(&text[at..]);
    let ends = !text[at + exponent..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    if (1..=3).contains(&exponent) && ends {
        at + exponent
    } else {
        0
    }
}

/// `1 block`, `2 blocks`: with the number in front, grouped.
pub fn plural(n: usize, one: &str) -> String {
    let number = group_thousands(&n.to_string());
    match one.strip_suffix('y') {
        _ if n == 1 => format!("{number} {one}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{number} {stem}ies"),
        _ => format!("{number} {one}s"),
    }
}

fn two_units(total: f64, per: f64, large: &str, small: &str) -> String {
    let (whole, rest) = ((total / per).floor(), total % per);
    if rest == 0.0 {
        format!("{whole:.0} {large}")
    } else {
        format!("{whole:.0} {large} {rest:.0} {small}")
    }
}

fn group_thousands(digits: &str) -> String {
    let (sign, digits) = digits.split_at(usize::from(digits.starts_with('-')));
    let mut out = String::from(sign);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn trim_zeros(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_carry_sign_and_unit() {
        for (value, expect) in [
            (0.034, "+3.4 %"),
            (-0.11, "-11.0 %"),
            (0.0004, "0.0 %"),
            (-0.0, "0.0 %"),
            (1.5, "+150 %"),
            (12.5, "+1,250 %"),
            (-1.0, "-100 %"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(gain(value), expect, "{value}");
        }
        assert_eq!(gain_or_none(None), "-");
    }

    #[test]
    fn counts_are_grouped() {
        for (value, expect) in [
            (41_210.4, "41,210"),
            (999.6, "1,000"),
            (-1234.0, "-1,234"),
            (12.34, "12.3"),
            (0.421, "0.42"),
            (3.0, "3"),
            (3_346_944.0, "3,346,944"),
            (f64::NAN, "-"),
            (1e300, "1.0e300"),
        ] {
            assert_eq!(count(value), expect, "{value}");
        }
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (value, expect) in [
            (0.04, "0.0 s"),
            (4.12, "4.1 s"),
            (9.97, "10 s"),
            (26.3, "26 s"),
            (59.6, "1 min"),
            (250.0, "4 min 10 s"),
            (3600.0, "1 h"),
            (7499.0, "2 h 5 min"),
            (97_200.0, "1 d 3 h"),
            (-1.0, "-"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(duration(value), expect, "{value}");
        }
    }

    #[test]
    fn times_that_are_compared_have_three_digits() {
        for (value, expect) in [
            (0.0421, "0.042 s"),
            (7.738, "7.74 s"),
            (9.996, "10.0 s"),
            (10.62, "10.6 s"),
            (59.96, "1 min"),
            (250.0, "4 min 10 s"),
            (-1.0, "-"),
            (f64::INFINITY, "-"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(seconds(value), expect, "{value}");
        }
    }

    #[test]
    fn small_numbers_keep_their_digits() {
        assert_eq!(
            [share(0.005), share(0.011), share(0.0005), share(0.0)],
            ["0.5 %", "1.1 %", "0.05 %", "0 %"]
        );
        assert_eq!(
            [
                figure(3.1e-6),
                figure(0.31),
                figure(4.812),
                figure(f64::NAN)
            ],
            ["3.1e-6", "0.31", "4.812", "not finite"]
        );
        assert_eq!(
            [
                figure(8.717e-3),
                figure(228_727_197_588.0),
                figure(1_192_270_143_477.0)
            ],
            ["0.0087", "229 billion", "1.19 trillion"]
        );
        assert_eq!(
            [
                e_value(0.0),
                e_value(100_f64.ln()),
                e_value(60.0),
                e_value(-3.0)
            ],
            ["1.0", "100", "1e26", "0.05"]
        );
        assert_eq!(
            [e_value(-30.0), e_value(1e4), e_value(f64::NAN)],
            ["below 0.001", "more than 1e308", "-"]
        );
    }

    #[test]
    fn sentences_of_records_hold_figures_for_people() {
        for (text, expect) in [
            ("took 3.032e0 seconds", "took 3.032 seconds"),
            (
                "from start to ready: 8.717e-3 (allowed 2.6e-1)",
                "from start to ready: 0.0087 (allowed 0.26)",
            ),
            ("change of a past loss: 0.000e0", "change of a past loss: 0"),
            ("differs by 4.6e-6.", "differs by 4.6e-6."),
            ("-1.5e1, 2.287e11, 1.2e12", "-15, 229 billion, 1.2 trillion"),
            (
                "commit 12e4 a1.5e3 1.5e3x 1.e5",
                "commit 12e4 a1.5e3 1.5e3x 1.e5",
            ),
            ("ä 1.0e400 1.0e308é", "ä not finite 1.0e308é"),
        ] {
            assert_eq!(with_figures(text), expect, "{text}");
        }
    }

    #[test]
    fn shares_read_as_configured() {
        for (value, expect) in [
            (0.05, "5 %"),
            (0.001, "0.1 %"),
            (0.07, "7 %"),
            (0.0025, "0.25 %"),
            (1.0 - 0.01, "99 %"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(exact_share(value), expect);
        }
    }

    #[test]
    fn words_agree_with_their_number() {
        assert_eq!(
            [
                plural(1, "block"),
                plural(0, "block"),
                plural(1200, "block")
            ],
            ["1 block", "0 blocks", "1,200 blocks"]
        );
        assert_eq!([plural(2, "try"), plural(2, "day")], ["2 tries", "2 days"]);
    }
}
