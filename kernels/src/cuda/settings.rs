//! Launch settings: `constexpr int NAME = VALUE;` in a kernel's own source, read by the host too,
//! so that a setting is changed in one place and without a Rust build.

use candle_core::{Result, bail};
use std::collections::BTreeMap;
use std::fmt;

/// The settings of one operation's `cuda.cu`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    operation: &'static str,
    values: BTreeMap<String, usize>,
}

impl Settings {
    /// Those in `text`, of `operation`.
    #[must_use]
    pub fn of(operation: &'static str, text: &str) -> Self {
        let values = text.lines().filter_map(setting).collect();
        Self { operation, values }
    }

    /// Whether `name` is above zero. One that is missing counts as zero.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|&value| value > 0)
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// There is none: the source was changed by somebody who did not know who reads it.
    pub fn get(&self, name: &str) -> Result<usize> {
        match self.values.get(name) {
            Some(&value) if value > 0 => Ok(value),
            _ => bail!(
                "{}: its CUDA source must have a line `constexpr int {name} = VALUE;` with a whole number above zero",
                self.operation
            ),
        }
    }
}

/// As they were in the source.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values = self.values.iter();
        values.try_for_each(|(name, value)| writeln!(f, "constexpr int {name} = {value};"))
    }
}

/// `constexpr int NAME = VALUE;` at the beginning of a line.
fn setting(line: &str) -> Option<(String, usize)> {
    let (name, rest) = line.strip_prefix("constexpr int ")?.split_once('=')?;
    let (value, _) = rest.split_once(';')?;
    Some((name.trim().to_owned(), value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines_of_their_own() {
        let text = "// constexpr int A = 1;\nconstexpr int B = 64; // threads\n    constexpr int C = 2;\n\
                    constexpr int D = B;\nconstexpr int E = 0;\n";
        let settings = Settings::of("x", text);
        assert_eq!(settings.get("B").unwrap(), 64);
        assert_eq!(Settings::of("x", &settings.to_string()), settings);
        assert!(settings.is_on("B"));
        assert!(!settings.is_on("E") && !settings.is_on("A"));
        for missing in ["A", "C", "D", "E"] {
            let message = settings.get(missing).unwrap_err().to_string();
            assert!(message.contains(missing), "{message}");
        }
    }
}
