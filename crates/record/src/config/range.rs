//! A range of numbers that `tune` may try: values around the one that stands.

use super::Tunable;

/// On a logarithmic scale a first step is a factor of 2, on a linear one an eighth of the range.
const FIRST_FACTOR: f64 = 2.0;
const FIRST_SHARE: f64 = 0.125;
/// Steps to either side.
const STEPS: i32 = 8;
/// Digits that are written.
const DIGITS: i32 = 2;

impl Tunable {
    /// Whether its values are a range of numbers.
    pub fn is_range(&self) -> bool {
        self.from.is_some() && self.to.is_some()
    }

    /// The same tunable with values around `stands`, the text of the value in its file, in their
    /// natural order and that one among them. Each `fineness` above 0 halves the steps. Nothing
    /// where `stands` is no number of the range; itself where there is no range.
    pub fn around(&self, stands: &str, fineness: u32) -> Option<Self> {
        let (Some(from), Some(to)) = (self.from.as_ref(), self.to.as_ref()) else {
            return Some(self.clone());
        };
        let whole = from.is_integer() && to.is_integer();
        let [from, to] = [number(from)?, number(to)?];
        let now: f64 = stands.parse().ok().filter(|n| (from..=to).contains(n))?;
        let finer = 0.5_f64.powi(i32::try_from(fineness).unwrap_or(i32::MAX));
        let mut values = vec![now];
        for step in (-STEPS..=STEPS).filter(|step| *step != 0) {
            let steps = f64::from(step) * finer;
            let value = match self.log {
                true => now * FIRST_FACTOR.powf(steps),
                false => now + (to - from) * FIRST_SHARE * steps,
            };
            let value = if whole { value.round() } else { rounded(value) };
            if (from..=to).contains(&value) && !values.contains(&value) {
                values.push(value);
            }
        }
        values.sort_by(f64::total_cmp);
        let value = |x: &f64| match whole {
            true => toml::Value::Integer(*x as i64),
            false => toml::Value::Float(*x),
        };
        Some(Self {
            values: values.iter().map(value).collect(),
            ..self.clone()
        })
    }
}

pub(super) fn number(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Integer(n) => Some(*n as f64),
        toml::Value::Float(x) => Some(*x).filter(|x| x.is_finite()),
        _ => None,
    }
}

/// To two digits, so that titles can be read.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let text = format!("{value:.*e}", (DIGITS - 1) as usize);
    text.parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str, log: bool) -> Tunable {
        let read = |text: &str| Some(text.parse().unwrap());
        Tunable {
            file: "f".into(),
            key: Some("k".into()),
            constant: None,
            values: Vec::new(),
            from: read(from),
            to: read(to),
            log,
            workloads: Vec::new(),
        }
    }

    #[test]
    fn values_lie_around_the_one_that_stands() {
        let check = |tunable: &Tunable, stands: &str, fineness: u32, expect: &[&str]| {
            let around = tunable.around(stands, fineness).unwrap();
            assert_eq!(around.literals(), expect, "{stands} {fineness}");
        };
        let rate = range("1e-4", "1e-2", true);
        let coarse = [
            "0.00013", "0.00025", "0.0005", "0.001", "0.002", "0.004", "0.008",
        ];
        check(&rate, "1e-3", 0, &coarse);
        let fine = rate.around("1e-3", 1).unwrap().literals();
        assert!(fine.contains(&"0.0014".to_owned()) && fine.contains(&"0.002".to_owned()));
        let layers = range("1", "4", true);
        check(&layers, "2", 0, &["1", "2", "4"]);
        check(&layers, "2", 1, &["1", "2", "3", "4"]);
        let warmup = range("0", "200", false);
        check(
            &warmup,
            "100",
            0,
            &["0", "25", "50", "75", "100", "125", "150", "175", "200"],
        );
        assert_eq!(rate.around("0.5", 0), None, "outside");
        assert_eq!(rate.around("\"fast\"", 0), None);
    }
}
