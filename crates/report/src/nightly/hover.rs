//! What the script shows beside a point, as JSON in the page.

use outpace_text::plain;
use serde_json::{Value, json};

use super::links::{Links, is_id};
use super::shown::{Place, Shown};
use crate::format::{gain, plural};
use crate::plot::series::Drawn;
use crate::text::revision;

/// Longest subject of a commit.
const SUBJECT: usize = 90;

/// Places and texts of both pictures. No `<` is left in it: nothing can end the element around it.
pub(super) fn json(shown: &Shown<'_>, links: Links<'_>, wide: &Drawn, narrow: &Drawn) -> String {
    let equal = same_points(wide, narrow);
    let value = json!({
        "base": links.base(),
        "wide": { "at": at(wide), "texts": texts(shown, wide) },
        "narrow": { "at": at(narrow), "texts": if equal { Value::Null } else { texts(shown, narrow) } },
    });
    value.to_string().replace('<', "\\u003c")
}

fn same_points(a: &Drawn, b: &Drawn) -> bool {
    let points = |drawn: &Drawn| {
        drawn
            .places
            .iter()
            .map(|p| p.points.clone())
            .collect::<Vec<_>>()
    };
    points(a) == points(b)
}

fn at(drawn: &Drawn) -> Vec<[i32; 2]> {
    drawn.places.iter().map(|place| place.at.into()).collect()
}

fn texts(shown: &Shown<'_>, drawn: &Drawn) -> Value {
    drawn
        .places
        .iter()
        .map(|place| text(shown, place))
        .collect()
}

/// The lines of one place; the last is the id of the commit to link, or empty.
fn text(shown: &Shown<'_>, place: &Place) -> Value {
    if place.points.len() == 1 {
        single(shown, place.points.start)
    } else {
        several(shown, place)
    }
}

fn single(shown: &Shown<'_>, i: usize) -> Value {
    let point = shown.point(i);
    let bounds = match shown.bounds(i) {
        [Some(low), Some(high)] => format!("between {} and {}", gain(low), gain(high)),
        _ => "bounds not known".to_owned(),
    };
    let speed = match &point.same_as {
        Some(other) => format!("not timed: same artefact as {}", revision(other)),
        None => shown.throughput(i),
    };
    let id = if is_id(&point.commit) {
        &point.commit
    } else {
        ""
    };
    json!([
        revision(&point.commit),
        plain(&point.summary, SUBJECT),
        gain(shown.gain(i).unwrap_or(f64::NAN)),
        bounds,
        speed,
        shown.date(i).date(),
        id
    ])
}

fn several(shown: &Shown<'_>, place: &Place) -> Value {
    let (first, last) = (place.points.start, place.points.end - 1);
    let mut values: Vec<f64> = place.points.clone().filter_map(|i| shown.gain(i)).collect();
    values.sort_unstable_by(f64::total_cmp);
    let value = |i: usize| gain(values.get(i).copied().unwrap_or(f64::NAN));
    let commits = [first, last].map(|i| revision(&shown.point(i).commit));
    let dates = match [first, last].map(|i| shown.date(i).date()) {
        [a, b] if a == b => a,
        [a, b] => format!("{a} to {b}"),
    };
    json!([
        format!("{} to {}", commits[0], commits[1]),
        plural(place.points.len(), "commit"),
        format!("median {}", value(values.len() / 2)),
        format!(
            "from {} to {}",
            value(0),
            value(values.len().saturating_sub(1))
        ),
        "",
        dates,
        ""
    ])
}
