//! Each isolated run as a dot: base and candidate one after the other, never both alive.

use outpace_stats::median;

use super::super::chart::{Chart, Frame, whole};
use super::super::ink::Ink;
use super::super::marks::Marks;
use super::super::picture::{Area, PlotError};
use super::dots::{dots, name, range, tick};
use super::panel::{FONT, ROOM};
use crate::format::gain;

pub(super) fn paint(area: &Area<'_>, marks: &mut Marks, x: &[f64]) -> Result<(), PlotError> {
    let y = range(&[0.0], x);
    let frame = Frame {
        x: 0.5..x.len() as f64 + 0.5,
        y: y.clone(),
        room: ROOM,
        ticks: (10, 6),
        x_text: &whole,
        y_text: &tick,
        y_name: "one process at a time, 100 ln(base / candidate)",
        x_name: "isolated run",
        font: FONT,
    };
    let mut chart = Chart::new(area, marks, &frame)?;
    chart.level(0.0, Ink::Muted, 1.2)?;
    let middle = median(x);
    chart.level(100.0 * middle, Ink::Good, 1.6)?;
    let labels = vec![
        (0.0, Ink::Muted, "no difference".to_owned()),
        (
            100.0 * middle,
            Ink::Good,
            format!("median {}", gain(middle.exp_m1())),
        ),
    ];
    name(&chart, marks, labels, frame.x.end);
    let hover = |(i, x): (usize, &f64)| format!("isolated run {}: {}", i + 1, gain(x.exp_m1()));
    let hovers: Vec<String> = x.iter().enumerate().map(hover).collect();
    dots(&chart, marks, x.iter().zip(&hovers), &y);
    Ok(())
}
