//! The dates of tools.

use jiff::civil::DateTime;
use outpace_record::Timestamp;

/// A moment as tools write it: `2026-11-27T21:15:05+02:00`, or without an offset as old versions
/// did, which is taken for UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        civil
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|z| z.timestamp())
    })?;
    Some(Timestamp::from_unix_seconds(moment.as_second()))
}

/// A moment from milliseconds since 1970, as JavaScript counts them.
pub(crate) fn from_milliseconds(milliseconds: i64) -> Option<Timestamp> {
    let moment = jiff::Timestamp::from_millisecond(milliseconds).ok()?;
    Some(Timestamp::from_unix_seconds(moment.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_and_without_an_offset() {
        for (text, expect) in [
            ("1970-01-01T02:00:01+02:00", Some(1)),
            ("1970-01-01T00:00:01Z", Some(1)),
            ("1970-01-01T00:00:01.75", Some(1)),
            ("1970-01-01 00:00:01", Some(1)),
            ("yesterday", None),
            ("", None),
        ] {
            let found = parse(text).map(Timestamp::unix_seconds);
            assert_eq!(found, expect, "{text:?}");
        }
        assert_eq!(
            from_milliseconds(1_999).map(Timestamp::unix_seconds),
            Some(1)
        );
        assert!(from_milliseconds(i64::MAX).is_none());
    }
}
