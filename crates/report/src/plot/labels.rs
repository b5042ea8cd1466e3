//! Words that are placed where there is room: slanted names beside dots, and names at the right
//! end of lines.

use outpace_text::plain;

use super::ink::Ink;
use super::marks::{Anchor, At, Marks, text_width};
use super::units::{TENTHS, tenths};

/// A name to write beside a dot.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) at: At,
    pub(crate) text: String,
    /// Names of more weight are placed first.
    pub(crate) weight: f64,
}

/// Where names may stand.
pub(crate) struct Room<'r> {
    /// Corners of the free area.
    pub(crate) from: At,
    pub(crate) to: At,
    /// Size of the words in pixels.
    pub(crate) font: f64,
    /// The y at an x that names have to stay above.
    pub(crate) floor: &'r dyn Fn(f64) -> f64,
}

/// Degrees above the horizontal. All names take the one that shows most of them.
const SLANTS: [f64; 3] = [32.0, 45.0, 60.0];

/// Lengths that a name is cut to until it fits. One that never does is left to the table.
const LENGTHS: [usize; 5] = [40, 30, 22, 15, 10];

/// Draws those names that have room without touching each other or the line below them.
pub(crate) fn names(marks: &mut Marks, mut names: Vec<Name>, room: &Room<'_>) {
    names.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let shown = |places: &[Place]| places.iter().map(|p| p.text.chars().count()).sum::<usize>();
    let tries = SLANTS.map(|slant| place_all(&names, slant, room));
    let best = tries.into_iter().rev().max_by_key(|places| shown(places));
    for place in best.unwrap_or_default() {
        let degrees = if place.is_right {
            -place.slant
        } else {
            place.slant
        };
        let anchor = if place.is_right {
            Anchor::Start
        } else {
            Anchor::End
        };
        marks.slanted(
            Ink::Text,
            place.at,
            anchor,
            room.font,
            degrees as i32,
            &place.text,
        );
    }
}

fn place_all(names: &[Name], slant: f64, room: &Room<'_>) -> Vec<Place> {
    let mut taken: Vec<(f64, f64)> = names
        .iter()
        .map(|n| (f64::from(n.at.0), f64::from(n.at.1)))
        .collect();
    let mut places = Vec::new();
    for name in names {
        if let Some(place) = find(name, slant, room, &taken) {
            taken.extend(&place.points);
            places.push(place);
        }
    }
    places
}

struct Place {
    at: At,
    slant: f64,
    is_right: bool,
    text: String,
    points: Vec<(f64, f64)>,
}

fn find(name: &Name, slant: f64, room: &Room<'_>, taken: &[(f64, f64)]) -> Option<Place> {
    LENGTHS.iter().find_map(|&length| {
        let text = plain(&name.text, length);
        [true, false].into_iter().find_map(|is_right| {
            let place = try_place(name.at, (slant, is_right), text.clone(), room.font);
            fits(&place, room, taken).then_some(place)
        })
    })
}

fn try_place((x, y): At, (slant, is_right): (f64, bool), text: String, font: f64) -> Place {
    let size = font * TENTHS;
    let side = if is_right { 1.0 } else { -1.0 };
    let start = (f64::from(x) + side * 0.5 * size, f64::from(y) - 0.65 * size);
    let (sin, cos) = slant.to_radians().sin_cos();
    let steps = (text_width(&text, font) / (0.5 * size)).ceil();
    let points = (0..=steps as usize).map(|i| {
        let along = i as f64 * 0.5 * size;
        (
            start.0 + side * along * cos,
            start.1 - along * sin - 0.3 * size,
        )
    });
    Place {
        at: (start.0 as i32, start.1 as i32),
        slant,
        is_right,
        text,
        points: points.collect(),
    }
}

fn fits(place: &Place, room: &Room<'_>, taken: &[(f64, f64)]) -> bool {
    let size = room.font * TENTHS;
    let is_inside = |&(x, y): &(f64, f64)| {
        x > f64::from(room.from.0)
            && x < f64::from(room.to.0)
            && y > f64::from(room.from.1) + 0.5 * size
            && y < (room.floor)(x) - 0.5 * size
    };
    let is_free = |p: &(f64, f64)| {
        taken
            .iter()
            .all(|t| (t.0 - p.0).hypot(t.1 - p.1) > 1.05 * size)
    };
    let (first, rest) = place.points.split_at(1);
    // The first point is beside its own dot.
    first.iter().all(is_inside) && rest.iter().skip(1).all(|p| is_inside(p) && is_free(p))
}

/// Words at the right end of lines, moved apart where they would touch. `x` and `y` are in drawing
/// units.
pub(crate) fn ends(marks: &mut Marks, x: i32, font: f64, mut words: Vec<(i32, Ink, String)>) {
    let gap = tenths(font * 1.2);
    words.sort_by_key(|w| w.0);
    for i in 1..words.len() {
        words[i].0 = words[i].0.max(words[i - 1].0 + gap);
    }
    for (y, ink, text) in words {
        marks.text(
            ink,
            (x + tenths(7.0), y + tenths(font * 0.35)),
            Anchor::Start,
            font,
            &text,
        );
    }
}
