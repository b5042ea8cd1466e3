//! Many points as few columns: lowest, median and highest of each.

use std::ops::Range;

/// Neighbouring points of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Indices of the points, those without a value included.
    pub(crate) points: Range<usize>,
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Column {
    /// Where its middle is, as an index.
    pub(crate) fn middle(&self) -> f64 {
        (self.points.start + self.points.end - 1) as f64 / 2.0
    }
}

/// At most so many columns over the points of a range: one a point where there are few. Those in
/// which no point has a value are left out.
pub(crate) fn columns(
    points: Range<usize>,
    most: usize,
    value: impl Fn(usize) -> Option<f64>,
) -> Vec<Column> {
    let (start, n) = (points.start, points.len());
    let count = n.min(most);
    let column = |k: usize| {
        let points = start + k * n / count..start + (k + 1) * n / count;
        let mut values: Vec<f64> = points.clone().filter_map(&value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        Some(Column {
            points,
            low,
            median: values[values.len() / 2],
            high,
        })
    };
    (0..count).filter_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_in_one_column() {
        for (n, most, expect) in [(0, 5, 0), (1, 5, 1), (5, 5, 5), (7, 5, 5), (1000, 7, 7)] {
            let columns = columns(3..3 + n, most, |i| Some(i as f64));
            assert_eq!(columns.len(), expect, "{n} points");
            let ends = columns
                .windows(2)
                .all(|c| c[0].points.end == c[1].points.start);
            assert!(ends && columns.first().is_none_or(|c| c.points.start == 3));
            assert!(columns.last().is_none_or(|c| c.points.end == 3 + n));
        }
    }

    #[test]
    fn a_column_has_its_extremes_and_its_median() {
        let values = [Some(1.0), Some(-9.0), None, Some(2.0), None, None];
        let found = columns(0..6, 2, |i| values[i]);
        assert_eq!(
            found,
            [
                Column {
                    points: 0..3,
                    low: -9.0,
                    median: 1.0,
                    high: 1.0
                },
                Column {
                    points: 3..6,
                    low: 2.0,
                    median: 2.0,
                    high: 2.0
                },
            ]
        );
        assert_eq!(found[0].middle(), 1.0);
    }
}
