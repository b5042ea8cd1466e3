//! Lengths of time as `outpace.toml` and flags write them.

use std::time::Duration;

/// Reads `90s`, `30m`, `2h`, `1h30m`.
///
/// # Errors
/// Says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let complain = || format!("`{text}` is not a duration; write it like `90s`, `30m` or `1h30m`");
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(complain()),
        };
        let n: u64 = number.parse().map_err(|_| complain())?;
        total = n
            .checked_mul(unit)
            .and_then(|s| total.checked_add(s))
            .ok_or_else(complain)?;
        number.clear();
    }
    if total == 0 || !number.is_empty() {
        return Err(complain());
    }
    Ok(Duration::from_secs(total))
}
