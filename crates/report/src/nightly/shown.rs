//! A series as the figures that pictures, tables and words show. Values that are not figures, and
//! findings of points that are not there, stop here.

use outpace_record::Timestamp;
use outpace_track::{Finding, Point, Series, Standing};

use super::SeriesOfNight;
use crate::format;

/// Largest logarithm of a ratio that is shown: a million times. More is not a measurement.
const LARGEST: f64 = 14.0;

/// Standard errors to either side of a difference in which 95 % of all noise lies.
const NOISE: f64 = 1.96;

/// A series, its reference and its findings.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) series: &'a Series,
    /// Oldest first; both of their points exist.
    pub(crate) findings: Vec<&'a Finding>,
    /// Value that counts as no gain.
    reference: f64,
}

/// What of the picture stands where, and the points behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the units of the drawing.
    pub(crate) at: (i32, i32),
    /// Indices of its points.
    pub(crate) points: std::ops::Range<usize>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(item: &'a SeriesOfNight) -> Self {
        let n = item.series.points.len();
        let exists = |finding: &&Finding| finding.before < finding.after && finding.after < n;
        let mut shown = Self {
            series: &item.series,
            findings: item.findings.iter().filter(exists).collect(),
            reference: 0.0,
        };
        // Without an anchor each reading stands for itself; the first one is the reference.
        if !shown.has_anchor() {
            let first = (0..n).find_map(|i| shown.value(i));
            shown.reference = first.unwrap_or(0.0);
        }
        shown
    }

    /// Whether the commits were measured beside an anchor.
    pub(crate) fn has_anchor(&self) -> bool {
        !self.series.first.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.series.points.len()
    }

    pub(crate) fn point(&self, i: usize) -> &'a Point {
        &self.series.points[i]
    }

    /// ln of the ratio to the reference.
    pub(crate) fn value(&self, i: usize) -> Option<f64> {
        let value = self.series.points[i].value - self.reference;
        (value.abs() <= LARGEST).then_some(value)
    }

    /// The gain over the reference: -0.05 is 5 % slower.
    pub(crate) fn gain(&self, i: usize) -> Option<f64> {
        self.value(i).map(f64::exp_m1)
    }

    /// Bounds of the gain. One of other tools' readings has none.
    pub(crate) fn bounds(&self, i: usize) -> [Option<f64>; 2] {
        self.series.points[i].bounds.map(|bound| {
            let bound = bound? - self.reference;
            (bound.abs() <= LARGEST).then(|| bound.exp_m1())
        })
    }

    /// When a commit was made, or measured where that is not known.
    pub(crate) fn date(&self, i: usize) -> Timestamp {
        let point = self.point(i);
        point.committed.unwrap_or(point.measured)
    }

    /// The latest point that has a figure.
    pub(crate) fn latest(&self) -> Option<usize> {
        (0..self.len()).rev().find(|&i| self.value(i).is_some())
    }

    /// When a commit of it was measured last.
    pub(crate) fn measured(&self) -> Option<Timestamp> {
        self.series.points.iter().map(|point| point.measured).max()
    }

    /// Whether a difference of two points may be nothing but noise. False where the noise is not
    /// known.
    pub(crate) fn is_noise(&self, a: usize, b: usize) -> bool {
        let (Some(x), Some(y)) = (self.value(a), self.value(b)) else {
            return false;
        };
        (x - y).abs() < NOISE * self.point(a).sd.hypot(self.point(b).sd)
    }

    /// Slowdowns that count and are still there, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &'a Finding> {
        let slower = (0..self.findings.len()).filter(|&i| {
            let (change, standing) = (self.findings[i].change, self.findings[i].standing);
            State::of(standing) != State::Steady && change < 0.0
        });
        slower
            .map(|i| self.findings[i])
            .collect::<Vec<_>>()
            .into_iter()
    }

    pub(crate) fn is_open(&self, finding: &Finding) -> bool {
        self.open().any(|open| std::ptr::eq(open, finding))
    }

    pub(crate) fn state(&self) -> State {
        let states = self.open().map(|finding| State::of(finding.standing));
        states.min().unwrap_or(State::Steady)
    }

    /// Tokens per second, or steps per second where the workload does not count tokens.
    pub(crate) fn throughput(&self, i: usize) -> String {
        let point = self.point(i);
        let (speed, unit) = match point.tokens_per_s {
            Some(tokens_per_s) => (tokens_per_s, "tokens/s"),
            None => (point.step_time_s.recip(), "steps/s"),
        };
        if speed > 0.0 && speed < 1e15 {
            format!("{} {unit}", format::count(speed))
        } else {
            format::NONE.to_owned()
        }
    }
}

/// What a series needs from a reader. The most urgent one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// A slowdown is proven and confirmed.
    Regression,
    /// A slowdown was found and is not settled.
    Pending,
    /// A slowdown was accepted.
    Accepted,
    /// None of these.
    Steady,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [
        Self::Regression,
        Self::Pending,
        Self::Accepted,
        Self::Steady,
    ];

    pub(crate) fn of(standing: Standing) -> Self {
        match standing {
            Standing::Regression => Self::Regression,
            Standing::Found | Standing::Unconfirmed | Standing::Unmeasurable => Self::Pending,
            Standing::Accepted => Self::Accepted,
            Standing::Faster | Standing::Small | Standing::NotProven | Standing::Mended => {
                Self::Steady
            }
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Pending => "not settled",
            Self::Accepted => "accepted",
            Self::Steady => "steady",
        }
    }

    /// As the name of a class of the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            other => other.word(),
        }
    }

    /// A sign beside the word, so that colour does not carry the meaning alone.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Regression => "▼",
            Self::Pending => "?",
            Self::Accepted => "✓",
            Self::Steady => "–",
        }
    }
}
