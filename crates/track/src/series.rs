//! Points in the order of their commits.

use std::collections::{BTreeMap, HashMap};

use outpace_stats::Reading;

use crate::Point;

/// The history of a workload on a class of machines.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// First anchor; names the series.
    pub first: String,
    /// The latest anchor, beside which the next commit is measured.
    pub anchor: String,
    /// Measured commits, oldest commit first, each once.
    pub points: Vec<Point>,
}

/// Something that a reader should know of a place in a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Index of the first point that it holds for.
    pub from: usize,
    /// What is another than before.
    pub what: String,
}

impl Series {
    /// Indices of the points that were timed: a commit with the artefact of another one says
    /// nothing of its own.
    pub fn timed(&self) -> Vec<usize> {
        let timed = |(index, point): (usize, &Point)| point.same_as.is_none().then_some(index);
        self.points.iter().enumerate().filter_map(timed).collect()
    }

    /// The readings of the timed points.
    pub fn readings(&self) -> Vec<Reading> {
        let points = self.timed().into_iter().map(|index| &self.points[index]);
        let reading = |point: &Point| Reading {
            value: point.value,
            sd: point.sd,
        };
        points.map(reading).collect()
    }

    /// Where kernel or anchor are others than at the point before.
    pub fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        for (index, pair) in self.points.windows(2).enumerate() {
            let from = index + 1;
            let mut mark = |what: String| marks.push(Mark { from, what });
            if pair[0].environment != pair[1].environment {
                mark(pair[1].environment.clone());
            }
            if pair[0].anchor != pair[1].anchor {
                mark(format!("anchor {}", outpace_text::short(&pair[1].anchor)));
            }
        }
        marks
    }
}

/// Sorts points into series. `order` numbers the commits of the branch in question; those that are
/// not on it are left out. Without an order they go by their date.
pub fn series_of(points: Vec<Point>, order: Option<&HashMap<String, usize>>) -> Vec<Series> {
    let mut all: BTreeMap<(String, String, String), Vec<Point>> = BTreeMap::new();
    for point in points {
        if order.is_none_or(|order| order.contains_key(&point.commit)) {
            let key = (
                point.workload.clone(),
                point.machine_class.clone(),
                point.series.clone(),
            );
            all.entry(key).or_default().push(point);
        }
    }
    let series = all.into_iter().map(|((workload, class, first), points)| {
        let newest = points.iter().max_by_key(|point| point.measured);
        let anchor = newest.map_or(first.clone(), |point| point.anchor.clone());
        Series {
            workload,
            machine_class: class,
            first,
            anchor,
            points: in_order(points, order),
        }
    });
    series.collect()
}

/// Each commit once, in the order of the branch.
fn in_order(points: Vec<Point>, order: Option<&HashMap<String, usize>>) -> Vec<Point> {
    let mut by_commit: HashMap<String, Vec<Point>> = HashMap::with_capacity(points.len());
    for point in points {
        by_commit
            .entry(point.commit.clone())
            .or_default()
            .push(point);
    }
    let mut points: Vec<Point> = by_commit.into_values().map(combined).collect();
    match order {
        Some(order) => points.sort_by_key(|point| order.get(&point.commit).copied()),
        None => points.sort_by_key(|point| (point.committed, point.measured)),
    }
    points
}

/// A commit that was measured several times: the mean, each weighted by its precision; everything
/// else is that of the latest.
fn combined(mut points: Vec<Point>) -> Point {
    points.sort_by_key(|point| (point.same_as.is_none(), point.measured));
    let last = points.pop().expect("a commit of a series has a point");
    let timed: Vec<&Point> = points
        .iter()
        .filter(|point| point.same_as.is_none() && last.same_as.is_none())
        .chain([&last])
        .collect();
    if timed.len() == 1 {
        return last;
    }
    let weight = |point: &Point| 1.0 / (point.sd * point.sd).max(1e-12);
    let weights: f64 = timed.iter().map(|point| weight(point)).sum();
    let value = timed
        .iter()
        .map(|point| weight(point) * point.value)
        .sum::<f64>()
        / weights;
    let shift = value - last.value;
    let bounds = last.bounds.map(|bound| bound.map(|bound| bound + shift));
    Point {
        value,
        sd: weights.recip().sqrt(),
        bounds,
        ..last
    }
}
